//! Which packages a root file system has, by the distribution's own list: dpkg's status file, apk's list, rpm's database. Bytes of
//! strangers: no panic, bounded.

use super::super::root::Root;
use super::format::Package;
use super::rpm;
use crate::cli::error::Result;
use crate::cli::progress::Progress;

/// Bytes of a list that is text.
const LONGEST: u64 = 256 << 20;
/// Packages; more are left out.
pub(super) const MOST: usize = 100_000;
/// Bytes of a name or version.
const LONGEST_WORD: usize = 200;

/// The kind of list that was found, empty for none, and what it says, in order. A list of dpkg or apk without a package is none: Fedora
/// has dpkg, too, for whoever builds for Debian.
///
/// # Errors
/// The list is there and cannot be read.
pub fn of(root: &dyn Root, progress: &Progress) -> Result<(&'static str, Vec<Package>)> {
    for (kind, path, read) in [
        ("dpkg", "var/lib/dpkg/status", dpkg as fn(&str) -> Vec<Package>),
        ("apk", "lib/apk/db/installed", apk),
        ("apk", "usr/lib/apk/db/installed", apk),
    ] {
        if let Some(bytes) = root.head(path, LONGEST)? {
            let packages = read(&String::from_utf8_lossy(&bytes));
            if !packages.is_empty() {
                return Ok((kind, in_order(packages)));
            }
        }
    }
    Ok(rpm::of(root, progress)?.map_or(("", Vec::new()), |packages| ("rpm", in_order(packages))))
}

fn in_order(mut packages: Vec<Package>) -> Vec<Package> {
    packages.sort();
    packages.dedup();
    packages
}

/// deb822 paragraphs; only what is installed counts, not what left its configuration behind.
fn dpkg(text: &str) -> Vec<Package> {
    paragraphs(text, |lines| {
        let field = |name: &str| {
            lines.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim).unwrap_or_default()
        };
        let installed = field("Status").ends_with(" installed");
        installed.then(|| package(field("Package"), field("Architecture"), field("Version"))).flatten()
    })
}

/// `P:name`, `V:version`, `A:architecture`.
fn apk(text: &str) -> Vec<Package> {
    paragraphs(text, |lines| {
        let field = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        package(field("P:"), field("A:"), field("V:"))
    })
}

fn paragraphs(text: &str, read: impl Fn(&[&str]) -> Option<Package>) -> Vec<Package> {
    let mut packages = Vec::new();
    let mut lines = Vec::new();
    for line in text.lines().chain(std::iter::once("")) {
        if line.is_empty() {
            packages.extend(read(&lines));
            lines.clear();
        } else if lines.len() < 10_000 {
            lines.push(line);
        }
        if packages.len() >= MOST {
            break;
        }
    }
    packages
}

/// None when its name or version is empty, too long, or no word.
pub(super) fn package(name: &str, arch: &str, version: &str) -> Option<Package> {
    let word = |word: &str| !word.is_empty() && word.len() <= LONGEST_WORD && !word.chars().any(char::is_control);
    [name, version].iter().all(|text| word(text)).then(|| Package {
        name: name.to_owned(),
        arch: if word(arch) { arch.to_owned() } else { String::new() },
        version: version.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_dpkg_and_apk() {
        let status = "Package: vim\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2:9.0\nDescription: x\n y: z\n\n\
                      Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: broken\nStatus: install ok installed\n";
        let text = |p: &Package| format!("{} {} {}", p.name, p.arch, p.version);
        assert_eq!(dpkg(status).iter().map(text).collect::<Vec<_>>(), ["vim amd64 2:9.0"]);
        let installed = "C:Q1x\nP:musl\nV:1.2.5-r0\nA:x86_64\n\nC:Q2\nP:busybox\nV:1.36\nA:x86_64\nF:bin\n";
        assert_eq!(
            apk(installed).iter().map(text).collect::<Vec<_>>(),
            ["musl x86_64 1.2.5-r0", "busybox x86_64 1.36"]
        );
        assert!(dpkg("").is_empty() && apk("\n\n\n").is_empty() && dpkg(&"x".repeat(1000)).is_empty());
    }
}
