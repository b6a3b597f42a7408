//! Images in files: a layout as a folder and in a tar, `docker save` old and new, the choice of an architecture.

use crate::files::{Files, layer};
use crate::make::{Layer, gzip, lines};
use higuma_oci::{Digest, Error, Options, Platform, Source, load};
use serde_json::{Value, json};
use std::path::Path;

/// The names in the loaded image.
fn open(path: &Path, tag: Option<&str>, arch: Option<&str>) -> Result<Vec<String>, Error> {
    let scratch = tempfile::tempdir().unwrap();
    let options = Options { platform: arch.map(Platform::new), ..Options::default() };
    let source = Source::Path { path: path.into(), tag: tag.map(String::from) };
    let loaded = load(&source, scratch.path(), &options, &mut |_| {});
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0, "something was left behind");
    let loaded = loaded?;
    let lines = lines(&loaded.tree, &loaded.spool);
    Ok(lines.iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect())
}

fn both() -> Files {
    let mut files = Files::default();
    let (amd, arm) = (files.image("amd64", &[layer("amd"), layer("two")]), files.image("arm64", &[layer("arm")]));
    let mut statement = files.image("unknown", &[layer("statement")]);
    statement["platform"] = json!({ "architecture": "unknown", "os": "unknown" });
    let nested = json!({ "schemaVersion": 2, "manifests": [statement, arm, amd] });
    let nested = files.blob("application/vnd.oci.image.index.v1+json", nested.to_string().as_bytes());
    files.index(&[nested]);
    files
}

#[test]
fn a_folder_and_a_tar_and_a_packed_tar() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("layout");
    both().write(&folder);
    let tar = dir.path().join("layout.tar");
    std::fs::write(&tar, both().tar().tar()).unwrap();
    let packed = dir.path().join("layout.tar.gz");
    std::fs::write(&packed, gzip(&both().tar().tar())).unwrap();
    for path in [&folder, &tar, &packed] {
        assert_eq!(open(path, None, Some("x86_64")).unwrap(), ["amd", "two"]);
        assert_eq!(open(path, None, Some("aarch64")).unwrap(), ["arm"]);
        let error = open(path, None, Some("riscv64")).unwrap_err().to_string();
        assert!(error.contains("linux/riscv64") && error.contains("linux/amd64, linux/arm64"), "{error}");
    }
}

#[test]
fn several_images_need_a_name() {
    let mut files = Files::default();
    let (mut one, mut two) = (files.image("amd64", &[layer("one")]), files.image("amd64", &[layer("two")]));
    one["annotations"] = json!({ "org.opencontainers.image.ref.name": "v1" });
    two["annotations"] = json!({ "org.opencontainers.image.ref.name": "v2" });
    files.index(&[one, two]);
    let dir = tempfile::tempdir().unwrap();
    files.write(dir.path());
    let error = open(dir.path(), None, None).unwrap_err().to_string();
    assert!(error.contains("there are v1, v2: choose one as"), "{error}");
    assert_eq!(open(dir.path(), Some("v2"), None).unwrap(), ["two"]);
    assert!(open(dir.path(), Some("v3"), None).unwrap_err().to_string().contains("no image \"v3\""));
}

fn docker(config_name: Option<&str>) -> Files {
    let layers = [layer("one").1, layer("two").1];
    let diff_ids: Vec<String> = layers.iter().map(|tar| Digest::of(tar).to_string()).collect();
    let config =
        json!({ "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": diff_ids } })
            .to_string();
    let name = config_name.map_or_else(|| format!("{}.json", Digest::of(config.as_bytes()).hex()), String::from);
    let mut files = Files::default();
    files.0.insert(name.clone(), config.into_bytes());
    files.0.insert("aa/layer.tar".into(), layers[0].clone());
    files.0.insert("bb/layer.tar".into(), layers[1].clone());
    let manifest = json!([{ "Config": name, "RepoTags": ["os:1"], "Layers": ["aa/layer.tar", "bb/layer.tar"] }]);
    files.0.insert("manifest.json".into(), manifest.to_string().into_bytes());
    files
}

#[test]
fn docker_save() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("saved.tar");
    let save = |layer: &Layer| std::fs::write(&path, layer.tar()).unwrap();
    save(&docker(None).tar());
    assert_eq!(open(&path, None, None).unwrap(), ["one", "two"]);
    assert_eq!(open(&path, Some("os:1"), Some("x86_64")).unwrap(), ["one", "two"]);
    assert!(
        open(&path, Some("os:2"), None).unwrap_err().to_string().contains("there are: os:1")
            || open(&path, Some("os:2"), None).is_err()
    );
    assert!(matches!(open(&path, None, Some("aarch64")).unwrap_err(), Error::Architecture { .. }));
    // Equal layers are stored once, and linked.
    let mut files = docker(None);
    files.0.remove("bb/layer.tar");
    files.0.insert("aa/layer.tar".into(), layer("one").1);
    let linked = files.tar().symlink("bb/layer.tar", "../aa/layer.tar");
    save(&linked);
    let error = open(&path, None, None).unwrap_err().to_string();
    assert!(error.contains("layer 2 of 2, unpacked: expected"), "the link leads to another layer: {error}");
    // A link out of the archive leads nowhere.
    save(&files.tar().symlink("bb/layer.tar", "../../../../etc/passwd"));
    assert!(open(&path, None, None).unwrap_err().to_string().contains("bb/layer.tar is missing"));
    // A configuration under a name that is not its digest.
    let wrong = format!("{}.json", "0".repeat(64));
    save(&docker(Some(&wrong)).tar());
    assert!(matches!(open(&path, None, None).unwrap_err(), Error::Mismatch { .. }));
}

#[test]
fn docker_save_of_today_is_a_layout_as_well() {
    let mut files = both();
    files.0.insert("manifest.json".into(), b"[]".to_vec());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("saved.tar");
    std::fs::write(&path, files.tar().tar()).unwrap();
    assert_eq!(open(&path, None, Some("x86_64")).unwrap(), ["amd", "two"]);
}

/// The layout with one file changed.
fn changed(change: impl FnOnce(&mut Files)) -> String {
    let mut files = Files::default();
    let image = files.image("amd64", &[layer("amd")]);
    files.index(&[image]);
    change(&mut files);
    let dir = tempfile::tempdir().unwrap();
    files.write(dir.path());
    open(dir.path(), None, Some("x86_64")).unwrap_err().to_string()
}

#[test]
fn damaged_layouts_say_what_is_wrong() {
    let (stored, _) = layer("amd");
    let name = format!("blobs/sha256/{}", Digest::of(&stored).hex());
    let error = changed(|files| files.0.get_mut(&name).unwrap()[40] ^= 1);
    assert!(error.contains("layer 1 of 1"), "{error}");
    let error = changed(|files| {
        files.0.remove(&name);
    });
    assert!(error.contains("is missing: the layout is incomplete"), "{error}");
    let error = changed(|files| files.0.get_mut(&name).unwrap().push(0));
    assert!(error.contains("layer 1 of 1"), "{error}");
    let error = changed(|files| {
        files.0.insert("index.json".into(), b"{".to_vec());
    });
    assert!(error.contains("expected JSON"), "{error}");
    let error = changed(|files| files.0.clear());
    assert!(error.contains("could not read") || error.contains("found neither"), "{error}");
    let with = |document: Value| {
        changed(|files| {
            let descriptor = files.blob("application/vnd.oci.image.manifest.v1+json", document.to_string().as_bytes());
            files.index(&[descriptor]);
        })
    };
    assert!(with(json!({ "schemaVersion": 1, "fsLayers": [] })).contains("schema 1"));
    assert!(with(json!({ "schemaVersion": 2 })).contains("expected a manifest"));
    let both =
        json!({ "schemaVersion": 2, "manifests": [], "layers": [], "config": { "digest": "sha256:0", "size": 1 } });
    assert!(with(both).contains("an index and a manifest at once"));
    let escape =
        json!({ "schemaVersion": 2, "layers": [], "config": { "digest": "sha256:../../../etc/passwd", "size": 1 } });
    assert!(with(escape).contains("expected a digest"));
    let error = changed(|files| {
        let config = files.blob("x", br#"{"architecture":"amd64","os":"linux","rootfs":{"diff_ids":[]}}"#);
        let layer = files.blob("application/vnd.oci.image.layer.v1.tar", b"x");
        let manifest = json!({ "schemaVersion": 2, "config": config, "layers": [layer] });
        let manifest = files.blob("m", manifest.to_string().as_bytes());
        files.index(&[manifest]);
    });
    assert!(error.contains("has 1 layers, the configuration knows 0"), "{error}");
    let error = changed(|files| {
        let diff = Digest::of(b"x").to_string();
        let config = json!({ "architecture": "amd64", "os": "linux", "rootfs": { "diff_ids": [diff] } });
        let config = files.blob("x", config.to_string().as_bytes());
        let layer = files.blob("application/vnd.cncf.helm.chart.content.v1.tar+gzip", b"x");
        let manifest = json!({ "schemaVersion": 2, "config": config, "layers": [layer] });
        let manifest = files.blob("m", manifest.to_string().as_bytes());
        files.index(&[manifest]);
    });
    assert!(error.contains("helm"), "{error}");
}

#[test]
fn a_path_or_a_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.tar");
    std::fs::write(&path, "").unwrap();
    let text = path.to_str().unwrap();
    let parse = |text: &str| Source::parse(text).map_err(|e| e.to_string());
    assert_eq!(parse(text), Ok(Source::Path { path: path.clone(), tag: None }));
    assert_eq!(parse(&format!("{text}:os:1")), Ok(Source::Path { path: path.clone(), tag: Some("os:1".into()) }));
    assert!(parse("./nothing-here").unwrap_err().contains("there is nothing"));
    for name in ["debian:12", "docker://debian:12"] {
        let Ok(Source::Registry(reference)) = parse(name) else { panic!("{name}") };
        assert_eq!(reference.to_string(), "docker.io/library/debian:12");
    }
}
