//! The two secrets of one boot: the session credential (first stage) and the callback credential (second stage). Made
//! once and kept in memory-backed /run, so that a worker that was started again is still the same boot to the server.
//! Never printed.

use std::fmt;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::bootargs::is_secret;

/// Where they survive a death of the worker.
pub const FILE: &str = "/run/higuma/session.json";

/// Both secrets, each 64 hex digits.
#[derive(Clone, Serialize, Deserialize)]
pub struct Session {
    /// Authorises every call of the first stage.
    pub credential: String,
    /// Authorises ReportUp and Heartbeat of this one boot.
    pub callback: String,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session(secret)")
    }
}

impl Session {
    /// New random secrets from the kernel's generator.
    pub fn generate() -> Session {
        Session {
            credential: hex::encode(rand::random::<[u8; 32]>()),
            callback: hex::encode(rand::random::<[u8; 32]>()),
        }
    }

    /// The secrets of this boot: those kept at `file`, else new ones, kept there when that works.
    pub fn load_or_create(file: &Path) -> (Session, Option<std::io::Error>) {
        if let Ok(text) = std::fs::read_to_string(file)
            && let Ok(session) = serde_json::from_str::<Session>(&text)
            && is_secret(&session.credential)
            && is_secret(&session.callback)
        {
            return (session, None);
        }
        let session = Session::generate();
        let kept = session.keep(file).err();
        (session, kept)
    }

    fn keep(&self, file: &Path) -> std::io::Result<()> {
        let text = serde_json::to_vec(self)?;
        let temporary = file.with_extension("new");
        let _ = std::fs::remove_file(&temporary);
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?.write_all(&text)?;
        std::fs::rename(&temporary, file)
    }

    /// What the server keeps of the callback credential: SHA-256 of its hex digits, as hex.
    pub fn callback_sha256(&self) -> String {
        hex::encode(Sha256::digest(self.callback.as_bytes()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_restarted_worker_keeps_its_credentials() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("session.json");
        let (first, problem) = Session::load_or_create(&file);
        assert!(problem.is_none());
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let (second, _) = Session::load_or_create(&file);
        assert_eq!(first.credential, second.credential);
        assert_eq!(first.callback, second.callback);
        assert_ne!(first.credential, first.callback);
        assert!(is_secret(&first.credential));
        assert!(!format!("{first:?}").contains(&first.credential));
    }

    #[test]
    fn a_damaged_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("session.json");
        std::fs::write(&file, r#"{"credential":"x","callback":"y"}"#).unwrap();
        let (session, problem) = Session::load_or_create(&file);
        assert!(problem.is_none() && is_secret(&session.credential));
        assert_eq!(session.callback_sha256().len(), 64);
    }
}
