//! What `higuma-oci` makes of an image with all oddities, against `umoci` (which we did not write): names, kinds, modes,
//! owners, sizes, contents, link counts, extended attributes, device numbers and times must be the same. Needs root, as
//! both must keep owners and devices on disk to be compared.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code)]
#[path = "../../server/oci/tests/oci/files.rs"]
mod files;
#[allow(dead_code)]
#[path = "../../server/oci/tests/oci/make.rs"]
mod make;

use files::Files;
use higuma_oci::{Options, Source, load, squashfs, write_tar};
use make::{Item, Layer};
use serde_json::json;
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::process::{Command, Stdio};

/// All that can be seen of a file.
#[derive(Debug, PartialEq, Eq, Clone)]
struct Seen {
    kind: &'static str,
    mode: u32,
    owner: (u32, u32),
    mtime: i64,
    device: u64,
    /// Names of the same file, this one among them.
    names: Vec<Vec<u8>>,
    xattrs: BTreeMap<String, String>,
    content: Vec<u8>,
}

type Listing = BTreeMap<Vec<u8>, Seen>;

fn xattrs(path: &Path) -> BTreeMap<String, String> {
    let mut command = Command::new("getfattr");
    let output =
        command.args(["--absolute-names", "-h", "-d", "-m", "-", "-e", "hex"]).arg(path).output().expect("getfattr");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .filter_map(|line| line.split_once('='))
        .filter(|(name, _)| !name.starts_with('#'))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn listing(root: &Path) -> Listing {
    let mut seen: Listing = BTreeMap::new();
    let mut same: BTreeMap<u64, Vec<Vec<u8>>> = BTreeMap::new();
    let mut inodes = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        let name = path.strip_prefix(root).unwrap().as_os_str().as_bytes().to_vec();
        let meta = path.symlink_metadata().unwrap();
        let kind = meta.file_type();
        let (kind, content) = match () {
            () if kind.is_dir() => {
                open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
                ("folder", Vec::new())
            }
            () if kind.is_symlink() => ("link", std::fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec()),
            () if kind.is_char_device() => ("char", Vec::new()),
            () if kind.is_block_device() => ("block", Vec::new()),
            () if kind.is_fifo() => ("fifo", Vec::new()),
            () => ("file", std::fs::read(&path).unwrap()),
        };
        same.entry(meta.ino()).or_default().push(name.clone());
        inodes.insert(name.clone(), meta.ino());
        let (mode, owner) = (meta.mode() & 0o7777, (meta.uid(), meta.gid()));
        let (mtime, device, xattrs) = (meta.mtime(), meta.rdev(), xattrs(&path));
        assert!(kind == "folder" || meta.nlink() > 0);
        seen.insert(name, Seen { kind, mode, owner, mtime, device, names: Vec::new(), xattrs, content });
    }
    for (name, entry) in &mut seen {
        if entry.kind != "folder" {
            entry.names.clone_from(&same[&inodes[name]]);
            entry.names.sort();
        }
    }
    seen
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// By umoci, into a folder.
fn theirs(layout: &Path, dir: &Path) -> Listing {
    let bundle = dir.join("bundle");
    run(Command::new("umoci").args(["unpack", "--image"]).arg(format!("{}:odd", layout.display())).arg(&bundle));
    listing(&bundle.join("rootfs"))
}

/// By us, through a squashfs.
fn ours(layout: &Path, dir: &Path) -> Listing {
    let source = Source::Path { path: layout.to_owned(), tag: Some("odd".into()) };
    let flat = load(&source, dir, &Options::default(), &mut |_| {}).unwrap();
    let made = dir.join("odd.squashfs");
    let mut child = squashfs::pack(&made).stdin(Stdio::piped()).spawn().unwrap();
    write_tar(&flat.tree, &flat.spool, &mut child.stdin.take().unwrap(), &|path| !path.is_empty()).unwrap();
    assert!(child.wait().unwrap().success());
    let empty = tempfile::tempdir().unwrap();
    run(&mut squashfs::set_root(flat.tree.root(), empty.path(), &made));
    let unpacked = dir.join("unpacked");
    run(Command::new("unsquashfs").args(["-no-progress", "-quiet", "-dest"]).arg(&unpacked).arg(&made));
    listing(&unpacked)
}

fn layers() -> Vec<Layer> {
    // CAP_NET_RAW; and one whose bits have a newline in them.
    let (raw, newline): (&[u8], &[u8]) = (
        &[1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[1, 0, 0, 2, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    );
    let long = [&[b'n'; 150][..], b"/", &[b'm'; 200], b"/", &[b'o'; 90]].concat();
    let dir = |path, mode, uid, gid| Item { kind: b'5', path, mode, uid, gid, ..Item::default() };
    let lower = Layer::new()
        .item(&dir(b"./", 0o751, 7, 8))
        .item(&dir(b"tmp/", 0o1777, 0, 0))
        .item(&dir(b"usr/", 0o755, 0, 0))
        .dir("usr/lib")
        .dir("usr/bin")
        .symlink("lib", "usr/lib")
        .symlink("abs", "/usr/bin")
        .symlink("dangling", "nowhere/at/all")
        .item(&Item { path: b"usr/bin/su", mode: 0o4755, content: b"su", ..Item::default() })
        .item(&Item { path: b"usr/bin/write", mode: 0o2755, gid: 5, content: b"write", ..Item::default() })
        .item(&Item {
            path: b"usr/bin/ping",
            mode: 0o755,
            content: b"ping",
            pax: &[("SCHILY.xattr.security.capability", raw)],
            ..Item::default()
        })
        .item(&Item {
            path: b"usr/bin/odd",
            mode: 0o755,
            content: b"odd",
            pax: &[("SCHILY.xattr.security.capability", newline), ("SCHILY.xattr.user.note", b"a\nb=c")],
            ..Item::default()
        })
        .item(&Item {
            kind: b'5',
            path: b"noted",
            mode: 0o2770,
            pax: &[("SCHILY.xattr.trusted.t", b"\0\xff"), ("SCHILY.xattr.user.u", b"dir")],
            ..Item::default()
        })
        .item(&Item { path: b"owned", uid: 3_000_000, gid: 4_294_967_294, content: b"x", ..Item::default() })
        .item(&Item { path: b"late", mtime: 4_000_000_000, ..Item::default() })
        .item(&Item { path: &long, content: b"long", ..Item::default() })
        .item(&Item { path: b"caf\xe9 \xff", content: b"not utf-8", ..Item::default() })
        .item(&Item { path: b"new\nline", content: b"newline", ..Item::default() })
        .dir("dev")
        .item(&Item { kind: b'3', path: b"dev/null", mode: 0o666, device: (1, 3), ..Item::default() })
        .item(&Item { kind: b'4', path: b"dev/big", mode: 0o660, gid: 6, device: (259, 1_000_000), ..Item::default() })
        .item(&Item { kind: b'6', path: b"pipe", mode: 0o622, ..Item::default() })
        .file("etc/made", "its folder is made")
        .dir("a")
        .file("a/1", "one")
        .file("a/2", "two")
        .dir("a/sub")
        .file("a/sub/x", "x")
        .dir("b")
        .file("b/1", "one")
        .dir("b/sub")
        .file("b/sub/x", "x")
        .dir("opaque")
        .file("opaque/old", "old")
        .dir("opaque/sub")
        .file("opaque/sub/old", "old")
        .file("linked", "first")
        .hard_link("zlinked", "linked")
        .hard_link("etc/linked", "linked")
        .hard_link("link2", "lib")
        .file("will-be-dir", "f")
        .dir("will-be-file")
        .file("will-be-file/x", "x")
        .symlink("will-be-real", "usr")
        .file("empty", "")
        .file("block", &"0123456789abcdef".repeat(32))
        .file("blocks", &"z".repeat(300_001));
    let middle = Layer::new()
        .whiteout(".wh.dangling")
        .whiteout("a/.wh.1")
        .whiteout("a/.wh.sub")
        .whiteout(".wh.b")
        .dir("opaque")
        .whiteout("opaque/.wh..wh..opq")
        .file("opaque/new", "new")
        .file("lib/through-link", "1")
        .file("abs/through-absolute", "2")
        .dir("will-be-dir")
        .file("will-be-dir/y", "y")
        .file("will-be-file", "f")
        .dir("will-be-real")
        .file("will-be-real/z", "z")
        .file("linked", "second")
        .item(&dir(b"noted", 0o700, 9, 9));
    let upper = Layer::new()
        .hard_link("upper", "zlinked")
        .whiteout("etc/.wh.linked")
        .dir("b")
        .file("b/again", "again")
        .file("opaque/sub/newer", "newer")
        .item(&Item { path: b"usr/bin/su", mode: 0o6711, uid: 1, content: b"su2", ..Item::default() });
    vec![lower, middle, upper]
}

#[test]
fn the_same_as_umoci() {
    assert!(nix::unistd::geteuid().is_root(), "run as root: owners and devices are compared on disk");
    let dir = tempfile::tempdir().unwrap();
    let layout = dir.path().join("layout");
    let mut files = Files::default();
    let stored: Vec<_> = layers().iter().map(|layer| (layer.gzip(), layer.tar())).collect();
    let mut image = files.image("amd64", &stored);
    image["annotations"] = json!({ "org.opencontainers.image.ref.name": "odd" });
    files.index(&[image]);
    files.write(&layout);
    let started = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    let (theirs, ours) = (theirs(&layout, dir.path()), ours(&layout, dir.path()));
    assert!(theirs.len() > 45, "{} names", theirs.len());

    let names = |listing: &Listing| -> Vec<String> {
        listing.keys().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
    };
    assert_eq!(names(&ours), names(&theirs));
    for (name, want) in &theirs {
        let mut got = ours[name].clone();
        // Folders in which it made or removed something get the time of day from umoci; ours have what their layer says.
        if got.kind == "folder" && want.mtime >= started {
            got.mtime = want.mtime;
        }
        assert_eq!(&got, want, "{}", String::from_utf8_lossy(name));
    }
}
