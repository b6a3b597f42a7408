//! One layer over another: each rule of image-spec layer.md, and what it leaves open decided as containers' unpackers do.

use crate::make::{Item, Layer, flatten, lines, refused, short};
use higuma_oci::{Blob, Limits, Spool, Tree, apply_tar};

#[test]
fn files_and_folders_replace_each_other() {
    let lower = Layer::new().file("a", "1").dir("d").file("d/x", "x").file("c", "c").symlink("s", "a");
    let upper = Layer::new().dir("a").file("a/y", "y").file("d", "2").file("c", "new").dir("s");
    assert_eq!(short(&[lower, upper]), ["a dir", "a/y \"y\"", "c \"new\"", "d \"2\"", "s dir"]);
}

#[test]
fn a_folder_over_a_folder_keeps_what_is_in_it() {
    let lower = Layer::new().dir("d").file("d/x", "x");
    let dir = Item { kind: b'5', path: b"d/", mode: 0o1777, uid: 7, gid: 8, ..Item::default() };
    let (tree, spool) = flatten(&[lower, Layer::new().item(&dir)]).unwrap();
    assert_eq!(lines(&tree, &spool), ["d 1777 7:8 dir", "d/x 644 0:0 \"x\""]);
}

#[test]
fn the_root_has_metadata() {
    let root = Item { kind: b'5', path: b"./", mode: 0o700, uid: 5, gid: 6, ..Item::default() };
    let (tree, _) = flatten(&[Layer::new().item(&root).file("a", "")]).unwrap();
    let metadata = tree.root();
    assert_eq!((metadata.mode, metadata.uid, metadata.gid), (0o700, 5, 6));
    assert!(refused(&[Layer::new().file("/", "x")]).contains("only a file can have bytes"));
    assert!(refused(&[Layer::new().symlink(".", "x")]).contains("root of an image is a folder"));
}

#[test]
fn whiteouts() {
    let lower =
        || Layer::new().file("a", "1").dir("d").file("d/x", "x").file("d/y", "y").file("keep", "k").symlink("s", "d");
    let gone =
        Layer::new().whiteout(".wh.a").whiteout("d/.wh.x").whiteout(".wh.s").whiteout(".wh.never").whiteout("no/.wh.x");
    assert_eq!(short(&[lower(), gone]), ["d dir", "d/y \"y\"", "keep \"k\""]);
    assert_eq!(short(&[lower(), Layer::new().whiteout(".wh.d")]), ["a \"1\"", "keep \"k\"", "s -> d"]);
    // Through a link to the folder.
    assert_eq!(
        short(&[lower(), Layer::new().whiteout("s/.wh.x").whiteout(".wh.a").whiteout(".wh.s")]),
        ["d dir", "d/y \"y\"", "keep \"k\""]
    );
    // Its own layer is not meant, whichever comes first.
    assert_eq!(short(&[Layer::new().file("a", "1"), Layer::new().file("a", "2").whiteout(".wh.a")]), ["a \"2\""]);
    assert_eq!(short(&[Layer::new().file("a", "1"), Layer::new().whiteout(".wh.a").file("a", "2")]), ["a \"2\""]);
    // In a folder that goes, what is of this layer stays.
    let mixed = Layer::new().file("d/new", "n").whiteout(".wh.d");
    assert_eq!(
        short(&[lower(), mixed, Layer::new().whiteout(".wh.a").whiteout(".wh.keep").whiteout(".wh.s")]),
        ["d dir", "d/new \"n\""]
    );
    for bad in [".wh.", ".wh..", ".wh...", "d/.wh.", ".wh.d/x"] {
        assert!(refused(&[lower(), Layer::new().whiteout(bad)]).contains("whiteout"), "{bad}");
    }
    // aufs' own.
    assert_eq!(short(&[Layer::new().dir(".wh..wh.plnk").whiteout(".wh..wh.aufs").file("a", "")]), ["a \"\""]);
}

#[test]
fn opaque_folders() {
    let lower = || Layer::new().dir("d").file("d/x", "x").dir("d/sub").file("d/sub/y", "y").file("a", "a");
    for upper in [
        Layer::new().dir("d").whiteout("d/.wh..wh..opq").file("d/new", "n").file("d/sub/z", "z"),
        Layer::new().dir("d").file("d/new", "n").file("d/sub/z", "z").whiteout("d/.wh..wh..opq"),
    ] {
        assert_eq!(short(&[lower(), upper]), ["a \"a\"", "d dir", "d/new \"n\"", "d/sub dir", "d/sub/z \"z\""]);
    }
    let root = Layer::new().whiteout(".wh..wh..opq").file("b", "b");
    assert_eq!(short(&[lower(), root]), ["b \"b\""]);
    // Where there is no such folder, there is nothing to hide, and none is made.
    assert_eq!(short(&[Layer::new().file("a", "a"), Layer::new().whiteout("no/.wh..wh..opq")]), ["a \"a\""]);
}

#[test]
fn hard_links() {
    // To a lower layer; the target is then replaced, or goes: the other name keeps the content.
    let lower = || Layer::new().file("a", "old").hard_link("b", "a");
    assert_eq!(short(&[lower()]), ["a \"old\"", "b = a"]);
    assert_eq!(short(&[lower(), Layer::new().file("a", "new")]), ["a \"new\"", "b \"old\""]);
    assert_eq!(short(&[lower(), Layer::new().whiteout(".wh.a").hard_link("c", "b")]), ["b \"old\"", "c = b"]);
    assert_eq!(short(&[lower(), Layer::new().hard_link("d/c", "/a")]), ["a \"old\"", "b = a", "d dir", "d/c = a"]);
    // What is at the target at that point counts.
    assert_eq!(
        short(&[lower(), Layer::new().file("a", "new").hard_link("c", "a").hard_link("d", "b")]),
        ["a \"new\"", "b \"old\"", "c = a", "d = b"]
    );
    // A link over a folder that has its target in it.
    assert_eq!(short(&[Layer::new().dir("d").file("d/x", "x"), Layer::new().hard_link("d", "d/x")]), ["d \"x\""]);
    // Through a folder that is a link, and to a link itself.
    assert_eq!(
        short(&[Layer::new().dir("d").file("d/x", "x").symlink("s", "d").hard_link("y", "s/x")]),
        ["d dir", "d/x \"x\"", "s -> d", "y = d/x"]
    );
    assert_eq!(short(&[Layer::new().symlink("s", "/etc/shadow").hard_link("t", "s")]), ["s -> /etc/shadow", "t = s"]);
    // A whiteout of one name leaves one of this layer.
    assert_eq!(short(&[Layer::new().file("a", "1"), Layer::new().hard_link("b", "a").whiteout(".wh.a")]), ["b \"1\""]);
}

#[test]
fn parents_that_are_missing_are_made() {
    let (tree, spool) = flatten(&[Layer::new().file("x/y/z", "1")]).unwrap();
    assert_eq!(lines(&tree, &spool), ["x 755 0:0 dir", "x/y 755 0:0 dir", "x/y/z 644 0:0 \"1\""]);
}

#[test]
fn parents_that_are_links_are_followed_inside_the_root() {
    let usr = || Layer::new().dir("usr").dir("usr/lib").symlink("lib", "usr/lib").symlink("abs", "/usr/lib");
    let made = short(&[usr(), Layer::new().file("lib/a", "1").file("abs/b", "2").dir("lib")]);
    // The folder `lib` replaces the link of that name, as it does on disk.
    assert_eq!(made, ["abs -> /usr/lib", "lib dir", "usr dir", "usr/lib dir", "usr/lib/a \"1\"", "usr/lib/b \"2\""]);
    // Out of the root is the root.
    let out = Layer::new()
        .symlink("up", "../../..")
        .file("up/etc/x", "1")
        .symlink("deep", "/../../tmp/..")
        .file("deep/y", "2");
    assert_eq!(
        short(&[out]),
        ["deep -> /../../tmp/..", "etc dir", "etc/x \"1\"", "tmp dir", "up -> ../../..", "y \"2\""]
    );
    // A link to what is not there: it is made.
    assert_eq!(
        short(&[Layer::new().symlink("s", "new/folder").file("s/x", "1")]),
        ["new dir", "new/folder dir", "new/folder/x \"1\"", "s -> new/folder"]
    );
    assert!(refused(&[Layer::new().symlink("a", "b").symlink("b", "a").file("a/x", "")]).contains("circle"));
    assert!(refused(&[Layer::new().file("f", "").file("f/x", "")]).contains("its parent f is no folder"));
}

#[test]
fn all_kinds_with_all_metadata() {
    let cap: &[u8] = &[1, 0, 0, 2, 0x0a, 0x3d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0a, 0];
    let layer = Layer::new()
        .item(&Item { path: b"su", mode: 0o6755, uid: 70_000, gid: 4_000_000_000, content: b"x", ..Item::default() })
        .item(&Item { kind: b'3', path: b"null", mode: 0o666, device: (1, 3), ..Item::default() })
        .item(&Item { kind: b'4', path: b"sda", mode: 0o660, device: (4095, 1_048_575), gid: 6, ..Item::default() })
        .item(&Item { kind: b'6', path: b"pipe", ..Item::default() })
        .item(&Item {
            path: b"ping",
            mode: 0o755,
            pax: &[("SCHILY.xattr.security.capability", cap), ("uid", b"4294967295")],
            ..Item::default()
        });
    let (tree, spool) = flatten(&[layer]).unwrap();
    assert_eq!(
        lines(&tree, &spool),
        [
            "null 666 0:0 char 1:3",
            "ping 755 4294967295:0 \"\"",
            "pipe 644 0:0 fifo",
            "sda 660 0:6 block 4095:1048575",
            "su 6755 70000:4000000000 \"x\""
        ]
    );
    let Some(higuma_oci::Found::File(inode, _)) = tree.find("ping") else { panic!("no ping") };
    assert_eq!(tree.entry(inode).metadata.xattrs[&b"security.capability"[..]], cap);
}

#[test]
fn a_plain_tar_has_no_whiteouts() {
    let layer = Layer::new().file("etc/passwd", "1").file("etc/.wh.passwd", "2").file("etc/.wh..wh..opq", "3");
    let (bytes, dir) = (layer.dir(".wh.d").file(".wh.d/x", "4").tar(), tempfile::tempdir().unwrap());
    let (mut tree, mut spool) = (Tree::new(Limits::default()), Spool::new(dir.path()).unwrap());
    let blob = Blob { what: "tar".into(), input: Box::new(&bytes[..]), digest: None, size: None, diff_id: None };
    apply_tar(&mut tree, &mut spool, blob).unwrap();
    let want = [
        ".wh.d 755 0:0 dir",
        ".wh.d/x 644 0:0 \"4\"",
        "etc 755 0:0 dir",
        "etc/.wh..wh..opq 644 0:0 \"3\"",
        "etc/.wh.passwd 644 0:0 \"2\"",
        "etc/passwd 644 0:0 \"1\"",
    ];
    assert_eq!(lines(&tree, &spool), want);
}
