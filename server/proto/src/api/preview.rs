//! What a node would get of a profile, rendered for it.

use super::{NetworkDevice, ProfileFile};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// All that a node would get. It holds no secret: nothing is minted for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfilePreview {
    /// Profile.
    pub profile: String,
    /// The revision.
    pub revision: u32,
    /// UUID of the node.
    pub node: String,
    /// Its host name.
    pub hostname: String,
    /// The boot mode that holds.
    pub mode: String,
    /// "name:version"; absent in modes without an image.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub image: Option<String>,
    /// Digest of the image.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub image_digest: Option<String>,
    /// Content hash of the plan.
    pub plan_hash: String,
    /// The image's, then the profile's.
    pub cmdline: String,
    /// Rendered: none is a template any more.
    pub files: Vec<ProfileFile>,
    /// Of root.
    pub ssh_authorized_keys: Vec<String>,
    /// What templates see as `params`.
    pub params: Map<String, Value>,
    /// Kernel modules to load.
    pub modules: Vec<String>,
    /// Key to value.
    pub sysctl: BTreeMap<String, String>,
    /// systemd units, rendered.
    pub units: BTreeMap<String, PreviewUnit>,
    /// Users, without password hashes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub users: BTreeMap<String, PreviewUser>,
    /// What would be told of the secrets that files and passwords are of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<PreviewSecret>,
    /// iPXE script of the mode ipxe, rendered.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub script: String,
    /// Answer file of the mode installer, rendered; addresses in it are in place of those that a boot is told.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub answer: String,
    /// Devices of its network; none: every NIC asks by DHCP.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub network: Vec<NetworkDevice>,
}

/// A user as a node would get it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewUser {
    /// Number.
    pub uid: u32,
    /// Beside its own.
    pub groups: Vec<String>,
    /// Login shell; empty: as the image has it, or as usual.
    pub shell: String,
    /// Home folder; empty: as the image has it, or /home/NAME.
    pub home: String,
    /// For people.
    pub comment: String,
    /// Of its home.
    pub ssh_authorized_keys: Vec<String>,
    /// Where its password comes from: `none`, `hash in the profile` or `secret NAME`.
    pub password: String,
    /// It may do everything by sudo(8) without a password.
    pub sudo_nopasswd: bool,
}

/// A secret, without its value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewSecret {
    /// Name.
    pub name: String,
    /// Its present revision.
    pub revision: u32,
    /// Of its value.
    pub fingerprint: String,
}

/// A systemd unit as a node would get it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewUnit {
    /// Empty: the image has it.
    pub content: String,
    /// Started at boot.
    pub enabled: bool,
    /// Never started.
    pub masked: bool,
}
