//! People and programs with an account on a node: the words of a profile for them, and their bounds. What passes can be
//! written into passwd(5), group(5) and shadow(5) as it is; whether it goes together with the image is told on the node.

use super::Mode;
use super::check::{check_path_of, check_ssh_key};
use super::spec::{Spec, Wrong};
use crate::domain::ids::{Name, Sha256};
use crate::domain::image::Image;
use crate::domain::sealed::{Marks, is_password_hash};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Users of one profile, at most.
const USERS_MAX: usize = 200;
/// Groups of one user, at most.
const GROUPS_MAX: usize = 50;
/// Keys of one user, at most.
const KEYS_MAX: usize = 200;

/// A profile's words for a user. What is empty is as the image has it for a user of its own; for another one as it usually is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct User {
    /// Of the user, and of the group of the same name that is its first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Other groups, which the image has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Login shell; empty: /bin/bash where the image has it, else /bin/sh.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub shell: String,
    /// Home folder; empty: /home/NAME.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub home: String,
    /// Who it is, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// Of its home.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ssh_authorized_keys: Vec<String>,
    /// Without one no password is good; that of a user of the image stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<PasswordHash>,
    /// What sudo(8) lets it do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sudo: Option<Sudo>,
}

/// Where the hash of a password comes from.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum PasswordHash {
    /// As in crypt(5), in the profile itself.
    Here(String),
    /// Of a secret.
    Sealed {
        /// Its name.
        secret: Name,
    },
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(_) => f.write_str("Here(..)"),
            Self::Sealed { secret } => write!(f, "Sealed({secret})"),
        }
    }
}

/// The one thing that can be said of sudo(8) beside groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sudo {
    /// All commands, without a password.
    Nopasswd,
}

impl User {
    /// The secret that its password is of.
    pub fn secret(&self) -> Option<&Name> {
        match &self.password_hash {
            Some(PasswordHash::Sealed { secret }) => Some(secret),
            _ => None,
        }
    }

    /// Bytes that it brings with it to a node, about.
    pub(super) fn bytes(&self) -> usize {
        self.ssh_authorized_keys.iter().map(String::len).sum::<usize>() + self.comment.len() + 1_024
    }

    fn is_root_alone(&self) -> bool {
        let Self { uid, groups, shell: _, home, comment, ssh_authorized_keys, password_hash: _, sudo } = self;
        uid.is_none_or(|uid| uid == 0)
            && groups.is_empty()
            && home.is_empty()
            && comment.is_empty()
            && ssh_authorized_keys.is_empty()
            && sudo.is_none()
    }
}

/// 1000 to 60000, as login.defs(5) has it; above the numbers that systemd and nobody take, up to what fits everywhere.
fn is_uid(uid: u32) -> bool {
    (1_000..=60_000).contains(&uid) || (65_536..=2_147_483_647).contains(&uid)
}

/// As useradd(8) takes it everywhere.
fn is_name(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_');
    let rest = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'));
    first && rest && name.len() <= 32
}

impl Spec {
    /// Names of the secrets that it needs, and whether one stands for a password.
    pub fn secrets(&self) -> impl Iterator<Item = (&Name, bool)> {
        let files = self.files.iter().filter_map(|file| Some((file.secret.as_ref()?, false)));
        let users = self.users.values().filter_map(|user| Some((user.secret()?, true)));
        files.chain(users)
    }

    /// [`check_secrets`](Self::check_secrets), for booting `image`: in modes that do not run from memory they do not reach the
    /// node, and one that is gone keeps it from nothing.
    pub fn check_secrets_with(&self, image: Option<&Image>, known: &Marks) -> Result<(), Wrong> {
        match self.mode_with(image) {
            Mode::Diskless | Mode::Initramfs => self.check_secrets(known),
            _ => Ok(()),
        }
    }

    /// Are all of them there (`known`), and good for what they are named for? Errors: the first that is not.
    pub fn check_secrets(&self, known: &Marks) -> Result<(), Wrong> {
        let there = |place: String, secret: &Name| match known.get(secret) {
            Some(mark) => Ok(mark),
            None => Err(Wrong::new(
                place,
                "a secret that is there (see `higuma secret list`; `higuma secret set` makes one)",
                secret.as_str(),
            )),
        };
        for (path, secret) in self.files.iter().filter_map(|file| Some((&file.path, file.secret.as_ref()?))) {
            there(format!("files.{path}.secret"), secret)?;
        }
        for (name, secret) in self.users.iter().filter_map(|(name, user)| Some((name, user.secret()?))) {
            let place = format!("users.{name}.password_hash");
            if !there(place.clone(), secret)?.is_hash {
                let form = "a secret that is a password hash, as `mkpasswd` prints it";
                return Err(Wrong::new(place, form, format!("{secret}, which is none")));
            }
        }
        Ok(())
    }
}

/// Put a fingerprint in the place of each password hash of a profile's words, for who is to see that it changed.
pub fn hide_hashes(words: &mut Map<String, Value>) {
    let users = words.get_mut("users").and_then(Value::as_object_mut);
    for user in users.into_iter().flat_map(|users| users.values_mut()) {
        if let Some(Value::String(hash)) = user.get_mut("password_hash") {
            *hash = hash_told(hash);
        }
    }
}

/// A hash is not shown. Its salt is random, so that this cannot be looked up.
pub fn hash_told(hash: &str) -> String {
    format!("(fingerprint {})", Sha256::of(hash).as_str().get(..16).unwrap_or_default())
}

/// Errors: the first thing that does not fit.
pub(super) fn check_users(users: &BTreeMap<String, User>) -> Result<(), Wrong> {
    if users.len() > USERS_MAX {
        return Err(Wrong::new("users", format!("at most {USERS_MAX}"), users.len().to_string()));
    }
    let (mut uids, mut homes) = (BTreeMap::new(), BTreeMap::new());
    for (name, user) in users {
        let place = |field: &str| format!("users.{name}.{field}");
        if !is_name(name) {
            let form = "names of a-z, 0-9, '_', '-', at most 32, beginning with a letter";
            return Err(Wrong::new("users", form, format!("{name:?}")));
        }
        if name == "root" {
            if !user.is_root_alone() {
                let form = "shell and password_hash alone (its keys are in ssh_authorized_keys of the profile)";
                return Err(Wrong::new("users.root", form, "more"));
            }
        } else {
            let range = "a number from 1000 to 60000, or from 65536 to 2147483647";
            let Some(uid) = user.uid else { return Err(Wrong::new(place("uid"), range, "none")) };
            if !is_uid(uid) {
                return Err(Wrong::new(place("uid"), range, uid.to_string()));
            }
            if let Some(other) = uids.insert(uid, name) {
                return Err(Wrong::new(place("uid"), format!("another number than that of {other}"), uid.to_string()));
            }
        }
        check_one(user, &place)?;
        let home = match user.home.as_str() {
            _ if name == "root" => continue,
            "" => format!("/home/{name}"),
            home => home.trim_end_matches('/').to_owned(),
        };
        if home == "/root" || home.starts_with("/root/") {
            return Err(Wrong::new(place("home"), "another folder than root's", home));
        }
        if let Some(other) = homes.insert(home.clone(), name) {
            return Err(Wrong::new(place("home"), format!("another folder than that of {other}"), home));
        }
    }
    Ok(())
}

fn check_one(user: &User, place: &dyn Fn(&str) -> String) -> Result<(), Wrong> {
    if user.groups.len() > GROUPS_MAX {
        return Err(Wrong::new(place("groups"), format!("at most {GROUPS_MAX}"), user.groups.len().to_string()));
    }
    let mut seen = BTreeSet::new();
    for group in &user.groups {
        if !is_name(group) || !seen.insert(group) {
            let form = "names of groups of the image, each once";
            return Err(Wrong::new(place("groups"), form, format!("{group:?}")));
        }
    }
    for (field, path) in [("shell", &user.shell), ("home", &user.home)] {
        // A colon ends a field of passwd(5).
        if !path.is_empty() && (!check_path_of(path) || path.contains(':')) {
            let form = "an absolute path without '.', '..', '//' or ':'";
            return Err(Wrong::new(place(field), form, format!("{path:?}")));
        }
    }
    if user.comment.len() > 200 || user.comment.chars().any(|c| c.is_control() || c == ':') {
        let form = "one line of at most 200 bytes without ':'";
        return Err(Wrong::new(place("comment"), form, format!("{:?}", user.comment)));
    }
    if user.ssh_authorized_keys.len() > KEYS_MAX {
        let got = user.ssh_authorized_keys.len().to_string();
        return Err(Wrong::new(place("ssh_authorized_keys"), format!("at most {KEYS_MAX}"), got));
    }
    for key in &user.ssh_authorized_keys {
        check_ssh_key(&place("ssh_authorized_keys"), key)?;
    }
    match &user.password_hash {
        // It could be a password: it is not repeated.
        Some(PasswordHash::Here(hash)) if !is_password_hash(hash) => Err(Wrong::new(
            place("password_hash"),
            "{secret: NAME}, or a hash as `mkpasswd` or `openssl passwd -6` print it (yescrypt, bcrypt, SHA-512, ...)",
            "something else (not shown)",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::profile::Words;
    use serde_json::{Value, json};

    fn of(users: Value) -> Result<Spec, Wrong> {
        Spec::of(None, &serde_json::from_value::<Words>(json!({ "users": users })).unwrap())
    }

    #[test]
    fn users_are_checked() {
        let hash = format!("$6$saltsalt${}", "a".repeat(86));
        let good = of(json!({
            "ann": {"uid": 1000, "groups": ["sudo"], "shell": "/bin/zsh", "ssh_authorized_keys": ["ssh-ed25519 AAAA ann"],
                "password_hash": hash, "sudo": "nopasswd"},
            "bo": {"uid": 70_000, "password_hash": {"secret": "bo-hash"}},
            "root": {"password_hash": {"secret": "root-hash"}},
        }))
        .unwrap();
        assert_eq!((good.users.len(), good.users["ann"].sudo), (3, Some(Sudo::Nopasswd)));
        let secrets: Vec<_> = good.secrets().map(|(name, password)| (name.to_string(), password)).collect();
        assert_eq!(secrets, [("bo-hash".to_owned(), true), ("root-hash".to_owned(), true)]);
        assert!(!format!("{good:?}").contains(&hash), "no hash is shown");
        // What is kept is what was said.
        assert_eq!(Spec::of(None, &Words::of(&good)).unwrap(), good);
        for (bad, place) in [
            (json!({"ann": {}}), "users.ann.uid"),
            (json!({"ann": {"uid": 0}}), "users.ann.uid"),
            (json!({"ann": {"uid": 999}}), "users.ann.uid"),
            (json!({"ann": {"uid": 65_534}}), "users.ann.uid"),
            (json!({"ann": {"uid": 1000}, "bo": {"uid": 1000}}), "users.bo.uid"),
            (json!({"Ann": {"uid": 1000}}), "users"),
            (json!({"a:b": {"uid": 1000}}), "users"),
            (json!({"root": {"uid": 1000}}), "users.root"),
            (json!({"root": {"ssh_authorized_keys": ["k"]}}), "users.root"),
            (json!({"ann": {"uid": 1000, "groups": ["sudo", "sudo"]}}), "users.ann.groups"),
            (json!({"ann": {"uid": 1000, "groups": ["a,b"]}}), "users.ann.groups"),
            (json!({"ann": {"uid": 1000, "shell": "bash"}}), "users.ann.shell"),
            (json!({"ann": {"uid": 1000, "home": "/home/../etc"}}), "users.ann.home"),
            (json!({"ann": {"uid": 1000, "home": "/a:b"}}), "users.ann.home"),
            (json!({"ann": {"uid": 1000, "comment": "a\nroot::0:0"}}), "users.ann.comment"),
            (json!({"ann": {"uid": 1000, "ssh_authorized_keys": ["a\nb"]}}), "users.ann.ssh_authorized_keys"),
            (json!({"ann": {"uid": 1000, "password_hash": "hunter2"}}), "users.ann.password_hash"),
            (json!({"ann": {"uid": 1000, "sudo": "all"}}), "users.ann"),
            (json!({"ann": {"uid": 1000, "shel": "/bin/sh"}}), "users.ann"),
        ] {
            let error = of(bad.clone()).unwrap_err();
            assert_eq!(error.place, place, "{bad}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
