//! Wire types of Higuma, and nothing else: what agents say over gRPC ([`agent`]) and what people's programs say over
//! HTTPS ([`api`]). No behaviour lives here, and no type of here is stored or shown as it is without a conversion in
//! the server, so that the wire can stay while the inside changes.

#[allow(missing_docs, clippy::all)]
pub mod agent {
    //! Generated from `proto/agent.proto`.
    tonic::include_proto!("higuma.agent.v1");
}
pub mod api;
pub mod steps;

impl std::fmt::Debug for agent::BmcPlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, source, address, user, passwords, .. } = self;
        let count = passwords.len();
        write!(f, "BmcPlan({id}: {source} {address:?}, user {user:?}, {count} passwords)")
    }
}

impl std::fmt::Debug for agent::File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, mode, content, owner, group } = self;
        write!(f, "File({path}: {mode:o} {owner}:{group}, {} bytes)", content.len())
    }
}

impl std::fmt::Debug for agent::User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "User({} {}, groups {:?})", self.name, self.uid, self.groups)
    }
}

mod text {
    //! Bytes of a text file as a JSON string, for agents that are shell scripts.
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8], out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&String::from_utf8_lossy(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<u8>, D::Error> {
        String::deserialize(input).map(String::into_bytes)
    }
}

/// Version of [`agent::BootPlan`] that this release writes and understands.
pub const BOOT_PLAN_VERSION: u32 = 1;
/// Events of the second stage count from here, so that both stages number theirs without talking to each other.
pub const SECOND_STAGE_SEQ: u32 = 1_000_000;
/// No gRPC message is larger than this, bytes.
pub const MAX_MESSAGE_BYTES: usize = 6 * 1024 * 1024;
