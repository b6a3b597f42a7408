//! The command line as a program, against a made-up server: exit codes, whole lists, imports, and interruptions that
//! leave nothing behind.

mod boot;
mod check;
mod contents;
mod download;
mod enrol;
mod fake;
mod firmware;
mod images;
mod ipam;
mod iso;
mod job;
mod kernel_package;
mod limits;
mod oci;
mod plain_tar;
mod program;
mod pull;
mod rpm;
mod secret;
mod vault;

use fake::{Answer, Fake, Request, TOKEN};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const UUID: &str = "4c4c4544-0046-3010-8052-b4c04f4a4d32";
const RELEASE: &str = "6.1.0-56-amd64";

struct Home {
    dir: tempfile::TempDir,
    fake: Fake,
}

impl Home {
    fn new(handler: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Home {
        let dir = tempfile::tempdir().unwrap();
        let fake = Fake::start(handler);
        for folder in ["data", "tmp"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        fake.write_data(&dir.path().join("data"));
        Home { dir, fake }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_higuma")), args)
    }

    fn command_of(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HIGUMA_")) {
            command.env_remove(name);
        }
        command.args(args).arg("--data-dir").arg(self.path("data")).env("TMPDIR", self.path("tmp"));
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn left_over(&self) -> usize {
        std::fs::read_dir(self.path("tmp")).unwrap().count()
    }
}

fn error(code: &str, message: &str) -> String {
    json!({ "code": code, "message": message }).to_string()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn exit_codes_tell_scripts_what_happened() {
    for (status, code) in [(400, 2), (401, 5), (403, 5), (404, 3), (409, 4), (413, 1), (500, 1), (503, 6)] {
        let home = Home::new(move |_| (status, error("word", "what to do")));
        let out = home.run(&["node", "show", UUID]);
        assert_eq!(out.status.code(), Some(code), "{status}: {}", text(&out.stderr));
        assert!(text(&out.stderr).starts_with("higuma: what to do"), "{}", text(&out.stderr));
        assert!(out.stdout.is_empty());
    }
    let home = Home::new(|_| (200, "{}".into()));
    assert_eq!(home.run(&["node", "set", UUID]).status.code(), Some(2), "nothing to set");
    assert_eq!(home.run(&["node", "fly"]).status.code(), Some(2));
    assert_eq!(home.fake.requests(), []);
}

#[test]
fn a_server_that_is_not_there_or_not_the_right_one() {
    let home = Home::new(|_| (200, "{}".into()));
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let out = home.run(&["status", "--server", &format!("https://127.0.0.1:{free}")]);
    assert_eq!(out.status.code(), Some(6), "{}", text(&out.stderr));
    assert!(text(&out.stderr).contains("higuma serve"), "{}", text(&out.stderr));

    let other = Fake::start(|_| (200, "{}".into()));
    std::fs::write(home.path("other.pem"), &other.ca_pem).unwrap();
    let other_ca = home.path("other.pem");
    let out = home.run(&["status", "--ca", other_ca.to_str().unwrap(), "--tls-name", fake::NAME]);
    assert_eq!(out.status.code(), Some(6), "{}", text(&out.stderr));
    assert!(text(&out.stderr).contains("--ca"), "{}", text(&out.stderr));
    let out = home.run(&["status", "--tls-name", "wrong.example"]);
    assert_eq!(out.status.code(), Some(6), "{}", text(&out.stderr));
    assert!(text(&out.stderr).contains("--tls-name"), "{}", text(&out.stderr));
    assert_eq!(home.fake.requests(), [], "no token may reach a server that was not verified");

    std::fs::remove_file(home.path("data/admin.token")).unwrap();
    let out = home.run(&["status"]);
    assert_eq!(out.status.code(), Some(5));
    assert!(text(&out.stderr).contains("admin.token"), "{}", text(&out.stderr));
}

fn node(uuid: &str, hostname: &str) -> Value {
    json!({ "uuid": uuid, "hostname": hostname, "lifecycle": "ready", "reason": null, "admission": "pending",
            "profile": null, "manufacturer": "M", "product": "P", "serial": "S", "boot_mac": null, "step": null,
            "first_seen_us": 0, "last_seen_us": 0 })
}

#[test]
fn lists_are_whole_and_names_are_resolved() {
    let home = Home::new(|r| {
        let page = |items: &[Value], next: Value| (200, json!({ "items": items, "next": next }).to_string());
        match r.path.as_str() {
            "/api/v1/nodes" | "/api/v1/nodes?q=web" => page(&[node(UUID, "web")], Value::Null),
            "/api/v1/nodes?lifecycle=ready" => page(&[node(UUID, "web")], json!("c/2")),
            "/api/v1/nodes?lifecycle=ready&cursor=c%2F2" => page(&[node("aaaa", "db")], Value::Null),
            _ if r.method == "PATCH" => {
                let mut detail = node(UUID, "web");
                let more = json!({ "inventory": null, "inventory_hash": null, "neighbours": [], "boot": null,
                                   "maintenance": false, "retired": false, "lifecycle": "assigned", "profile": "hv" });
                detail.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                (200, detail.to_string())
            }
            _ => (404, error("not_found", "no")),
        }
    });
    let out = home.run(&["node", "list", "--lifecycle", "ready", "-o", "json"]);
    let list: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(list["items"].as_array().unwrap().len(), 2, "{list}");
    let out = home.run(&["node", "list", "--lifecycle", "ready"]);
    assert_eq!(text(&out.stdout).lines().count(), 3, "{}", text(&out.stdout));

    let out = home.run(&["node", "assign", "WEB", "hv"]);
    assert_eq!(text(&out.stdout), format!("{UUID} (web): assigned, pending, hv\n"), "{}", text(&out.stderr));
    let last = home.fake.requests().pop().unwrap();
    assert_eq!((last.path.as_str(), text(&last.body)), (&*format!("/api/v1/nodes/{UUID}"), r#"{"profile":"hv"}"#));
    assert_eq!(last.authorization, format!("Bearer {TOKEN}"));
    assert_eq!(last.host, format!("127.0.0.1:{}", home.fake.port), "the address, not the name that TLS checks");
    assert_eq!(home.run(&["node", "approve", "nobody"]).status.code(), Some(3));
}

/// The smallest file that passes as a bzImage (the kernel's boot protocol 2.15).
fn bzimage() -> Vec<u8> {
    let mut image = vec![0u8; 5 * 512 + 0x1_0000];
    image[0x1f1] = 4;
    for (at, value) in [(0x1f4, 0x1000u32), (0x238, 2047), (0x248, 0x100), (0x24c, 0xf000), (0x260, 0x300_0000)] {
        image[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    for (at, value) in [(0x1fe, 0xAA55u16), (0x206, 0x020f), (0x20e, 0x200), (0x236, 0x3f)] {
        image[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }
    image[0x202..0x206].copy_from_slice(b"HdrS");
    image[0x211] = 1;
    let version = format!("{RELEASE} (x)\0");
    image[0x400..0x400 + version.len()].copy_from_slice(version.as_bytes());
    image
}

/// A root tree as `image import` wants it: its kernel has what is needed built in.
fn tree(root: &Path) {
    let modules = root.join(format!("usr/lib/modules/{RELEASE}"));
    std::fs::create_dir_all(modules.join("kernel")).unwrap();
    std::os::unix::fs::symlink("usr/lib", root.join("lib")).unwrap();
    for folder in ["boot", "bin", "etc", "proc", "sbin", "tmp"] {
        std::fs::create_dir(root.join(folder)).unwrap();
    }
    std::fs::write(modules.join("modules.dep"), "").unwrap();
    let builtin = "kernel/drivers/block/loop.ko\nkernel/fs/squashfs/squashfs.ko\nkernel/fs/overlayfs/overlay.ko\n";
    std::fs::write(modules.join("modules.builtin"), builtin).unwrap();
    std::fs::write(root.join(format!("boot/vmlinuz-{RELEASE}")), bzimage()).unwrap();
    std::fs::write(root.join("etc/hostname"), "x\n").unwrap();
    for (program, content) in [("bin/sh", ""), ("sbin/init", "#!/bin/sh\n")] {
        std::fs::write(root.join(program), content).unwrap();
        std::fs::set_permissions(root.join(program), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    // Does not compress, so that the upload is larger than the buffers on its way.
    let mut seed = 1u64;
    let noise: Vec<u8> = (0..12_000_000u32)
        .map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 56) as u8
        })
        .collect();
    std::fs::write(root.join("noise"), noise).unwrap();
}

/// A server without any blob, that takes what it gets.
fn empty_server(r: &Request) -> Answer {
    match (r.method.as_str(), r.path.as_str()) {
        ("PUT", _) => (200, json!({ "sha256": "", "size": r.body.len() }).to_string()),
        ("POST", "/api/v1/images") => {
            let mut image: Value = serde_json::from_slice(&r.body).unwrap();
            image["created_us"] = json!(1);
            image["digest"] = json!("d");
            (201, image.to_string())
        }
        _ => (404, error("not_found", "no")),
    }
}

#[test]
fn an_import_sends_the_parts_and_then_the_image() {
    let home = Home::new(empty_server);
    let root = home.path("root");
    std::fs::create_dir(&root).unwrap();
    tree(&root);
    let out = home.run(&["image", "import", "--name", "tiny", "--version", "1", root.to_str().unwrap()]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let methods: Vec<String> = home.fake.requests().iter().map(|r| r.method.clone()).collect();
    assert_eq!(
        methods,
        ["GET", "HEAD", "PUT", "HEAD", "PUT", "HEAD", "PUT", "HEAD", "PUT", "POST"],
        "{:?}",
        home.fake.lines()
    );
    let requests = home.fake.requests();
    let image: Value = serde_json::from_slice(&requests.last().unwrap().body).unwrap();
    assert_eq!((&image["arch"], &image["kernel_release"]), (&json!("x86_64"), &json!(RELEASE)));
    let puts: Vec<&Request> = requests.iter().filter(|r| r.method == "PUT").collect();
    let listing = std::iter::once(&image["contents"]);
    for (part, put) in image["parts"].as_array().unwrap().iter().chain(listing).zip(&puts) {
        let sha256 = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&put.body));
        assert_eq!(put.path, format!("/api/v1/blobs/{sha256}"));
        assert_eq!(part["sha256"], json!(sha256));
        assert_eq!(part["size"], json!(put.body.len()));
    }
    assert_eq!(puts[0].body, bzimage());
    assert_eq!(&puts[2].body[..4], b"hsqs");
    assert_eq!(home.left_over(), 0);

    // The squashfs that was made, given as it is: its modules are read out of it. And a tar file of the same tree.
    std::fs::write(home.path("root.squashfs"), &puts[2].body).unwrap();
    let (kernel, squashfs) = (root.join(format!("boot/vmlinuz-{RELEASE}")), home.path("root.squashfs"));
    let (kernel, squashfs) = (kernel.to_str().unwrap(), squashfs.to_str().unwrap());
    let args = ["image", "import", "--name", "t", "--version", "2", "--kernel", kernel, "--rootfs", squashfs];
    let out = home.run(&args);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let again = home.fake.requests();
    let modules = again.iter().filter(|r| r.method == "PUT").nth(5).unwrap();
    assert_eq!(modules.body, puts[1].body, "the same modules part either way");

    let tar = home.path("root.tar.gz");
    assert!(Command::new("tar").arg("-C").arg(&root).arg("-czf").arg(&tar).arg(".").status().unwrap().success());
    let out = home.run(&["image", "import", "--name", "t", "--version", "3", tar.to_str().unwrap()]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert_eq!(home.left_over(), 0);
}

#[test]
fn what_the_server_has_is_not_sent_again_and_a_taken_name_costs_nothing() {
    let home = Home::new(|r| match r.method.as_str() {
        "HEAD" => (200, String::new()),
        _ => empty_server(r),
    });
    std::fs::write(home.path("vmlinuz"), bzimage()).unwrap();
    std::fs::write(home.path("initrd"), "x").unwrap();
    let (kernel, initrd) = (home.path("vmlinuz"), home.path("initrd"));
    let args = ["image", "import", "--name", "rescue", "--version", "1", "--kernel", kernel.to_str().unwrap()];
    let args: Vec<&str> = args.into_iter().chain(["--initrd", initrd.to_str().unwrap()]).collect();
    let out = home.run(&args);
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert!(home.fake.lines().iter().all(|l| !l.starts_with("PUT")), "{:?}", home.fake.lines());

    let taken = Home::new(|_| (200, "{}".into()));
    let out = taken.run(&args);
    assert_eq!(out.status.code(), Some(4), "{}", text(&out.stderr));
    assert_eq!(taken.fake.lines(), ["GET /api/v1/images/rescue/1"]);
}

#[test]
fn bad_input_is_explained_and_leaves_nothing() {
    let home = Home::new(empty_server);
    let root = home.path("root");
    std::fs::create_dir_all(root.join("boot")).unwrap();
    let root = root.to_str().unwrap();
    let import = |more: &[&str]| {
        let args = [&["image", "import", "--name", "t", "--version", "1"], more].concat();
        let out = home.run(&args);
        assert_eq!(out.status.code(), Some(2), "{}", text(&out.stderr));
        text(&out.stderr).to_owned()
    };
    assert!(import(&[root]).contains("--kernel"));
    std::fs::write(home.path("root/boot/vmlinuz-1"), "no kernel").unwrap();
    assert!(import(&[root]).contains("no kernel that can be booted"));
    std::fs::write(home.path("root/boot/vmlinuz-1"), bzimage()).unwrap();
    assert!(import(&[root]).contains("no modules"));
    assert!(import(&["/does/not/exist"]).contains("/does/not/exist"));
    assert!(import(&["--kernel", "/x"]).contains("--initrd"));
    assert!(home.fake.lines().iter().all(|l| l.starts_with("GET")), "{:?}", home.fake.lines());
    assert_eq!(home.left_over(), 0);
}

#[test]
fn an_interrupted_import_leaves_nothing() {
    let home = Home::new(empty_server);
    let root = home.path("root");
    std::fs::create_dir(&root).unwrap();
    tree(&root);
    let args = ["image", "import", "--name", "tiny", "--version", "1", root.to_str().unwrap()];
    *home.fake.stalled.lock().unwrap() = true;
    let mut child = home.command(&args).spawn().unwrap();
    let start = Instant::now();
    while !home.fake.lines().iter().any(|l| l.starts_with("PUT")) {
        assert!(start.elapsed() < Duration::from_secs(60), "no upload began");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(home.left_over() > 0, "the parts are in a temporary folder while they are uploaded");
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(home.left_over(), 0);
    assert!(home.fake.lines().iter().all(|l| !l.starts_with("POST")), "{:?}", home.fake.lines());

    *home.fake.stalled.lock().unwrap() = false;
    let out = home.run(&args);
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert_eq!(home.fake.lines().last().unwrap(), "POST /api/v1/images");
}

#[test]
fn every_command_has_help_with_an_example() {
    let home = Home::new(|_| (200, "{}".into()));
    for command in [
        "node list",
        "node show",
        "node approve",
        "node reject",
        "node assign",
        "node unassign",
        "node set",
        "profile create",
        "profile update",
        "profile list",
        "profile show",
        "profile delete",
        "image build debian",
        "image build recipe",
        "image recipe",
        "image import",
        "image list",
        "image show",
        "image delete",
        "boot list",
        "boot show",
        "dhcp explain",
        "job list",
        "job run",
        "job show",
        "job watch",
        "job cancel",
        "rule list",
        "rule add",
        "rule remove",
        "rule move",
        "rule test",
        "ipxe show",
        "first-stage build",
        "first-stage show",
        "status",
    ] {
        let args: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let out = Command::new(env!("CARGO_BIN_EXE_higuma")).args(&args).output().unwrap();
        assert!(out.status.success(), "{command}");
        let help = text(&out.stdout);
        assert!(help.contains("Example") && help.contains(&format!("  higuma {command}")), "{command}:\n{help}");
    }
    drop(home);
}

#[test]
fn rules_are_changed_as_one_list() {
    let home = Home::new(|r| {
        let rule = |name: &str| json!({ "name": name, "when": "true", "admission": "admitted" });
        match (r.method.as_str(), r.path.as_str()) {
            ("GET", "/api/v1/rules") => (200, json!({ "rules": [rule("a"), rule("b")], "hash": "h1" }).to_string()),
            ("PUT", "/api/v1/rules") => {
                let put: Value = serde_json::from_slice(&r.body).unwrap();
                (200, json!({ "rules": put["rules"], "hash": "h2" }).to_string())
            }
            ("POST", "/api/v1/rules/test") => {
                let test: Value = serde_json::from_slice(&r.body).unwrap();
                let next = if test["cursor"].is_null() { json!("c") } else { Value::Null };
                (200, json!({ "scanned": 10, "matching": 1, "nodes": [node(UUID, "web")], "next": next }).to_string())
            }
            _ => (404, error("not_found", "no")),
        }
    });
    let put = |args: &[&str]| {
        let out = home.run(args);
        assert!(out.status.success(), "{}", text(&out.stderr));
        let sent: Value = serde_json::from_slice(&home.fake.requests().pop().unwrap().body).unwrap();
        assert_eq!(sent["expected_hash"], "h1");
        let names: Vec<_> = sent["rules"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect();
        (names.join(" "), sent["rules"][1].clone())
    };
    let add = ["rule", "add", "c", "--when", "node.retired", "--park", "reboot", "--park-after", "5m", "--before", "b"];
    let (names, added) = put(&add);
    assert_eq!(names, "a c b");
    let expected = json!({ "name": "c", "when": "node.retired", "park": "reboot", "park_after_seconds": 300 });
    assert_eq!(added, expected);
    assert_eq!(put(&["rule", "remove", "a"]).0, "b");
    assert_eq!(put(&["rule", "move", "b", "--before", "a"]).0, "b a");
    let out = home.run(&["rule", "test", "--when", "true"]);
    assert!(text(&out.stdout).ends_with("2 nodes\n"), "{} {}", text(&out.stdout), text(&out.stderr));
    assert_eq!(home.run(&["rule", "remove", "x"]).status.code(), Some(3));
    assert_eq!(home.run(&["rule", "add", "x", "--when", "true"]).status.code(), Some(2), "it says nothing");
    assert_eq!(home.run(&["rule", "move", "a"]).status.code(), Some(2));
}

#[test]
fn a_search_follows_its_pages() {
    let home = Home::new(|r| match r.path.as_str() {
        "/api/v1/nodes?where=node.memory.total%20%3E%205" => (200, json!({ "items": [], "next": "c" }).to_string()),
        "/api/v1/nodes?where=node.memory.total%20%3E%205&cursor=c" => {
            (200, json!({ "items": [node(UUID, "web")] }).to_string())
        }
        _ => (400, error("bad_request", "character 6: node has no field")),
    });
    let out = home.run(&["node", "list", "--where", "node.memory.total > 5"]);
    assert!(text(&out.stdout).contains("web"), "{}", text(&out.stderr));
    let out = home.run(&["node", "list", "--where", "node.x"]);
    assert_eq!(out.status.code(), Some(2));
    assert!(text(&out.stderr).contains("character 6"), "{}", text(&out.stderr));
}
