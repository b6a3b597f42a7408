//! How two listings differ: packages, names, sizes. Both are read side by side in their common order, so memory holds only what
//! differs.

use super::format::{Entry, Package, Reader, order};
use crate::cli::error::{Failure, Result};
use crate::cli::output;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// Names that differ; two images that have nothing to do with each other differ in all.
const MOST: usize = 1_000_000;

/// A package that is not the same in both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageChange {
    /// Name, with `:ARCH` when one of another architecture has the same name.
    pub name: String,
    /// Versions in the first image; empty: not there.
    pub from: String,
    /// Versions in the second.
    pub to: String,
}

/// A name that is not the same in both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// As in a listing.
    pub path: String,
    /// In the first image.
    pub from: Option<Entry>,
    /// In the second.
    pub to: Option<Entry>,
}

/// The whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// NAME:VERSION.
    pub from: String,
    /// NAME:VERSION.
    pub to: String,
    /// Bytes of all files of the first.
    pub from_bytes: u64,
    /// Of the second.
    pub to_bytes: u64,
    /// In order of name.
    pub packages: Vec<PackageChange>,
    /// In order.
    pub files: Vec<Change>,
}

/// Compare; names that `keep` does not want are passed over.
///
/// # Errors
/// A listing that cannot be read; too many differences.
pub fn of(
    (from, mut a): (&str, Reader<'_>),
    (to, mut b): (&str, Reader<'_>),
    keep: &dyn Fn(&str) -> bool,
) -> Result<Difference> {
    let packages = packages(&a.head.packages, &b.head.packages);
    let mut files = Vec::new();
    let (mut left, mut right) = (a.next_entry()?, b.next_entry()?);
    loop {
        let which = match (&left, &right) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(left), Some(right)) => order(&left.path, &right.path),
        };
        let was = if which.is_le() { std::mem::replace(&mut left, a.next_entry()?) } else { None };
        let is = if which.is_ge() { std::mem::replace(&mut right, b.next_entry()?) } else { None };
        let path = was.as_ref().or(is.as_ref()).map(|entry| entry.path.clone()).unwrap_or_default();
        if was != is && keep(&path) {
            files.push(Change { path, from: was, to: is });
        }
        if files.len() > MOST {
            return Err(Failure::failed(format!("{from} and {to} differ in over {MOST} names: see --path")));
        }
    }
    let (from_bytes, to_bytes) = (a.head.bytes, b.head.bytes);
    Ok(Difference { from: from.to_owned(), to: to.to_owned(), from_bytes, to_bytes, packages, files })
}

/// By name and architecture; several versions side by side (kernels of some distributions) are told together.
fn packages(a: &[Package], b: &[Package]) -> Vec<PackageChange> {
    type Versions<'a> = BTreeMap<(&'a str, &'a str), Vec<&'a str>>;
    let by_name = |list: &'_ [Package]| -> BTreeMap<(String, String), String> {
        let mut versions: Versions<'_> = BTreeMap::new();
        for p in list {
            versions.entry((p.name.as_str(), p.arch.as_str())).or_default().push(&p.version);
        }
        versions.into_iter().map(|((name, arch), v)| ((name.to_owned(), arch.to_owned()), v.join(", "))).collect()
    };
    let (a, b) = (by_name(a), by_name(b));
    let keys: BTreeSet<&(String, String)> = a.keys().chain(b.keys()).collect();
    let several = |name: &str| keys.iter().filter(|key| key.0 == name).count() > 1;
    let version = |of: &BTreeMap<(String, String), String>, key| of.get(key).cloned().unwrap_or_default();
    let changed = keys.iter().filter(|key| a.get(**key) != b.get(**key));
    changed
        .map(|key| PackageChange {
            name: if several(&key.0) { format!("{}:{}", key.0, key.1) } else { key.0.clone() },
            from: version(&a, key),
            to: version(&b, key),
        })
        .collect()
}

impl Change {
    /// For people: what differs.
    fn text(&self) -> String {
        let brief = |e: &Entry| if e.kind == "file" { output::size(e.size) } else { e.kind.clone() };
        match (&self.from, &self.to) {
            (Some(was), Some(is)) => {
                let mut what = Vec::new();
                let mut told = |name: &str, was: String, is: String| {
                    if was != is {
                        what.push(format!("{name} {was} -> {is}"));
                    }
                };
                told("kind", was.kind.clone(), is.kind.clone());
                told("mode", was.mode.clone(), is.mode.clone());
                told("owner", format!("{}:{}", was.uid, was.gid), format!("{}:{}", is.uid, is.gid));
                told("target", was.target.clone(), is.target.clone());
                if was.kind == is.kind && was.sha256 != is.sha256 {
                    what.push(match was.size == is.size {
                        true => format!("content, {}", output::size(is.size)),
                        false => format!("content {} -> {}", output::size(was.size), output::size(is.size)),
                    });
                }
                what.join("; ")
            }
            (Some(only), None) | (None, Some(only)) => brief(only),
            (None, None) => String::new(),
        }
    }

    fn sign(&self) -> &'static str {
        match (&self.from, &self.to) {
            (None, _) => "+",
            (_, None) => "-",
            _ => "~",
        }
    }
}

impl Difference {
    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let dash = |version: &str| if version.is_empty() { "-".to_owned() } else { version.to_owned() };
        if !self.packages.is_empty() {
            let rows = self.packages.iter().map(|p| [p.name.clone(), dash(&p.from), dash(&p.to)]);
            text.push_str(&output::table(["PACKAGE", &self.from, &self.to], &rows.collect::<Vec<_>>()));
            text.push('\n');
        }
        if !self.files.is_empty() {
            let rows = self.files.iter().map(|c| [format!("{} /{}", c.sign(), c.path), c.text()]);
            text.push_str(&output::table(["NAME", "DIFFERENCE"], &rows.collect::<Vec<_>>()));
            text.push('\n');
        }
        let (packages, files) = (self.packages.len(), self.files.len());
        let (from, to) = (output::size(self.from_bytes), output::size(self.to_bytes));
        text.push_str(&match (packages, files) {
            (0, 0) => format!("no difference: {from}\n"),
            _ => format!("{packages} packages and {files} names differ; {from} -> {to}\n"),
        });
        text
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::format::Writer;
    use super::*;

    fn listing(entries: &[(&str, &str, &str)], packages: &[(&str, &str, &str)]) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(dir.path()).unwrap();
        for (path, mode, sha256) in entries {
            let (path, mode, sha256) = (path.to_string(), mode.to_string(), sha256.to_string());
            let entry = Entry { path, kind: "file".into(), size: 2048, mode, sha256, ..Entry::default() };
            writer.put(&entry, false).unwrap();
        }
        let package = |(name, arch, version): &(&str, &str, &str)| Package {
            name: name.to_string(),
            arch: arch.to_string(),
            version: version.to_string(),
        };
        writer.finish("dpkg", packages.iter().map(package).collect(), &dir.path().join("out")).unwrap();
        std::fs::read(dir.path().join("out")).unwrap()
    }

    fn compared(a: &[u8], b: &[u8]) -> Difference {
        let read = |bytes| Reader::new(bytes, "x").unwrap();
        of(("w:1", read(a)), ("w:2", read(b)), &|path| !path.starts_with("secret")).unwrap()
    }

    #[test]
    fn what_differs_is_told_and_nothing_else() {
        let a = listing(
            &[
                ("etc", "755", ""),
                ("etc/a", "644", "1"),
                ("etc-x", "644", "1"),
                ("gone", "600", "1"),
                ("same", "644", "1"),
            ],
            &[("libc", "amd64", "1"), ("libc", "i386", "1"), ("old", "all", "3"), ("same", "all", "1")],
        );
        let b = listing(
            &[
                ("etc", "755", ""),
                ("etc/a", "600", "2"),
                ("etc/b", "644", "1"),
                ("etc-x", "644", "1"),
                ("same", "644", "1"),
                ("secret", "644", ""),
            ],
            &[("libc", "amd64", "2"), ("libc", "i386", "1"), ("new", "all", "4"), ("same", "all", "1")],
        );
        let difference = compared(&a, &b);
        let packages: Vec<_> = difference.packages.iter().map(|p| [&*p.name, &*p.from, &*p.to].join(" ")).collect();
        assert_eq!(packages, ["libc:amd64 1 2", "new  4", "old 3 "]);
        let files: Vec<_> = difference.files.iter().map(|c| format!("{}{} {}", c.sign(), c.path, c.text())).collect();
        assert_eq!(files, ["~etc/a mode 644 -> 600; content, 2.0 KiB", "+etc/b 2.0 KiB", "-gone 2.0 KiB"]);
        let text = difference.text();
        assert!(text.ends_with("3 packages and 3 names differ; 10.0 KiB -> 12.0 KiB\n"), "{text}");
        assert!(compared(&a, &a).text().starts_with("no difference: 10.0 KiB"));
        let damaged = Reader::new(&a[..a.len() - 9], "x");
        let failed = damaged.and_then(|damaged| of(("w:1", damaged), ("w:2", Reader::new(&b[..], "x")?), &|_| true));
        assert!(failed.is_err());
    }
}
