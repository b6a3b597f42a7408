//! `higuma image contents, diff`: what is in an image and how two differ, by the listings that the server keeps as blobs. A
//! listing is fetched, checked by its hash and read as a stream; it is never part of what a node boots.

pub mod difference;
pub mod format;
mod packages;
mod rpm;
pub mod survey;

use super::path_of;
use crate::cli::Global;
use crate::cli::client::Client;
use crate::cli::error::{Failure, Result};
use crate::cli::output::{self, answer};
use crate::cli::scratch::Scratch;
use crate::cli::upload;
use difference::Difference;
use format::{Entry, Package, Reader, escape};
use higuma_proto::api::Image as Stored;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::{Path, PathBuf};

/// `image contents`.
#[derive(Debug, clap::Args)]
pub struct Contents {
    /// NAME:VERSION or NAME:LABEL
    image: String,
    /// Only what is at or below this path
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// Only the packages
    #[arg(long, conflicts_with = "path")]
    packages: bool,
}

/// `image diff`.
#[derive(Debug, clap::Args)]
pub struct Diff {
    /// NAME:VERSION or NAME:LABEL
    from: String,
    /// The other one
    to: String,
    /// Only what is at or below this path; packages are left out
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
}

/// What `image contents` tells.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    image: String,
    packages_of: String,
    packages: Vec<Package>,
    names: u64,
    files: u64,
    bytes: u64,
    entries: Vec<Entry>,
}

pub(super) fn contents(global: &Global, args: &Contents) -> Result<()> {
    let scratch = Scratch::new()?;
    let (image, path) = fetch(&Client::new(global)?, &args.image, &scratch, "a")?;
    let mut reader = open(&path, &image)?;
    let below = args.path.as_deref().map(prefix);
    let mut entries = Vec::new();
    while let Some(entry) = if args.packages { None } else { reader.next_entry()? } {
        if below.as_deref().is_none_or(|below| is_below(&entry.path, below)) {
            entries.push(entry);
        }
    }
    if let (Some(path), true) = (&args.path, entries.is_empty()) {
        return Err(Failure::not_found(format!("there is no {path} in {image}")));
    }
    let head = reader.head;
    let packages = if below.is_some() { Vec::new() } else { head.packages };
    let (names, files, bytes) = (head.entries, head.files, head.bytes);
    let told = Told { image, packages_of: head.packages_of, packages, names, files, bytes, entries };
    let value = serde_json::to_value(&told).map_err(|e| Failure::because("JSON", &e))?;
    answer(global.format, value, |told: Told| table(&told, args.packages))
}

pub(super) fn diff(global: &Global, args: &Diff) -> Result<()> {
    let (scratch, client) = (Scratch::new()?, Client::new(global)?);
    let (from, path_a) = fetch(&client, &args.from, &scratch, "a")?;
    let (to, path_b) = fetch(&client, &args.to, &scratch, "b")?;
    let below = args.path.as_deref().map(prefix);
    let keep = |path: &str| below.as_deref().is_none_or(|below| is_below(path, below));
    let difference = difference::of((&from, open(&path_a, &from)?), (&to, open(&path_b, &to)?), &keep)?;
    let value = serde_json::to_value(&difference).map_err(|e| Failure::because("JSON", &e))?;
    answer(global.format, value, |difference: Difference| difference.text())
}

/// The image's NAME:VERSION, and its listing as a file.
fn fetch(client: &Client, named: &str, scratch: &Scratch, name: &str) -> Result<(String, PathBuf)> {
    let image: Stored = output::typed(client.get(&path_of(named)?)?)?;
    let reference = format!("{}:{}", image.name, image.version);
    let Some(listing) = image.contents else {
        return Err(Failure::not_found(format!(
            "{reference} has no listing of its contents: it was made before there were any, or of files that are taken as they \
             are; import a folder, a tar file or an OCI image of it under another version"
        )));
    };
    let path = scratch.path().join(name);
    client.fetch(&format!("{}/contents", path_of(&reference)?), listing.size, &path)?;
    match upload::hash(&path)? {
        (found, _) if found == listing.sha256 => Ok((reference, path)),
        (found, _) => Err(Failure::failed(format!(
            "expected sha256 {} of the listing of {reference}, got {found}: run `higuma image scrub` to look for damage",
            listing.sha256
        ))),
    }
}

fn open(path: &Path, image: &str) -> Result<Reader<'static>> {
    Reader::new(File::open(path).map_err(Failure::io("read", path))?, image)
}

/// As paths in listings are: without slashes around, escaped unless it is so already.
fn prefix(path: &str) -> String {
    escape(&format::unescape(path.trim_matches('/')))
}

fn is_below(path: &str, below: &str) -> bool {
    below.is_empty() || path.strip_prefix(below).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn table(told: &Told, only_packages: bool) -> String {
    let mut text = String::new();
    if only_packages {
        let rows = told.packages.iter().map(|p| [p.name.clone(), p.arch.clone(), p.version.clone()]);
        text.push_str(&output::table(["PACKAGE", "ARCH", "VERSION"], &rows.collect::<Vec<_>>()));
    } else {
        let row = |e: &Entry| {
            let size = if e.kind == "file" { output::size(e.size) } else { e.kind.clone() };
            let arrow = if e.kind == "symlink" { format!(" -> {}", e.target) } else { String::new() };
            let device =
                if matches!(e.kind.as_str(), "char" | "block") { format!(" {}", e.target) } else { String::new() };
            [e.mode.clone(), format!("{}:{}", e.uid, e.gid), format!("{size}{device}"), format!("/{}{arrow}", e.path)]
        };
        text.push_str(&output::table(
            ["MODE", "OWNER", "SIZE", "PATH"],
            &told.entries.iter().map(row).collect::<Vec<_>>(),
        ));
    }
    let packages = match (told.packages_of.as_str(), told.packages.len()) {
        ("", _) => "no list of packages that can be read".to_owned(),
        (of, 0) => format!("packages of {of}"),
        (of, n) => format!("{n} packages of {of}"),
    };
    let (image, names, files) = (&told.image, told.names, told.files);
    text.push_str(&format!("{image}: {names} names, {files} files, {}; {packages}\n", output::size(told.bytes)));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_whole_components() {
        assert!(is_below("etc/ssh/x", &prefix("/etc/ssh/")) && is_below("etc/ssh", &prefix("etc/ssh")));
        assert!(!is_below("etc/sshd", &prefix("etc/ssh")) && is_below("anything", &prefix("/")));
        assert_eq!((prefix("a\\xe9"), prefix("a\\b")), ("a\\xe9".to_owned(), "a\\x5cb".to_owned()));
    }
}
