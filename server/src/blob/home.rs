//! Where the blobs of an installation are kept. Decided by the settings, for the life of the process.

use super::s3::S3;

/// One of these.
#[derive(Debug, Clone)]
pub enum Home {
    /// In this server's data folder.
    Here,
    /// By other servers, of which these are the addresses; this one is a boot server.
    Servers(Vec<String>),
    /// In an object store that all servers share.
    Store(S3),
}

impl Home {
    /// The store, when it is one.
    pub fn store(&self) -> Option<&S3> {
        match self {
            Self::Store(store) => Some(store),
            Self::Here | Self::Servers(_) => None,
        }
    }
}
