//! `image import --oci` from a registry as a program: what came before it was ended waits for the next run, under the rules of
//! the downloads, and goes when the import has ended well.

use super::limits::with_small;
use super::oci::tar;
use super::{Home, empty_server, text, tree};
use crate::registry_server::{Answer, Request, Server};
use nix::sys::signal::{Signal, kill};
use serde_json::json;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

/// Where the second layer breaks off.
const CUT: usize = 5_000_000;

/// A system in two layers: the second has 12 MB, the first much less.
struct Image {
    manifest: Vec<u8>,
    blobs: BTreeMap<String, Vec<u8>>,
    config: String,
    layers: [String; 2],
}

impl Image {
    fn new(home: &Home) -> Self {
        let root = home.path("root");
        std::fs::create_dir(&root).unwrap();
        tree(&root);
        let layers = [tar(&["--exclude=./noise", "."], &root), tar(&["./noise"], &root)];
        let mut blobs = BTreeMap::new();
        let mut blob = |bytes: Vec<u8>| {
            let digest = format!("sha256:{}", hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&bytes)));
            let descriptor = json!({ "digest": digest, "size": bytes.len() });
            blobs.insert(digest.clone(), bytes);
            (digest, descriptor)
        };
        let [(first, one), (second, two)] = layers.map(&mut blob);
        let rootfs = json!({ "type": "layers", "diff_ids": [first, second] });
        let config = json!({ "architecture": "amd64", "os": "linux", "rootfs": rootfs });
        let (config, descriptor) = blob(config.to_string().into_bytes());
        let manifest = json!({ "schemaVersion": 2, "config": descriptor, "layers": [one, two] });
        Self { manifest: manifest.to_string().into_bytes(), blobs, config, layers: [first, second] }
    }

    /// For who logs in. `other` answers for the second layer; it gets how often that was asked for before.
    fn serve(self, other: fn(&[u8], &Request, usize) -> Answer) -> Server {
        Server::start(move |request, before| {
            // me:passwort
            if request.header("authorization") != "Basic bWU6cGFzc3dvcnQ=" {
                return Answer::status(401).with("WWW-Authenticate", "Basic realm=\"here\"");
            }
            match request.path.strip_prefix("/v2/team/os/").and_then(|path| path.rsplit_once('/')) {
                Some(("manifests", "1")) => Answer::ok(&self.manifest),
                Some(("blobs", digest)) => match self.blobs.get(digest) {
                    Some(bytes) if digest == self.layers[1] => other(bytes, request, before),
                    Some(bytes) => Answer::ranged(bytes, request),
                    None => Answer::status(404),
                },
                _ => Answer::status(404),
            }
        })
    }
}

fn login(home: &Home) -> String {
    let path = home.path("login");
    std::fs::write(&path, "me:passwort\n").unwrap();
    path.to_str().unwrap().to_owned()
}

fn import(home: &Home, server: &Server, tag: &str) -> Command {
    let (image, login, out) = (format!("{}/team/os:{tag}", server.address), login(home), home.path("out"));
    let args = ["image", "import", "--name", "t", "--version", "1", "--oci", &image, "--credentials", &login];
    let mut command = home.command(&[&args[..], &["--output", out.to_str().unwrap()]].concat());
    command.env("XDG_CACHE_HOME", home.path("cache")).stderr(Stdio::piped());
    for proxy in ["http_proxy", "https_proxy", "all_proxy"] {
        command.env_remove(proxy).env_remove(proxy.to_uppercase());
    }
    command
}

/// What is in the folder, with sizes.
fn cached(home: &Home) -> BTreeMap<PathBuf, u64> {
    let Ok(entries) = std::fs::read_dir(home.path("cache/higuma/downloads")) else { return BTreeMap::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter_map(|path| Some((path.clone(), std::fs::metadata(&path).ok()?.len()))).collect()
}

fn parts(home: &Home) -> Vec<u64> {
    let is_part = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "part");
    cached(home).into_iter().filter(|(path, _)| is_part(path)).map(|(_, size)| size).collect()
}

/// The ranges of a blob that were asked for.
fn asked(server: &Server, digest: &str) -> Vec<String> {
    server.requests().iter().filter(|r| r.path.ends_with(digest)).map(|r| r.header("range").to_owned()).collect()
}

#[test]
fn what_came_before_ctrl_c_is_there_for_the_next_run() {
    let home = Home::new(empty_server);
    let image = Image::new(&home);
    let (config, [first, second]) = (image.config.clone(), image.layers.clone());
    let size = image.blobs[&first].len() as u64;
    let server = image.serve(|bytes, request, before| match before {
        0 => Answer::ok(bytes).cut(CUT),
        1 => {
            // Longer than it takes to end the command.
            std::thread::sleep(Duration::from_secs(60));
            Answer::status(503)
        }
        _ => Answer::ranged(bytes, request),
    });
    let child = import(&home, &server, "1").spawn().unwrap();
    let start = Instant::now();
    while asked(&server, &second).len() < 2 || !parts(&home).contains(&size) {
        assert!(start.elapsed() < Duration::from_secs(60), "it does not come to the second layer");
        std::thread::sleep(Duration::from_millis(20));
    }
    kill(nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130), "{}", text(&ended.stderr));
    assert_eq!((home.left_over(), std::fs::read_dir(home.path("out")).unwrap().count()), (0, 0));

    // Nobody else reads it, and no name tells what it is of.
    let mode = |path: &PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&home.path("cache/higuma/downloads")), 0o700);
    for path in cached(&home).keys() {
        let name = path.file_name().unwrap().to_str().unwrap();
        let (key, kind) = name.split_at(32);
        assert!(key.bytes().all(|b| b.is_ascii_hexdigit()) && matches!(kind, ".part" | ".lock"), "{name}");
        assert_eq!(mode(path), 0o600, "{name}");
    }
    let have = parts(&home).into_iter().max().unwrap();
    assert!(have > 1_000_000, "{have}");

    let done = import(&home, &server, "1").output().unwrap();
    let told = text(&done.stderr);
    assert!(done.status.success(), "{told}");
    assert!(told.contains("were here, of an earlier run") && !told.contains("passwort"), "{told}");
    let range = format!("bytes={have}-");
    assert_eq!(asked(&server, &second), ["", &range, &range]);
    assert_eq!((asked(&server, &first), asked(&server, &config)), (vec![String::new()], vec![String::new()]));
    assert!(home.path("out/rootfs.squashfs").is_file());
    assert_eq!((cached(&home), home.left_over()), (BTreeMap::new(), 0), "something was left behind");
}

#[test]
fn what_nobody_comes_back_for_goes_after_14_days() {
    let home = Home::new(empty_server);
    let server = Image::new(&home).serve(|_, _, _| Answer::status(404));
    let run = |tag: &str| {
        let done = import(&home, &server, tag).output().unwrap();
        assert_eq!(done.status.code(), Some(3), "{}", text(&done.stderr));
    };
    run("1");
    assert!(!parts(&home).is_empty(), "its configuration is kept");
    let long_ago = SystemTime::now() - Duration::from_secs(15 * 24 * 3600);
    for path in cached(&home).keys() {
        std::fs::File::open(path).unwrap().set_modified(long_ago).unwrap();
    }
    run("2");
    assert_eq!(parts(&home), [0_u64; 0]);
}

#[test]
fn without_a_folder_it_comes_all_the_same() {
    let home = Home::new(empty_server);
    let server = Image::new(&home).serve(|bytes, request, _| Answer::ranged(bytes, request));
    let done = import(&home, &server, "1").env_remove("HOME").env_remove("XDG_CACHE_HOME").output().unwrap();
    let told = text(&done.stderr);
    assert!(done.status.success() && told.contains("is not kept for another run"), "{told}");
    assert!(home.path("out/rootfs.squashfs").is_file());
    assert_eq!(home.left_over(), 0);
}

#[test]
fn a_full_disk_is_told_with_what_to_do() {
    let home = Home::new(empty_server);
    let server = Image::new(&home).serve(|bytes, request, _| Answer::ranged(bytes, request));
    let (image, login) = (format!("{}/team/os:1", server.address), login(&home));
    let (done, _) = with_small(&home, "cache-small", 4, "--oci", &[&image, "--credentials", &login]);
    let told = text(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{told}");
    assert!(told.contains("No space left on device") && told.contains("XDG_CACHE_HOME"), "{told}");
    assert_eq!(home.left_over(), 0);
    assert!(home.fake.lines().iter().all(|line| line.starts_with("GET ")), "{:?}", home.fake.lines());
}
