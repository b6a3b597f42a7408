//! Reads below the root of a tree: attributes of /sys, files of /proc, folders and links. Whatever stands there, no more
//! than a bound is read, and nothing is written.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::Errors;

/// No attribute of /sys that we read is longer.
const ATTRIBUTE: u64 = 4_096;
/// No file of /proc that we read is longer: cpuinfo has some KiB for each of thousands of processors.
const WHOLE: u64 = 32 << 20;
/// Entries of one folder that are looked at.
const ENTRIES: usize = 4_096;

/// The first `limit` bytes of a file.
pub(super) fn bytes(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A file of /proc as text; bytes that are no UTF-8 are replaced.
pub(super) fn text(path: &Path) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&bytes(path, WHOLE)?).into_owned())
}

/// One line of a file that should be there; empty (and recorded, with nothing incomplete by it) when it is not.
pub(super) fn line(root: &Path, path: &str, errors: &mut Errors) -> String {
    match bytes(&root.join(path), ATTRIBUTE) {
        Ok(bytes) => tidy(&bytes).unwrap_or_default(),
        Err(e) => {
            errors.add("", path, e);
            String::new()
        }
    }
}

/// One line of a file that may well be missing.
pub(super) fn optional(path: &Path) -> Option<String> {
    tidy(&bytes(path, ATTRIBUTE).ok()?)
}

/// Text without what surrounds it; none when nothing is left.
fn tidy(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!text.is_empty()).then(|| text.to_owned())
}

/// Names in a folder of /sys, sorted; empty (and recorded) when the folder is not there.
pub(super) fn names(root: &Path, path: &str, section: &str, errors: &mut Errors) -> Vec<String> {
    match entries(&root.join(path)) {
        Ok(names) => names,
        Err(e) => {
            errors.add(section, path, e);
            Vec::new()
        }
    }
}

/// Names in a folder that may well be missing, sorted.
pub(super) fn entries(path: &Path) -> io::Result<Vec<String>> {
    let entries = std::fs::read_dir(path)?;
    let mut names: Vec<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).take(ENTRIES).collect();
    names.sort();
    Ok(names)
}

/// The last component of the link `path`, e.g. the driver's name.
pub(super) fn link_name(path: &Path) -> Option<String> {
    Some(std::fs::read_link(path).ok()?.file_name()?.to_str()?.to_owned())
}

/// The PCI function nearest to a device, upwards from the folder it really has (virtio devices sit one level below their
/// function, disks several).
pub(super) fn pci_function(device: &Path) -> Option<String> {
    let path = std::fs::canonicalize(device).ok()?;
    path.iter().rev().filter_map(|part| part.to_str()).find(|part| is_pci_address(part)).map(str::to_owned)
}

/// Whether it reads `0000:3b:00.0`. A domain may have more digits (Intel VMD's have five).
pub(super) fn is_pci_address(text: &str) -> bool {
    let hex = |part: &str, least: usize, most: usize| {
        (least..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_hexdigit())
    };
    let mut parts = text.split(':');
    let (Some(domain), Some(bus), Some(slot), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let Some((device, function)) = slot.split_once('.') else { return false };
    hex(domain, 4, 8) && hex(bus, 2, 2) && hex(device, 2, 2) && hex(function, 1, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_functions() {
        for good in ["0000:3b:00.0", "10000:e1:00.7", "0000:00:1f.3"] {
            assert!(is_pci_address(good), "{good}");
        }
        for bad in ["", "3b:00.0", "0000:3b:00", "0000:3b:00.0:1", "pci0000:3b", "0000:gg:00.0", "0000:3b:00.00"] {
            assert!(!is_pci_address(bad), "{bad}");
        }
    }
}
