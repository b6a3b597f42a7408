//! The tar stream that goes to `sqfstar`: the same bytes every time, and read back it is the same tree.

use crate::make::{Item, Layer, flatten, flatten_within, lines};
use higuma_oci::{Found, Limits, running_system, write_tar};

fn oddities() -> Layer {
    let cap: &[u8] = &[1, 0, 0, 2, 0x0a, 0, 0, 0];
    let long = [&[0xe9_u8; 150][..], b"/", &[b'y'; 120]].concat();
    Layer::new()
        .item(&Item { kind: b'5', path: b"./", mode: 0o711, uid: 3, gid: 4, ..Item::default() })
        .file("b", "content")
        .hard_link("a", "b")
        .symlink("l", &"t/".repeat(90))
        .item(&Item { path: &long, content: b"2", uid: 3_000_000, gid: 4_294_967_295, ..Item::default() })
        .item(&Item { kind: b'3', path: b"null", device: (1, 3), ..Item::default() })
        .item(&Item { kind: b'6', path: b"new\nline", mtime: 0x1_2345_6789, ..Item::default() })
        .item(&Item {
            path: b"ping",
            mode: 0o4755,
            pax: &[("SCHILY.xattr.security.capability", cap), ("SCHILY.xattr.system.posix_acl_access", b"x")],
            ..Item::default()
        })
        .item(&Item { kind: b'1', path: b"zz", link: &long, ..Item::default() })
        .dir("dev")
        .file("dev/x", "")
        .dir("tmp")
        .file("tmp/x", "")
        .file("boot/vmlinuz-1", "kernel")
        .hard_link("kernel", "boot/vmlinuz-1")
}

#[test]
fn read_back_it_is_the_same() {
    let (tree, spool) = flatten(&[oddities()]).unwrap();
    let mut bytes = Vec::new();
    let written = write_tar(&tree, &spool, &mut bytes, &|_| true).unwrap();
    assert_eq!((written.entries, written.bytes, written.xattrs_left_out), (17, 14, 1));
    let (again, contents) = flatten_within(&[bytes.clone()], &Limits::default()).unwrap();
    assert_eq!(lines(&again, &contents), lines(&tree, &spool));
    let mut twice = Vec::new();
    write_tar(&again, &contents, &mut twice, &|_| true).unwrap();
    assert_eq!(bytes, twice);
    assert_eq!(tree.root(), again.root());
}

#[test]
fn the_order_of_a_layer_does_not_matter() {
    let stream = |layer: Layer| {
        let (tree, spool) = flatten(&[layer]).unwrap();
        let mut bytes = Vec::new();
        write_tar(&tree, &spool, &mut bytes, &|_| true).unwrap();
        bytes
    };
    let one = stream(Layer::new().dir("d").file("d/a", "1").file("d/b", "2"));
    assert_eq!(one, stream(Layer::new().file("d/b", "2").file("d/a", "0").dir("d").file("d/a", "1")));
    assert_ne!(one, stream(Layer::new().dir("d").file("d/a", "1").file("d/b", "3")));
}

#[test]
fn what_is_left_out_takes_no_content_with_it() {
    let (tree, spool) = flatten(&[oddities()]).unwrap();
    let mut bytes = Vec::new();
    write_tar(&tree, &spool, &mut bytes, &|path| !running_system(path)).unwrap();
    let (tree, spool) = flatten_within(&[bytes], &Limits::default()).unwrap();
    let lines = lines(&tree, &spool);
    let has = |line: &str| lines.iter().any(|l| l == line);
    assert!(has("dev 755 0:0 dir") && has("tmp 755 0:0 dir") && has("boot 755 0:0 dir"));
    assert!(!lines.iter().any(|l| l.starts_with("dev/") || l.starts_with("tmp/") || l.starts_with("boot/")));
    // Its first name is left out: the other one has the bytes.
    assert!(has("kernel 644 0:0 \"kernel\""), "{lines:?}");
}

#[test]
fn what_an_importer_looks_for() {
    let layer = Layer::new()
        .symlink("lib", "usr/lib")
        .item(&Item { path: b"usr/lib/systemd/systemd", mode: 0o755, ..Item::default() })
        .symlink("sbin", "/usr/sbin")
        .symlink("usr/sbin/init", "/lib/systemd/systemd")
        .file("lib/modules/6.1/modules.dep", "dep")
        .file("lib/modules/6.1/kernel/loop.ko", "ko")
        .symlink("lib/modules/6.1/build", "/usr/src/linux")
        .symlink("lib/modules/6.1/evil", "../../../../../etc");
    let (tree, spool) = flatten(&[layer]).unwrap();
    assert_eq!(tree.find("sbin/init"), tree.find("usr/lib/systemd/systemd"));
    assert!(
        matches!(tree.find("sbin/init"), Some(Found::File(inode, _)) if tree.entry(inode).metadata.mode & 0o111 != 0)
    );
    let names: Vec<String> = tree.names("lib/modules").into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["6.1"]);
    let dir = tempfile::tempdir().unwrap();
    let dest = dir.path().join("6.1");
    assert!(tree.extract(&spool, "lib/modules/6.1", &dest).unwrap());
    assert_eq!(std::fs::read(dest.join("kernel/loop.ko")).unwrap(), b"ko");
    assert!(!dest.join("evil").exists() && dest.join("evil").symlink_metadata().is_err());
    assert!(!tree.extract(&spool, "lib/modules/6.2", &dir.path().join("no")).unwrap());
}
