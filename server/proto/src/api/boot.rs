//! Boots of nodes: one in a list, and one whole.

use super::Exchange;
use crate::agent::Event;
use serde::{Deserialize, Serialize};

/// One boot in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BootSummary {
    /// UUID of the boot.
    pub id: String,
    /// Node.
    pub node: String,
    /// registered, booting, running, failed or ended.
    pub phase: String,
    /// What it boots: profile name.
    pub profile: Option<String>,
    /// And its revision.
    pub revision: Option<u32>,
    /// "name:version".
    pub image: Option<String>,
    /// Content hash of the boot plan.
    pub plan_hash: Option<String>,
    /// Register.
    pub started_us: i64,
    /// Given up after this (once there is a plan).
    pub deadline_us: Option<i64>,
    /// ReportUp.
    pub up_us: Option<i64>,
    /// Last heartbeat of the second stage.
    pub heartbeat_us: Option<i64>,
    /// Where it failed.
    pub failed_step: Option<String>,
    /// And why.
    pub failed_reason: Option<String>,
    /// What the second stage said of itself.
    pub os: Option<String>,
    /// From which address its second stage was heard last; absent: not heard, or only through a proxy on the server's machine.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub address: Option<String>,
}

/// One boot with its events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BootDetail {
    /// As in lists.
    #[serde(flatten)]
    pub summary: BootSummary,
    /// In order of seq; at most 2,000.
    pub events: Vec<Event>,
    /// What the node asked of boot services until it was up, oldest first, by the server's clock; the last 200 at most.
    #[serde(default)]
    pub exchanges: Vec<Exchange>,
}
