//! Credentials of BMCs: planned, proven, replaced, shown to an administrator. Passwords are in clear only in what these
//! functions return; what is stored is sealed, and no password goes into a log line or an error.

use super::nodes::{find, not_found};
use super::{App, random_bytes, vault};
use crate::domain::credential::generate::{RANDOM, SHAPES, password};
use crate::domain::credential::{
    Change, Credential, Password, Plan, State, Step, Via, check_user, decide, most_likely_first, plan as next,
};
use crate::domain::node_event::{Kind, Notice, Severity};
use crate::domain::vault::Place;
use crate::domain::{Micros, NodeUuid};
use crate::error::{Error, Result};
use crate::store::Tx;
use crate::vault::Vault;
use higuma_proto::api::{RevealedCredential, RevealedCredentials};
use uuid::Uuid;
use zeroize::Zeroizing;

/// A credential to set: with the first password that the BMC takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// For [`settle`] and [`fail`].
    pub id: Uuid,
    /// Account.
    pub user: String,
    /// In the order to try.
    pub passwords: Vec<Password>,
}

/// A credential in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Current {
    /// Its id.
    pub id: Uuid,
    /// Account.
    pub user: String,
    /// Password.
    pub password: Password,
}

/// A credential that may be in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// For [`settle`].
    pub id: Uuid,
    /// What is known of it.
    pub state: State,
    /// How it came or comes to the BMC.
    pub via: Via,
    /// Last change of its state.
    pub changed: Micros,
    /// Account.
    pub user: String,
    /// In the order to try; [`settle`] takes the index.
    pub passwords: Vec<Password>,
}

/// The credential to set on the node's BMC next: the same answer until it is proven or has failed, then another one. It does not
/// touch the one in force. Errors: no such node, a retired one.
pub async fn plan(app: &App, node: NodeUuid) -> Result<Planned> {
    let (now, user, vault) = (app.now(), app.settings.bmc_user.clone(), app.vault.clone());
    app.store
        .write(move |tx| {
            let node = find(tx, &node)?;
            if node.retired {
                return Err(Error::Conflict(format!("node {} is retired: its BMC gets no credential", node.uuid)));
            }
            let held = tx.credentials_of(&node.uuid)?;
            let one = |id: Uuid| held.iter().find(|c| c.id == id).cloned();
            let credential = match next(&held) {
                Plan::Keep(id) => one(id),
                Plan::Again(id) => {
                    let again =
                        one(id).map(|c| Credential { state: State::Planned, changed: now, reason: String::new(), ..c });
                    again.iter().try_for_each(|c| tx.put_credential(c))?;
                    again
                }
                Plan::New => {
                    let passwords = SHAPES.iter().map(|shape| new_password(*shape)).collect::<Result<Vec<_>>>()?;
                    Some(insert(tx, &vault, (&node.uuid, &user), &passwords, (State::Planned, Via::InBand), now)?)
                }
            };
            let credential = credential.ok_or_else(|| Error::internal("a credential went while it was looked at"))?;
            Ok(Planned { id: credential.id, passwords: open(&vault, &credential)?, user: credential.user })
        })
        .await
}

fn new_password(shape: crate::domain::credential::generate::Shape) -> Result<Password> {
    let random = Zeroizing::new(random_bytes::<RANDOM>()?);
    password(shape, &random[..]).ok_or_else(|| Error::internal("the random generator gives no password"))
}

/// A credential that somebody has just logged in with, from outside: it is in force from now on. Again is no change. `via`: how
/// it came to the BMC.
pub async fn adopt(app: &App, node: NodeUuid, user: &str, password: &Password, via: Via) -> Result<Uuid> {
    check_user(user)?;
    let (now, vault, user, password) = (app.now(), app.vault.clone(), user.to_owned(), password.clone());
    app.store
        .write(move |tx| {
            let node = find(tx, &node)?.uuid;
            adopt_in(tx, &vault, &node, (&user, &password), via, now)
        })
        .await
}

/// [`adopt`], as part of a use case's transaction.
pub(super) fn adopt_in(
    tx: &mut Tx<'_>,
    vault: &Vault,
    node: &NodeUuid,
    (user, password): (&str, &Password),
    via: Via,
    now: Micros,
) -> Result<Uuid> {
    for held in tx.credentials_of(node)?.iter().filter(|c| c.user == user) {
        if let Some(which) = open(vault, held)?.iter().position(|p| p == password) {
            proven(tx, vault, held, which, None, now)?;
            return Ok(held.id);
        }
    }
    // Failed until it is proven: so at no instant there are two in force.
    let one = std::slice::from_ref(password);
    let made = insert(tx, vault, (node, user), one, (State::Failed, via), now)?;
    proven(tx, vault, &made, 0, None, now)?;
    Ok(made.id)
}

/// A credential that a person gives and nobody has logged in with yet: kept, to be tried. Again is no change.
pub async fn offer(app: &App, node: NodeUuid, user: &str, password: &Password) -> Result<Uuid> {
    check_user(user)?;
    let (now, vault, user, password) = (app.now(), app.vault.clone(), user.to_owned(), password.clone());
    app.store
        .write(move |tx| {
            let node = find(tx, &node)?.uuid;
            offer_in(tx, &vault, &node, (&user, &password), now)
        })
        .await
}

/// [`offer`], as part of a use case's transaction.
pub(super) fn offer_in(
    tx: &mut Tx<'_>,
    vault: &Vault,
    node: &NodeUuid,
    (user, password): (&str, &Password),
    now: Micros,
) -> Result<Uuid> {
    for held in tx.credentials_of(node)?.iter().filter(|c| c.user == user) {
        if open(vault, held)?.contains(password) {
            return Ok(held.id);
        }
    }
    let one = std::slice::from_ref(password);
    Ok(insert(tx, vault, (node, user), one, (State::Failed, Via::Enrolled), now)?.id)
}

/// The credential in force; none: nobody has logged in yet, or the node is retired.
pub async fn current(app: &App, node: NodeUuid) -> Result<Option<Current>> {
    let vault = app.vault.clone();
    app.store
        .read(move |tx| {
            let node = find(tx, &node)?.uuid;
            let Some(held) = tx.credentials_of(&node)?.into_iter().find(|c| c.state == State::Proven) else {
                return Ok(None);
            };
            let password = open(&vault, &held)?.into_iter().next();
            Ok(password.map(|password| Current { id: held.id, user: held.user, password }))
        })
        .await
}

/// All that may be in force, most likely first: for a server that lost a report.
pub async fn candidates(app: &App, node: NodeUuid) -> Result<Vec<Candidate>> {
    let vault = app.vault.clone();
    app.store
        .read(move |tx| {
            let node = find(tx, &node)?.uuid;
            opened(tx, &vault, &node)
        })
        .await
}

fn opened(tx: &mut Tx<'_>, vault: &Vault, node: &NodeUuid) -> Result<Vec<Candidate>> {
    let mut held = tx.credentials_of(node)?;
    most_likely_first(&mut held);
    let candidate = |c: Credential| {
        let passwords = open(vault, &c)?;
        Ok(Candidate { id: c.id, state: c.state, via: c.via, changed: c.changed, user: c.user, passwords })
    };
    held.into_iter().map(candidate).collect()
}

/// Somebody logged in with password number `which` (from 0) of this credential: it is in force, the one before is kept until the
/// next is proven, and what is older or failed goes. Again is no change. `via`: how it was set.
pub async fn settle(app: &App, id: Uuid, which: usize, via: Via) -> Result<()> {
    let (now, vault) = (app.now(), app.vault.clone());
    app.store
        .write(move |tx| {
            let held = tx.credential(id)?.ok_or_else(|| unknown(id))?;
            proven(tx, &vault, &held, which, Some(via), now)
        })
        .await
}

fn unknown(id: Uuid) -> Error {
    Error::NotFound(format!("there is no BMC credential {id} (any more): another one was proven meanwhile"))
}

fn proven(
    tx: &mut Tx<'_>,
    vault: &Vault,
    credential: &Credential,
    which: usize,
    via: Option<Via>,
    now: Micros,
) -> Result<()> {
    if credential.state == State::Proven {
        return Ok(());
    }
    let passwords = open(vault, credential)?;
    let count = passwords.len();
    let Some(one) = passwords.get(which) else {
        return Err(Error::BadRequest(format!(
            "this BMC credential has {count} passwords, expected one of them, got number {which}"
        )));
    };
    let node = &credential.node;
    let place = Place { purpose: vault::BMC, node, row: credential.id };
    let (sealed, master_key) = vault::seal(tx, vault, &place, &json(std::slice::from_ref(one))?)?;
    let via = via.unwrap_or(credential.via);
    step(tx, node, Step::Prove(credential.id), "", now)?;
    tx.put_credential(&Credential {
        sealed,
        master_key,
        via,
        state: State::Proven,
        proven: Some(now),
        changed: now,
        reason: String::new(),
        ..credential.clone()
    })
}

/// It could not be set or proven: the next [`plan`] gives another one. The one in force stays. `reason`: for people, without a
/// secret.
pub async fn fail(app: &App, id: Uuid, reason: &str) -> Result<()> {
    let (now, reason) = (app.now(), crate::domain::boot::clean(reason, 500));
    app.store
        .write(move |tx| {
            let held = tx.credential(id)?.ok_or_else(|| unknown(id))?;
            step(tx, &held.node, Step::Fail(id), &reason, now)
        })
        .await
}

/// A node was retired: what is in force there is not used any more; it is kept, for whoever takes the machine back.
pub(super) fn retire(tx: &mut Tx<'_>, node: &NodeUuid, now: Micros) -> Result<()> {
    step(tx, node, Step::Retire, "the node was retired", now)
}

fn step(tx: &mut Tx<'_>, node: &NodeUuid, step: Step, reason: &str, now: Micros) -> Result<()> {
    let held = tx.credentials_of(node)?;
    for change in decide(&held, step).map_err(|e| Error::Conflict(e.to_string()))? {
        match change {
            Change::Forget(id) => tx.forget_credential(id)?,
            Change::Become(id, state) => {
                for c in held.iter().filter(|c| c.id == id) {
                    let reason = if state == State::Failed { reason.to_owned() } else { String::new() };
                    tx.put_credential(&Credential { state, changed: now, reason, ..c.clone() })?;
                }
            }
        }
    }
    Ok(())
}

/// `from` becomes `to`: what its BMC has counts, since it was heard last. Sealed anew, for a sealed value opens for one node only.
pub(super) fn merged(tx: &mut Tx<'_>, vault: &Vault, from: &NodeUuid, to: &NodeUuid, now: Micros) -> Result<()> {
    let theirs = tx.credentials_of(from)?;
    if theirs.iter().any(|c| matches!(c.state, State::Planned | State::Proven)) {
        step(tx, to, Step::Retire, "the node was merged with another", now)?;
    }
    for credential in theirs {
        let plain = vault::open(vault, &credential.master_key, &place(&credential), &credential.sealed)?;
        let moved = Credential { node: to.clone(), ..credential };
        let (sealed, master_key) = vault::seal(tx, vault, &place(&moved), &plain)?;
        tx.put_credential(&Credential { sealed, master_key, ..moved })?;
    }
    Ok(())
}

/// For an administrator only: all that may be in force, most likely first. That it was shown, to whom and when, is an event of
/// the node before the answer is given.
pub async fn reveal(app: &App, node: NodeUuid, who: &str) -> Result<RevealedCredentials> {
    let (now, vault, by) = (app.now(), app.vault.clone(), who.to_owned());
    let (uuid, found) = app
        .store
        .write(move |tx| {
            let uuid = find(tx, &node)?.uuid;
            let found = opened(tx, &vault, &uuid)?;
            if found.is_empty() {
                return Err(Error::NotFound(format!("no password of the BMC of node {uuid} is known here")));
            }
            let at = jiff::Timestamp::from_microsecond(now).map(|t| t.to_string()).unwrap_or_default();
            let notice = Notice {
                kind: Kind::Bmc,
                severity: Severity::Info,
                subject: "bmc-password".to_owned(),
                message: format!("the password of the BMC was shown to {by} at {at}"),
            };
            super::node_events::raise(tx, &uuid, &notice, now)?;
            Ok((uuid, found))
        })
        .await?;
    let credentials = found.into_iter().map(|c| RevealedCredential {
        user: c.user,
        passwords: c.passwords.iter().map(|p| p.reveal().to_owned()).collect(),
        state: c.state.to_string(),
        via: c.via.to_string(),
        changed_us: c.changed,
    });
    Ok(RevealedCredentials { node: uuid.to_string(), credentials: credentials.collect() })
}

fn place(credential: &Credential) -> Place<'_> {
    Place { purpose: vault::BMC, node: &credential.node, row: credential.id }
}

fn json(passwords: &[Password]) -> Result<Zeroizing<Vec<u8>>> {
    let texts: Vec<&str> = passwords.iter().map(Password::reveal).collect();
    serde_json::to_vec(&texts).map(Zeroizing::new).map_err(Error::internal)
}

fn open(vault: &Vault, credential: &Credential) -> Result<Vec<Password>> {
    let plain = vault::open(vault, &credential.master_key, &place(credential), &credential.sealed)?;
    // The parser's error could repeat what it read.
    let bad = || Error::internal("a sealed BMC credential is no list of passwords");
    let texts: Vec<Zeroizing<String>> =
        serde_json::from_slice::<Vec<String>>(&plain).map_err(|_| bad())?.into_iter().map(Zeroizing::new).collect();
    texts.iter().map(|text| text.parse().map_err(|_| bad())).collect()
}

fn insert(
    tx: &mut Tx<'_>,
    vault: &Vault,
    (node, user): (&NodeUuid, &str),
    passwords: &[Password],
    (state, via): (State, Via),
    now: Micros,
) -> Result<Credential> {
    tx.node(node)?.ok_or_else(|| not_found(node))?;
    let id = Uuid::now_v7();
    let place = Place { purpose: vault::BMC, node, row: id };
    let (sealed, master_key) = vault::seal(tx, vault, &place, &json(passwords)?)?;
    let credential = Credential {
        id,
        node: node.clone(),
        user: user.to_owned(),
        sealed,
        master_key,
        state,
        via,
        made: now,
        proven: None,
        changed: now,
        reason: String::new(),
    };
    tx.put_credential(&credential)?;
    Ok(credential)
}
