//! `higuma profile`: what nodes boot. The server checks everything and counts revisions; here files are read and
//! flags are put together.

use super::Global;
use super::client::{Client, encode};
use super::error::{Failure, Result};
use super::output::{self, answer, typed};
use higuma_proto::api::{NewProfile, Page, Profile as Stored, ProfileFile, ProfileRevision};
use std::io::Read;
use std::path::{Path, PathBuf};
use ureq::http::Method;

/// Profiles
#[derive(Debug, clap::Subcommand)]
pub enum Profile {
    /// Make a profile
    #[command(
        after_help = "Example:\n  higuma profile create web --image debian:20261122 --cmdline 'console=ttyS0,115200' \\\n      --file /etc/motd=./motd --file /usr/local/sbin/setup=setup.sh:755 --ssh-key ~/.ssh/id_ed25519.pub"
    )]
    Create {
        /// Name: a-z, 0-9, dot, dash, underscore
        name: String,
        /// Image
        #[arg(long, value_name = "NAME:VERSION|LABEL")]
        image: String,
        /// What it adds to the image
        #[command(flatten)]
        content: Content,
    },
    /// Change a profile: a new revision, which nodes get at their next boot
    #[command(
        after_help = "Example:\n  higuma profile update web --image debian:20261201\n  higuma profile update web --remove-file /etc/motd"
    )]
    Update {
        /// Name
        name: String,
        /// Image
        #[arg(long, value_name = "NAME:VERSION|LABEL")]
        image: Option<String>,
        /// Do not activate it: only nodes that are pinned to it boot it (see `node assign NODE NAME@REVISION`)
        #[arg(long)]
        draft: bool,
        /// Leave this file out from now on; may be given several times
        #[arg(long, value_name = "PATH")]
        remove_file: Vec<String>,
        /// What it adds to the image
        #[command(flatten)]
        content: Content,
    },
    /// Make a profile, or change it: all that it says itself, from a file in TOML, YAML or JSON
    #[command(
        after_help = "Example:\n  higuma profile set web -f web.toml\n  higuma profile show web -o json | jq .words > web.json"
    )]
    Set {
        /// Name: a-z, 0-9, dot, dash, underscore
        name: String,
        /// Do not activate it, if the profile is there already: only nodes that are pinned to it boot it
        #[arg(long)]
        draft: bool,
        /// The words: see \"Profiles\" in the book; `-` is standard input, in YAML or JSON
        #[arg(short, long, value_name = "FILE.toml|yaml|json")]
        file: PathBuf,
    },
    /// List profiles
    #[command(after_help = "Example:\n  higuma profile list -o json")]
    List,
    /// One profile: what nodes boot, or another revision of it
    #[command(after_help = "Example:\n  higuma profile show web\n  higuma profile show web --revision newest")]
    Show {
        /// Name
        name: String,
        /// This revision instead of the active one
        #[arg(long, value_name = "NUMBER|newest")]
        revision: Option<String>,
    },
    /// All revisions of a profile, the newest first
    #[command(after_help = "Example:\n  higuma profile revisions web")]
    Revisions {
        /// Name
        name: String,
    },
    /// What differs between two revisions: in its own words, and in the whole that they make with its parents'
    #[command(
        after_help = "Example:\n  higuma profile diff web\n  higuma profile diff web 7 8\n  higuma profile diff web 7 newest -o json | jq .words"
    )]
    Diff {
        /// Name
        name: String,
        /// Number or newest [default: the active revision]
        from: Option<String>,
        /// Number or newest [default: newest]
        to: Option<String>,
    },
    /// Make a revision, a draft or an older one, what nodes boot from now on, but for those pinned to another
    #[command(after_help = "Example:\n  higuma profile activate web 12")]
    Activate {
        /// Name
        name: String,
        /// Number, see `profile revisions`
        revision: u32,
    },
    /// All that a node would get of it, rendered: command line, files, parameters, modules, sysctl, units
    #[command(
        after_help = "Example:\n  higuma profile preview web --node hv-1\n  higuma profile preview web --node hv-1 -o json | jq -r '.files[0].content'"
    )]
    Preview {
        /// Name
        name: String,
        /// Node: UUID, a unique beginning of it, or host name
        #[arg(long, value_name = "NODE")]
        node: String,
        /// Revision: a number or newest [default: the one that the node has or would have]
        #[arg(long, value_name = "N|newest")]
        revision: Option<String>,
    },
    /// Delete a profile that no node is assigned to
    #[command(after_help = "Example:\n  higuma profile delete web")]
    Delete {
        /// Name
        name: String,
    },
}

/// What a profile adds to its image.
#[derive(Debug, Default, clap::Args)]
pub struct Content {
    /// Added to the image's kernel command line
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub cmdline: Option<String>,
    /// Put a text file into every node's root; MODE is octal [default: 644]; may be given several times
    #[arg(long = "file", value_name = "PATH=LOCALFILE[:MODE]")]
    pub files: Vec<String>,
    /// Public keys that may log in as root, one a line; may be given several times; in an update it replaces all
    #[arg(long = "ssh-key", value_name = "FILE")]
    pub ssh_keys: Vec<PathBuf>,
}

/// No file of a profile is larger; the server has its own, smaller limits.
const FILE_LIMIT: u64 = 4 << 20;

pub(super) fn run(global: &Global, command: Profile) -> Result<()> {
    match command {
        Profile::Create { name, image, content } => {
            let mut spec = NewProfile { name, image, ..NewProfile::default() };
            content.apply(&mut spec)?;
            let value = Client::new(global)?.call(Method::POST, "/api/v1/profiles", Some(&spec))?;
            answer(global.format, value, |p: Stored| show(&p, output::now_us()))
        }
        Profile::Update { name, image, draft, remove_file, content } => {
            let client = Client::new(global)?;
            let path = format!("/api/v1/profiles/{}", encode(&name));
            let mut spec =
                typed::<Stored>(client.get(&format!("{path}{}", if draft { "?revision=newest" } else { "" }))?)?.spec;
            for path in remove_file {
                let before = spec.files.len();
                spec.files.retain(|f| f.path != path);
                if spec.files.len() == before {
                    return Err(Failure::not_found(format!(
                        "profile {name} has no file {path}; `profile show` lists them"
                    )));
                }
            }
            spec.image = image.unwrap_or(spec.image);
            content.apply(&mut spec)?;
            let value = client.call(Method::PUT, &put_path(&name, draft), Some(&spec))?;
            answer(global.format, value, |p: Stored| show(&p, output::now_us()))
        }
        Profile::Set { name, draft, file } => {
            let words = super::profile_words::read(&file)?;
            let client = Client::new(global)?;
            let path = format!("/api/v1/profiles/{}", encode(&name));
            let there = match client.get(&path) {
                Ok(_) => true,
                Err(failure) if failure.exit == super::error::Exit::NotFound => false,
                Err(failure) => return Err(failure),
            };
            let put = put_path(&name, draft);
            let new = NewProfile { name, words: Some(words), ..NewProfile::default() };
            let value = match there {
                true => client.call(Method::PUT, &put, Some(&new))?,
                false => client.call(Method::POST, "/api/v1/profiles", Some(&new))?,
            };
            answer(global.format, value, |p: Stored| show(&p, output::now_us()))
        }
        Profile::List => {
            let value = Client::new(global)?.list("/api/v1/profiles", &[])?;
            answer(global.format, value, |page: Page<Stored>| list_table(&page.items, output::now_us()))
        }
        Profile::Show { name, revision } => {
            let wanted = revision.map(|revision| format!("?revision={}", encode(&revision))).unwrap_or_default();
            let value = Client::new(global)?.get(&format!("/api/v1/profiles/{}{wanted}", encode(&name)))?;
            answer(global.format, value, |p: Stored| show(&p, output::now_us()))
        }
        Profile::Revisions { name } => {
            let value = Client::new(global)?.list(&format!("/api/v1/profiles/{}/revisions", encode(&name)), &[])?;
            answer(global.format, value, |page: Page<ProfileRevision>| revisions_table(&page.items, output::now_us()))
        }
        Profile::Diff { name, from, to } => super::profile_diff::show(global, &name, from.as_deref(), to.as_deref()),
        Profile::Activate { name, revision } => {
            let path = format!("/api/v1/profiles/{}/activate?revision={revision}", encode(&name));
            let value = Client::new(global)?.call(Method::POST, &path, None::<&()>)?;
            answer(global.format, value, |p: Stored| show(&p, output::now_us()))
        }
        Profile::Preview { name, node, revision } => {
            super::profile_preview::show(global, &name, &node, revision.as_deref())
        }
        Profile::Delete { name } => {
            Client::new(global)?.call(Method::DELETE, &format!("/api/v1/profiles/{}", encode(&name)), None::<&()>)?;
            Ok(())
        }
    }
}

fn put_path(name: &str, draft: bool) -> String {
    format!("/api/v1/profiles/{}{}", encode(name), if draft { "?draft=true" } else { "" })
}

impl Content {
    /// Put what was given into `spec`; what was not given stays.
    fn apply(self, spec: &mut NewProfile) -> Result<()> {
        if let Some(cmdline) = self.cmdline {
            spec.cmdline = cmdline;
        }
        for flag in &self.files {
            let file = read_file_flag(flag)?;
            spec.files.retain(|f| f.path != file.path);
            spec.files.push(file);
        }
        if !self.ssh_keys.is_empty() {
            spec.ssh_authorized_keys = read_ssh_keys(&self.ssh_keys)?;
        }
        Ok(())
    }
}

/// Public keys from files, one a line, comments left out. A private key is refused, not uploaded.
pub(super) fn read_ssh_keys(paths: &[PathBuf]) -> Result<Vec<String>> {
    let mut keys = Vec::new();
    for path in paths {
        let text = read_utf8(path)?;
        if text.contains("PRIVATE KEY") {
            let path = path.display();
            return Err(Failure::usage(format!(
                "expected public keys in {path}, got a private key: give the .pub file"
            )));
        }
        let lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
        keys.extend(lines.map(String::from));
    }
    Ok(keys)
}

fn read_file_flag(flag: &str) -> Result<ProfileFile> {
    let (path, local, mode) = parse_file_flag(flag)?;
    Ok(ProfileFile { path: path.into(), mode, content: read_utf8(Path::new(local))?, ..ProfileFile::default() })
}

/// `PATH=LOCALFILE[:MODE]`; a suffix that is not three or four octal digits belongs to the file's name.
fn parse_file_flag(flag: &str) -> Result<(&str, &str, u32)> {
    let form =
        || Failure::usage(format!("expected --file PATH=LOCALFILE[:MODE], e.g. /etc/motd=motd:644, got {flag:?}"));
    let (path, local) = flag.split_once('=').ok_or_else(form)?;
    let octal = |m: &str| (3..=4).contains(&m.len()) && m.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let (local, mode) = match local.rsplit_once(':') {
        Some((local, mode)) if octal(mode) => (local, u32::from_str_radix(mode, 8).map_err(|_| form())?),
        _ => (local, 0o644),
    };
    if !path.starts_with('/') || local.is_empty() {
        return Err(form());
    }
    Ok((path, local, mode))
}

fn read_utf8(path: &Path) -> Result<String> {
    let usage = |e: std::io::Error| Failure::usage(format!("could not read {}: {e}", path.display()));
    let mut bytes = Vec::new();
    std::fs::File::open(path).and_then(|f| f.take(FILE_LIMIT + 1).read_to_end(&mut bytes)).map_err(usage)?;
    if bytes.len() as u64 > FILE_LIMIT {
        let limit = output::size(FILE_LIMIT);
        let path = path.display();
        return Err(Failure::usage(format!("expected at most {limit} in {path}: put larger files into the image")));
    }
    String::from_utf8(bytes).map_err(|_| {
        Failure::usage(format!("expected UTF-8 text in {}: put binary files into the image", path.display()))
    })
}

fn list_table(profiles: &[Stored], now: i64) -> String {
    let rows: Vec<[String; 6]> = profiles
        .iter()
        .map(|p| {
            let (name, image) = (p.spec.name.clone(), p.spec.image.clone());
            let (revision, nodes, files) =
                (p.revision.to_string(), p.nodes.to_string(), p.spec.files.len().to_string());
            [name, revision, image, nodes, files, output::ago(p.created_us, now)]
        })
        .collect();
    output::table(["NAME", "REVISION", "IMAGE", "NODES", "FILES", "CHANGED"], &rows)
}

fn revisions_table(revisions: &[ProfileRevision], now: i64) -> String {
    let row = |r: &ProfileRevision| {
        let active = if r.active { "active" } else { "" };
        let pinned = if r.pinned == 0 { String::new() } else { r.pinned.to_string() };
        [
            r.revision.to_string(),
            active.into(),
            r.image.clone(),
            pinned,
            output::ago(r.created_us, now),
            r.made_by.clone(),
        ]
    };
    let rows: Vec<[String; 6]> = revisions.iter().map(row).collect();
    output::table(["REVISION", "", "IMAGE", "PINNED", "MADE", "BY"], &rows)
}

/// Which of the three is shown, in words.
fn revision_word(p: &Stored) -> String {
    match (p.revision == p.active, p.revision == p.newest) {
        (true, true) => p.revision.to_string(),
        (true, false) => format!("{} (active; revision {} is newer)", p.revision, p.newest),
        (false, _) => format!("{} (not active: nodes without a pin boot revision {})", p.revision, p.active),
    }
}

fn show(p: &Stored, now: i64) -> String {
    let mut lines = vec![("Name", p.spec.name.clone()), ("Revision", revision_word(p))];
    if let Some(parent) = &p.parent {
        lines.push(("Inherits from", parent.clone()));
    }
    lines.extend([
        ("Image", p.spec.image.clone()),
        ("Digest", p.image_digest.clone().unwrap_or_default()),
        ("Command line", p.spec.cmdline.clone()),
        ("Nodes", p.nodes.to_string()),
        ("Changed", output::time_ago(p.created_us, now)),
    ]);
    if !p.made_by.is_empty() {
        lines.push(("Made by", p.made_by.clone()));
    }
    for f in &p.spec.files {
        let of = |id: &str| if id.is_empty() { "root".to_owned() } else { id.to_owned() };
        let (owner, group) = (of(&f.owner), of(&f.group));
        let template = if f.template { ", template" } else { "" };
        let size = match &f.secret {
            Some(secret) => format!("secret {secret}"),
            None => output::size(f.content.len() as u64),
        };
        lines.push(("File", format!("{} ({:o} {owner}:{group}, {size}{template})", f.path, f.mode)));
    }
    lines.extend(super::profile_words::more(p));
    for key in &p.spec.ssh_authorized_keys {
        lines.push(("SSH key", key.clone()));
    }
    output::fields(&lines)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn file_flags() {
        assert_eq!(parse_file_flag("/etc/motd=motd").unwrap(), ("/etc/motd", "motd", 0o644));
        assert_eq!(parse_file_flag("/a=b=c:0755").unwrap(), ("/a", "b=c", 0o755));
        assert_eq!(parse_file_flag("/a=b:c").unwrap(), ("/a", "b:c", 0o644));
        for bad in ["/a", "a=b", "/a=", "/a=:644"] {
            assert!(parse_file_flag(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn private_keys_are_not_uploaded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("id");
        std::fs::write(&path, "-----BEGIN OPENSSH PRIVATE KEY-----\n").unwrap();
        assert!(read_ssh_keys(std::slice::from_ref(&path)).unwrap_err().message.contains(".pub"));
        std::fs::write(&path, "# mine\nssh-ed25519 AAAA me\n\n").unwrap();
        assert_eq!(read_ssh_keys(&[path]).unwrap(), ["ssh-ed25519 AAAA me"]);
    }

    #[test]
    fn an_update_changes_what_was_given() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, "new").unwrap();
        let old =
            |p: &str| ProfileFile { path: p.into(), mode: 0o600, content: "old".into(), ..ProfileFile::default() };
        let mut spec = NewProfile {
            name: "web".into(),
            image: "d:1".into(),
            cmdline: "quiet".into(),
            files: vec![old("/a"), old("/b")],
            ssh_authorized_keys: vec!["k".into()],
            ..NewProfile::default()
        };
        let content = Content { files: vec![format!("/a={}", path.display())], ..Content::default() };
        content.apply(&mut spec).unwrap();
        assert_eq!((spec.cmdline.as_str(), spec.ssh_authorized_keys.len()), ("quiet", 1));
        assert_eq!(spec.files.iter().find(|f| f.path == "/a").unwrap().content, "new");
        assert_eq!(spec.files.len(), 2);
    }
}
