//! What machines ask of the boot services, and what they get.

use serde::{Deserialize, Serialize};

/// One question, and what came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// Grows by one; pass it as `after` for what follows.
    pub number: u64,
    /// When.
    pub at_us: i64,
    /// dhcp, tftp, http-boot, script or blob.
    pub service: String,
    /// What was asked: a DHCP message, the name of a file, or the beginning of a blob's sha256.
    pub what: String,
    /// What came of it: offer, ack, nak, silence, complete, ended, not_found, ...
    pub result: String,
    /// In words: what it got, or why it got nothing.
    pub detail: String,
    /// Hardware address, lower case with colons; empty: not known.
    pub mac: String,
    /// UUID that it told; empty: none.
    pub uuid: String,
    /// The node, when it is a known one; else empty.
    pub node: String,
    /// Where it asked from.
    pub client: String,
    /// The address that it has, was given, or chose of another server's offers; empty: none that we know of.
    pub address: String,
    /// Interface of the server.
    pub interface: String,
    /// Relay that it came through; empty: none.
    pub relay: String,
    /// Bytes that it got.
    pub bytes: u64,
    /// How long it took, microseconds; it ended at `at_us`.
    pub took_us: i64,
    /// Which server was asked: its id (the file `server-id` of its data folder).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub server: String,
}

/// A piece of what was asked, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchanges {
    /// The exchanges.
    pub items: Vec<Exchange>,
    /// Pass as `after` for what follows.
    pub next: u64,
    /// Exchanges after `after` that are kept no more, of all machines.
    pub missed: u64,
    /// Names what `next` counts in: pass it as `epoch` with `after`.
    #[serde(default)]
    pub epoch: String,
    /// The server was started again since `after`, and numbers begin anew: these are all that it has heard since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restarted: bool,
}
