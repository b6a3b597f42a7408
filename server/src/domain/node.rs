//! A node as the inventory keeps it: what it should be and what it was last seen as.

use super::ids::{Hostname, Invalid, Mac, Micros, Name, NodeUuid, Sha256};
use super::rules::Held;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// May this machine boot from us? pending -> admitted or rejected, by a person, the API or a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Admission {
    /// Seen, not decided: learns nothing but "wait".
    Pending,
    /// May boot.
    Admitted,
    /// May not.
    Rejected,
}

/// What happens with a machine that was never seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdmissionPolicy {
    /// Admitted at once.
    Auto,
    /// Pending until somebody approves it or assigns a profile (default).
    Approve,
    /// Refused unless the node exists.
    KnownOnly,
}

macro_rules! words {
    ($type:ident, $what:literal, $expected:literal, $($variant:ident = $word:literal),+) => {
        impl $type {
            /// The word used in the API, the database and the command line.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl FromStr for $type {
            type Err = Invalid;
            fn from_str(text: &str) -> Result<Self, Invalid> {
                match text { $($word => Ok(Self::$variant),)+ _ => Err(Invalid::new($what, $expected, text)) }
            }
        }
    };
}
pub(crate) use words;

words!(
    Admission,
    "admission",
    "pending, admitted or rejected",
    Pending = "pending",
    Admitted = "admitted",
    Rejected = "rejected"
);
words!(
    AdmissionPolicy,
    "admission policy",
    "auto, approve or known-only",
    Auto = "auto",
    Approve = "approve",
    KnownOnly = "known-only"
);

/// Who or what decided a node's admission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// The setting `admission`.
    Policy,
    /// A rule.
    Rule(Name),
    /// Somebody, by page, API or command line: never overruled.
    Person(String),
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy => f.write_str("policy"),
            Self::Rule(name) => write!(f, "rule {name}"),
            Self::Person(name) => write!(f, "person {name}"),
        }
    }
}

impl FromStr for By {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text.split_once(' ') {
            None if text == "policy" => Ok(Self::Policy),
            Some(("rule", name)) => Ok(Self::Rule(name.parse()?)),
            Some(("person", name)) => Ok(Self::Person(name.to_owned())),
            _ => Err(Invalid::new("who admitted", "policy, rule NAME or person NAME", text)),
        }
    }
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub uuid: NodeUuid,
    /// May it boot?
    pub admission: Admission,
    /// Who or what decided that, and when; none: nobody yet, or before this was kept.
    pub admitted: Option<(By, Micros)>,
    /// Host name of its second stage.
    pub hostname: Hostname,
    /// Assigned profile.
    pub profile: Option<Name>,
    /// The pin: the revision of it that this node boots; none: the active one.
    pub profile_revision: Option<u32>,
    /// Cluster that it is in: decides which pools of addresses serve it.
    pub cluster: Option<Name>,
    /// Given by people.
    pub tags: BTreeSet<Name>,
    /// Given by rules, and not by people as well.
    pub rule_tags: BTreeSet<Name>,
    /// Who set profile, cluster and host name.
    pub held: Held,
    /// Boots nothing new.
    pub maintenance: bool,
    /// Refused.
    pub retired: bool,
    /// SMBIOS type 1.
    pub manufacturer: String,
    /// SMBIOS type 1.
    pub product: String,
    /// SMBIOS type 1.
    pub serial: String,
    /// MAC it booted from last.
    pub boot_mac: Option<Mac>,
    /// Present or last boot.
    pub boot: Option<uuid::Uuid>,
    /// Hash of the stored inventory.
    pub inventory_hash: Option<Sha256>,
    /// First Register.
    pub first_seen: Micros,
    /// Anything heard.
    pub last_seen: Micros,
}

impl Node {
    /// A machine never seen before.
    pub fn new(uuid: NodeUuid, admission: Admission, now: Micros) -> Self {
        Self {
            hostname: Hostname::of_node(&uuid),
            uuid,
            admission,
            admitted: None,
            profile: None,
            profile_revision: None,
            cluster: None,
            tags: BTreeSet::new(),
            rule_tags: BTreeSet::new(),
            held: Held::default(),
            maintenance: false,
            retired: false,
            manufacturer: String::new(),
            product: String::new(),
            serial: String::new(),
            boot_mac: None,
            boot: None,
            inventory_hash: None,
            first_seen: now,
            last_seen: now,
        }
    }
}

impl Node {
    /// This node, with what `new` was last seen as: its machine is this one with another board. What a person decided
    /// stays.
    pub fn with_machine_of(self, new: Node) -> Node {
        let first_seen = self.first_seen.min(new.first_seen);
        if new.boot.is_none() {
            return Node { first_seen, ..self };
        }
        Node {
            manufacturer: new.manufacturer,
            product: new.product,
            serial: new.serial,
            boot_mac: new.boot_mac.or(self.boot_mac),
            boot: new.boot,
            inventory_hash: new.inventory_hash.or(self.inventory_hash),
            first_seen,
            last_seen: self.last_seen.max(new.last_seen),
            ..self
        }
    }
}
