//! Secrets that people name: set, listed, deleted, and opened for one purpose alone, the plan of a node's own agent. A value
//! comes in once and goes out to agents only: no answer for people, no log line and no error holds it.

use super::nodes::page_limit;
use super::plan::Planned;
use super::{App, random_bytes, vault};
use crate::domain::boot::clean;
use crate::domain::sealed::{BYTES_MAX, Head, KEY, Mark, Opened, SECRETS_MAX, Sealed};
use crate::domain::vault::{MasterKey, Place};
use crate::domain::{Name, NodeUuid};
use crate::error::{Error, Result};
use crate::store::{SecretUsers, Tx};
use crate::vault::Vault;
use base64::Engine as _;
use higuma_proto::api::{self, NewSecret, Page};
use std::collections::BTreeMap;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Nodes marked in one write: they are written by heartbeats all the time, and who loses against one starts anew.
const MARKED: usize = 20;

/// A secret has no node: its own id, which is a UUID too, stands for it where one is asked for. Name and revision are in the
/// purpose, so that a value cannot be put in the place of another.
fn owner(secret: &Sealed) -> Result<NodeUuid> {
    Ok(secret.id.to_string().parse()?)
}

fn open(vault: &Vault, secret: &Sealed) -> Result<Opened> {
    let (owner, purpose) = (owner(secret)?, secret.purpose());
    let place = Place { purpose: &purpose, node: &owner, row: secret.id };
    let plain = vault::open(vault, &secret.master_key, &place, &secret.sealed)?;
    Opened::parse(plain).ok_or_else(|| Error::internal(format!("secret {} is damaged", secret.head.name)))
}

fn seal(tx: &mut Tx<'_>, vault: &Vault, mut secret: Sealed, opened: &Opened) -> Result<Sealed> {
    let (owner, purpose) = (owner(&secret)?, secret.purpose());
    let place = Place { purpose: &purpose, node: &owner, row: secret.id };
    (secret.sealed, secret.master_key) = vault::seal(tx, vault, &place, opened.bytes())?;
    Ok(secret)
}

/// Seal some with another master key, as part of its rotation; how many.
pub(super) fn reseal(tx: &mut Tx<'_>, old: &MasterKey, new: &MasterKey, most: usize) -> Result<usize> {
    let rows = tx.secrets_sealed_with(old.id(), most)?;
    let count = rows.len();
    for mut row in rows {
        let (owner, purpose) = (owner(&row)?, row.purpose());
        let place = Place { purpose: &purpose, node: &owner, row: row.id };
        let plain = old.open(&place, &row.sealed).map_err(|error| {
            let name = &row.head.name;
            Error::internal(format!("secret {name} cannot be sealed anew: {error}; set it again, or delete it"))
        })?;
        row.sealed = new.seal(random_bytes()?, &place, &plain)?;
        new.id().clone_into(&mut row.master_key);
        tx.put_secret(&row)?;
    }
    Ok(count)
}

/// What came, as bytes. Errors: both forms or none, no base64, nothing in it, too much; what came is not repeated.
fn value(new: NewSecret) -> Result<Zeroizing<Vec<u8>>> {
    let NewSecret { text, base64 } = new;
    let value = match (text.map(Zeroizing::new), base64.map(Zeroizing::new)) {
        (Some(text), None) => Zeroizing::new(text.as_bytes().to_vec()),
        (None, Some(digits)) => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(digits.as_bytes());
            Zeroizing::new(bytes.map_err(|_| {
                Error::BadRequest("base64: expected base64 with padding (RFC 4648), got something else".to_owned())
            })?)
        }
        _ => return Err(Error::BadRequest("expected text or base64, got both or neither".to_owned())),
    };
    match value.len() {
        0 => Err(Error::BadRequest("expected a value of at least one byte, got none".to_owned())),
        got if got > BYTES_MAX => {
            Err(Error::BadRequest(format!("expected a value of at most {BYTES_MAX} bytes, got {got}")))
        }
        _ => Ok(value),
    }
}

/// Make a secret, or give it another value: a new revision, unless it has this value already. True: it was made. Errors:
/// what does not fit; profiles use it as a password's hash, and this is none; there are too many.
pub async fn set(app: &App, name: Name, new: NewSecret, who: &str) -> Result<(api::Secret, bool)> {
    let (value, who, now) = (Arc::new(value(new)?), clean(who, 100), app.now());
    let (vault, by, id) = (app.vault.clone(), who.clone(), uuid::Uuid::now_v7());
    let fresh = Arc::new(Zeroizing::new(random_bytes::<KEY>()?));
    let (secret, before) = app
        .store
        .write(move |tx| {
            let present = tx.secret(&name)?;
            let users = users_of(tx, &name)?;
            let (opened, created, id, revision) = match &present {
                None => {
                    if tx.count_secrets()? >= SECRETS_MAX as u64 {
                        return Err(Error::Conflict(format!(
                            "there are {SECRETS_MAX} secrets, and no more can be: delete some that nothing uses"
                        )));
                    }
                    (Opened::new(&fresh, &value), now, id, 1)
                }
                Some(present) => {
                    let next = match open(&vault, present) {
                        Ok(opened) if opened.value() == &value[..] => {
                            return Ok((wire(&present.head, &users), Some(present.head.mark.revision)));
                        }
                        Ok(opened) => opened.with(&value).ok_or_else(|| Error::internal("a secret without its key"))?,
                        Err(error @ Error::Unavailable(_)) => return Err(error),
                        // It is damaged, and nobody can have it any more: this mends it.
                        Err(error) => {
                            tracing::warn!(secret = %name, "secret {name} could not be opened, and is made anew: {error}");
                            Opened::new(&fresh, &value)
                        }
                    };
                    let revision = present.head.mark.revision.checked_add(1);
                    let revision = revision.ok_or_else(|| Error::internal("revision overflow"))?;
                    (next, present.head.created, present.id, revision)
                }
            };
            let is_hash = opened.password_hash().is_some();
            if let Some(profile) = users.passwords.first().filter(|_| !is_hash) {
                return Err(Error::BadRequest(format!(
                    "secret {name} is the password hash of a user in profile {profile}: expected a hash as `mkpasswd` prints it, got \
                     something else"
                )));
            }
            let mark = Mark { revision, fingerprint: opened.fingerprint(), is_hash };
            let size = u32::try_from(value.len()).unwrap_or(u32::MAX);
            let head = Head { name: name.clone(), mark, size, created, changed: now, changed_by: by.clone() };
            let secret = Sealed { head, id, sealed: String::new(), master_key: String::new() };
            let secret = seal(tx, &vault, secret, &opened)?;
            tx.put_secret(&secret)?;
            tx.stale_secret(&name, now)?;
            Ok((wire(&secret.head, &users), present.map(|present| present.head.mark.revision)))
        })
        .await?;
    if before != Some(secret.revision) {
        let (name, revision) = (&secret.name, secret.revision);
        tracing::info!(secret = %name, revision, by = %who, "secret {name}: revision {revision} was set by {who}");
    }
    Ok((secret, before.is_none()))
}

/// A page of them, in order of name, without their values.
pub async fn list(app: &App, cursor: Option<&str>, limit: Option<usize>) -> Result<Page<api::Secret>> {
    let after: Option<Name> = cursor.map(str::parse).transpose()?;
    let limit = page_limit(limit);
    app.store
        .read(move |tx| {
            let mut heads = tx.secrets(after.as_ref(), limit + 1)?;
            let more = heads.len() > limit;
            heads.truncate(limit);
            let (Some(first), Some(last)) = (heads.first(), heads.last()) else {
                return Ok(Page { items: vec![], next: None });
            };
            let users = tx.secret_users(&first.name, &last.name)?;
            let none = SecretUsers::default();
            let items = heads.iter().map(|head| wire(head, users.get(&head.name).unwrap_or(&none))).collect();
            Ok(Page { items, next: more.then(|| last.name.to_string()) })
        })
        .await
}

/// One, without its value.
pub async fn show(app: &App, name: Name) -> Result<api::Secret> {
    app.store
        .read(move |tx| {
            let secret = tx.secret(&name)?.ok_or_else(|| not_found(&name))?;
            Ok(wire(&secret.head, &users_of(tx, &name)?))
        })
        .await
}

/// Delete one that no profile names; with its name as `force` also another one, and nodes with such a profile get no plan
/// from then on. Errors: there is none; it is in use.
pub async fn delete(app: &App, name: Name, force: Option<&str>, who: &str) -> Result<()> {
    let (who, now, key) = (clean(who, 100), app.now(), name.clone());
    let forced = match force {
        None => false,
        Some(named) if named == name.as_str() => true,
        Some(named) => {
            let named = clean(named, 100);
            return Err(Error::BadRequest(format!("force: expected {name}, the secret's name again, got {named}")));
        }
    };
    app.store
        .write(move |tx| {
            if tx.secret(&key)?.is_none() {
                return Err(not_found(&key));
            }
            let users = users_of(tx, &key)?;
            if let Some(profile) = users.profiles.first().filter(|_| !forced) {
                let more = match users.profiles.len() {
                    1 => String::new(),
                    n => format!(" and {} more", n - 1),
                };
                return Err(Error::Conflict(format!(
                    "secret {key} is used by profile {profile}{more} (its active, newest or a pinned revision, or one that a node ran last): change it first, or \
                     force it (nodes with such a profile could not boot any more)"
                )));
            }
            tx.stale_secret(&key, now)?;
            tx.delete_secret(&key).map(drop)
        })
        .await?;
    tracing::info!(secret = %name, by = %who, "secret {name} was deleted by {who}");
    Ok(())
}

fn not_found(name: &Name) -> Error {
    Error::NotFound(format!("there is no secret {name}: see `higuma secret list`"))
}

fn users_of(tx: &mut Tx<'_>, name: &Name) -> Result<SecretUsers> {
    Ok(tx.secret_users(name, name)?.remove(name).unwrap_or_default())
}

fn wire(head: &Head, users: &SecretUsers) -> api::Secret {
    api::Secret {
        name: head.name.to_string(),
        size: head.size,
        revision: head.mark.revision,
        fingerprint: head.mark.fingerprint.clone(),
        password_hash: head.mark.is_hash,
        created_us: head.created,
        changed_us: head.changed,
        changed_by: head.changed_by.clone(),
        profiles: users.profiles.iter().map(ToString::to_string).collect(),
    }
}

/// Those that a plan needs, as they are kept: read where the plan is made, so that both are of the same moment.
pub(super) fn needed(tx: &mut Tx<'_>, plan: &crate::domain::plan::Plan) -> Result<Vec<Sealed>> {
    let gone = |name: &Name| Error::internal(format!("secret {name} is in a plan and not there"));
    plan.secrets.keys().map(|name| tx.secret(name)?.ok_or_else(|| gone(name))).collect()
}

/// The values of a plan's secrets, for the message to the node's own agent.
pub(super) fn opened(app: &App, planned: &Planned) -> Result<BTreeMap<Name, Opened>> {
    planned.secrets.iter().map(|secret| Ok((secret.head.name.clone(), open(&app.vault, secret)?))).collect()
}

/// Nodes that get a secret which has changed are to be worked out anew: marks them, some at a time. A server that dies meanwhile
/// begins again; what was marked twice is worked out twice.
pub(super) async fn spread(app: &App) -> Result<()> {
    for (name, epoch) in app.store.read(|tx| tx.stale_secrets()).await? {
        let mut after: Option<NodeUuid> = None;
        loop {
            let (key, from) = (name.clone(), after.clone());
            let nodes = app.store.read(move |tx| tx.nodes_with_secret(&key, from.as_ref(), MARKED)).await?;
            let Some(last) = nodes.last().cloned() else { break };
            app.store.write(move |tx| nodes.iter().try_for_each(|node| tx.stale_node(node))).await?;
            after = Some(last);
        }
        app.store.write(move |tx| tx.settle_secret(&name, epoch)).await?;
    }
    Ok(())
}
