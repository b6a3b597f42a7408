//! The JSON API under `/api/v1`, one struct a body. Times are microseconds since 1970 UTC; identifiers are strings in
//! canonical form. A list answer is a [`Page`]; an error answer is an [`ApiError`] with the HTTP status that fits.
//!
//! | method, path | body -> answer |
//! |---|---|
//! | GET /api/v1/nodes?lifecycle=&drift=&q=&profile=&where=&cursor=&limit= | -> Page<[`NodeSummary`]> |
//! | GET /api/v1/nodes/{uuid} | -> [`NodeDetail`] |
//! | PUT /api/v1/nodes/{uuid} | [`NodePatch`] -> [`NodeDetail`] (adds a node that was never seen, admitted) |
//! | PATCH /api/v1/nodes/{uuid} | [`NodePatch`] -> [`NodeDetail`] |
//! | POST /api/v1/nodes/{uuid}/merge | [`MergeInto`] -> [`NodeDetail`] of the node that stays (a replaced board) |
//! | POST /api/v1/nodes/{uuid}/not-same | -> [`NodeDetail`] (it is not its merge candidate) |
//! | GET /api/v1/nodes/{uuid}/boots?cursor=&limit= | -> Page<[`BootSummary`]> |
//! | GET /api/v1/nodes/{uuid}/script?arch=&platform= | -> [`ScriptPreview`] (mints nothing) |
//! | GET /api/v1/nodes/{uuid}/drift | -> [`NodeDrift`]: would a reboot change it, and what |
//! | POST /api/v1/nodes/{uuid}/retry | -> [`NodeDetail`] (at its next boot it gets the revision that it should have, whatever failed) |
//! | POST /api/v1/nodes/{uuid}/reinstall | -> [`NodeDetail`] (its installer runs again at its next boot) |
//! | GET /api/v1/nodes/{uuid}/firmware | -> [`NodeFirmware`] |
//! | POST /api/v1/nodes/{uuid}/firmware/retry | -> [`NodeFirmware`] (what was tried counts no more) |
//! | GET /api/v1/bmcs?state=&cursor=&limit= | -> Page<[`BmcSummary`]> |
//! | GET, PUT /api/v1/nodes/{uuid}/bmc | -> [`BmcDetail`]; [`SetBmc`] -> [`BmcDetail`] (what is absent stays) |
//! | POST /api/v1/nodes/{uuid}/bmc/check | log in now -> [`BmcDetail`] |
//! | GET /api/v1/nodes/{uuid}/bmc/info | -> [`BmcInfo`], asked now |
//! | GET /api/v1/nodes/{uuid}/bmc/sensors | -> Page<[`BmcReading`]>, whole, read now |
//! | GET /api/v1/nodes/{uuid}/bmc/log?limit= | -> [`BmcLog`], newest first, read now, with what could not be read |
//! | GET /api/v1/nodes/{uuid}/bmc/hardware | -> [`BmcHardware`], read now (Redfish) |
//! | GET /api/v1/nodes/{uuid}/bmc/firmware | -> [`BmcFirmwareList`], read now (Redfish) |
//! | GET, PUT, DELETE /api/v1/nodes/{uuid}/bmc/media | -> Page<[`BmcMedia`]>, whole; [`AttachMedia`] -> the same; `?slot=` empties one, else all -> the same (Redfish) |
//! | GET, POST, DELETE /api/v1/nodes/{uuid}/bmc/console?version=&wait= | -> [`ConsoleScreen`], newer than `version` or after `wait` seconds; [`OpenConsole`] -> [`ConsoleState`]; closes it for all -> [`ConsoleState`] |
//! | GET /api/v1/nodes/{uuid}/bmc/console/output?from=&wait= | -> [`ConsoleOutput`], at once when there is some, else after `wait` seconds |
//! | POST /api/v1/nodes/{uuid}/bmc/console/input | [`ConsoleInput`] -> [`ConsoleState`] (again: not typed again) |
//! | POST /api/v1/nodes/{uuid}/bmc/password/reveal | -> [`RevealedCredentials`] (written down as an event of the node) |
//! | GET, POST, PUT /api/v1/pools | -> Page<[`Pool`]>; [`NewPool`] -> [`Pool`]; [`CsvImport`] -> [`CsvImported`] (makes or changes those of the file) |
//! | GET, PUT, DELETE /api/v1/pools/{name}?force= | -> [`Pool`]; [`NewPool`] -> [`Pool`]; -> nothing (204); with addresses in use only with its name as `force` |
//! | GET, PUT /api/v1/addresses?pool=&node=&live=&cursor=&limit= | -> Page<[`Address`]>; [`CsvImport`] -> [`CsvImported`] |
//! | POST /api/v1/addresses/reserve | [`ReserveAddress`] -> Page<[`Address`]> |
//! | POST /api/v1/addresses/release | [`ReleaseAddress`] -> [`Released`] |
//! | GET /api/v1/addresses/conflicts?cursor=&limit= | -> Page<[`AddressConflict`]> |
//! | GET /api/v1/dhcp/leases?subnet=&node=&state=&cursor=&limit= | -> Page<[`DhcpLease`]>, in order of address |
//! | DELETE /api/v1/dhcp/leases/{address} | -> nothing (204): the address is free (an event of its node says so) |
//! | GET, PUT /api/v1/nodes/{uuid}/dhcp | -> [`NodeDhcp`]; [`NodeDhcp`] -> the same (replaces all; empty: none of its own) |
//! | GET /api/v1/master-key | -> [`MasterKeyStatus`] |
//! | POST /api/v1/master-key/rotate | -> [`MasterKeyStatus`] (202: it goes on in the background) |
//! | GET, POST /api/v1/firmware/rules | -> Page<[`FirmwareRule`]>, all of them in order; [`NewFirmwareRule`] -> [`FirmwareRule`] (the last) |
//! | PUT, DELETE /api/v1/firmware/rules/{name} | [`NewFirmwareRule`] -> [`FirmwareRule`] (its place stays); -> nothing (204) |
//! | POST /api/v1/firmware/rules/{name}/move | [`FirmwareMove`] -> Page<[`FirmwareRule`]> |
//! | GET /api/v1/firmware/compliance | -> [`FirmwareCompliance`] |
//! | GET /api/v1/firmware/nodes?state=&cursor=&limit= | -> Page<[`FirmwareNode`]> |
//! | GET /api/v1/nodes/{uuid}/inventory/versions?cursor=&limit= | -> Page<[`InventoryVersion`]>, newest first |
//! | GET /api/v1/nodes/{uuid}/inventory/versions/{number} | -> [`InventoryVersionDetail`] |
//! | GET /api/v1/nodes/{uuid}/inventory/diff?from=&to= | -> [`InventoryDiff`] (absent: the newest, and the one before) |
//! | GET /api/v1/events?node=&kind=&open=&cursor=&limit= | -> Page<[`NodeEvent`]>, newest first |
//! | POST /api/v1/events/acknowledge | all open events of a kind, severity or node are seen: [`AcknowledgeEvents`] -> [`Acknowledged`] |
//! | POST /api/v1/events/{id}/acknowledge | -> [`NodeEvent`] |
//! | GET /api/v1/switches?cursor=&limit= | -> Page<[`Switch`]> |
//! | GET /api/v1/switches/{chassis}/ports | -> Page<[`SwitchPort`]>, whole, as people count; `chassis` is an id or a name |
//! | GET /api/v1/cabling/links?node=&switch=&history=&cursor=&limit= | -> Page<[`CableLink`]>; with `history=true` also earlier ones |
//! | GET, PUT /api/v1/cabling/expected?cursor=&limit= | -> Page<[`ExpectedCable`]>; [`NewExpected`] -> [`Imported`] (replaces all) |
//! | GET /api/v1/cabling/check?node=&all=&cursor=&limit= | -> Page<[`CablingFinding`]>; without `all=true` only what differs |
//! | POST /api/v1/nodes/{uuid}/cabling/accept | -> Page<[`CableLink`]>: the cables that hold from now on |
//! | GET, PUT /api/v1/rules | -> [`RuleList`]; [`PutRules`] -> [`RuleList`] (the whole list, in order) |
//! | POST /api/v1/rules/test | [`RuleTest`] -> [`RuleTestAnswer`] (changes nothing) |
//! | GET /api/v1/boots/{boot_id} | -> [`BootDetail`] |
//! | GET /api/v1/nodes/{uuid}/exchanges?cursor=&limit= | -> Page<[`Exchange`]>, newest first: what the node asked of boot services of any server |
//! | GET /api/v1/boot-exchanges?node=&mac=&net=&after=&epoch=&wait= | -> [`Exchanges`]: what machines asked of DHCP, TFTP, HTTP boot and scripts of this server lately |
//! | GET, POST /api/v1/images | -> Page<[`Image`]>; [`NewImage`] -> [`Image`] |
//! | POST /api/v1/images/gc | [`ImageGc`] -> [`ImageGcAnswer`] (a dry run changes nothing) |
//! | GET, POST, DELETE /api/v1/images/scrub | -> [`Scrub`]; [`NewScrub`] -> [`Scrub`] (202: it goes on in the background); cancels it -> [`Scrub`] |
//! | GET, PATCH, DELETE /api/v1/images/{name}/{version} | -> [`Image`]; [`ImagePatch`] -> [`Image`]; -> nothing (204). To read and to patch, {version} may be a label |
//! | GET /api/v1/images/{name}/{version}/contents | -> the listing of what is in it: lines of JSON, packed by zstd; 404 when there is none. {version} may be a label |
//! | PUT, DELETE /api/v1/images/{name}/labels/{label} | [`SetLabel`] -> [`Image`] (made, or moved there); -> nothing (204) |
//! | GET, POST /api/v1/profiles | -> Page<[`Profile`]>; [`NewProfile`] -> [`Profile`] |
//! | GET /api/v1/profiles/{name}?revision=N\|newest | -> [`Profile`] (the active revision when none is named) |
//! | PUT, DELETE /api/v1/profiles/{name}?draft= | [`NewProfile`] -> [`Profile`] (a new revision when it differs; not active as a draft) |
//! | GET /api/v1/profiles/{name}/revisions?cursor=&limit= | -> Page<[`ProfileRevision`]>, the newest first |
//! | GET /api/v1/profiles/{name}/diff?from=&to= | -> [`ProfileDiff`] (N or newest; when they are not named: the active revision, and the newest) |
//! | POST /api/v1/profiles/{name}/activate?revision=N | -> [`Profile`] |
//! | GET /api/v1/profiles/{name}/preview?node=&revision= | -> [`ProfilePreview`]: all that the node would get, rendered (changes nothing) |
//! | POST /api/v1/apply | [`Apply`] -> [`Applied`]: profiles, rules and labels of images all at once or not at all (a dry run changes nothing) |
//! | GET /api/v1/secrets?cursor=&limit= | -> Page<[`Secret`]>, in order of name; no answer has a value |
//! | GET, PUT, DELETE /api/v1/secrets/{name}?force= | -> [`Secret`]; [`NewSecret`] -> [`Secret`] (201: made; 200: a new revision, or as it is already); -> nothing (204); one in use only with its name as `force` |
//! | HEAD, PUT /api/v1/blobs/{sha256} | raw bytes, streamed -> [`Blob`] (idempotent) |
//! | GET, PUT /api/v1/first-stage | -> [`FirstStage`]; [`NewFirstStage`] -> [`FirstStage`] |
//! | GET, POST /api/v1/enrolments?state=&batch=&cursor=&limit= | -> Page<[`Enrolment`]>; [`NewEnrolments`] -> [`Enrolled`] (a dry run writes nothing) |
//! | GET /api/v1/enrolments/counts?batch= | -> [`EnrolmentCounts`] |
//! | POST /api/v1/enrolments/{id}/retry | [`RetryEnrolment`] -> [`Enrolment`]; {id} may be the BMC's address |
//! | POST /api/v1/enrolments/{id}/cancel | -> [`Enrolment`] |
//! | GET, POST /api/v1/jobs?state=&cursor=&limit= | -> Page<[`Job`]>, newest first; [`NewJob`] -> [`Job`] (201; 200: the same request again) |
//! | GET /api/v1/jobs/{id} | -> [`Job`] |
//! | GET /api/v1/jobs/{id}/items?state=&cursor=&limit= | -> Page<[`JobItem`]>, those that failed first |
//! | POST /api/v1/jobs/{id}/cancel | -> [`Job`] (what waits is cancelled, what runs ends; again: nothing more) |
//! | GET, POST /api/v1/rollouts?state=&cursor=&limit= | -> Page<[`Rollout`]>, newest first; [`NewRollout`] -> [`Rollout`] (201; 200: the same request again) |
//! | POST /api/v1/rollouts/plan | [`NewRollout`] -> [`RolloutPlan`] (changes nothing) |
//! | GET /api/v1/rollouts/{id} | -> [`Rollout`] |
//! | GET /api/v1/rollouts/{id}/members?phase=&cursor=&limit= | -> Page<[`RolloutMember`]>, those that failed first |
//! | POST /api/v1/rollouts/{id}/pause | -> [`Rollout`] (no new node is begun) |
//! | POST /api/v1/rollouts/{id}/resume | -> [`Rollout`] |
//! | POST /api/v1/rollouts/{id}/abort | [`AbortRollout`] -> [`Rollout`] |
//! | GET /api/v1/status | -> [`Status`] |

mod apply;
mod bmc;
mod boot;
mod cabling;
mod console;
mod dhcp;
mod disk;
mod drift;
mod enrol;
mod event;
mod exchange;
mod firmware;
mod first_stage;
mod identity;
mod image;
mod inventory;
mod ipam;
mod job;
mod network;
mod node;
mod preview;
mod redfish;
mod rollout;
mod rules;
mod secret;
mod vault;

pub use apply::{Applied, Apply, ApplyChange, ApplyProfile};
pub use bmc::{BmcDetail, BmcInfo, BmcLog, BmcLogLine, BmcReading, BmcSummary, SetBmc};
pub use boot::{BootDetail, BootSummary};
pub use cabling::*;
pub use console::{ConsoleInput, ConsoleOutput, ConsoleScreen, ConsoleState, OpenConsole};
pub use dhcp::{DhcpLease, NodeDhcp};
pub use disk::{NodeDisk, NodeInstall, NodeLeft};
pub use drift::{DiffedRevision, NodeDrift, NodeFallback, PlanDifference, PlanName, ProfileDiff};
pub use enrol::{Enrolled, Enrolment, EnrolmentCounts, NewEnrolments, RetryEnrolment};
pub use event::{AcknowledgeEvents, Acknowledged, NodeEvent};
pub use exchange::{Exchange, Exchanges};
pub use firmware::{
    FirmwareAttempt, FirmwareCompliance, FirmwareComponent, FirmwareMove, FirmwareNode, FirmwareProgram, FirmwareRule,
    NewFirmwareRule, NodeFirmware,
};
pub use first_stage::{FirstStage, NewFirstStage};
pub use identity::{IdentityConflict, MergeInto, NodeIdentity};
pub use image::{
    DamagedBlob, Image, ImageGc, ImageGcAnswer, ImageGcLine, ImagePart, ImagePatch, NewImage, NewScrub, Scrub, SetLabel,
};
pub use inventory::{InventoryChange, InventoryDiff, InventoryVersion, InventoryVersionDetail};
pub use ipam::{
    Address, AddressConflict, CsvImport, CsvImported, NewPool, Pool, ReleaseAddress, Released, ReserveAddress,
};
pub use job::{Job, JobCounts, JobItem, NewJob};
pub use network::{NetworkDevice, NetworkRoute, NodeNetwork};
pub use node::{InstalledBody, NodeProfile, RegisterAnswer, RegisterBody};
pub use preview::{PreviewSecret, PreviewUnit, PreviewUser, ProfilePreview};
pub use redfish::{AttachMedia, BmcFirmware, BmcFirmwareList, BmcHardware, BmcMedia, BmcPart};
pub use rollout::{
    AbortRollout, NewRollout, Rollout, RolloutMember, RolloutOptions, RolloutPlan, RolloutPlanMember, RolloutTimes,
    RolloutWave,
};
pub use rules::{PutRules, Rule, RuleChange, RuleList, RuleTest, RuleTestAnswer};
pub use secret::{NewSecret, Secret};
pub use vault::{MasterKeyStatus, RevealedCredential, RevealedCredentials};

use crate::agent::{Inventory, Neighbour};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A piece of a list. `next` is the cursor of the following piece, absent at the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items, in a stable order.
    pub items: Vec<T>,
    /// Pass as `cursor` for what follows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<String>,
}

/// An error answer: what was expected, what came, what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    /// A stable word for programs: `bad_request`, `not_found`, `conflict`, `unauthorized`, `forbidden`, `too_large`,
    /// `unavailable`, `internal`.
    pub code: String,
    /// For people.
    pub message: String,
}

/// A node in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeSummary {
    /// SMBIOS system UUID, canonical (lower case).
    pub uuid: String,
    /// Host name that the second stage gets.
    pub hostname: String,
    /// discovered, ready, assigned, booting, running, failed, maintenance or retired.
    pub lifecycle: String,
    /// Why, where there is more to say (the failed step, "no heartbeat since ...").
    pub reason: Option<String>,
    /// pending, admitted or rejected.
    pub admission: String,
    /// Who decided that: "policy", "rule NAME" or "person NAME".
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub admitted_by: Option<String>,
    /// Assigned profile.
    pub profile: Option<String>,
    /// The pin: the revision of it that the node boots, whichever is active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile_revision: Option<u32>,
    /// Cluster that it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Of people and of rules, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// From SMBIOS.
    pub manufacturer: String,
    /// From SMBIOS.
    pub product: String,
    /// From SMBIOS.
    pub serial: String,
    /// MAC that it booted from.
    pub boot_mac: Option<String>,
    /// Last step of the present boot.
    pub step: Option<String>,
    /// Events that are neither put right nor acknowledged.
    #[serde(default)]
    pub open_events: u32,
    /// First registered.
    pub first_seen_us: i64,
    /// Anything heard from it.
    pub last_seen_us: i64,
    /// Another machine lays claim to the same name: which node it is, and what differs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub conflict: Option<String>,
    /// What a reboot would do: none (it runs nothing), same, changed, unplanned (it would boot nothing) or unknown.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub drift: Option<String>,
    /// Its revision failed to boot: it gets the one that it ran last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fallback: Option<NodeFallback>,
}

impl NodeSummary {
    /// `NAME`, or `NAME@REVISION` when it is pinned; empty: nothing is assigned.
    pub fn assignment(&self) -> String {
        match (&self.profile, self.profile_revision) {
            (None, _) => String::new(),
            (Some(profile), None) => profile.clone(),
            (Some(profile), Some(revision)) => format!("{profile}@{revision}"),
        }
    }
}

/// A node with everything known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeDetail {
    /// As in lists.
    #[serde(flatten)]
    pub summary: NodeSummary,
    /// Last reported.
    pub inventory: Option<Inventory>,
    /// SHA-256 (hex) of the stored inventory.
    pub inventory_hash: Option<String>,
    /// Switch ports it is cabled to.
    pub neighbours: Vec<Neighbour>,
    /// The present or last boot with its events.
    pub boot: Option<BootDetail>,
    /// What it asked of boot services since that boot ended, oldest first, when no boot came of it; the last 50 at most.
    #[serde(default)]
    pub no_boot: Vec<Exchange>,
    /// In maintenance: boots nothing new.
    pub maintenance: bool,
    /// Retired: refused.
    pub retired: bool,
    /// Of its tags, those that rules gave.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rule_tags: Vec<String>,
    /// What a rule set, and which: `profile` -> `NAME`, `cluster`, `hostname`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by_rules: BTreeMap<String, String>,
    /// How it came by its name.
    #[serde(default)]
    pub identity: NodeIdentity,
    /// What is on its disk, as far as Higuma had to do with it.
    #[serde(default)]
    pub disk: NodeDisk,
}

/// A change to a node; absent fields stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodePatch {
    /// admitted, rejected or pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admission: Option<String>,
    /// `NAME`, or `NAME@REVISION`, which pins the node to that revision. Assigning a profile admits. An empty string takes
    /// the assignment away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Cluster; "" takes it out of the one that it is in. Addresses that it has stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// RFC 1123 label(s).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// These and no others; those of rules are besides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// True: rules may say profile, cluster and host name from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_rules: Option<bool>,
    /// Maintenance on or off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<bool>,
    /// Retired or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retired: Option<bool>,
}

/// What a node would get from iPXE, and why; nothing is minted for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptPreview {
    /// Name of the decision: first-stage, no-first-stage, rejected, retired, unsupported.
    pub decision: String,
    /// One sentence.
    pub why: String,
    /// The script; the nonce is shown as `<nonce>`.
    pub script: String,
}

/// A profile to make or change. In an answer, and in a request without `words`, these are what a node gets in the end: of
/// a change, only what differs from that becomes the profile's own word, so that what it says beside stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewProfile {
    /// Same alphabet as an image name.
    pub name: String,
    /// "name:version" of an image that exists; of a label, the version that it means now is kept. Empty: a parent's, or none.
    #[serde(default)]
    pub image: String,
    /// Added to the image's default command line.
    #[serde(default)]
    pub cmdline: String,
    /// Put into every node's root.
    #[serde(default)]
    pub files: Vec<ProfileFile>,
    /// For root.
    #[serde(default)]
    pub ssh_authorized_keys: Vec<String>,
    /// All that the profile says itself, `parent` too, in the form of docs/src/profiles.md: instead of all fields above
    /// but the name. In answers it is beside these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<serde_json::Map<String, serde_json::Value>>,
}

/// A file of a profile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileFile {
    /// Absolute, normalised.
    pub path: String,
    /// Permission bits, e.g. 420 (0o644).
    pub mode: u32,
    /// UTF-8 text; empty where it is a secret's.
    pub content: String,
    /// The secret that is its content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Name or number of the user; empty: root.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// Name or number of the group; empty: root.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Whether the content is a template.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub template: bool,
}

/// A revision of a profile: the active one, when no other is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// As given.
    #[serde(flatten)]
    pub spec: NewProfile,
    /// Counts from 1.
    pub revision: u32,
    /// The revision that nodes without a pin boot.
    #[serde(default)]
    pub active: u32,
    /// The newest revision; when it is not the active one: perhaps a draft.
    #[serde(default)]
    pub newest: u32,
    /// When this revision was made.
    pub created_us: i64,
    /// Nodes it is assigned to.
    pub nodes: u64,
    /// Digest of its image; absent in lists, and when the image is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_digest: Option<String>,
    /// What it inherits from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Who made this revision: "person NAME", or "parent NAME revision N".
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub made_by: String,
    /// What it says itself, `parent` too; absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<serde_json::Map<String, serde_json::Value>>,
    /// What that makes with its parent's, in the same form; absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<serde_json::Map<String, serde_json::Value>>,
}

/// A revision of a profile in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileRevision {
    /// Counts from 1.
    pub revision: u32,
    /// Nodes without a pin boot it.
    pub active: bool,
    /// Nodes that are pinned to it.
    pub pinned: u64,
    /// NAME:VERSION; empty: none of its own or its parent's.
    pub image: String,
    /// When it was made.
    pub created_us: i64,
    /// Who made it: "person NAME", or "parent NAME revision N".
    pub made_by: String,
}

/// A blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    /// Hex.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
}

/// The server, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Release.
    pub version: String,
    /// Ready to boot nodes.
    pub ready: bool,
    /// Why not, and what to run.
    pub reasons: Vec<String>,
    /// What is worse than it should be, while it is ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub degraded: Vec<String>,
    /// sqlite or postgres.
    pub database: String,
    /// Nodes by lifecycle.
    pub nodes: std::collections::BTreeMap<String, u64>,
}
