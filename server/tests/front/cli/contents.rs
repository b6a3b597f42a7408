//! `image contents` and `image diff` of listings that imports made, and an image that has none.

use super::oci::{import, save, tar};
use super::{Home, RELEASE, empty_server, error, text, tree};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;
use std::sync::{Arc, Mutex};

pub(super) type Images = Arc<Mutex<BTreeMap<String, Value>>>;

/// A server with the images that are put in.
pub(super) fn server() -> (Home, Images) {
    let images = Images::default();
    let known = images.clone();
    let home = Home::new(move |r| match (r.method.as_str(), known.lock().unwrap().get(&r.path)) {
        ("GET", Some(image)) => (200, image.to_string()),
        ("GET", None) => (404, error("not_found", "there is no such image")),
        _ => empty_server(r),
    });
    (home, images)
}

/// What an import wrote to `folder`, as t:FOLDER.
pub(super) fn add(home: &Home, images: &Images, folder: &str) {
    let read = |name: &str| std::fs::read(home.path(folder).join(name)).unwrap();
    let mut image: Value = serde_json::from_slice(&read("image.json")).unwrap();
    let more = json!({"version": folder, "created_us": 1, "digest": "d", "labels": []});
    image.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let path = format!("/api/v1/images/t/{folder}");
    home.fake.files.lock().unwrap().insert(format!("{path}/contents"), read("contents.zst"));
    images.lock().unwrap().insert(path, image);
}

pub(super) fn good(out: &Output) -> &str {
    assert!(out.status.success(), "{}", text(&out.stderr));
    text(&out.stdout)
}

const STATUS: &str = "Package: vim\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2:9.0\n\n\
                      Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36\n";

#[test]
fn the_ways_into_an_image_list_the_same_and_diff_tells_what_changed() {
    let (home, images) = server();
    let root = home.path("root");
    std::fs::create_dir(&root).unwrap();
    tree(&root);
    std::fs::write(root.join("noise"), "no more").unwrap();
    std::fs::write(root.join("tmp/gone"), "not of the image").unwrap();
    std::fs::hard_link(root.join("etc/hostname"), root.join("etc/same")).unwrap();
    std::fs::create_dir_all(root.join("var/lib/dpkg")).unwrap();
    std::fs::write(root.join("var/lib/dpkg/status"), STATUS).unwrap();
    let run = |source: &str, out: &str| {
        let out = home.path(out);
        let args = ["image", "import", "--name", "t", "--version", "1", source, "--output", out.to_str().unwrap()];
        good(&home.run(&args));
    };
    // Owners of the folder are whoever runs the test.
    let whole = tar(&["--numeric-owner", "."], &root);
    std::fs::write(home.path("root.tar"), &whole).unwrap();
    run(root.to_str().unwrap(), "folder");
    run(home.path("root.tar").to_str().unwrap(), "tar");
    let saved = save(&home, &[whole]);
    assert!(import(&home, saved.to_str().unwrap(), "oci", &[]).status.success());
    let listing = |way: &str| std::fs::read(home.path(way).join("contents.zst")).unwrap();
    assert!(listing("folder") == listing("tar") && listing("tar") == listing("oci"), "one root, several listings");
    // A squashfs that somebody made.
    let (kernel, rootfs, out) =
        (home.path("folder/vmlinuz"), home.path("folder/rootfs.squashfs"), home.path("squashfs"));
    let args = ["image", "import", "--name", "t", "--version", "1", "--kernel", kernel.to_str().unwrap(), "--rootfs"];
    good(&home.run(&[&args[..], &[rootfs.to_str().unwrap(), "--output", out.to_str().unwrap()]].concat()));
    assert!(listing("folder") == listing("squashfs"), "the squashfs of the folder has another listing");

    std::fs::write(root.join("etc/hostname"), "longer\n").unwrap();
    std::fs::set_permissions(root.join("bin/sh"), PermissionsExt::from_mode(0o700)).unwrap();
    std::fs::remove_file(root.join("noise")).unwrap();
    std::fs::write(root.join("new"), vec![7; 4096]).unwrap();
    std::fs::write(root.join("var/lib/dpkg/status"), STATUS.replace("2.36", "2.40").replace("vim", "nano")).unwrap();
    run(root.to_str().unwrap(), "later");
    add(&home, &images, "folder");
    add(&home, &images, "later");

    let out = home.run(&["image", "contents", "t:folder", "-o", "json"]);
    let told: Value = serde_json::from_str(good(&out)).unwrap();
    let find = |path: &str| told["entries"].as_array().unwrap().iter().find(|e| e["path"] == path);
    let hash = hex::encode(<sha2::Sha256 as sha2::Digest>::digest("x\n"));
    let hostname = find("etc/hostname").unwrap();
    assert_eq!((&hostname["sha256"], &hostname["size"], &hostname["kind"]), (&json!(hash), &json!(2), &json!("file")));
    assert_eq!(find("etc/same").unwrap()["sha256"], json!(hash));
    assert_eq!(find("lib").unwrap()["target"], json!("usr/lib"));
    assert!(find("tmp").is_some() && find("tmp/gone").is_none(), "{told}");
    assert!(find("boot").is_some() && find(&format!("boot/vmlinuz-{RELEASE}")).is_none(), "{told}");
    assert_eq!((told["packages_of"].as_str(), told["packages"].as_array().unwrap().len()), (Some("dpkg"), 2));

    let below = home.run(&["image", "contents", "t:folder", "--path", "/etc"]);
    let lines: Vec<&str> = good(&below).lines().collect();
    assert!(lines[1].ends_with("/etc") && lines[2].ends_with("/etc/hostname") && lines.len() == 5, "{lines:?}");
    assert!(lines[4].starts_with("t:folder: ") && lines[4].ends_with("packages of dpkg"), "{lines:?}");
    let packages = home.run(&["image", "contents", "t:folder", "--packages"]);
    assert!(good(&packages).contains("vim      amd64  2:9.0\n"), "{}", text(&packages.stdout));
    assert_eq!(home.run(&["image", "contents", "t:folder", "--path", "et"]).status.code(), Some(3));

    let out = home.run(&["image", "diff", "t:folder", "t:later"]);
    let told = good(&out);
    for part in ["libc6", "2.40", "nano", "+ /new", "- /noise", "~ /etc/hostname", "content 2 B -> 7 B", "755 -> 700"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains("/sbin/init") && told.contains("3 packages and 6 names differ"), "{told}");
    let out = home.run(&["image", "diff", "t:folder", "t:later", "--path", "new", "-o", "json"]);
    let told: Value = serde_json::from_str(good(&out)).unwrap();
    assert_eq!((told["files"].as_array().unwrap().len(), &told["files"][0]["from"]), (1, &Value::Null));
    assert!(good(&home.run(&["image", "diff", "t:later", "t:later"])).starts_with("no difference"));
    assert_eq!(home.left_over(), 0);
}

#[test]
fn an_image_without_a_listing_says_so_and_a_wrong_one_is_refused() {
    let (home, images) = server();
    let image = |contents: Value| {
        let mut image = json!({"name": "t", "version": "1", "arch": "x86_64", "cmdline": "", "kernel_release": "",
                               "parts": [], "created_us": 1, "digest": "d"});
        if !contents.is_null() {
            image["contents"] = contents;
        }
        images.lock().unwrap().insert("/api/v1/images/t/1".into(), image);
    };
    image(Value::Null);
    for args in [&["image", "contents", "t:1"][..], &["image", "diff", "t:1", "t:1"]] {
        let out = home.run(args);
        assert_eq!(out.status.code(), Some(3), "{}", text(&out.stderr));
        assert!(text(&out.stderr).contains("t:1 has no listing"), "{}", text(&out.stderr));
    }
    let path = "/api/v1/images/t/1/contents".to_owned();
    home.fake.files.lock().unwrap().insert(path, b"anything".to_vec());
    for (sha256, size, word) in [("ab", 8, "expected sha256 ab"), ("ab", 9, "got 8"), ("ab", 3, "expected 3 bytes")] {
        image(json!({"role": "contents", "sha256": sha256, "size": size}));
        let out = home.run(&["image", "contents", "t:1"]);
        assert_eq!(out.status.code(), Some(1), "{}", text(&out.stderr));
        assert!(text(&out.stderr).contains(word), "{word}: {}", text(&out.stderr));
    }
    let sha256 = hex::encode(<sha2::Sha256 as sha2::Digest>::digest("anything"));
    image(json!({"role": "contents", "sha256": sha256, "size": 8}));
    let out = home.run(&["image", "contents", "t:1"]);
    assert_eq!(out.status.code(), Some(1), "{}", text(&out.stderr));
    assert!(text(&out.stderr).contains("could not read the listing of t:1"), "{}", text(&out.stderr));
    assert_eq!(home.left_over(), 0);
}
