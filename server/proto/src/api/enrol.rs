//! Enrolment of BMCs from the outside. No password is ever answered.

use serde::{Deserialize, Serialize};

/// A file of BMCs to enrol.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewEnrolments {
    /// csv or yaml.
    pub format: String,
    /// The file itself: it holds passwords.
    pub text: String,
    /// Check only; nothing is written.
    #[serde(default)]
    pub dry_run: bool,
    /// Machines that are on may be restarted.
    #[serde(default)]
    pub restart: bool,
}

impl std::fmt::Debug for NewEnrolments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewEnrolments({} of {} bytes)", self.format, self.text.len())
    }
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolled {
    /// Id of this import.
    pub batch: String,
    /// BMCs of the file.
    pub addresses: u64,
    /// Not known before.
    pub new: u64,
    /// Given up before, and begun anew; or told to restart now.
    pub changed: u64,
    /// As they were.
    pub unchanged: u64,
    /// False: a dry run.
    pub written: bool,
}

/// Try one again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetryEnrolment {
    /// A machine that is on may be restarted.
    pub restart: bool,
}

/// A BMC that is enrolled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// Id.
    pub id: String,
    /// The import that made it.
    pub batch: String,
    /// Of the BMC.
    pub address: String,
    /// Other than the protocol's own.
    pub port: Option<u16>,
    /// auto, ipmi or redfish.
    pub protocol: String,
    /// What worked: ipmi or redfish.
    pub driver: Option<String>,
    /// Account.
    pub user: String,
    /// Host name for the node; may be empty.
    pub name: String,
    /// Cluster; may be empty.
    pub cluster: String,
    /// Profile for the node; may be empty.
    pub profile: String,
    /// Boots in UEFI mode.
    pub uefi: bool,
    /// A machine that is on may be restarted.
    pub restart: bool,
    /// waiting, contacting, identified, booting, matched, failed or cancelled.
    pub state: String,
    /// Nothing more is done by itself, and its machine was not started: a person is needed.
    pub held: bool,
    /// Why it is so; may be empty.
    pub reason: String,
    /// UUIDs by which it may call its system.
    pub system_uuids: Vec<String>,
    /// Of its LAN channel; empty: not told.
    pub mac: String,
    /// Firmware version; empty: not told.
    pub firmware: String,
    /// on, off or unknown.
    pub power: String,
    /// Its node, when matched.
    pub node: Option<String>,
    /// Contacts that failed since the last good one.
    pub attempts: u32,
    /// Next contact; none: nothing is to be done.
    pub next_us: Option<i64>,
    /// Who enrolled it.
    pub who: String,
    /// When.
    pub made_us: i64,
    /// Last change.
    pub changed_us: i64,
}

/// Enrolments by state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EnrolmentCounts {
    /// All.
    pub total: u64,
    /// Their turn comes.
    pub waiting: u64,
    /// Contacted just now.
    pub contacting: u64,
    /// Identified, and under way.
    pub identified: u64,
    /// Identified, and a person is needed.
    pub held: u64,
    /// Started; their nodes are waited for.
    pub booting: u64,
    /// Their nodes are known.
    pub matched: u64,
    /// Cannot be enrolled as given.
    pub failed: u64,
    /// Given up by a person.
    pub cancelled: u64,
}

impl EnrolmentCounts {
    /// Those that go on by themselves.
    pub fn under_way(&self) -> u64 {
        self.waiting.saturating_add(self.contacting).saturating_add(self.identified).saturating_add(self.booting)
    }
}
