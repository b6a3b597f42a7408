//! Pulls that are begun again after one that was cut: what is here whole is not asked for, what is here in part is gone on
//! with, what is damaged is fetched anew, and nothing stays when all has ended well.

use crate::files::{Files, noisy};
use crate::make::lines;
use crate::registry::{honest, options, stored};
use crate::registry_server::{Answer, Request, Server};
use higuma_oci::{Cache, Digest, Error, Options, Source, Step, load, try_lock};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Where the second layer breaks off.
const CUT: usize = 2000;
const RANGE: &str = "bytes=2000-";

struct Image {
    files: Files,
    index: Vec<u8>,
    config: String,
    layers: [String; 2],
}

/// The second layer is said to have so many bytes more than it has.
fn image_but(more: i64) -> Image {
    let mut files = Files::default();
    let layers = [noisy("one", 1), noisy("two", 2)];
    let descriptor = files.image("amd64", &layers);
    let mut manifest: Value = serde_json::from_slice(stored(&files, descriptor["digest"].as_str().unwrap())).unwrap();
    let config = manifest["config"]["digest"].as_str().unwrap().to_owned();
    let size = manifest["layers"][1]["size"].as_i64().unwrap();
    manifest["layers"][1]["size"] = json!(size + more);
    let mut descriptor = files.blob("application/vnd.oci.image.manifest.v1+json", manifest.to_string().as_bytes());
    descriptor["platform"] = json!({ "architecture": "amd64", "os": "linux" });
    let index = json!({ "schemaVersion": 2, "manifests": [descriptor] }).to_string().into_bytes();
    let layers = layers.each_ref().map(|(stored, _)| Digest::of(stored).to_string());
    Image { files, index, config, layers }
}

fn image() -> Image {
    image_but(0)
}

fn serve(image: Image) -> Server {
    Server::start(move |request, _| honest(&image.files, &image.index, request))
}

/// The names in the image, and how many bytes were here before. `told` gets what people are told.
fn pull_telling(server: &Server, cache: &Cache, told: &mut Vec<String>) -> Result<(Vec<String>, u64), Error> {
    let scratch = tempfile::tempdir().unwrap();
    let source = Source::parse(&format!("{}/team/os:1", server.address)).unwrap();
    let options = Options { cache: Some(cache.clone()), ..options(None) };
    let (mut had, mut shown) = (0, 0);
    let loaded = load(&source, scratch.path(), &options, &mut |step| match step {
        Step::Had(all) => {
            had += all - shown;
            shown = all;
        }
        Step::Fetched(all) => shown = all,
        Step::Again(why) => told.push(why),
        _ => {}
    })?;
    let lines = lines(&loaded.tree, &loaded.spool);
    Ok((lines.iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect(), had))
}

fn pull_by(server: &Server, cache: &Cache) -> Result<(Vec<String>, u64), Error> {
    pull_telling(server, cache, &mut Vec::new())
}

fn pull(server: &Server, folder: &Path) -> Result<(Vec<String>, u64), Error> {
    pull_by(server, &Cache::new(folder, Duration::from_secs(60)))
}

/// The ranges of a blob that were asked for, but for the first `before` requests of all.
fn asked_after(server: &Server, before: usize, digest: &str) -> Vec<String> {
    let requests = server.requests();
    requests[before..].iter().filter(|r| r.path.ends_with(digest)).map(|r| r.header("range").to_owned()).collect()
}

fn asked(server: &Server, digest: &str) -> Vec<String> {
    asked_after(server, 0, digest)
}

fn kept(folder: &Path, kind: &str) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == kind)).collect()
}

/// The kept one of this size.
fn part(folder: &Path, size: usize) -> Option<PathBuf> {
    let has = |path: &PathBuf| std::fs::metadata(path).is_ok_and(|meta| meta.len() == size as u64);
    kept(folder, "part").into_iter().find(has)
}

/// A pull that ends in the middle of the second layer, with the first one whole. The registry is well again afterwards, and
/// answers for the second as `then` says.
fn cut(folder: &Path, then: fn(&[u8], &Request) -> Answer) -> Server {
    let (image, place, mended) = (image(), folder.to_owned(), Arc::new(AtomicBool::new(false)));
    let is_mended = mended.clone();
    let server = Server::start(move |request, before| {
        let [first, second] = image.layers.each_ref().map(|digest| stored(&image.files, digest));
        match (request.path.ends_with(&image.layers[1]), is_mended.load(Ordering::SeqCst), before) {
            (false, _, _) => honest(&image.files, &image.index, request),
            (true, true, _) => then(second, request),
            (true, false, 0) => {
                let started = Instant::now();
                while part(&place, first.len()).is_none() && started.elapsed() < Duration::from_secs(4) {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Answer::ok(second).cut(CUT)
            }
            (true, false, _) => Answer::status(503),
        }
    });
    let error = pull(&server, folder).unwrap_err();
    assert!(matches!(error, Error::Registry { .. }), "{error}");
    assert!(part(folder, CUT).is_some(), "{:?}", kept(folder, "part"));
    mended.store(true, Ordering::SeqCst);
    server
}

#[test]
fn what_was_cut_goes_on_in_another_pull() {
    let (dir, image) = (tempfile::tempdir().unwrap(), image());
    let [first, second] = image.layers.each_ref().map(|digest| stored(&image.files, digest).len());
    let server = cut(dir.path(), Answer::ranged);
    for path in [kept(dir.path(), "part"), kept(dir.path(), "lock")].concat() {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
    let cache = Cache::new(dir.path(), Duration::from_secs(60));
    let (names, had) = pull_by(&server, &cache).unwrap();
    assert_eq!(names, ["one", "two"]);
    assert_eq!(had, (first + CUT) as u64);
    assert_eq!(asked(&server, &image.layers[0]), [""]);
    assert_eq!(asked(&server, &image.config), [""]);
    // The cut, three tries, all of it instead, and the pull after it.
    assert_eq!(asked(&server, &image.layers[1]), ["", RANGE, RANGE, RANGE, "", RANGE]);
    // All of it is here now, and only what the name stands for is asked.
    let before = server.requests().len();
    let (names, had) = pull(&server, dir.path()).unwrap();
    assert_eq!(names, ["one", "two"]);
    assert_eq!(had, (first + second) as u64);
    let more = server.requests().split_off(before);
    assert!(!more.is_empty() && more.iter().all(|request| request.path.contains("/manifests/")), "{more:?}");
    cache.remove();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "something was left behind");
}

#[test]
fn a_registry_that_cannot_go_on_sends_all_of_it() {
    let others: [fn(&[u8], &Request) -> Answer; 3] = [
        |bytes, _| Answer::ok(bytes),
        |bytes, request| match request.header("range") {
            "" => Answer::ok(bytes),
            _ => Answer { status: 206, ..Answer::ok(&bytes[5..]) }.with("Content-Range", "bytes 5-9/10"),
        },
        |bytes, request| match request.header("range") {
            "" => Answer::ok(bytes),
            _ => Answer::status(416),
        },
    ];
    for (which, then) in others.into_iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let server = cut(dir.path(), then);
        let before = server.requests().len();
        let (names, _) = pull(&server, dir.path()).unwrap();
        assert_eq!(names, ["one", "two"], "{which}");
        let asked = asked_after(&server, before, &image().layers[1]);
        assert_eq!(asked, if which == 0 { vec![RANGE] } else { vec![RANGE, ""] }, "{which}");
    }
}

/// Refused is who asks for a part.
fn no_part(status: u16, request: &Request, all: Answer) -> Answer {
    match request.header("range") {
        "" => all,
        _ => Answer::status(status),
    }
}

#[test]
fn a_registry_that_refuses_parts_sends_all_of_it() {
    /// What it answers, and what it is asked for.
    type Refusal = (fn(&[u8], &Request) -> Answer, &'static [&'static str]);
    let refusals: [Refusal; 4] = [
        (|bytes, request| no_part(400, request, Answer::ok(bytes)), &[RANGE, ""]),
        (|bytes, request| no_part(403, request, Answer::ok(bytes)), &[RANGE, ""]),
        // It may only be busy.
        (|bytes, request| no_part(500, request, Answer::ok(bytes)), &[RANGE, RANGE, RANGE, RANGE, ""]),
        (|bytes, request| no_part(501, request, Answer::ok(bytes)), &[RANGE, RANGE, RANGE, RANGE, ""]),
    ];
    for (which, (then, ranges)) in refusals.into_iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let server = cut(dir.path(), then);
        let before = server.requests().len();
        let (names, _) = pull(&server, dir.path()).unwrap();
        assert_eq!(names, ["one", "two"], "{which}");
        assert_eq!(asked_after(&server, before, &image().layers[1]), ranges, "{which}");
    }
}

#[test]
fn all_of_it_is_asked_for_once() {
    /// What it answers, what it is asked for, and how much is kept then.
    type Refusal = (fn(&[u8], &Request) -> Answer, &'static [&'static str], usize);
    let refusals: [Refusal; 5] = [
        (|bytes, request| no_part(403, request, Answer::ok(bytes).cut(1000)), &[RANGE, "", "bytes=1000-"], 1000),
        // What is here stays until something comes instead.
        (|_, _| Answer::status(403), &[RANGE, ""], CUT),
        // These say the same of the whole.
        (|bytes, request| no_part(401, request, Answer::ok(bytes)), &[RANGE], CUT),
        (|bytes, request| no_part(404, request, Answer::ok(bytes)), &[RANGE], CUT),
        (|bytes, request| no_part(429, request, Answer::ok(bytes)), &[RANGE, RANGE, RANGE, RANGE], CUT),
    ];
    for (which, (then, ranges, size)) in refusals.into_iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let server = cut(dir.path(), then);
        let before = server.requests().len();
        assert!(pull(&server, dir.path()).is_err(), "{which}");
        assert_eq!(asked_after(&server, before, &image().layers[1]), ranges, "{which}");
        assert!(part(dir.path(), size).is_some(), "{which}: {:?}", kept(dir.path(), "part"));
    }
}

#[test]
fn a_cache_that_cannot_be_used_is_done_without() {
    fn folders_instead(folder: &Path, kind: &str) {
        for path in kept(folder, kind) {
            std::fs::remove_file(&path).unwrap();
            std::fs::create_dir(&path).unwrap();
        }
    }
    /// What becomes of the cache, and what of it is told.
    type Damage = (fn(&Path), &'static str);
    let damages: [Damage; 3] = [
        (|folder| folders_instead(folder, "lock"), "could not lock "),
        (|folder| folders_instead(folder, "part"), "could not open "),
        (
            |folder| {
                std::fs::remove_dir_all(folder).unwrap();
                std::fs::write(folder, "").unwrap();
            },
            "could not lock ",
        ),
    ];
    for (damage, problem) in damages {
        let (dir, image) = (tempfile::tempdir().unwrap(), image());
        let folder = dir.path().join("cache");
        std::fs::create_dir(&folder).unwrap();
        let layers = image.layers.clone();
        let server = serve(image);
        pull(&server, &folder).unwrap();
        damage(&folder);
        let (cache, mut told) = (Cache::new(&folder, Duration::from_secs(60)), Vec::new());
        let (names, had) = pull_telling(&server, &cache, &mut told).unwrap();
        assert_eq!((names, had), (vec!["one".to_owned(), "two".to_owned()], 0), "{told:?}");
        assert_eq!(told.len(), 2, "{told:?}");
        for layer in layers {
            let is = |line: &&String| line.starts_with(problem) && line.contains(&layer);
            let lines: Vec<&String> = told.iter().filter(is).collect();
            assert!(matches!(lines[..], [line] if line.ends_with(" is not kept for another run")), "{told:?}");
            assert_eq!(asked(&server, &layer), ["", ""]);
        }
        cache.remove();
    }
}

#[test]
fn what_is_damaged_is_fetched_anew() {
    /// Size of the file, what becomes of it, and what is then asked for of either layer.
    type Damage = (usize, fn(&mut Vec<u8>), &'static [&'static str], &'static [&'static str]);
    let image = image();
    let whole = stored(&image.files, &image.layers[0]).len();
    let damages: [Damage; 6] = [
        (CUT, |bytes| bytes[7] ^= 1, &[], &[RANGE, ""]),
        (CUT, |bytes| bytes.extend([0_u8; 10]), &[], &["bytes=2010-", ""]),
        (CUT, |bytes| bytes.clear(), &[], &[""]),
        (whole, |bytes| bytes[7] ^= 1, &[""], &[RANGE]),
        (whole, |bytes| bytes.extend([0_u8; 10]), &[""], &[RANGE]),
        (whole, |bytes| bytes.truncate(500), &["bytes=500-"], &[RANGE]),
    ];
    for (which, (size, damage, first, second)) in damages.into_iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let server = cut(dir.path(), Answer::ranged);
        let path = part(dir.path(), size).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        damage(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
        let before = server.requests().len();
        let (names, _) = pull(&server, dir.path()).unwrap();
        assert_eq!(names, ["one", "two"], "{which}");
        assert_eq!(asked_after(&server, before, &image.layers[0]), first, "{which}");
        assert_eq!(asked_after(&server, before, &image.layers[1]), second, "{which}");
    }
}

#[test]
fn two_pulls_at_once_fetch_once() {
    let (dir, image) = (tempfile::tempdir().unwrap(), image());
    let layers = image.layers.clone();
    let server = serve(image);
    let both = std::thread::scope(|scope| {
        let both = [(); 2].map(|()| scope.spawn(|| pull(&server, dir.path()).unwrap()));
        both.map(|one| one.join().unwrap())
    });
    for (names, _) in both {
        assert_eq!(names, ["one", "two"]);
    }
    for layer in layers {
        assert_eq!(asked(&server, &layer), [""]);
    }
}

#[test]
fn another_pull_that_does_not_end_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let server = cut(dir.path(), Answer::ranged);
    let held: Vec<_> = kept(dir.path(), "lock").iter().map(|path| try_lock(path).unwrap().unwrap()).collect();
    let before = server.requests().len();
    let error = pull_by(&server, &Cache::new(dir.path(), Duration::ZERO)).unwrap_err().to_string();
    assert!(error.contains("another command is fetching the layer sha256:"), "{error}");
    for layer in image().layers {
        assert!(asked_after(&server, before, &layer).is_empty());
    }
    drop(held);
    assert_eq!(pull(&server, dir.path()).unwrap().0, ["one", "two"]);
}

#[test]
fn lies_leave_nothing_for_the_next_pull() {
    let lies: [fn(&[u8]) -> Answer; 2] = [
        |bytes| {
            let mut other = bytes.to_vec();
            other[100] ^= 1;
            Answer::ok(&other)
        },
        |bytes| Answer::ok(&[bytes, &[0; 1000]].concat()),
    ];
    for lie in lies {
        let (dir, image) = (tempfile::tempdir().unwrap(), image());
        let second = image.layers[1].clone();
        let liar = Server::start(move |request, _| match request.path.ends_with(&image.layers[1]) {
            true => lie(stored(&image.files, &image.layers[1])),
            false => honest(&image.files, &image.index, request),
        });
        let error = pull(&liar, dir.path()).unwrap_err();
        assert!(matches!(error, Error::Mismatch { .. }), "{error}");
        let server = serve(self::image());
        assert_eq!(pull(&server, dir.path()).unwrap().0, ["one", "two"]);
        assert_eq!(asked(&server, &second), [""]);
    }
}

#[test]
fn a_lie_about_a_size_is_refused_as_ever() {
    let (dir, image) = (tempfile::tempdir().unwrap(), image());
    let second = image.layers[1].clone();
    let server = serve(image);
    pull(&server, dir.path()).unwrap();
    // What is here is right whatever is said of it, and stays.
    let liar = serve(image_but(7));
    let error = pull(&liar, dir.path()).unwrap_err();
    assert!(matches!(error, Error::Mismatch { .. }), "{error}");
    assert!(asked(&liar, &second).is_empty());
    pull(&server, dir.path()).unwrap();
    assert_eq!(asked(&server, &second), [""]);
    let error = pull(&serve(image_but(-7)), dir.path()).unwrap_err().to_string();
    assert!(error.contains("bytes, got more"), "{error}");
    assert_eq!(pull(&server, dir.path()).unwrap().0, ["one", "two"]);
}

#[test]
fn only_what_has_a_sha256_is_kept() {
    let (dir, mut files) = (tempfile::tempdir().unwrap(), Files::default());
    let (layer, tar) = noisy("one", 1);
    let digest = format!("sha512:{}", hex::encode(<sha2::Sha512 as sha2::Digest>::digest(&layer)));
    let diff_ids = [Digest::of(&tar).to_string()];
    let config =
        json!({ "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": diff_ids } });
    let config = files.blob("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
    let media_type = "application/vnd.oci.image.layer.v1.tar+gzip";
    let layers = json!([{ "mediaType": media_type, "digest": digest, "size": layer.len() }]);
    let index = json!({ "schemaVersion": 2, "config": config, "layers": layers }).to_string().into_bytes();
    files.0.insert(format!("blobs/{}", digest.replace(':', "/")), layer);
    let server = Server::start(move |request, _| honest(&files, &index, request));
    for _ in 0..2 {
        assert_eq!(pull(&server, dir.path()).unwrap().0, ["one"]);
    }
    assert_eq!(asked(&server, &digest), ["", ""]);
    assert_eq!(kept(dir.path(), "part").len(), 1, "the configuration");
}
