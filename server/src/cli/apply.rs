//! `higuma apply`, `diff` and `export`: profiles, rules and labels of images in a folder, that may be a git repository. The folder is read and
//! written here; the server compares, checks and changes.

use super::client::{Client, encode};
use super::error::{Failure, Result};
use super::output::{self, answer, typed};
use super::{Global, difference, profile_words};
use higuma_proto::api::{Applied, Apply, ApplyChange, ApplyProfile, Image, Page, Profile, RuleList};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use ureq::http::Method;

/// Files of one folder, at most.
const FILES: usize = 1_000;

/// Make the server as a folder says: profiles, rules and labels of images, all at once or not at all
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The folder has profiles/NAME.yaml (or .toml, .json) and, if they are to be in it, rules.yaml and labels.yaml.\n\
                  Example:\n  higuma diff -f site && higuma apply -f site\n  higuma apply -f site --prune"
)]
pub struct ApplyCommand {
    #[command(flatten)]
    what: Folder,
    /// Tell what would be changed, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Only if the server is as it was when `higuma diff` told this state
    #[arg(long, value_name = "STATE")]
    expect: Option<String>,
}

/// Which folder
#[derive(Debug, clap::Args)]
pub struct Folder {
    /// The folder
    #[arg(short, long = "file", value_name = "DIR")]
    folder: PathBuf,
    /// Delete the profiles that are not in it, and where it has labels.yaml the labels that are not
    #[arg(long)]
    prune: bool,
}

/// What a folder would change on the server
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  higuma diff -f site\n  higuma diff -f site --prune -o json | jq -r .state")]
pub struct DiffCommand {
    #[command(flatten)]
    what: Folder,
}

/// Write the server's profiles, rules and labels of images into a folder, as `apply` reads it
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  higuma export site && cd site && git add -A && git commit")]
pub struct ExportCommand {
    /// The folder; it is made if it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(super) fn apply(global: &Global, command: ApplyCommand) -> Result<()> {
    let ApplyCommand { what, dry_run, expect } = command;
    send(global, Apply { dry_run, expected_state: expect, ..read(&what)? })
}

pub(super) fn diff(global: &Global, command: DiffCommand) -> Result<()> {
    send(global, Apply { dry_run: true, ..read(&command.what)? })
}

fn send(global: &Global, apply: Apply) -> Result<()> {
    let value = Client::new(global)?.call(Method::POST, "/api/v1/apply", Some(&apply))?;
    answer(global.format, value, |applied: Applied| text(&applied))
}

fn read(what: &Folder) -> Result<Apply> {
    let folder = &what.folder;
    let mut profiles: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for path in files(&folder.join("profiles"))? {
        let name = stem(&path);
        let words = profile_words::read(&path)?;
        if profiles.insert(name.clone(), words).is_some() {
            let path = path.display();
            return Err(Failure::usage(format!("{path}: expected profile {name} in one file, got it in two")));
        }
    }
    let rules = list(folder, "rules", "a list `rules`, as `higuma rule list -o json` prints it")?;
    let labels = list(folder, "labels", "a map `labels` of NAME:LABEL to VERSION")?;
    if profiles.is_empty() && rules.is_none() && labels.is_none() {
        let folder = folder.display();
        return Err(Failure::usage(format!(
            "expected profiles/NAME.yaml, rules.yaml or labels.yaml (or .toml, .json) in {folder}, got none of them"
        )));
    }
    let profiles = profiles.into_iter().map(|(name, words)| ApplyProfile { name, words }).collect();
    Ok(Apply { profiles, rules, labels, prune: what.prune, ..Apply::default() })
}

/// What the one file of that name says under its name; none: there is no such file.
fn list<T: DeserializeOwned>(folder: &Path, name: &str, form: &str) -> Result<Option<T>> {
    let found: Vec<PathBuf> = files(folder)?.into_iter().filter(|path| stem(path) == name).collect();
    match &found[..] {
        [] => Ok(None),
        [path] => {
            let mut map = profile_words::read(path)?;
            let told = path.display();
            let list = map.remove(name).ok_or_else(|| Failure::usage(format!("{told}: expected {form}, got none")))?;
            let wrong = |e| Failure::usage(format!("{told}: expected {form}: {e}"));
            Ok(Some(serde_json::from_value(list).map_err(wrong)?))
        }
        [one, two, ..] => {
            let (one, two) = (one.display(), two.display());
            Err(Failure::usage(format!("expected the {name} in one file, got {one} and {two}")))
        }
    }
}

/// Files in TOML, YAML and JSON, in order of name; others are none of ours. A folder that is not there has none.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let told = |e: std::io::Error| Failure::usage(format!("could not read {}: {e}", folder.display()));
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        Err(e) => return Err(told(e)),
    };
    let mut found = vec![];
    for entry in entries {
        let path = entry.map_err(told)?.path();
        let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && path.is_file() && FORMS.iter().any(|form| path.extension().is_some_and(|e| e == *form)) {
            found.push(path);
        }
    }
    if found.len() > FILES {
        let (folder, got) = (folder.display(), found.len());
        return Err(Failure::usage(format!("expected at most {FILES} files in {folder}, got {got}")));
    }
    found.sort();
    Ok(found)
}

const FORMS: [&str; 4] = ["yaml", "yml", "toml", "json"];

fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn text(applied: &Applied) -> String {
    let mut text = String::new();
    for change in &applied.changes {
        let _ = writeln!(text, "{}", line(change));
        for one in &change.differences {
            let _ = writeln!(text, "    {}", output::clean(&one.what));
            text += &difference::lines(one, "      ");
        }
    }
    let (changed, same) = (applied.changes.len(), applied.unchanged);
    let _ = match (applied.changes.is_empty(), applied.dry_run) {
        (true, _) => writeln!(text, "Nothing to change: {same} as they are to be."),
        (false, true) => {
            writeln!(
                text,
                "\n{changed} to change, {same} as they are to be; nothing was changed. State {}",
                applied.state
            )
        }
        (false, false) => writeln!(text, "\n{changed} changed, {same} as they were."),
    };
    text
}

fn line(change: &ApplyChange) -> String {
    let sign = match change.action.as_str() {
        "create" => '+',
        "delete" => '-',
        _ => '~',
    };
    let revision = change.revision.map(|revision| format!(", revision {revision}")).unwrap_or_default();
    let by_parent = if change.action == "inherit" { " (by its parent)" } else { "" };
    output::clean(format!("{sign} {} {}", change.kind, change.name).trim_end()) + &revision + by_parent
}

pub(super) fn export(global: &Global, command: ExportCommand) -> Result<()> {
    let client = Client::new(global)?;
    let page: Page<Profile> = typed(client.list("/api/v1/profiles", &[])?)?;
    let rules: RuleList = typed(client.get("/api/v1/rules")?)?;
    let folder = command.folder.join("profiles");
    std::fs::create_dir_all(&folder)
        .map_err(|e| Failure::usage(format!("could not make {}: {e}", folder.display())))?;
    for listed in &page.items {
        let name = &listed.spec.name;
        let profile: Profile = typed(client.get(&format!("/api/v1/profiles/{}", encode(name)))?)?;
        let none =
            || Failure::failed(format!("the server told no words of profile {name}: is it older than this command?"));
        write(&folder, name, &profile.words.ok_or_else(none)?)?;
    }
    let list = json!({ "rules": rules.rules });
    write(&command.folder, "rules", list.as_object().unwrap_or(&Map::new()))?;
    let images: Page<Image> = typed(client.list("/api/v1/images", &[])?)?;
    let labels = labels_of(&images.items);
    let list = json!({ "labels": labels });
    write(&command.folder, "labels", list.as_object().unwrap_or(&Map::new()))?;
    let (count, folder) = (page.items.len(), command.folder.display());
    let (rules, labels) = (rules.rules.len(), labels.len());
    output::print(&format!("{count} profiles, {rules} rules and {labels} labels are in {folder}\n"))
}

/// NAME:LABEL to VERSION.
fn labels_of(images: &[Image]) -> BTreeMap<String, String> {
    let of = |image: &Image| {
        let (name, version) = (image.name.clone(), image.version.clone());
        image.labels.clone().into_iter().map(move |label| (format!("{name}:{label}"), version.clone()))
    };
    images.iter().flat_map(of).collect()
}

/// As TOML where it can say all of it, else as JSON; what was there in another form goes, or `apply` would find two.
fn write(folder: &Path, name: &str, words: &Map<String, Value>) -> Result<()> {
    let json = || serde_json::to_string_pretty(words).map(|text| text + "\n");
    let (form, text) = match profile_words::toml(words) {
        Some(text) => ("toml", text),
        None => ("json", json().map_err(|e| Failure::because("JSON", &e))?),
    };
    let path = folder.join(format!("{name}.{form}"));
    let told = |e: std::io::Error| Failure::usage(format!("could not write {}: {e}", path.display()));
    for other in FORMS.iter().filter(|other| **other != form) {
        match std::fs::remove_file(folder.join(format!("{name}.{other}"))) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(told(e)),
            _ => {}
        }
    }
    std::fs::write(&path, text).map_err(told)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use higuma_proto::api::PlanDifference;

    fn folder(path: &Path) -> Folder {
        Folder { folder: path.to_owned(), prune: false }
    }

    #[test]
    fn a_folder_is_read() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read(&folder(dir.path())).unwrap_err().message.contains("got none of them"));
        let put = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        std::fs::create_dir(dir.path().join("profiles")).unwrap();
        put("profiles/web.yaml", "parent: base\ncmdline: null\n");
        put("profiles/base.toml", "image = \"debian:12\"\n");
        put("profiles/README.md", "no profile");
        put("profiles/.web.json", "no profile");
        put("rules.yaml", "rules:\n- {name: lab, when: 'true', admission: admitted}\n");
        let apply = read(&folder(dir.path())).unwrap();
        let names: Vec<&str> = apply.profiles.iter().map(|p| p.name.as_str()).collect();
        assert_eq!((names, apply.rules.unwrap().len()), (vec!["base", "web"], 1));
        assert_eq!(apply.profiles[1].words["cmdline"], Value::Null);
        put("profiles/web.json", "{}");
        assert!(read(&folder(dir.path())).unwrap_err().message.contains("got it in two"));
        put("rules.json", "{\"rules\": []}");
        std::fs::remove_file(dir.path().join("profiles/web.json")).unwrap();
        assert!(read(&folder(dir.path())).unwrap_err().message.contains("rules.json and"));
        std::fs::remove_file(dir.path().join("rules.json")).unwrap();
        assert_eq!(read(&folder(dir.path())).unwrap().labels, None, "they stay as they are");
        put("labels.yaml", "labels:\n  debian:stable: \"12.10\"\n");
        let labels = read(&folder(dir.path())).unwrap().labels.unwrap();
        assert_eq!(labels, BTreeMap::from([("debian:stable".to_owned(), "12.10".to_owned())]));
        for (bad, told) in [("labels: {a:b: 12.1}", "NAME:LABEL to VERSION"), ("label: {}", "got none")] {
            put("labels.yaml", bad);
            let message = read(&folder(dir.path())).unwrap_err().message;
            assert!(message.contains(told), "{bad}: {message}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("profiles")).unwrap();
        let plain = json!({"parent": "base", "cmdline": null, "files": {"/etc/motd": null,
            "/a.b": {"content": "x\n\"y\"\n'''\n", "mode": 420, "template": true}}, "params": {"n": -1, "l": ["a"]}});
        let deep = json!({"files": {"/a": {"owner": null}}});
        for (name, words, form) in [("plain", plain, "toml"), ("deep", deep, "json"), ("empty", json!({}), "toml")] {
            // Of an older export, in another form.
            std::fs::write(dir.path().join(format!("profiles/{name}.yaml")), "x: 1").unwrap();
            write(&dir.path().join("profiles"), name, words.as_object().unwrap()).unwrap();
            assert!(dir.path().join(format!("profiles/{name}.{form}")).exists(), "{name}");
            let read = read(&folder(dir.path())).unwrap();
            let found = read.profiles.into_iter().find(|p| p.name == name).unwrap();
            assert_eq!(Value::Object(found.words), words, "{name}");
        }
    }

    #[test]
    fn changes_are_told() {
        let change = |action: &str, revision, differences| ApplyChange {
            kind: "profile".into(),
            name: "web".into(),
            action: action.into(),
            revision,
            differences,
        };
        let one = PlanDifference { what: "cmdline".into(), old: Some("a".into()), new: Some("b".into()), lines: None };
        let changes = vec![
            change("change", Some(2), vec![one]),
            change("inherit", Some(3), vec![]),
            change("delete", None, vec![]),
        ];
        let applied = Applied { state: "s".into(), changes, unchanged: 4, dry_run: true };
        assert_eq!(
            text(&applied),
            "~ profile web, revision 2\n    cmdline\n      - a\n      + b\n~ profile web, revision 3 (by its parent)\n\
             - profile web\n\n3 to change, 4 as they are to be; nothing was changed. State s\n"
        );
        let none = Applied { changes: vec![], dry_run: false, ..applied };
        assert_eq!(text(&none), "Nothing to change: 4 as they are to be.\n");
    }
}
