//! `higuma secret`: secrets that profiles put into files and passwords. A value is read from a file or from standard input,
//! never from the command line, which everybody on the machine can read; and it is never printed.

use super::Global;
use super::client::{Client, encode};
use super::error::{Failure, Result};
use super::output::{self, answer};
use crate::domain::sealed::BYTES_MAX;
use base64::Engine as _;
use higuma_proto::api::{NewSecret, Page, Secret as Stored};
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use ureq::http::Method;
use zeroize::Zeroizing;

/// Secrets for files and passwords of profiles
#[derive(Debug, clap::Subcommand)]
pub enum Secret {
    /// Make a secret, or give it another value: nodes get it at their next boot
    #[command(after_help = "The value is all of the file, or of standard input, to the last byte.\n\
                      Examples:\n  higuma secret set web-key -f key.pem\n  mkpasswd | higuma secret set ann-password")]
    Set {
        /// Name: a-z, 0-9, '.', '_', '-'
        name: String,
        /// The value; `-` is standard input
        #[arg(short, long, value_name = "FILE", default_value = "-")]
        file: PathBuf,
    },
    /// All of them, without their values: revision, size, who set it and when, which profiles use it
    #[command(after_help = "Example:\n  higuma secret list -o json")]
    List,
    /// One of them, without its value
    #[command(after_help = "Example:\n  higuma secret show web-key")]
    Show {
        /// Name
        name: String,
    },
    /// Delete a secret that no profile uses
    #[command(after_help = "Example:\n  higuma secret delete web-key\n  higuma secret delete web-key --force web-key")]
    Delete {
        /// Name
        name: String,
        /// Its name again: also while profiles use it; their nodes cannot boot any more then
        #[arg(long, value_name = "NAME")]
        force: Option<String>,
    },
}

const SECRETS: &str = "/api/v1/secrets";

pub(super) fn run(global: &Global, command: Secret) -> Result<()> {
    let at = |name: &str| format!("{SECRETS}/{}", encode(name));
    match command {
        Secret::Set { name, file } => {
            let value = read(&file)?;
            let base64 = Some(base64::engine::general_purpose::STANDARD.encode(&value));
            let new = NewSecret { text: None, base64 };
            let value = Client::new(global)?.call(Method::PUT, &at(&name), Some(&new))?;
            answer(global.format, value, |secret: Stored| show(&secret, output::now_us()))
        }
        Secret::List => {
            let value = Client::new(global)?.list(SECRETS, &[])?;
            answer(global.format, value, |page: Page<Stored>| table(&page.items, output::now_us()))
        }
        Secret::Show { name } => {
            let value = Client::new(global)?.get(&at(&name))?;
            answer(global.format, value, |secret: Stored| show(&secret, output::now_us()))
        }
        Secret::Delete { name, force } => {
            let force = force.map(|force| format!("?force={}", encode(&force))).unwrap_or_default();
            Client::new(global)?.call(Method::DELETE, &format!("{}{force}", at(&name)), None::<&()>)?;
            Ok(())
        }
    }
}

/// All of it, wiped when it goes; refused when there is too much, or nothing.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let told = path.display();
    let limit = BYTES_MAX as u64 + 1;
    // At its whole length at once: growing would leave copies behind.
    let mut value = Zeroizing::new(Vec::with_capacity(BYTES_MAX + 2));
    let outcome = if path == Path::new("-") {
        if std::io::stdin().is_terminal() {
            return Err(Failure::usage(
                "expected the value in a file (-f FILE) or from a pipe, got a terminal: what is typed would be seen",
            ));
        }
        std::io::stdin().take(limit).read_to_end(&mut value)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut value))
    };
    outcome.map_err(|e| Failure::usage(format!("could not read {told}: {e}")))?;
    match value.len() {
        0 => Err(Failure::usage(format!("expected a value in {told}, got nothing"))),
        got if got > BYTES_MAX => {
            Err(Failure::usage(format!("expected at most {BYTES_MAX} bytes in {told}, got more")))
        }
        _ => Ok(value),
    }
}

fn table(secrets: &[Stored], now: i64) -> String {
    let row = |s: &Stored| {
        let profiles = if s.profiles.is_empty() { "-".to_owned() } else { s.profiles.join(", ") };
        let (revision, size) = (s.revision.to_string(), output::size(u64::from(s.size)));
        [s.name.clone(), revision, size, output::ago(s.changed_us, now), s.changed_by.clone(), profiles]
    };
    let rows: Vec<[String; 6]> = secrets.iter().map(row).collect();
    output::table(["NAME", "REVISION", "SIZE", "SET", "BY", "USED BY"], &rows)
}

fn show(secret: &Stored, now: i64) -> String {
    let kind = if secret.password_hash { ", a password hash" } else { "" };
    let used = if secret.profiles.is_empty() { "no profile".to_owned() } else { secret.profiles.join(", ") };
    output::fields(&[
        ("Name", secret.name.clone()),
        ("Revision", secret.revision.to_string()),
        ("Size", output::size(u64::from(secret.size)) + kind),
        ("Fingerprint", secret.fingerprint.clone()),
        ("Set", output::time_ago(secret.changed_us, now)),
        ("By", secret.changed_by.clone()),
        ("Used by", used),
    ])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_value_is_read_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        for value in [&b"hunter2\n"[..], &[0, 255, 10], &[7; BYTES_MAX]] {
            std::fs::write(&path, value).unwrap();
            assert_eq!(&read(&path).unwrap()[..], value);
        }
        for (bad, told) in [(vec![], "got nothing"), (vec![7; BYTES_MAX + 1], "got more")] {
            std::fs::write(&path, bad).unwrap();
            assert!(read(&path).unwrap_err().message.contains(told));
        }
        assert!(read(&dir.path().join("none")).unwrap_err().message.contains("could not read"));
    }
}
