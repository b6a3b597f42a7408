//! What the first stage leaves for the second in `/etc/higuma/second-stage.json`. It holds the callback credential: the
//! file has mode 600, lives in memory only, and is never printed.

use std::path::Path;

use higuma_proto::agent::{BootPlan, Event, Part};
use serde::{Deserialize, Serialize};

use crate::decide::Way;
use crate::journal::now_us;

/// Meaning of the file; both stages are the same binary, so a difference is a damaged file.
const VERSION: u32 = 1;

/// The file.
#[derive(Serialize, Deserialize)]
pub struct Handover {
    version: u32,
    /// Where the root file system is.
    pub way: Way,
    /// The plan, of its parts only the root file system.
    #[serde(with = "wire")]
    pub plan: BootPlan,
    /// Callback credential, 64 hex digits.
    pub callback: String,
    /// `HOST:PORT` of the server's gRPC listener.
    pub grpc: String,
    /// Of the interface that the machine booted from.
    pub boot_mac: Option<String>,
    /// Of all interfaces.
    pub macs: Vec<String>,
    /// When this was written: the second stage's clock may be wrong again.
    pub made_at_us: i64,
    /// First-stage events that the server has not confirmed yet.
    pub events: Vec<Event>,
    /// `/etc/resolv.conf` of the first stage.
    pub resolv_conf: String,
}

impl Handover {
    /// For this machine and plan.
    pub fn of(
        plan: &BootPlan,
        way: Way,
        callback: &str,
        grpc: &str,
        boot_mac: Option<String>,
        events: Vec<Event>,
    ) -> Handover {
        Handover {
            version: VERSION,
            way,
            plan: BootPlan {
                parts: plan.parts.iter().filter(|p| p.role == "rootfs").cloned().collect(),
                ..plan.clone()
            },
            callback: callback.to_owned(),
            grpc: grpc.to_owned(),
            boot_mac,
            macs: crate::net::list(Path::new("/")).into_iter().map(|i| i.mac).collect(),
            made_at_us: now_us(),
            events,
            resolv_conf: std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default(),
        }
    }

    /// Reads the file at `path`.
    pub fn read(path: &Path) -> Result<Handover, String> {
        let bytes = std::fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
        // The parser's message could quote what it stumbled over: only its place is told.
        let handover: Handover = serde_json::from_slice(&bytes)
            .map_err(|e| format!("{} is damaged at line {} column {}", path.display(), e.line(), e.column()))?;
        if handover.version != VERSION {
            return Err(format!("{} has version {}, expected {VERSION}", path.display(), handover.version));
        }
        Ok(handover)
    }

    /// The root file system's part.
    pub fn rootfs(&self) -> Result<&Part, String> {
        self.plan.parts.first().ok_or_else(|| "the hand-over names no root file system".to_owned())
    }
}

/// The plan as on the wire, in hex: its JSON form is for people and does not keep every byte of a file.
mod wire {
    use higuma_proto::agent::BootPlan;
    use prost::Message;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(plan: &BootPlan, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode(plan.encode_to_vec()))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BootPlan, D::Error> {
        let bytes = hex::decode(String::deserialize(from)?).map_err(|_| D::Error::custom("the plan is not hex"))?;
        BootPlan::decode(bytes.as_slice()).map_err(|_| D::Error::custom("the plan is damaged"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use higuma_proto::agent::File;

    use super::*;

    fn plan() -> BootPlan {
        let part = |role: &str| Part {
            role: role.to_owned(),
            sha256: "b".repeat(64),
            size: 7,
            urls: vec!["http://x/y".to_owned()],
        };
        BootPlan {
            version: 1,
            boot_id: "6a3f".to_owned(),
            parts: ["kernel", "modules", "rootfs"].map(part).to_vec(),
            hostname: "node-1".to_owned(),
            files: vec![File {
                path: "/etc/motd".to_owned(),
                mode: 0o644,
                content: b"\x00hello\xff".to_vec(),
                ..File::default()
            }],
            ..BootPlan::default()
        }
    }

    #[test]
    fn a_plan_survives_the_hand_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("second-stage.json");
        let secret = "c".repeat(64);
        let handover = Handover::of(
            &plan(),
            Way::Streamed,
            &secret,
            "10.0.2.2:8444",
            Some("52:54:00:00:00:01".to_owned()),
            Vec::new(),
        );
        std::fs::write(&path, serde_json::to_vec(&handover).unwrap()).unwrap();
        let back = Handover::read(&path).unwrap();
        assert_eq!(back.plan.files, plan().files);
        assert_eq!(back.plan.parts.len(), 1, "kernel and modules are of no use there");
        assert_eq!(back.rootfs().unwrap().role, "rootfs");
        assert_eq!((back.way, back.callback), (Way::Streamed, secret));
    }

    #[test]
    fn a_damaged_file_is_refused_without_quoting_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("second-stage.json");
        std::fs::write(&path, r#"{"version":1,"callback":"verysecret""#).unwrap();
        let why = Handover::read(&path).err().unwrap();
        assert!(!why.contains("verysecret") && why.contains("damaged"), "{why}");
    }
}
