//! The recipe of an image: a TOML file that says what is in it, read, checked word by word, and made whole, so that what is kept with the
//! image needs no file beside it. Never touches a root tree, and never runs anything.

use super::distribution::{self, Distribution};
use super::recipe_fields as fields;
use crate::cli::error::{Failure, Result};
use crate::domain::image_kept::{RECIPE_MAX, check_recipe};
use higuma_initramfs::rootfs::RootFs;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::Path;

/// Bytes of a file or a script that a recipe names, at most.
const SOURCE_MAX: u64 = 256 << 20;

/// A recipe.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Name of the image.
    #[serde(deserialize_with = "fields::name")]
    pub name: String,
    /// E.g. bookworm or noble.
    #[serde(deserialize_with = "fields::suite")]
    pub suite: String,
    /// Absent: told from the suite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution: Option<Distribution>,
    /// amd64.
    #[serde(default, deserialize_with = "fields::arch", skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// Packages as they were then, `YYYYMMDDTHHMMSSZ`; the newest time of a file in the image, too.
    #[serde(default, deserialize_with = "fields::snapshot", skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// Instead of this machine's package sources, or those of the snapshot.
    #[serde(default, deserialize_with = "fields::mirror", skip_serializing_if = "Option::is_none")]
    pub mirror: Option<String>,
    /// Key ring on this machine that the packages are signed by; absent: the distribution's.
    #[serde(default, deserialize_with = "fields::keyring", skip_serializing_if = "Option::is_none")]
    pub keyring: Option<String>,
    /// Empty: `main`, or what this machine's package sources have.
    #[serde(default, deserialize_with = "fields::packages", skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<String>,
    /// Beside those that every image has.
    #[serde(default, deserialize_with = "fields::packages", skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
    /// Of those that every image has; see [`distribution::OPTIONAL`].
    #[serde(default, deserialize_with = "fields::exclude", skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// full, cloud, or a package.
    #[serde(default = "fields::full", deserialize_with = "fields::package")]
    pub kernel: String,
    /// squashfs or erofs.
    #[serde(default, with = "fields::rootfs_type")]
    pub rootfs_type: RootFs,
    /// Default kernel command line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cmdline: String,
    /// Public keys that may log in as root.
    #[serde(default, deserialize_with = "fields::ssh_keys", skip_serializing_if = "Vec::is_empty")]
    pub ssh_keys: Vec<String>,
    /// Put into the tree, in order, when the packages are installed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<File>,
    /// Run in the tree, in order, when the files are there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scripts: Vec<Script>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Absolute, in the tree.
    #[serde(deserialize_with = "fields::path")]
    pub path: String,
    /// Octal.
    #[serde(default = "fields::mode_644", deserialize_with = "fields::mode")]
    pub mode: String,
    /// Name or number.
    #[serde(default = "fields::root", deserialize_with = "fields::user")]
    pub owner: String,
    /// Name or number.
    #[serde(default = "fields::root", deserialize_with = "fields::user")]
    pub group: String,
    /// What is in it: `content = "..."`, or `source = "FILE"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// A file, named from the recipe's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What the source's SHA-256 must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// What content or source gives.
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

/// One script; `/bin/sh -e` runs it unless it begins with `#!`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// It is stopped, and the build fails, when it runs longer.
    #[serde(default = "fields::script_deadline", deserialize_with = "fields::deadline")]
    pub deadline_seconds: u64,
    /// The script, or `source = "FILE"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// A file, named from the recipe's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What the source's SHA-256 must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// What content or source gives.
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

impl Recipe {
    /// The smallest one.
    pub fn new(name: String, suite: String) -> Self {
        Self {
            name,
            suite,
            distribution: None,
            arch: None,
            snapshot: None,
            mirror: None,
            keyring: None,
            components: Vec::new(),
            packages: Vec::new(),
            exclude: Vec::new(),
            kernel: fields::full(),
            rootfs_type: RootFs::default(),
            cmdline: String::new(),
            ssh_keys: Vec::new(),
            files: Vec::new(),
            scripts: Vec::new(),
        }
    }

    /// Of a text; `label` names it in errors, `folder` is where its sources are.
    pub fn parse(text: &str, label: &str, folder: &Path) -> Result<Self> {
        let mut recipe: Self =
            toml::from_str(text).map_err(|e| Failure::usage(format!("{label}: {}", e.to_string().trim_end())))?;
        distribution::of(&recipe)?;
        for body in recipe.bodies() {
            body.read(label, folder)?;
        }
        Ok(recipe)
    }

    /// Seconds since 1970 of the snapshot.
    pub fn epoch(&self) -> Option<i64> {
        self.snapshot.as_deref().and_then(fields::seconds)
    }

    /// May `text`, which it was read from, be kept as it is?
    pub fn is_whole(&self, text: &str) -> bool {
        let mut recipe = self.clone();
        recipe.bodies().iter().all(|body| body.source.is_none()) && check_recipe(text).is_ok()
    }

    /// The text that is kept with the image: what the sources have is written in; of those that are no text, or would make it longer than
    /// 64 KiB, the SHA-256.
    pub fn whole(&self) -> Result<String> {
        let mut whole = self.clone();
        let mut sizes = Vec::new();
        for (at, body) in whole.bodies().into_iter().enumerate() {
            if body.source.is_none() {
                continue;
            }
            *body.sha256 = Some(hex::encode(Sha256::digest(&*body.bytes)));
            if std::str::from_utf8(body.bytes).is_ok() {
                sizes.push((body.bytes.len(), at));
            }
        }
        // The short ones first: most are written in then.
        sizes.sort_unstable();
        let mut text = whole.text()?;
        for (size, at) in sizes {
            if size > RECIPE_MAX {
                break;
            }
            let mut more = whole.clone();
            if let Some(body) = more.bodies().into_iter().nth(at) {
                *body.content = Some(String::from_utf8_lossy(body.bytes).into_owned());
                (*body.source, *body.sha256) = (None, None);
            }
            let longer = more.text()?;
            if longer.len() > RECIPE_MAX {
                break;
            }
            (whole, text) = (more, longer);
        }
        check_recipe(&text).map_err(|e| {
            Failure::usage(format!("{e}: put long contents into files beside the recipe, and name them by `source`"))
        })
    }

    fn text(&self) -> Result<String> {
        toml::to_string_pretty(self).map_err(|e| Failure::because("could not write the recipe", &e))
    }

    fn bodies(&mut self) -> Vec<Body<'_>> {
        let files = self.files.iter_mut().map(|f| Body {
            what: format!("the file {}", f.path),
            content: &mut f.content,
            source: &mut f.source,
            sha256: &mut f.sha256,
            bytes: &mut f.bytes,
        });
        let scripts = self.scripts.iter_mut().enumerate().map(|(n, s)| Body {
            what: format!("script {}", n + 1),
            content: &mut s.content,
            source: &mut s.source,
            sha256: &mut s.sha256,
            bytes: &mut s.bytes,
        });
        files.chain(scripts).collect()
    }
}

/// What files and scripts have in common.
struct Body<'a> {
    what: String,
    content: &'a mut Option<String>,
    source: &'a mut Option<String>,
    sha256: &'a mut Option<String>,
    bytes: &'a mut Vec<u8>,
}

impl Body<'_> {
    fn read(self, label: &str, folder: &Path) -> Result<()> {
        let what = &self.what;
        match (&*self.content, &*self.source) {
            (Some(content), None) => *self.bytes = content.clone().into_bytes(),
            (None, Some(source)) => {
                let path = folder.join(source);
                let broken = |e| Failure::usage(format!("{label}: {what}: could not read {}: {e}", path.display()));
                let file = std::fs::File::open(&path).map_err(broken)?;
                file.take(SOURCE_MAX + 1).read_to_end(self.bytes).map_err(broken)?;
                if self.bytes.len() as u64 > SOURCE_MAX {
                    return Err(Failure::usage(format!(
                        "{label}: {what}: expected at most {} MiB in {}: make a package of it",
                        SOURCE_MAX >> 20,
                        path.display()
                    )));
                }
            }
            _ => {
                return Err(Failure::usage(format!("{label}: {what}: expected one of `content` and `source`")));
            }
        }
        if let Some(expected) = &*self.sha256 {
            let is = hex::encode(Sha256::digest(&*self.bytes));
            if *expected != is {
                return Err(Failure::usage(format!("{label}: {what}: expected SHA-256 {expected}, got {is}")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "recipe_tests.rs"]
mod tests;
