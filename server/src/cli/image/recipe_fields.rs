//! What each field of a recipe may be, one function a form; an error says what was expected, and TOML's reader adds the line. No value that
//! passes here can be taken for an option or for more than one word by the programs that get it.

use super::distribution;
use crate::domain::ids::Name;
use higuma_initramfs::rootfs::RootFs;
use serde::{Deserialize, Deserializer, Serializer, de::Error};

/// Seconds that a script may run, unless the recipe says more.
const SCRIPT_DEADLINE: u64 = 600;
const SCRIPT_DEADLINE_MAX: u64 = 4 * 3600;

fn word(text: &str, also: &str) -> bool {
    text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || also.as_bytes().contains(&b))
}

/// Name of a package, or of a component of an archive.
pub fn is_package(text: &str) -> bool {
    word(text, "+-.")
}

/// Name of a suite.
pub fn is_suite(text: &str) -> bool {
    word(text, "-.")
}

/// Address of an archive.
pub fn is_mirror(text: &str) -> bool {
    let web = text.starts_with("http://") || text.starts_with("https://");
    // Who may fetch from it is for apt's auth.conf: everybody may read a recipe.
    let host = text.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    web && text.bytes().all(|b| b.is_ascii_graphic()) && !host.contains('@')
}

/// Absolute, without `..` and control characters, and of something below the root.
fn is_path(text: &str) -> bool {
    let mut parts = text.strip_prefix('/').unwrap_or_default().split('/').peekable();
    parts.peek().is_some_and(|first| !first.is_empty())
        && parts.all(|part| !part.is_empty() && part != "." && part != "..")
        && !text.chars().any(char::is_control)
}

/// One public key.
pub fn is_key(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains("PRIVATE KEY") && !text.chars().any(char::is_control)
}

/// Seconds since 1970 of `YYYYMMDDTHHMMSSZ`.
pub fn seconds(text: &str) -> Option<i64> {
    let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    let seconds = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second();
    (seconds > 0 && text.len() == 16).then_some(seconds)
}

fn checked<'de, D: Deserializer<'de>>(from: D, form: &str, good: impl Fn(&str) -> bool) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    if good(&text) { Ok(text) } else { Err(D::Error::custom(format!("expected {form}, got {text:?}"))) }
}

fn all<'de, D: Deserializer<'de>>(from: D, form: &str, good: impl Fn(&str) -> bool) -> Result<Vec<String>, D::Error> {
    let words = Vec::<String>::deserialize(from)?;
    match words.iter().find(|word| !good(word)) {
        None => Ok(words),
        Some(bad) => Err(D::Error::custom(format!("expected {form}, got {bad:?}"))),
    }
}

pub fn name<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    text.parse::<Name>().map(|name| name.to_string()).map_err(D::Error::custom)
}

pub fn suite<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    checked(from, "a suite like bookworm or noble", is_suite)
}

pub fn arch<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    checked(from, "amd64 (no other can be built here; import what was built elsewhere)", |arch| arch == "amd64")
        .map(Some)
}

pub fn snapshot<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    checked(from, "a time in UTC like 20261120T000000Z", |text| seconds(text).is_some()).map(Some)
}

pub fn mirror<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    checked(from, "a mirror as http://HOST/debian", is_mirror).map(Some)
}

pub fn keyring<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    checked(from, "the absolute path of a key ring", is_path).map(Some)
}

pub fn packages<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    all(from, "names of letters, digits, '+', '-' and '.'", is_package)
}

pub fn package<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    checked(from, "full, cloud, or the name of a kernel's package", is_package)
}

pub fn exclude<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let form = format!("some of {}", distribution::OPTIONAL.join(", "));
    all(from, &form, |package| distribution::OPTIONAL.contains(&package))
}

pub fn ssh_keys<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let keys = Vec::<String>::deserialize(from)?;
    match keys.iter().all(|key| is_key(key)) {
        true => Ok(keys),
        // Never the key itself: it may be a private one.
        false => Err(D::Error::custom("expected public keys, one line each, as in a .pub file")),
    }
}

pub fn path<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    checked(from, "an absolute path without '..', like /etc/motd", is_path)
}

pub fn mode<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let octal = |m: &str| (3..=4).contains(&m.len()) && m.bytes().all(|b| (b'0'..=b'7').contains(&b));
    checked(from, "three or four octal digits in quotes, like \"0644\"", octal)
}

pub fn user<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    checked(from, "a name or a number in quotes, like \"www-data\" or \"33\"", |text| {
        word(text.strip_prefix('_').unwrap_or(text), "-_.") && text.len() <= 32
    })
}

pub fn deadline<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    match u64::deserialize(from)? {
        seconds @ 1..=SCRIPT_DEADLINE_MAX => Ok(seconds),
        other => Err(D::Error::custom(format!("expected 1 to {SCRIPT_DEADLINE_MAX} seconds, got {other}"))),
    }
}

pub fn full() -> String {
    "full".to_owned()
}

pub fn root() -> String {
    "root".to_owned()
}

pub fn mode_644() -> String {
    "0644".to_owned()
}

pub fn script_deadline() -> u64 {
    SCRIPT_DEADLINE
}

/// By its name.
pub mod rootfs_type {
    use super::*;

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<RootFs, D::Error> {
        let kinds = [RootFs::Squashfs, RootFs::Erofs];
        let text = String::deserialize(from)?;
        let found = kinds.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| D::Error::custom(format!("expected squashfs or erofs, got {text:?}")))
    }

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub fn serialize<S: Serializer>(kind: &RootFs, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(kind.name())
    }
}
