//! Archives: what is taken, and what is refused without a trace outside of the folder.

use higuma_agent::firmware::archive::{ArchiveError, Limits, Unpacked, unpack};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tar::{Builder, EntryType, Header};

const LIMITS: Limits = Limits { bytes: 1 << 20, entries: 100 };

/// An entry as it is, whatever its name.
pub fn raw(kind: EntryType, name: &str, link: &str, mode: u32, content: &[u8]) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_mode(mode);
    header.set_size(content.len() as u64);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

pub fn file(name: &str, content: &[u8]) -> Vec<u8> {
    raw(EntryType::Regular, name, "", 0o644, content)
}

fn end(entries: &[Vec<u8>]) -> Vec<u8> {
    [entries.concat(), vec![0; 1024]].concat()
}

struct Case {
    _outer: tempfile::TempDir,
    folder: std::path::PathBuf,
    result: Result<Unpacked, ArchiveError>,
}

fn run_with(archive: &[u8], limits: Limits) -> Case {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("files");
    std::fs::create_dir(&folder).unwrap();
    let result = unpack(archive, &folder, limits);
    let around: Vec<_> = std::fs::read_dir(outer.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(around, ["files"], "nothing may appear beside the folder");
    Case { _outer: outer, folder, result }
}

fn run(entries: &[Vec<u8>]) -> Case {
    run_with(&end(entries), LIMITS)
}

fn refused(entries: &[Vec<u8>], words: &str) {
    let error = run(entries).result.unwrap_err().to_string();
    assert!(error.contains(words), "{error}");
}

#[test]
fn files_folders_and_links_within_are_made() {
    let case = run(&[
        raw(EntryType::Directory, "./", "", 0o755, b""),
        raw(EntryType::Directory, "./bin/", "", 0o755, b""),
        raw(EntryType::Regular, "./bin/tool", "", 0o4755, b"tool"),
        raw(EntryType::Symlink, "bin/sh", "tool", 0o777, b""),
        raw(EntryType::Symlink, "a/b/up", "../../bin/tool", 0o777, b""),
        raw(EntryType::Link, "a/hard", "bin/tool", 0o644, b""),
        file("deep/er/data.bin", &[7; 1000]),
    ]);
    assert_eq!(case.result.unwrap(), Unpacked { files: 2, bytes: 1004 });
    let read = |name: &str| std::fs::read(case.folder.join(name)).unwrap();
    for name in ["bin/tool", "bin/sh", "a/b/up", "a/hard"] {
        assert_eq!(read(name), b"tool", "{name}");
    }
    assert_eq!(read("deep/er/data.bin"), [7; 1000]);
    let mode = std::fs::metadata(case.folder.join("bin/tool")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o755, "no set-user-id");
}

#[test]
fn what_tar_writes_is_read_plain_and_by_zstd_with_long_names() {
    let long = format!("folder/{}/{}", "x".repeat(90), "y".repeat(90));
    let mut builder = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_size(2);
    header.set_mode(0o600);
    builder.append_data(&mut header, &long, &b"hi"[..]).unwrap();
    builder.append_pax_extensions([("path", "from/pax".as_bytes()), ("mtime", b"1")]).unwrap();
    header.set_size(3);
    header.set_cksum();
    builder.append(&header, &b"pax"[..]).unwrap();
    let plain = builder.into_inner().unwrap();
    for archive in [plain.clone(), zstd::encode_all(&plain[..], 3).unwrap()] {
        let case = run_with(&archive, LIMITS);
        assert_eq!(case.result.unwrap(), Unpacked { files: 2, bytes: 5 });
        assert_eq!(std::fs::read(case.folder.join(&long)).unwrap(), b"hi");
        assert_eq!(std::fs::read(case.folder.join("from/pax")).unwrap(), b"pax");
    }
}

#[test]
fn nothing_gets_out_of_the_folder() {
    for name in ["../evil", "/evil", "a/../../evil", "a/.."] {
        refused(&[file(name, b"x")], "within the archive");
    }
    for (name, target) in [
        ("l", "/etc/passwd"),
        ("l", ".."),
        ("a/l", "../.."),
        ("l", "a/../.."),
        ("l", "a/../b"),
        ("a/b/l", "../../../x"),
    ] {
        refused(&[raw(EntryType::Symlink, name, target, 0o777, b"")], "a link within the archive");
    }
    // Through a link that was made before, even one that leads nowhere outside.
    let through = [raw(EntryType::Symlink, "l", "a", 0o777, b""), file("l/evil", b"x")];
    refused(&through, "something else already");
    let over = [raw(EntryType::Symlink, "l", "a", 0o777, b""), file("l", b"x")];
    refused(&over, "exists");
    refused(&[raw(EntryType::Link, "h", "../evil", 0o644, b"")], "within the archive");
    refused(&[raw(EntryType::Link, "h", "not/there", 0o644, b"")], "no file that came before");
    let to_link = [raw(EntryType::Symlink, "l", "a", 0o777, b""), raw(EntryType::Link, "h", "l", 0o644, b"")];
    refused(&to_link, "no file that came before");
    refused(&[file("a", b"x"), file("a/b", b"x")], "something else already");
}

#[test]
fn devices_pipes_and_the_like_are_refused() {
    for kind in [EntryType::Char, EntryType::Block, EntryType::Fifo, EntryType::GNUSparse] {
        refused(&[raw(kind, "dev", "", 0o644, b"")], "files, folders and links");
    }
    refused(&[file("", b"x")], "no name");
    refused(&[raw(EntryType::Symlink, "l", "", 0o777, b"")], "link");
}

#[test]
fn bombs_end_at_their_limit() {
    let mut bomb = zstd::Encoder::new(Vec::new(), 3).unwrap();
    let head = raw(EntryType::Regular, "zeros", "", 0o644, b"");
    let mut header = Header::new_gnu();
    header.as_mut_bytes().copy_from_slice(&head[..512]);
    header.set_size(1 << 30);
    header.set_cksum();
    bomb.write_all(header.as_bytes()).unwrap();
    for _ in 0..1024 {
        bomb.write_all(&[0; 1 << 20]).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 200_000);
    let case = run_with(&bomb, LIMITS);
    assert!(case.result.unwrap_err().to_string().contains("unpacks to too much"));
    assert!(size(&case.folder) <= LIMITS.bytes);
    let many: Vec<Vec<u8>> = (0..101).map(|n| file(&format!("f{n}"), b"")).collect();
    refused(&many, "more than 100 entries");
    let name = raw(EntryType::GNULongName, "././@LongLink", "", 0, &[b'x'; 70_000]);
    refused(&[name, file("f", b"x")], "64 KiB");
    refused(&[file(&["a"; 40].join("/"), b"x")], "32 folders");
}

fn size(folder: &Path) -> u64 {
    std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum()
}

#[test]
fn damaged_archives_are_told_and_never_panic() {
    for bytes in [&b""[..], &[0; 1024], b"this is no archive at all", &[0x28, 0xB5, 0x2F, 0xFD, 1, 2, 3]] {
        assert!(run_with(bytes, LIMITS).result.is_err(), "{bytes:?}");
    }
    let whole = end(&[file("a", &[1; 5000])]);
    for cut in [100, 512, 600, 3000] {
        assert!(run_with(&whole[..cut], LIMITS).result.is_err(), "cut at {cut}");
    }
}

proptest::proptest! {
    #[test]
    fn arbitrary_changes_never_panic_or_get_out(changes in proptest::collection::vec((0..2048usize, 0..=255u8), 0..20)) {
        let mut bytes = end(&[
            file("a/b", b"x"), raw(EntryType::Symlink, "l", "a", 0o777, b""), raw(EntryType::Link, "h", "a/b", 0o644, b"")
        ]);
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        let _ = run_with(&bytes, LIMITS).result;
    }
}
