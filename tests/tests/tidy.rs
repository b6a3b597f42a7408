//! The house stays as drawn: the import rules and invariants of docs/src/architecture.md, checked by reading the source.
//! It must stay simple enough that its failure names the file, the line and the rule.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

/// No file is longer, lines.
const MAX_LINES: usize = 500;
/// Folders of Rust source of ours.
const OURS: &[&str] = &["server", "agent", "initramfs", "tests"];
/// The transports of the server: parse, authorise, call, render.
const TRANSPORTS: &[&str] = &["http", "grpc", "web", "dhcp", "tftp"];

struct Source {
    /// From the workspace's root, with slashes.
    name: String,
    text: String,
}

impl Source {
    fn under(&self, folder: &str) -> bool {
        self.name.starts_with(&format!("{folder}/"))
    }

    /// A module of the server crate: `server/src/NAME.rs` or anything in `server/src/NAME/`.
    fn in_module(&self, module: &str) -> bool {
        self.name == format!("server/src/{module}.rs") || self.under(&format!("server/src/{module}"))
    }

    /// Lines of code with their numbers: comments are not looked at.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        lines.filter_map(|(number, line)| {
            let line = line.trim();
            (!line.starts_with("//")).then(|| (number, line.split(" // ").next().unwrap_or(line)))
        })
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources() -> Vec<Source> {
    let mut paths = Vec::new();
    for folder in OURS {
        collect(&root().join(folder), &mut paths);
    }
    paths.sort();
    assert!(paths.len() > 10, "no sources found under {}", root().display());
    paths
        .into_iter()
        .map(|path| Source {
            name: path.strip_prefix(root()).unwrap().to_string_lossy().into_owned(),
            text: std::fs::read_to_string(&path).unwrap(),
        })
        .collect()
}

fn collect(dir: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            // A fuzz folder is a workspace of its own with build output in it.
            if path.file_name().is_some_and(|name| name != "target" && name != "corpus" && name != "artifacts") {
                collect(&path, paths);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// Whether `word` stands in `line` as a whole word.
fn names(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].chars().next_back().is_some_and(part) && !line[at + word.len()..].chars().next().is_some_and(part)
    })
}

/// Whether a module of the server crate is named: `crate::store`, `super::store::`, `higuma::store` or in a `use crate::{...}`.
fn names_module(line: &str, module: &str) -> bool {
    let paths = [format!("crate::{module}"), format!("higuma::{module}")];
    if paths.iter().any(|path| names(line, path)) {
        return true;
    }
    // use crate::{store::Nodes, domain}: only what stands directly in the outer braces.
    let Some((_, list)) = line.split_once("crate::{") else { return false };
    let mut depth = 0;
    let mut start = 0;
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                let item = list[start..at].trim();
                if item == module
                    || item.starts_with(&format!("{module}::"))
                    || item.starts_with(&format!("{module} as"))
                {
                    return true;
                }
                start = at + 1;
            }
            _ => {}
        }
    }
    false
}

/// Fails with every place where `bad` holds.
fn forbid(rule: &str, files: impl Fn(&Source) -> bool, bad: impl Fn(&str) -> bool) {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| files(source)) {
        for (number, line) in source.code().filter(|(_, line)| bad(line)) {
            found.push(format!("  {}:{number}: {line}", source.name));
        }
    }
    assert!(found.is_empty(), "{rule}\n{}", found.join("\n"));
}

fn not_this_file(source: &Source) -> bool {
    source.name != "tests/tests/tidy.rs"
}

#[test]
fn diesel_is_named_only_in_the_store() {
    forbid(
        "diesel may be named only under server/src/store/ and in the store's own tests",
        |source| not_this_file(source) && !source.in_module("store") && !source.under("server/tests/store"),
        |line| names(line, "diesel") || names(line, "diesel_migrations"),
    );
}

#[test]
fn unsafe_code_is_in_two_places() {
    forbid(
        "unsafe may be written only in agent/src/sys.rs (and its folder) and agent/kexec-rs",
        |source| {
            not_this_file(source)
                && source.name != "agent/src/sys.rs"
                && !source.under("agent/src/sys")
                && !source.under("agent/kexec-rs")
        },
        |line| {
            let code = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe trait", "unsafe extern", "allow(unsafe_code"];
            code.iter().any(|word| line.contains(word))
        },
    );
}

#[test]
fn the_domain_is_pure() {
    let words = [
        "actix_web",
        "tonic",
        "diesel",
        "tokio",
        "SystemTime::now",
        "Instant::now",
        "std::fs",
        "std::net::TcpStream",
        "std::net::TcpListener",
        "std::net::UdpSocket",
        "std::process",
        "Timestamp::now",
        "ureq",
    ];
    forbid(
        "server/src/domain: types and decisions only; no framework, no I/O, no clock",
        |source| source.in_module("domain"),
        |line| words.iter().any(|word| names(line, word)),
    );
}

#[test]
fn dependencies_point_one_way() {
    let rules: [(&[&str], &[&str]); 4] = [
        (&["domain"], &["service", "store", "http", "grpc", "web", "dhcp", "tftp", "bmc", "blob", "config"]),
        (&["store"], &["service", "http", "grpc", "web", "dhcp", "tftp", "bmc"]),
        (&["service"], TRANSPORTS),
        (&["blob"], &["service", "store", "http", "grpc", "web", "dhcp", "tftp"]),
    ];
    for (modules, forbidden) in rules {
        forbid(
            &format!("server/src/{modules:?} may not name {forbidden:?}"),
            |source| modules.iter().any(|module| source.in_module(module)),
            |line| forbidden.iter().any(|module| names_module(line, module)),
        );
    }
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    let mut found = Vec::new();
    for source in sources() {
        let lines = source.text.lines().count();
        if lines > MAX_LINES {
            found.push(format!("  {}: {lines} lines, at most {MAX_LINES}", source.name));
        }
        let first = source.text.lines().find(|line| !line.trim().is_empty() && !line.starts_with("#!["));
        if !first.is_some_and(|line| line.starts_with("//! ") && line.trim().len() > 10) {
            found.push(format!("  {}: does not start with `//!` and a sentence", source.name));
        }
    }
    assert!(found.is_empty(), "every file has one idea, says it first, and is short\n{}", found.join("\n"));
}

#[test]
fn both_databases_have_the_same_migrations() {
    let list = |database: &str| -> Vec<String> {
        let folder = root().join("migrations").join(database);
        let Ok(entries) = std::fs::read_dir(&folder) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(list("sqlite"), list("postgres"), "migrations/sqlite and migrations/postgres have the same names");
}

#[test]
fn nothing_is_left_for_later() {
    // Spelt in two halves, so that this file does not find itself.
    let words =
        ["TO DO", "FIX ME", "to do!(", "unimplement ed!(", "db g!(", "#[ign ore"].map(|word| word.replace(' ', ""));
    let mut found = Vec::new();
    for source in sources() {
        for (index, line) in source.text.lines().enumerate() {
            if words.iter().any(|word| line.contains(word)) {
                found.push(format!("  {}:{}: {}", source.name, index + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "finish it, or say in the issue that it is not done\n{}", found.join("\n"));
}

#[test]
fn the_checks_find_what_they_look_for() {
    assert!(names("use diesel::prelude::*;", "diesel") && !names("let dieselish = 1;", "diesel"));
    assert!(names_module("use crate::store::Nodes;", "store") && !names_module("use crate::stored::X;", "store"));
    assert!(names_module("use crate::{domain::Node, store};", "store"));
    assert!(names_module("use crate::{domain::{store, Node}, blob::Blobs};", "blob"));
    assert!(!names_module("use crate::{domain::{store, Node}};", "store"));
}
