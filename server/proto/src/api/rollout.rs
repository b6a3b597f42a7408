//! A revision of a profile to many nodes, in waves: asked for, followed, paused, aborted.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A rollout to be made. Either `nodes` or `select`. Times in seconds; what is absent has the default of the book's page
/// "Rollouts".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NewRollout {
    /// `NAME@REVISION`; `NAME`: its newest revision.
    pub profile: String,
    /// UUIDs or host names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
    /// All nodes for which this expression holds (CEL; the book's page "Search" has its fields), as they are now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub select: Option<String>,
    /// How it is to be done.
    pub options: RolloutOptions,
    /// What signs the calls of hooks: 16 to 256 printable ASCII characters. It is sealed and never shown again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hook_secret: Option<String>,
    /// The client's own id of this request, at most 64 characters: the same request again gives the same rollout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// How a rollout is done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RolloutOptions {
    /// Numbers or percentages of nodes: `1,5%,25%,100%`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waves: Option<String>,
    /// Nodes down at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_down: Option<u32>,
    /// Of one cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_down_per_cluster: Option<u32>,
    /// At one switch that nodes hear by LLDP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_down_per_switch: Option<u32>,
    /// Of those that one rule gave their profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_down_per_rule: Option<u32>,
    /// A node must be up so long after it was to restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up_within: Option<u32>,
    /// A restart that was asked for gently becomes a hard one, by the BMC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hard_after: Option<u32>,
    /// Address that must answer 2xx: `{hostname}`, `{address}` and `{uuid}` are replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// By when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check_within: Option<u32>,
    /// A node that has lost parts has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inventory: Option<bool>,
    /// Nodes of one wave that may fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_failures: Option<u32>,
    /// A wave is watched for so long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soak: Option<u32>,
    /// `mon-fri 22:00-06:00`, in UTC.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<String>,
    /// Hook that takes the load from a node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain: Option<String>,
    /// Hook that gives it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undrain: Option<String>,
    /// For one call of a hook, tries included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hook_within: Option<u32>,
    /// What follows then: `fail` or `go-on`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hook_deadline: Option<String>,
    /// A gate that fails brings every node back; false: the rollout only stops.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback: Option<bool>,
}

/// A rollout.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rollout {
    /// UUID, in order of time.
    pub id: String,
    /// What nodes get.
    pub profile: String,
    /// And are pinned to.
    pub revision: u32,
    /// running, stopping, rolling-back, done, stopped or rolled-back.
    pub state: String,
    /// Who paused it.
    pub paused_by: Option<String>,
    /// Why it does not simply go on, or how it ended.
    pub why: String,
    /// Which nodes were asked for.
    pub selector: String,
    /// Who asked.
    pub who: String,
    /// When.
    pub made_us: i64,
    /// Nothing is left to do since.
    pub ended_us: Option<i64>,
    /// Nodes.
    pub total: u64,
    /// Nodes down because of it, now.
    pub down: u64,
    /// Nodes by phase.
    pub counts: BTreeMap<String, u64>,
    /// The wave under way, from 1.
    pub wave: u32,
    /// The wave has gone well and is watched until then.
    pub soak_until_us: Option<i64>,
    /// Its waves.
    pub waves: Vec<RolloutWave>,
    /// How it is done, defaults included.
    pub options: RolloutOptions,
    /// How long its nodes took; none: it has not ended, or none was up.
    pub times: Option<RolloutTimes>,
}

/// From the begin of a node, its draining included, until it was up with the revision: of those that were up, whatever became
/// of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutTimes {
    /// Nodes.
    pub nodes: u32,
    /// Half of them took no longer.
    pub median_us: i64,
    /// 95 of a hundred took no longer.
    pub p95_us: i64,
    /// The longest.
    pub longest_us: i64,
}

/// One wave.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutWave {
    /// Nodes that it is to begin.
    pub nodes: u64,
    /// Those that it has begun, by phase.
    pub counts: BTreeMap<String, u64>,
}

/// One node of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutMember {
    /// Its place, from 0.
    pub n: u32,
    /// Node.
    pub node: String,
    /// Its host name; empty: the node is not there any more.
    pub hostname: String,
    /// What it had before: `NAME`, `NAME@REVISION` or `no profile`.
    pub before: String,
    /// waiting, draining, booting, checking, undraining, up, failed, skipped, back-waiting, back-draining, back-booting,
    /// back-undraining, back or back-failed.
    pub phase: String,
    /// In which it was begun, from 1; none: not yet.
    pub wave: Option<u32>,
    /// Since when it is in its phase.
    pub since_us: i64,
    /// It was begun.
    pub begun_us: Option<i64>,
    /// It was up with the revision.
    pub up_us: Option<i64>,
    /// What happened, for people.
    pub message: String,
    /// Why it failed, on the way on or back; kept whatever became of it.
    pub failure: Option<String>,
}

/// What a rollout would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutPlan {
    /// What nodes would get.
    pub profile: String,
    /// And be pinned to.
    pub revision: u32,
    /// Nodes.
    pub total: u64,
    /// Nodes of each wave.
    pub waves: Vec<u64>,
    /// How it would be done, defaults included.
    pub options: RolloutOptions,
    /// Nodes by what would happen to them.
    pub changes: BTreeMap<String, u64>,
    /// The first of them.
    pub members: Vec<RolloutPlanMember>,
}

/// What would happen to one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutPlanMember {
    /// Node.
    pub node: String,
    /// Its host name.
    pub hostname: String,
    /// From 1.
    pub wave: u32,
    /// What it has now.
    pub before: String,
    /// Its lifecycle.
    pub lifecycle: String,
    /// restart, pin, start, wait or skip.
    pub change: String,
    /// In words.
    pub told: String,
}

/// An abort.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AbortRollout {
    /// Bring every node that was touched back.
    pub rollback: bool,
}
