//! An action on many nodes: asked for, followed, cancelled.

use serde::{Deserialize, Serialize};

/// A job to be made. Either `nodes` or `select`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NewJob {
    /// power-on, power-off, soft-off, power-cycle, reset, nmi, bmc-reset, clear-log, rotate-password, identify SECONDS, or
    /// boot-device DEVICE once|persistent [uefi].
    pub action: String,
    /// UUIDs or host names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
    /// All nodes for which this expression holds (CEL; the book's page "Search" has its fields), as they are now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub select: Option<String>,
    /// Milliseconds between the starts of two nodes; absent: the setting `job-stagger` for what draws inrush current
    /// (power-on, power-cycle), 0 for the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stagger_ms: Option<u32>,
    /// Nodes at once, 1 to 256; absent: 16.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel: Option<u32>,
    /// The client's own id of this request, at most 64 characters: the same request again gives the same job, so a lost
    /// answer can be asked for again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// UUID, in order of time.
    pub id: String,
    /// What is done.
    pub action: String,
    /// Which nodes were asked for.
    pub selector: String,
    /// Who asked.
    pub who: String,
    /// When.
    pub made_us: i64,
    /// Between the starts of two nodes.
    pub stagger_ms: u64,
    /// Nodes at once.
    pub parallel: u32,
    /// queued, running, cancelling, done or cancelled.
    pub state: String,
    /// Who cancelled it.
    pub cancelled_by: Option<String>,
    /// First start of a node.
    pub started_us: Option<i64>,
    /// Nothing is left to do since.
    pub ended_us: Option<i64>,
    /// Nodes by state.
    pub counts: JobCounts,
}

/// Nodes of a job by state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobCounts {
    /// All.
    pub total: u64,
    /// Their turn comes.
    pub waiting: u64,
    /// Under way.
    pub running: u64,
    /// Done.
    pub ok: u64,
    /// Did not work.
    pub failed: u64,
    /// There was nothing to do it to.
    pub skipped: u64,
    /// Cancelled before their turn.
    pub cancelled: u64,
    /// A server died in the middle, and it may not simply be done again.
    pub interrupted: u64,
}

impl JobCounts {
    /// Nodes with a result.
    pub fn ended(&self) -> u64 {
        self.total.saturating_sub(self.waiting).saturating_sub(self.running)
    }
}

/// One node of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobItem {
    /// Its place in the job, from 0.
    pub n: u32,
    /// Node.
    pub node: String,
    /// Its host name; empty: the node is not there any more.
    #[serde(default)]
    pub hostname: String,
    /// failed, interrupted, running, skipped, cancelled, waiting or ok.
    pub state: String,
    /// How often a server began it.
    pub attempts: u32,
    /// What happened, for people.
    pub message: String,
    /// Last start.
    pub started_us: Option<i64>,
    /// Result.
    pub ended_us: Option<i64>,
}
