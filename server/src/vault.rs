//! Where the master key is: in a file, or given by systemd. It is read at the start, and again when a key is asked for that is not
//! held (another server has replaced it, and the file was copied here); it is written when it is made or replaced, and goes
//! nowhere else. What is sealed with it is the service's business.

use crate::domain::vault::{MasterKey, VaultError, parse_keys, write_keys};
use crate::durable::write_file;
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Name of the systemd credential.
pub const CREDENTIAL: &str = "higuma-master-key";
/// Name of the file in the data folder.
pub const FILE: &str = "master.key";

/// A file is read again so often, at most.
const AGAIN: Duration = Duration::from_secs(1);

/// Where keys come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file that is ours to write.
    File(PathBuf),
    /// A systemd credential: read only.
    Credential(PathBuf),
    /// Memory alone, for tests and tools.
    Memory,
}

/// The keys that this process holds; cheap to clone.
#[derive(Debug, Clone)]
pub struct Vault {
    source: Arc<Source>,
    /// The one in force first, then the one that it replaces.
    keys: Arc<RwLock<Vec<MasterKey>>>,
    /// When the file was read again.
    reread: Arc<Mutex<Option<Instant>>>,
    /// Who changes the keys or seals rows anew does so alone.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Vault {
    /// In memory alone.
    pub fn in_memory(keys: Vec<MasterKey>) -> Self {
        Self::new(Source::Memory, keys)
    }

    fn new(source: Source, keys: Vec<MasterKey>) -> Self {
        Self {
            source: Arc::new(source),
            keys: Arc::new(RwLock::new(keys)),
            reread: Arc::default(),
            turn: Arc::default(),
        }
    }

    /// Read what is there: the file `setting` when it is given, else the systemd credential when there is one (`credentials`:
    /// $CREDENTIALS_DIRECTORY), else `master.key` in the data folder. A file that is not there holds no key yet. Blocks.
    ///
    /// # Errors
    /// A file that cannot be read or does not fit; what is in it is not repeated.
    pub fn open(data_dir: &Path, setting: Option<&Path>, credentials: Option<&Path>) -> Result<Self> {
        let credential = credentials.map(|folder| folder.join(CREDENTIAL)).filter(|path| path.exists());
        let source = match (setting, credential) {
            (Some(path), _) => Source::File(path.to_owned()),
            (None, Some(path)) => Source::Credential(path),
            (None, None) => Source::File(data_dir.join(FILE)),
        };
        let keys = match &source {
            Source::File(path) | Source::Credential(path) => read(path)?,
            Source::Memory => Vec::new(),
        };
        Ok(Self::new(source, keys))
    }

    /// Where they are from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// All keys, the one in force first.
    pub fn keys(&self) -> Vec<MasterKey> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// By id; one that is not held is looked for in the file, which may be another by now. Blocks.
    pub fn key(&self, id: &str) -> Option<MasterKey> {
        self.held(id).or_else(|| {
            self.read_again(id);
            self.held(id)
        })
    }

    fn held(&self, id: &str) -> Option<MasterKey> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).iter().find(|key| key.id() == id).cloned()
    }

    /// Hold what is in the file too, if the key of this id is among it.
    fn read_again(&self, id: &str) {
        let (Source::File(path) | Source::Credential(path)) = &*self.source else { return };
        // Whoever comes while another reads does without.
        let Ok(mut last) = self.reread.try_lock() else { return };
        if last.is_some_and(|last| last.elapsed() < AGAIN) {
            return;
        }
        *last = Some(Instant::now());
        drop(last);
        match read(path) {
            Ok(mut keys) if keys.iter().any(|key| key.id() == id) => {
                tracing::info!(key = id, "master key {id} is in {} now, and is used from now on", path.display());
                let mut held = self.keys.write().unwrap_or_else(PoisonError::into_inner);
                // A row may be sealed with any that is held.
                held.retain(|held| keys.iter().all(|key| key.id() != held.id()));
                keys.append(&mut held);
                *held = keys;
            }
            Ok(_) => {}
            Err(error) => tracing::warn!("{error}"),
        }
    }

    /// Hold these keys from now on, the one in force first: durably before this returns, where they are ours to write. Blocks.
    ///
    /// # Errors
    /// The file could not be written, or holds a key that is neither held here nor among these, which would be lost; then the keys
    /// are as before.
    pub fn replace(&self, keys: Vec<MasterKey>) -> Result<()> {
        if let Source::File(path) = &*self.source {
            let known = |id: &str| keys.iter().any(|key| key.id() == id) || self.held(id).is_some();
            if let Some(other) = read(path)?.iter().find(|key| !known(key.id())) {
                return Err(Error::Conflict(format!(
                    "{} holds the master key {}, which this server does not know: another server wrote it; restart this one, and try \
                     again",
                    path.display(),
                    other.id()
                )));
            }
            write_file(path, write_keys(&keys).as_bytes(), 0o600)
                .map_err(|e| Error::internal(format!("cannot write the master key to {}: {e}", path.display())))?;
        }
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// Hold this while keys are changed.
    pub async fn turn(&self) -> tokio::sync::OwnedMutexGuard<()> {
        self.turn.clone().lock_owned().await
    }

    /// As [`Vault::turn`]; none: somebody else does it just now.
    pub fn try_turn(&self) -> Option<tokio::sync::OwnedMutexGuard<()>> {
        self.turn.clone().try_lock_owned().ok()
    }
}

/// A key file is some hundred bytes.
const FILE_MAX: u64 = 4096;

fn read(path: &Path) -> Result<Vec<MasterKey>> {
    use std::io::Read;
    let shown = path.display();
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::internal(format!("cannot read the master key in {shown}: {error}"))),
    };
    let mut text = Zeroizing::new(String::new());
    file.take(FILE_MAX)
        .read_to_string(&mut text)
        .map_err(|error| Error::internal(format!("cannot read the master key in {shown}: {error}")))?;
    parse_keys(&text).map_err(|error: VaultError| Error::BadRequest(format!("{shown}: {error}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_setting_is_stronger_than_a_credential_and_that_than_the_data_folder() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let vault = Vault::open(dir.path(), None, Some(&at("none"))).unwrap();
        assert_eq!((vault.source(), vault.keys().len()), (&Source::File(at(FILE)), 0));
        let keys = [1, 2, 3].map(|n| MasterKey::from_bytes([n; 32]));
        vault.replace(keys[..2].to_vec()).unwrap();
        assert_eq!(at(FILE).metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let ids = |vault: Vault| vault.keys().iter().map(|k| k.id().to_owned()).collect::<Vec<_>>();
        assert_eq!(ids(Vault::open(dir.path(), None, None).unwrap()), [keys[0].id(), keys[1].id()]);
        std::fs::create_dir(at("creds")).unwrap();
        std::fs::write(at("creds").join(CREDENTIAL), "03".repeat(32)).unwrap();
        let given = Vault::open(dir.path(), None, Some(&at("creds"))).unwrap();
        assert!(matches!(given.source(), Source::Credential(_)));
        assert_eq!(ids(given), [keys[2].id()]);
        let set = Vault::open(dir.path(), Some(&at("my.key")), Some(&at("creds"))).unwrap();
        assert_eq!(set.source(), &Source::File(at("my.key")));
        // Another server replaced the key, and its file is copied here.
        let copied = Vault::open(dir.path(), None, None).unwrap();
        std::fs::write(at(FILE), write_keys(&[keys[2].clone(), keys[0].clone()]).as_bytes()).unwrap();
        assert_eq!(copied.key(keys[2].id()).unwrap().id(), keys[2].id());
        assert_eq!(ids(copied.clone()), [keys[2].id(), keys[0].id(), keys[1].id()], "none that is held is lost");
        std::fs::write(at(FILE), write_keys(&[MasterKey::from_bytes([4; 32])]).as_bytes()).unwrap();
        *copied.reread.lock().unwrap() = None;
        assert!(copied.key("none").is_none());
        assert!(copied.reread.lock().unwrap().is_some(), "it was read");
        assert_eq!(ids(copied.clone()).len(), 3, "a file without the key that is looked for changes nothing");
        let refused = copied.replace(vec![keys[2].clone()]).unwrap_err().to_string();
        assert!(refused.contains("does not know"), "{refused}");
        assert_eq!(
            ids(Vault::open(dir.path(), None, None).unwrap()),
            [MasterKey::from_bytes([4; 32]).id()],
            "it is kept"
        );
        std::fs::write(at(FILE), "hunter2").unwrap();
        let error = Vault::open(dir.path(), None, None).unwrap_err().to_string();
        assert!(error.contains("master.key") && !error.contains("hunter2"), "{error}");
    }
}
