//! What a node gets, whole: a profile's words over those of its parents, checked. Nothing here is rendered yet: text may be
//! a template.

use super::cloud_init::CloudInit;
use super::mode::Mode;
use super::network::{Network, Setup};
use super::user::User;
use super::words::Words;
use crate::domain::cmdline::Cmdline;
use crate::domain::ids::{Invalid, Name};
use crate::domain::image::ImageRef;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: expected {expected}, got {got}")]
pub struct Wrong {
    /// As in the words: `files./etc/motd.mode`.
    pub place: String,
    /// What was expected.
    pub expected: String,
    /// What came, cut at 200 characters.
    pub got: String,
}

impl Wrong {
    /// About `place`.
    pub fn new(place: impl Into<String>, expected: impl Into<String>, got: impl AsRef<str>) -> Self {
        Self { place: place.into(), expected: expected.into(), got: got.as_ref().chars().take(200).collect() }
    }

    pub(super) fn at(place: impl Into<String>, invalid: Invalid) -> Self {
        Self::new(place, invalid.expected, format!("{:?}", invalid.got))
    }
}

/// A file put into a node's root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {
    /// Absolute, normalised.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// Name or number of the user; empty: root.
    pub owner: String,
    /// Name or number of the group; empty: root.
    pub group: String,
    /// Content, or the template of it; empty where it is a secret's.
    pub content: String,
    /// The secret that is its content.
    pub secret: Option<Name>,
    /// Whether the content is a template.
    pub template: bool,
}

/// A systemd unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Unit {
    /// Its file; empty: the image has it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub content: String,
    /// Started at boot, by what its `[Install]` says.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub enabled: bool,
    /// Never started.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub masked: bool,
    /// Whether the content is a template.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub template: bool,
}

/// A parameter's value; its kind is its type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Param {
    /// bool
    Bool(bool),
    /// int
    Int(i64),
    /// string
    Text(String),
    /// list of strings
    List(Vec<String>),
}

impl Param {
    /// For people.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Text(_) => "string",
            Self::List(_) => "list of strings",
        }
    }
}

/// What a revision says, its parents' words below its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spec {
    /// Which image; none in modes without one, and in a profile that only others inherit from.
    pub image: Option<ImageRef>,
    /// How a node boots; none: as the image is made for.
    pub mode: Option<Mode>,
    /// Added to the image's.
    pub cmdline: Cmdline,
    /// iPXE script of the mode `ipxe`.
    pub script: String,
    /// Answer file of the mode `installer`: preseed, kickstart, autoinstall or whatever its installer reads.
    pub answer: String,
    /// By name.
    pub params: BTreeMap<String, Param>,
    /// Files.
    pub files: Vec<File>,
    /// Of root.
    pub ssh_authorized_keys: Vec<String>,
    /// Kernel modules to load.
    pub modules: Vec<String>,
    /// sysctl(8): key to value.
    pub sysctl: BTreeMap<String, String>,
    /// By name.
    pub units: BTreeMap<String, Unit>,
    /// By name.
    pub users: BTreeMap<String, User>,
    /// For cloud-init, in the modes that boot an image in memory.
    pub cloud_init: CloudInit,
    /// Devices by name, in the modes that boot an image in memory.
    pub network: Network,
    /// What these come to for a node; none: nothing is said, or it was not rendered for one.
    pub setup: Option<Setup>,
}

impl Spec {
    /// Of `words` over what the parent gives. Errors: what does not fit, and where; a parameter of another type than the
    /// parent's.
    pub fn of(parent: Option<&Spec>, words: &Words) -> Result<Spec, Wrong> {
        let spec = match parent {
            None => words.resolve(None)?,
            Some(parent) => words.resolve(Some(&Words::of(parent)))?,
        };
        for (name, value) in &spec.params {
            if let Some(was) = parent.and_then(|p| p.params.get(name)).filter(|was| was.kind() != value.kind()) {
                return Err(Wrong::new(
                    format!("params.{name}"),
                    format!("{}, as in the parent", was.kind()),
                    value.kind(),
                ));
            }
        }
        super::check::check(&spec)?;
        Ok(spec)
    }
}
