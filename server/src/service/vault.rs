//! The master key: made at the first start, checked at each, replaced when a person asks for it. While it is replaced both keys
//! are held, each row says which one seals it, and every step can be cut off and taken again.

use super::{App, random_bytes};
use crate::domain::vault::{MasterKey, Place, Start, VaultError, start as decide};
use crate::error::{Error, Result};
use crate::store::Tx;
use crate::vault::{Source, Vault};
use higuma_proto::api::MasterKeyStatus;
use zeroize::Zeroizing;

/// Key in `settings` of the id of the master key in force.
const IN_FORCE: &str = "master-key";
/// Rows of one transaction that are sealed anew.
const BATCH: usize = 100;
/// What a credential's passwords are sealed as.
pub(super) const BMC: &str = "bmc-credential";

impl From<VaultError> for Error {
    fn from(error: VaultError) -> Self {
        Self::internal(error)
    }
}

/// At the start of a server: make the first key, or check that the keys open what is sealed. A rotation that was cut off goes on
/// with [`resume`].
///
/// # Errors
/// The key of some row is missing: the server must not start.
pub async fn start(app: &App) -> Result<()> {
    let _turn = app.vault.turn().await;
    let sealed = app.store.read(|tx| tx.sealed_by_key()).await?;
    let sealed: Vec<String> = sealed.into_iter().map(|(key, _)| key).collect();
    let held = app.vault.keys();
    let ids: Vec<&str> = held.iter().map(MasterKey::id).collect();
    let first = match (decide(&ids, &sealed).map_err(|e| Error::BadRequest(e.to_string()))?, held.first()) {
        (Start::Use, Some(key)) => key.clone(),
        _ => {
            let key = new_key()?;
            replace(&app.vault, vec![key.clone()]).await?;
            tracing::info!(
                key = key.id(),
                "a new master key {} was made: back it up apart from the database",
                key.id()
            );
            key
        }
    };
    put_in_force(app, first.id()).await
}

fn new_key() -> Result<MasterKey> {
    Ok(MasterKey::from_bytes(random_bytes()?))
}

/// Writes a file.
async fn replace(vault: &Vault, keys: Vec<MasterKey>) -> Result<()> {
    let vault = vault.clone();
    tokio::task::spawn_blocking(move || vault.replace(keys)).await.map_err(Error::internal)?
}

async fn put_in_force(app: &App, id: &str) -> Result<()> {
    let id = id.to_owned();
    app.store
        .write(move |tx| match tx.setting(IN_FORCE)?.as_deref() == Some(id.as_str()) {
            true => Ok(()),
            false => tx.put_setting(IN_FORCE, &id),
        })
        .await
}

/// Seal with the key that the database says is in force: so no row is sealed with a key that is on its way out.
pub(super) fn seal(tx: &mut Tx<'_>, vault: &Vault, place: &Place<'_>, plain: &[u8]) -> Result<(String, String)> {
    let id = tx.setting(IN_FORCE)?;
    let key = id.as_deref().and_then(|id| vault.key(id)).ok_or_else(|| {
        Error::Unavailable(
            "the master key in force is not held by this server: if another server replaced it, give this one the same file"
                .to_owned(),
        )
    })?;
    Ok((key.seal(random_bytes()?, place, plain)?, key.id().to_owned()))
}

/// Open with the key that the row names.
pub(super) fn open(vault: &Vault, key: &str, place: &Place<'_>, sealed: &str) -> Result<Zeroizing<Vec<u8>>> {
    let held = vault.key(key).ok_or_else(|| {
        Error::Unavailable(format!("master key {key} is not held by this server: put it back into its file"))
    })?;
    Ok(held.open(place, sealed)?)
}

/// For people: which key, and how far a rotation is.
pub async fn status(app: &App) -> Result<MasterKeyStatus> {
    let sealed = app.store.read(|tx| tx.sealed_by_key()).await?;
    let keys = app.vault.keys();
    let id = keys.first().map(|key| key.id().to_owned()).unwrap_or_default();
    let all: u64 = sealed.iter().map(|(_, count)| count).sum();
    let done: u64 = sealed.iter().filter(|(key, _)| *key == id).map(|(_, count)| count).sum();
    let source = match app.vault.source() {
        Source::File(path) => format!("file {}", path.display()),
        Source::Credential(path) => format!("systemd credential {}", path.display()),
        Source::Memory => "memory".to_owned(),
    };
    Ok(MasterKeyStatus { id, source, sealed: all, waiting: all.saturating_sub(done), rotating: keys.len() > 1 })
}

/// Replace the master key: the new one is held and written durably beside the old one when this returns; rows are sealed anew in
/// the background. Errors: a rotation is under way, or the key is not ours to write.
pub async fn rotate(app: &App, by: &str) -> Result<MasterKeyStatus> {
    begin(app).await?;
    let status = status(app).await?;
    tracing::info!(by, key = %status.id, "{by} began to replace the master key by {}", status.id);
    let app = app.clone();
    tokio::spawn(async move {
        if let Err(error) = resume(&app).await {
            tracing::error!(error = ?error, "sealing rows with the new master key was cut off and is tried again: {error}");
        }
    });
    Ok(status)
}

/// First step: a new key beside the old one, durably; then the database says that it is in force.
///
/// # Errors
/// As [`rotate`].
pub async fn begin(app: &App) -> Result<()> {
    let _turn = app.vault.turn().await;
    let keys = app.vault.keys();
    let old = match (&keys[..], app.vault.source()) {
        (_, Source::Credential(path)) => {
            return Err(Error::Conflict(format!(
                "the master key comes from the systemd credential {}, which only you can change: put a new line of 64 hexadecimal \
                 digits (`openssl rand -hex 32`) before the old one, restart the server, and take the old line out when \
                 `higuma master-key show` says that nothing waits",
                path.display()
            )));
        }
        ([old], _) => old.clone(),
        ([], _) => return Err(Error::internal("there is no master key to replace")),
        _ => {
            return Err(Error::Conflict(
                "the master key is being replaced already: see `higuma master-key show`".into(),
            ));
        }
    };
    let in_force = app.store.read(|tx| tx.setting(IN_FORCE)).await?;
    if in_force.as_deref().is_some_and(|id| id != old.id()) {
        return Err(Error::Conflict(
            "another server has replaced the master key: give this one the same file, restart it, and try again"
                .to_owned(),
        ));
    }
    let new = new_key()?;
    replace(&app.vault, vec![new.clone(), old]).await?;
    put_in_force(app, new.id()).await
}

/// Second step: seal some rows with the key in force; how many. Zero: all are.
pub async fn reseal_some(app: &App) -> Result<usize> {
    let in_force = app.store.read(|tx| tx.setting(IN_FORCE)).await?;
    if in_force.as_ref().is_some_and(|id| app.vault.key(id).is_none()) {
        return Err(Error::Unavailable(
            "another server has replaced the master key: give this one the same file".to_owned(),
        ));
    }
    // After that look, which may have read the file again.
    let Some((new, old)) = app.vault.keys().split_first().map(|(new, old)| (new.clone(), old.to_vec())) else {
        return Ok(0);
    };
    // A server that was killed between file and database.
    put_in_force(app, new.id()).await?;
    app.store
        .write(move |tx| {
            let mut done = 0;
            for old in &old {
                for mut row in tx.sealed_with(old.id(), BATCH.saturating_sub(done))? {
                    let node = row.node.clone();
                    let place = Place { purpose: BMC, node: &node, row: row.id };
                    let plain = old.open(&place, &row.sealed).map_err(|error| {
                        Error::internal(format!(
                            "BMC credential {} of node {node} cannot be sealed anew: {error}",
                            row.id
                        ))
                    })?;
                    row.sealed = new.seal(random_bytes()?, &place, &plain)?;
                    row.master_key = new.id().to_owned();
                    tx.put_credential(&row)?;
                    done += 1;
                }
                done += super::enrol::reseal(tx, old, &new, BATCH.saturating_sub(done))?;
                done += super::rollouts::reseal(tx, old, &new, BATCH.saturating_sub(done))?;
                done += super::secrets::reseal(tx, old, &new, BATCH.saturating_sub(done))?;
            }
            Ok(done)
        })
        .await
}

/// Last step: no row needs the old key any more, so it goes. False: some row still needs it.
pub async fn finish(app: &App) -> Result<bool> {
    let keys = app.vault.keys();
    let Some(first) = keys.first().filter(|_| keys.len() > 1).cloned() else { return Ok(true) };
    let sealed = app.store.read(|tx| tx.sealed_by_key()).await?;
    if sealed.iter().any(|(key, _)| key != first.id()) {
        return Ok(false);
    }
    let id = first.id().to_owned();
    replace(&app.vault, vec![first]).await?;
    tracing::info!(key = %id, "the master key is {id} now, and the old one is no longer needed");
    Ok(true)
}

/// Go on with a rotation until it is done; nothing when there is none, or when somebody else is at it. Part of the sweep.
pub async fn resume(app: &App) -> Result<()> {
    if app.vault.keys().len() < 2 {
        return Ok(());
    }
    let Some(_turn) = app.vault.try_turn() else { return Ok(()) };
    loop {
        while reseal_some(app).await? > 0 {}
        if finish(app).await? {
            return Ok(());
        }
        // Rows under a key that nobody holds here cannot be moved.
        if app.store.read(|tx| tx.sealed_by_key()).await?.iter().any(|(key, _)| app.vault.key(key).is_none()) {
            return Err(Error::Unavailable("some rows are sealed with a master key that is not held here".into()));
        }
    }
}
