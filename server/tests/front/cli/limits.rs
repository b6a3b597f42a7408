//! `image import` when the disk is full at one step or another, and when two import the same thing at once: clear errors, nothing left.

use super::oci::tar;
use super::{Home, empty_server, error, text, tree};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Arc, Barrier, Mutex};

fn home() -> (Home, PathBuf) {
    let home = Home::new(empty_server);
    let root = home.path("root");
    std::fs::create_dir(&root).unwrap();
    tree(&root);
    (home, root)
}

/// Runs the import with a file system of `mib` MiB at `small`, which is gone afterwards; gives how many files were left in it.
/// Mounting needs a mount namespace: root has one for the asking, others with a user namespace; where neither may be had, the test
/// fails and says so.
pub(super) fn with_small(home: &Home, small: &str, mib: u32, source: &str, more: &[&str]) -> (Output, usize) {
    let small = home.path(small);
    std::fs::create_dir_all(&small).unwrap();
    let namespace = if nix::unistd::geteuid().is_root() { "-m" } else { "-rm" };
    let script = r#"mount -t tmpfs -o "size=$1" tmpfs "$2" || { echo "this test needs root or a user namespace" >&2; exit 99; }
        left=$3; small=$2; shift 3; "$@"; code=$?; ls -A "$small" | wc -l > "$left"; exit $code"#;
    let left = home.path("left");
    let args = ["image", "import", "--name", "t", "--version", "1", source];
    let command = home.command(&[&args[..], more].concat());
    let mut run = Command::new("unshare");
    run.args([namespace, "sh", "-c", script, "sh", &format!("{mib}m")]).arg(&small).arg(&left);
    run.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => run.env(name, value),
            None => run.env_remove(name),
        };
    }
    if small.ends_with("tmp-small") {
        run.env("TMPDIR", &small);
    }
    if small.ends_with("cache-small") {
        run.env("XDG_CACHE_HOME", &small);
    }
    let out = run.output().unwrap();
    assert_ne!(out.status.code(), Some(99), "{}", text(&out.stderr));
    let left = std::fs::read_to_string(&left).unwrap_or_else(|e| panic!("{e}: {}", text(&out.stderr)));
    (out, left.trim().parse().unwrap())
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing() {
    let (home, root) = home();
    let whole = tar(&["."], &root);
    std::fs::write(home.path("root.tar"), &whole).unwrap();
    std::fs::write(home.path("root.tar.zst"), zstd::stream::encode_all(&whole[..], 1).unwrap()).unwrap();
    let saved = super::oci::save(&home, &[whole]);
    let (tar, packed) = (home.path("root.tar"), home.path("root.tar.zst"));
    let (tar, packed) = (tar.to_str().unwrap(), packed.to_str().unwrap());
    let (root, saved) = (root.to_str().unwrap(), saved.to_str().unwrap());
    let out = home.path("out-small");
    let kept = ["--output", out.to_str().unwrap()];
    // 12 MB of noise: 4 MiB are too few for the contents, 16 MiB for contents and squashfs.
    for (small, mib, source, more) in [
        ("tmp-small", 4, tar, &[][..]),
        ("tmp-small", 4, packed, &[]),
        ("tmp-small", 16, tar, &[]),
        ("tmp-small", 4, root, &[]),
        ("tmp-small", 4, "--oci", &[saved]),
        ("out-small", 4, root, &kept),
        ("out-small", 4, tar, &kept),
    ] {
        let (done, left) = with_small(&home, small, mib, source, more);
        let told = text(&done.stderr);
        assert_eq!(done.status.code(), Some(1), "{small} {mib} {source}: {told}");
        assert!(told.contains("No space left on device"), "{small} {mib} {source}: {told}");
        assert_eq!((left, home.left_over()), (0, 0), "{small} {mib} {source}: something was left behind");
    }
    let sent = home.fake.lines();
    assert!(sent.iter().all(|line| line.starts_with("GET ")), "{sent:?}");
}

#[test]
fn of_two_imports_at_once_one_makes_the_image() {
    let (both, made) = (Arc::new(Barrier::new(2)), Arc::new(Mutex::new(0)));
    let (meet, count) = (both.clone(), made.clone());
    let home = Home::new(move |r| match (r.method.as_str(), r.path.as_str()) {
        // Both are told that the name is free before either goes on.
        ("GET", "/api/v1/images/t/1") => {
            meet.wait();
            (404, error("not_found", "there is no image t:1"))
        }
        ("POST", "/api/v1/images") => {
            let mut count = count.lock().unwrap();
            *count += 1;
            match *count {
                1 => {
                    let mut image: Value = serde_json::from_slice(&r.body).unwrap();
                    image["created_us"] = json!(1);
                    image["digest"] = json!("d");
                    (201, image.to_string())
                }
                _ => (409, error("conflict", "image t:1 is there already: use another version")),
            }
        }
        _ => empty_server(r),
    });
    let root = home.path("root");
    std::fs::create_dir(&root).unwrap();
    tree(&root);
    std::fs::write(home.path("root.tar"), tar(&["."], &root)).unwrap();
    let source = home.path("root.tar");
    let start = || {
        let mut command = home.command(&["image", "import", "--name", "t", "--version", "1", source.to_str().unwrap()]);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
    };
    let (one, two) = (start(), start());
    let mut ended = [one.wait_with_output().unwrap(), two.wait_with_output().unwrap()];
    ended.sort_by_key(|out| out.status.code());
    let codes = ended.each_ref().map(|out| out.status.code());
    assert_eq!(codes, [Some(0), Some(4)], "{} {}", text(&ended[0].stderr), text(&ended[1].stderr));
    assert!(text(&ended[1].stderr).contains("t:1 is there already"), "{}", text(&ended[1].stderr));
    assert_eq!((*made.lock().unwrap(), home.left_over()), (2, 0));
}
