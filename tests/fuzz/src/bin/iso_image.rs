#![no_main]
//! Any bytes as blocks 16 and on of an ISO image. What is found in it lies within the file, or is refused when it is copied, and
//! nothing that the image says makes the reader go on for ever.

use higuma::cli::image::iso::Iso;
use std::os::unix::fs::FileExt;

/// The empty blocks before the descriptors.
const BEFORE: u64 = 16 * 2048;
/// Names of the seed, which the fuzzer changes as it likes.
const PATHS: [&str; 5] = ["boot/vmlinuz", "vmlinuz", "link", "deep/back/vmlinuz", "install.amd/initrd.gz"];

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let file = tempfile::NamedTempFile::new_in("/dev/shm").expect("a file in /dev/shm");
    file.as_file().write_all_at(bytes, BEFORE).expect("writing into memory");
    let Ok(iso) = Iso::open(file.path()) else { return };
    for folder in ["", "boot", "deep/back"] {
        assert!(iso.names(folder).unwrap_or_default().len() <= bytes.len());
    }
    let out = tempfile::tempdir_in("/dev/shm").expect("a folder in /dev/shm");
    for (number, path) in PATHS.iter().enumerate() {
        let Ok(Some(place)) = iso.find(path) else { continue };
        let to = out.path().join(number.to_string());
        // A file may have the same blocks many times; no file of the fuzzer's is allowed to be large by that.
        if place.size() <= 1 << 20 && iso.copy(&place, &to).is_ok() {
            assert_eq!(std::fs::metadata(&to).map(|made| made.len()).unwrap_or_default(), place.size());
        }
    }
});
