//! What a node that speaks JSON says and hears.

use crate::agent::{Inventory, Neighbour};
use serde::{Deserialize, Serialize};

/// What `GET /ipxe/{uuid}/profile` answers to a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeProfile {
    /// Profile.
    pub profile: String,
    /// Its revision.
    pub revision: u32,
    /// "name:version".
    pub image: String,
}

/// What `POST /ipxe/{uuid}/register` takes from an agent that speaks JSON; the same meaning as Register in gRPC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterBody {
    /// From the script.
    pub nonce: String,
    /// 64 hex digits, made by the agent.
    pub credential: String,
    /// MAC booted from.
    #[serde(default)]
    pub boot_mac: String,
    /// Optional.
    #[serde(default)]
    pub inventory: Inventory,
    /// Switch ports heard; optional.
    #[serde(default)]
    pub neighbours: Vec<Neighbour>,
}

/// Answer to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterAnswer {
    /// This boot.
    pub boot_id: String,
}

/// What `POST /ipxe/{uuid}/installed` takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InstalledBody {
    /// os-release PRETTY_NAME.
    pub os: String,
    /// `uname -r`.
    pub kernel: String,
}
