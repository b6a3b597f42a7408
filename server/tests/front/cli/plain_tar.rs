//! `image import FILE.tar` as a program that is not root: owners and odd names arrive in the root file system, and what is
//! hostile or too large is refused and leaves nothing.

use super::oci::{files, import_of, tar};
use super::{Home, RELEASE, bzimage, empty_server, text, tree};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

fn import(home: &Home, file: &str, out: &str, more: &[&str]) -> Output {
    let file = home.path(file);
    import_of(home, out, &[&[file.to_str().unwrap()], more].concat())
}

/// As the program of that name packs it.
fn xz(bytes: &[u8], options: &[&str]) -> Vec<u8> {
    let mut input = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut input, bytes).unwrap();
    std::io::Seek::rewind(&mut input).unwrap();
    let done = Command::new("xz").arg("-c").args(options).stdin(input).output().expect("xz of xz-utils");
    assert!(done.status.success(), "{}", text(&done.stderr));
    done.stdout
}

/// The tree that others change.
fn home() -> (Home, PathBuf) {
    let home = Home::new(empty_server);
    let root = home.path("root");
    std::fs::create_dir(&root).unwrap();
    tree(&root);
    std::fs::write(root.join("noise"), "no more").unwrap();
    (home, root)
}

#[test]
fn owners_and_odd_names_arrive_and_no_root_is_needed() {
    let (home, root) = home();
    let odd = root.join(OsStr::from_bytes(b"etc/caf\xe9"));
    std::fs::write(&odd, "x").unwrap();
    // In a layer they would take `hostname` and all of /etc away; a tar is none.
    std::fs::write(root.join("etc/.wh.hostname"), "plain").unwrap();
    std::fs::write(root.join("etc/.wh..wh..opq"), "plain").unwrap();
    std::fs::set_permissions(root.join("sbin/init"), PermissionsExt::from_mode(0o4755)).unwrap();
    std::fs::hard_link(root.join("sbin/init"), root.join("sbin/other")).unwrap();
    let whole = tar(&["--owner=1234", "--group=99", "."], &root);
    std::fs::write(home.path("one.tar"), &whole).unwrap();
    std::fs::write(home.path("two.tar"), zstd::stream::encode_all(&whole[..], 1).unwrap()).unwrap();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gz, &whole).unwrap();
    std::fs::write(home.path("three.tar"), gz.finish().unwrap()).unwrap();
    // Two streams, as `pixz` and `cat` make them.
    let (begin, end) = whole.split_at(whole.len() / 3);
    let packed = [xz(begin, &["-9"]), xz(end, &["--check=sha256"])].concat();
    std::fs::write(home.path("four.tar"), packed).unwrap();
    for name in ["one", "two", "three", "four"] {
        let done = import(&home, &format!("{name}.tar"), name, &[]);
        assert!(done.status.success(), "{}", text(&done.stderr));
        assert_eq!(
            files(&home.path(name)),
            ["contents.zst", "image.json", "modules.img", "rootfs.squashfs", "vmlinuz"]
        );
    }
    let read = |path: &str| std::fs::read(home.path(path)).unwrap();
    assert_eq!(read("one/vmlinuz"), bzimage());
    for other in ["two", "three", "four"] {
        for part in ["image.json", "rootfs.squashfs"] {
            assert!(read(&format!("one/{part}")) == read(&format!("{other}/{part}")), "{other}: {part}");
        }
    }
    let listed = Command::new("unsquashfs").arg("-lln").arg(home.path("one/rootfs.squashfs")).output().unwrap().stdout;
    let has =
        |start: &[u8], end: &[u8]| listed.split(|b| *b == b'\n').any(|l| l.starts_with(start) && l.ends_with(end));
    for (start, end) in [
        (&b"-rwsr-xr-x 1234/99"[..], &b"squashfs-root/sbin/init"[..]),
        (b"-rwsr-xr-x 1234/99", b"squashfs-root/sbin/other"),
        (b"-rw-r--r-- 1234/99", b"squashfs-root/etc/hostname"),
        (b"-rw-r--r-- 1234/99", b"squashfs-root/etc/.wh.hostname"),
        (b"-rw-r--r-- 1234/99", b"squashfs-root/etc/.wh..wh..opq"),
        (b"-rw-r--r-- 1234/99", b"squashfs-root/etc/caf\xe9"),
        (b"lrwxrwxrwx", b"squashfs-root/lib -> usr/lib"),
    ] {
        assert!(has(start, end), "{}: {}", String::from_utf8_lossy(end), String::from_utf8_lossy(&listed));
    }
    assert_eq!(home.left_over(), 0);

    // What the kernel says it is for is what the image is for.
    let done = import(&home, "one.tar", "arm", &["--arch", "aarch64"]);
    assert_eq!(done.status.code(), Some(2), "{}", text(&done.stderr));
    assert!(text(&done.stderr).contains("expected a kernel for aarch64"), "{}", text(&done.stderr));
}

#[test]
fn a_hostile_tar_is_refused_and_leaves_nothing() {
    let (home, root) = home();
    let refused = |bytes: &[u8], more: &[&str], words: &[&str]| {
        std::fs::write(home.path("bad.tar"), bytes).unwrap();
        let done = import(&home, "bad.tar", "out", more);
        let told = text(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{told}");
        assert!(words.iter().all(|word| told.contains(word)), "{words:?}: {told}");
        assert_eq!((home.left_over(), files(&home.path("out")).len()), (0, 0), "something was left behind");
    };
    refused(&tar(&["--transform=s,^etc/hostname,../escaped,", "etc/hostname"], &root), &[], &["`..`"]);
    assert!(!home.path("escaped").exists() && !home.path("tmp/escaped").exists());
    std::fs::hard_link(root.join("etc/hostname"), root.join("etc/second")).unwrap();
    for (target, word) in [("../../etc/shadow", "`..`"), ("/etc/shadow", "is not in the image")] {
        let links = format!("--transform=flags=h;s,^etc/hostname$,{target},");
        refused(&tar(&["-P", &links, "etc/hostname", "etc/second"], &root), &[], &["hard link", word]);
    }
    // Forty gibibytes of hole.
    let sparse = root.join("sparse");
    std::fs::File::create(&sparse).unwrap().set_len(40 << 30).unwrap();
    let hole = tar(&["--sparse", "sparse"], &root);
    assert!(hole.len() < 100_000, "{} bytes", hole.len());
    refused(&hole, &[], &["sparse", "more than the limit of 34359738368", "--max-size"]);
    std::fs::File::create(&sparse).unwrap().set_len(600 << 20).unwrap();
    let bomb = zstd::stream::encode_all(&tar(&["sparse"], &root)[..], 1).unwrap();
    refused(&bomb, &[], &["looks like a bomb", "--max-size"]);
    std::fs::File::create(&sparse).unwrap().set_len(2 << 30).unwrap();
    refused(&tar(&["--sparse", "sparse"], &root), &["--max-size", "1"], &["more than the limit of 1073741824"]);
    std::fs::remove_file(&sparse).unwrap();

    let whole = tar(&["."], &root);
    refused(&whole[..whole.len() / 2], &[], &["it was cut off"]);
    let mut packed = zstd::stream::encode_all(&whole[..], 1).unwrap();
    packed.truncate(packed.len() / 2);
    refused(&packed, &[], &["cannot be unpacked"]);
    refused(b"no tar at all", &[], &["in the middle of a header"]);
    refused(b"\xfd7zXZ\0 and so on", &[], &["cannot be unpacked"]);
    refused(b"BZh91AY&SY and so on", &[], &["packed by bzip2", "bzip2 -d"]);
    // A dictionary of 1 GiB: more memory than is given.
    let greedy = xz(&whole, &["--lzma2=dict=1GiB"]);
    refused(&greedy, &[], &["cannot be unpacked", "memory"]);
    refused(&[0; 10240], &[], &["no /sbin/init"]);
    refused(&tar(&["--exclude=boot/*", "."], &root), &[], &["boot/vmlinuz-RELEASE", "--kernel"]);
    assert!(home.fake.lines().is_empty(), "{:?}", home.fake.lines());
}

#[test]
fn an_erofs_of_a_tar_keeps_owners_as_root() {
    let (home, root) = home();
    std::fs::remove_file(root.join(format!("usr/lib/modules/{RELEASE}/modules.builtin"))).unwrap();
    let builtin = "kernel/drivers/block/loop.ko\nkernel/fs/erofs/erofs.ko\nkernel/fs/overlayfs/overlay.ko\n";
    std::fs::write(root.join(format!("usr/lib/modules/{RELEASE}/modules.builtin")), builtin).unwrap();
    std::fs::write(home.path("root.tar"), tar(&["--owner=1234", "--group=99", "."], &root)).unwrap();
    let kind = ["--rootfs-type", "erofs"];
    let (file, out) = (home.path("root.tar"), home.path("out"));
    let args = ["image", "import", "--name", "t", "--version", "1", file.to_str().unwrap(), "--output"];
    let mut done = home.run(&[&args[..], &[out.to_str().unwrap()], &kind].concat());
    if nix::unistd::geteuid().is_root() {
        assert!(done.status.success(), "{}", text(&done.stderr));
        let unpacked = home.path("unpacked");
        let image = out.join("rootfs.squashfs");
        let extracted = Command::new("fsck.erofs").arg(format!("--extract={}", unpacked.display())).arg(image).output();
        assert!(extracted.unwrap().status.success());
        let meta = std::fs::metadata(unpacked.join("etc/hostname")).unwrap();
        use std::os::unix::fs::MetadataExt;
        assert_eq!((meta.uid(), meta.gid()), (1234, 99));
        assert!(!unpacked.join(format!("boot/vmlinuz-{RELEASE}")).exists());
        done = import(&home, "root.tar", "nobody", &kind);
    }
    assert_eq!(done.status.code(), Some(2), "{}", text(&done.stderr));
    assert!(text(&done.stderr).contains("expected to run as root"), "{}", text(&done.stderr));
    assert_eq!(home.left_over(), 0);
}

#[test]
fn an_erofs_that_is_huge_or_leads_out_is_not_unpacked() {
    let (home, root) = home();
    let (kernel, image) = (home.path("kernel"), home.path("root.erofs"));
    std::fs::copy(root.join(format!("boot/vmlinuz-{RELEASE}")), &kernel).unwrap();
    std::fs::write(root.join("big"), vec![7; 70_001]).unwrap();
    std::fs::write(root.join("abc_de_evil"), "evil").unwrap();
    // Without the checksum, which who means harm makes right.
    assert!(Command::new("mkfs.erofs").arg("-Enosbcrc").arg(&image).arg(&root).output().unwrap().status.success());
    let refused = |words: &[&str]| {
        let args = ["image", "import", "--name", "t", "--version", "1", "--max-size", "1", "--kernel"];
        let done = home.run(&[&args[..], &[kernel.to_str().unwrap(), "--rootfs", image.to_str().unwrap()]].concat());
        let told = text(&done.stderr);
        assert!(!done.status.success() && words.iter().all(|word| told.contains(word)), "{words:?}: {told}");
        assert_eq!(home.left_over(), 0);
    };
    let mut bytes = std::fs::read(&image).unwrap();
    let replaced = |bytes: &[u8], from: &[u8], to: &[u8]| {
        let at: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(from)).collect();
        let [at] = at[..] else { panic!("{from:?} is there {} times", at.len()) };
        [&bytes[..at], to, &bytes[at + to.len()..]].concat()
    };
    // A name that leads out of the scratch folder.
    std::fs::write(&image, replaced(&bytes, b"abc_de_evil", b"../../_evil")).unwrap();
    refused(&["`../../_evil` is no name of a file"]);
    assert!(!home.path("tmp/_evil").exists() && !home.path("_evil").exists());
    // The size in the file's inode: 4 GiB.
    std::fs::write(&image, replaced(&bytes, &70_001u32.to_le_bytes(), &[0xff; 4])).unwrap();
    refused(&["expected at most 1073741824 bytes unpacked, it says 429", "--max-size"]);
    // Cut off.
    bytes.truncate(2_000);
    std::fs::write(&image, &bytes).unwrap();
    refused(&["behind its end", "it is damaged"]);
}
