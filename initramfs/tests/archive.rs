//! Archives as others read them: GNU cpio for the listing, the cpio crate's reader for the contents.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs::File,
    io::{Read, Seek, Write},
    process::{Command, Stdio},
};

use cpio::NewcReader;
use higuma_initramfs::{
    Error,
    archive::{Archive, Sizing, compress, decompress, pad_to_512, padding},
    second_stage, site,
};
use proptest::prelude::*;

const CA: &str = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n";

/// Name, mode and content of each entry.
fn entries(mut bytes: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
    let mut found = Vec::new();
    loop {
        let mut reader = NewcReader::new(bytes).expect("an entry");
        if reader.entry().is_trailer() {
            return found;
        }
        let (name, mode) = (reader.entry().name().to_owned(), reader.entry().mode());
        assert_eq!((reader.entry().mtime(), reader.entry().uid(), reader.entry().gid()), (0, 0, 0));
        let mut content = Vec::new();
        reader.read_to_end(&mut content).unwrap();
        found.push((name, mode, content));
        bytes = reader.finish().unwrap();
    }
}

fn listing(archive: &[u8]) -> String {
    let mut child = Command::new("cpio")
        .args(["-tv", "--quiet"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("cpio");
    child.stdin.take().unwrap().write_all(archive).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn file(content: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    file
}

#[test]
fn gnu_cpio_lists_it() {
    let mut archive = Archive::new(Vec::new());
    archive.dir("/tmp", 0o1777).unwrap();
    archive.file("/etc/higuma/secret", 0o600, b"abc").unwrap();
    archive.symlink("/bin/sh", "../init").unwrap();
    archive.devices().unwrap();
    let bytes = archive.finish().unwrap();
    assert_eq!(bytes.len() % 512, 0);
    let lines: Vec<String> = listing(&bytes)
        .lines()
        .map(|line| {
            let line = line.replace(",   ", ",");
            let words: Vec<&str> = line.split_whitespace().collect();
            format!("{} {} {} {} {}", words[0], words[2], words[3], words[4], words[8..].join(" "))
        })
        .collect();
    assert_eq!(
        lines,
        [
            "drwxrwxrwt root root 0 tmp",
            "drwxr-xr-x root root 0 etc",
            "drwxr-xr-x root root 0 etc/higuma",
            "-rw------- root root 3 etc/higuma/secret",
            "drwxr-xr-x root root 0 bin",
            "lrwxrwxrwx root root 7 bin/sh -> ../init",
            "drwxr-xr-x root root 0 dev",
            "crw------- root root 5,1 dev/console",
            "crw-rw-rw- root root 1,3 dev/null",
        ]
    );
}

#[test]
fn bad_paths_and_sizes_are_refused() {
    let mut archive = Archive::new(Vec::new());
    for path in ["", "relative", "/", "//x", "/a//b", "/../x", "/a/./b", "/a\0", "/TRAILER!!!"] {
        assert!(matches!(archive.file(path, 0o644, b""), Err(Error::BadPath { .. })), "{path:?} was taken");
    }
    let size = 1 << 32;
    assert!(matches!(archive.file_from("/x", 0o644, size, &mut std::io::empty()), Err(Error::TooLarge { .. })));
    for (announced, got) in [(2, 3), (4, 3)] {
        let result = Archive::new(Vec::new()).file_from("/x", 0o644, announced, &mut &b"abc"[..]);
        assert!(
            matches!(result, Err(Error::SizeChanged { expected, got: g, .. }) if (expected, g) == (announced, got))
        );
    }
}

#[test]
fn compressed_parts_are_the_same_each_time_and_padded() {
    let content = (0..200_000u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>();
    let packed = compress(&content, 19).unwrap();
    assert_eq!(packed, compress(&content, 19).unwrap());
    assert_eq!((packed.len() % 512, &packed[..4]), (0, &[0x28, 0xb5, 0x2f, 0xfd][..]));
    assert_eq!(decompress(&packed, content.len() as u64).unwrap(), content);
    assert!(decompress(&packed, content.len() as u64 - 1).is_err());
    assert!(decompress(b"no zstd", 10).is_err());
}

#[test]
fn the_site_part() {
    let part = site::build(CA, "3f2a9c10.higuma.internal", 1_790_000_000).unwrap();
    assert_eq!(part, site::build(CA, "3f2a9c10.higuma.internal", 1_790_000_000).unwrap());
    assert_eq!(part.len() % 512, 0);
    let entries = entries(&part);
    let names: Vec<&str> = entries.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["etc", "etc/higuma", "etc/higuma/ca.pem", "etc/higuma/server-name", "etc/higuma/not-before"]);
    assert_eq!(entries[2].2, CA.as_bytes());
    assert_eq!(entries[3].2, b"3f2a9c10.higuma.internal\n");
    assert_eq!(entries[4].2, b"1790000000\n");
    assert!(site::build("nonsense", "a.b", 0).is_err());
    assert!(site::build(&format!("{CA}-----BEGIN PRIVATE KEY-----"), "a.b", 0).is_err());
    assert!(site::build(CA, "a b", 0).is_err());
}

#[test]
fn the_second_stage_is_as_large_as_foretold() {
    let (agent, rootfs) = (file(&[7; 12_345]), file(&[9; 70_001]));
    for rootfs in [None, Some(&rootfs)] {
        let contents = second_stage::Contents {
            agent: &agent,
            plan_json: b"{\"secret\":1}",
            ca_pem: CA.as_bytes(),
            server_name: "x.higuma.internal\n",
            rootfs,
            beside: false,
        };
        let size = second_stage::size_of(&contents).unwrap();
        let bytes = second_stage::write(&contents, Vec::new()).unwrap();
        assert_eq!((bytes.len() as u64, size % 512), (size, 0));
        assert_eq!(bytes, second_stage::write(&contents, Vec::new()).unwrap(), "files are read from their start");
        let entries = entries(&bytes);
        let get = |name: &str| entries.iter().find(|entry| entry.0 == name);
        assert_eq!(get("init").map(|entry| (entry.1, entry.2.len())), Some((0o100_755, 12_345)));
        assert_eq!(get("etc/higuma/second-stage.json").unwrap().1, 0o100_600);
        assert_eq!(get("etc/higuma/server-name").unwrap().2, b"x.higuma.internal\n");
        assert_eq!(get("rootfs.squashfs").map(|entry| entry.2.len()), rootfs.map(|_| 70_001));
        assert_eq!(get("dev/console").map(|entry| entry.1), Some(0o020_600));
        assert_eq!(get("dev/null").map(|entry| entry.1), Some(0o020_666));
        for dir in ["proc", "sys", "dev", "run", "tmp", "etc"] {
            assert_eq!(get(dir).unwrap().1 & 0o170_000, 0o040_000);
        }
    }
    let contents = second_stage::Contents {
        agent: &agent,
        plan_json: b"",
        ca_pem: b"",
        server_name: "",
        rootfs: None,
        beside: false,
    };
    assert!(matches!(second_stage::size_with(&contents, 1, Some(1 << 32)), Err(Error::TooLarge { .. })));
}

#[test]
fn beside_an_images_own_initrd_nothing_of_it_is_touched() {
    let agent = file(&[7; 1_000]);
    let contents = second_stage::Contents {
        agent: &agent,
        plan_json: b"{}",
        ca_pem: CA.as_bytes(),
        server_name: "x.higuma.internal",
        rootfs: None,
        beside: true,
    };
    let bytes = second_stage::write(&contents, Vec::new()).unwrap();
    assert_eq!(bytes.len() as u64, second_stage::size_of(&contents).unwrap());
    let entries = entries(&bytes);
    assert!(entries.iter().all(|entry| entry.0 == ".higuma" || entry.0.starts_with(".higuma/")), "only ours");
    let get = |name: &str| entries.iter().find(|entry| entry.0 == name).map(|entry| entry.1);
    assert_eq!(get(".higuma/init"), Some(0o100_755));
    assert_eq!(get(".higuma/etc/higuma/second-stage.json"), Some(0o100_600));
    assert_eq!(get(".higuma/etc/higuma/ca.pem"), Some(0o100_644));
}

#[test]
fn a_large_file_is_streamed_from_where_it_lies() {
    // A sparse file of 1 GiB into a writer that keeps nothing: it would not fit if it were held in memory twice.
    let rootfs = tempfile::tempfile().unwrap();
    rootfs.set_len(1 << 30).unwrap();
    let agent = file(b"x");
    let contents = second_stage::Contents {
        agent: &agent,
        plan_json: b"",
        ca_pem: b"",
        server_name: "",
        rootfs: Some(&rootfs),
        beside: false,
    };
    let mut out = Count(0);
    second_stage::write(&contents, &mut out).unwrap();
    assert_eq!(out.0, second_stage::size_of(&contents).unwrap());
    assert_eq!((&rootfs).stream_position().unwrap(), 1 << 30);
}

struct Count(u64);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn padding_helpers() {
    assert_eq!([0, 1, 511, 512, 513].map(padding), [0, 511, 1, 0, 511]);
    let mut bytes = vec![1; 513];
    pad_to_512(&mut bytes);
    assert_eq!((bytes.len(), bytes[512], bytes[513]), (1024, 1, 0));
}

proptest! {
    #[test]
    fn what_goes_in_comes_out_and_sizes_are_foretold(
        files in proptest::collection::btree_map("(/[a-z]{1,9}){1,3}\\.x", proptest::collection::vec(any::<u8>(), 0..300), 0..8),
    ) {
        let (mut archive, mut sizing) = (Archive::new(Vec::new()), Sizing::default());
        for (path, content) in &files {
            archive.file(path, 0o644, content).unwrap();
            sizing.file(path, content.len() as u64);
        }
        let bytes = archive.finish().unwrap();
        prop_assert_eq!(bytes.len() as u64, sizing.total());
        let found: std::collections::BTreeMap<String, Vec<u8>> = entries(&bytes)
            .into_iter()
            .filter(|(_, mode, _)| mode & 0o170_000 == 0o100_000)
            .map(|(name, _, content)| (format!("/{name}"), content))
            .collect();
        prop_assert_eq!(found, files);
    }
}
