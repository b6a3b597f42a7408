//! A contact with a BMC over the LAN: who logs in, what follows for the record. All contacts go through here.

use crate::bmc::{Access, BmcError, Lent};
use crate::domain::bmc::{Bmc, BmcState, Power, Protocol};
use crate::domain::credential::{Password, State, Via};
use crate::domain::{Micros, NodeUuid};
use crate::error::{Error, Result};
use crate::service::App;
use crate::service::credentials::{self, Candidate};
use rand::RngExt;
use uuid::Uuid;
use zeroize::Zeroizing;

/// IPMI 1.5 kept 16 bytes, and some BMCs take 20 and compare 16.
const SHORT: usize = 16;

/// How a contact ended.
pub(super) struct Contact {
    /// By what, with which power; or why not.
    pub outcome: std::result::Result<(Protocol, Power), BmcError>,
    /// Certificate that was presented.
    pub certificate: Option<String>,
}

/// How to log in as somebody; none: the BMC has no address.
pub(super) fn access(bmc: &Bmc, user: &str, password: &str) -> Option<Access> {
    Some(Access {
        node: bmc.node.clone(),
        protocol: match (bmc.protocol, bmc.driver) {
            (Protocol::Auto, Some(driver)) => driver,
            (wanted, _) => wanted,
        },
        address: bmc.address?,
        port: bmc.port,
        user: user.to_owned(),
        password: Zeroizing::new(password.to_owned()),
        certificate: bmc.certificate.clone(),
    })
}

pub(super) fn no_address(node: &NodeUuid) -> Error {
    Error::Conflict(format!(
        "the BMC of node {node} has no address: boot the node once, or set one: `higuma bmc set {node} --address ...`"
    ))
}

/// Errors: the node is retired: the address of its BMC may be another's today.
async fn is_ours(app: &App, node: &NodeUuid) -> Result<()> {
    let key = node.clone();
    let known = app.store.read(move |tx| tx.node(&key)).await?;
    if known.is_some_and(|node| node.retired) {
        return Err(retired(node));
    }
    Ok(())
}

pub(super) fn retired(node: &NodeUuid) -> Error {
    Error::Conflict(format!(
        "node {node} is retired, and its BMC is left alone: take it back first (`higuma node set {node} --retired off`)"
    ))
}

/// A session with the credential that is in force. Errors: no address, no credential, a retired node; `Unavailable` with the
/// BMC's words.
pub(super) async fn open(app: &App, node: &NodeUuid) -> Result<std::result::Result<Lent, BmcError>> {
    is_ours(app, node).await?;
    let key = node.clone();
    let bmc = app.store.read(move |tx| tx.bmc(&key)).await?.ok_or_else(|| no_address(node))?;
    let Some(known) = credentials::current(app, node.clone()).await? else {
        // Nothing was proven yet: this is the time to.
        return prove(app, &bmc, None, None).await;
    };
    let access = access(&bmc, &known.user, known.password.reveal()).ok_or_else(|| no_address(node))?;
    match app.bmcs.lend(&access).await {
        // A rotation may have been cut off between the BMC's yes and our writing it down.
        Err(refused @ BmcError::LoginRefused(_)) => {
            let other = prove(app, &bmc, None, Some(known.id)).await?;
            Ok(other.map_err(|error| if matches!(error, BmcError::LoginRefused(_)) { refused } else { error }))
        }
        other => Ok(other),
    }
}

/// A password that was set just now.
#[derive(Debug, Clone, Copy)]
pub(super) struct JustSet {
    /// The credential.
    pub id: Uuid,
    /// Which of its passwords, from 0.
    pub index: usize,
    /// How.
    pub via: Via,
}

/// A login to try.
struct Attempt {
    id: Uuid,
    index: usize,
    state: State,
    via: Via,
    user: String,
    password: Password,
    shortened: bool,
}

/// What may be in force, in the order to try; `first`: what was set just now.
fn attempts(candidates: Vec<Candidate>, first: Option<JustSet>) -> Result<Vec<Attempt>> {
    let (mut whole, mut short) = (Vec::new(), Vec::new());
    for Candidate { id, state, via, user, passwords, .. } in candidates {
        for (index, password) in passwords.into_iter().enumerate() {
            let attempt =
                |password, shortened| Attempt { id, index, state, via, user: user.clone(), password, shortened };
            if let Some(start) = password.reveal().get(..SHORT).filter(|start| start.len() < password.reveal().len()) {
                short.push(attempt(start.parse()?, true));
            }
            whole.push(attempt(password, false));
        }
    }
    whole.append(&mut short);
    // Stable: the whole one stays before its beginning.
    if let Some(set) = first {
        let is_it = |a: &Attempt| a.id == set.id && a.index == set.index;
        whole.sort_by_key(|a| !is_it(a));
        whole.iter_mut().filter(|a| is_it(a)).for_each(|a| a.via = set.via);
    }
    Ok(whole)
}

/// Logins of one contact: a refused one counts against an account, and locks it in the end. The next contact tries others.
const TRIES: usize = 2;

/// Log in with what may be in force, and settle which one is. `first`: what was set just now; `not`: what was refused already.
async fn prove(
    app: &App,
    bmc: &Bmc,
    first: Option<JustSet>,
    not: Option<Uuid>,
) -> Result<std::result::Result<Lent, BmcError>> {
    let mut candidates = credentials::candidates(app, bmc.node.clone()).await?;
    candidates.retain(|candidate| Some(candidate.id) != not);
    let mut attempts = attempts(candidates, first)?;
    if !attempts.is_empty() && first.is_none() {
        let tried = bmc.failures as usize % attempts.len();
        attempts.rotate_left(tried);
    }
    let none = "there is no credential for this BMC: set one, or boot the node once";
    let mut last = BmcError::LoginRefused(none.to_owned());
    for attempt in attempts.into_iter().take(TRIES) {
        let access = access(bmc, &attempt.user, attempt.password.reveal()).ok_or_else(|| no_address(&bmc.node))?;
        match app.bmcs.lend(&access).await {
            Ok(lent) => {
                settle(app, &bmc.node, attempt).await?;
                return Ok(Ok(lent));
            }
            Err(refused @ BmcError::LoginRefused(_)) => last = refused,
            // It is not the password's fault: another one would be no better.
            Err(other) => return Ok(Err(other)),
        }
    }
    Ok(Err(last))
}

async fn settle(app: &App, node: &NodeUuid, attempt: Attempt) -> Result<()> {
    let Attempt { id, index, state, via, user, password, shortened } = attempt;
    if !shortened {
        return credentials::settle(app, id, index, via).await;
    }
    credentials::adopt(app, node.clone(), &user, &password, via).await?;
    if state == State::Planned {
        credentials::fail(app, id, "the BMC compares 16 bytes of it only").await?;
    }
    Ok(())
}

/// Log in, ask for the power, and record what came of it. Errors: the database; the node is retired.
pub(super) async fn contact(app: &App, bmc: &Bmc, first: Option<JustSet>) -> Result<Contact> {
    is_ours(app, &bmc.node).await?;
    if first.is_some() {
        app.bmcs.forgive(&bmc.node).await;
    }
    let lent = match bmc.state {
        BmcState::Managed | BmcState::Unreachable if first.is_none() => open(app, &bmc.node).await?,
        _ => prove(app, bmc, first, None).await?,
    };
    let mut lent = match lent {
        Ok(lent) => lent,
        Err(error) => return Ok(Contact { outcome: Err(error), certificate: None }),
    };
    let asked = match lent.talk() {
        Ok(talk) => {
            let (protocol, certificate) = (talk.protocol(), talk.certificate());
            talk.power().await.map(|power| (protocol, power, certificate))
        }
        Err(error) => Err(error),
    };
    Ok(match asked {
        Ok((protocol, power, certificate)) => Contact { outcome: Ok((protocol, power)), certificate },
        Err(error) => {
            lent.discard().await;
            Contact { outcome: Err(error), certificate: None }
        }
    })
}

/// What follows for the record; the caller stores it.
pub(super) fn apply(bmc: &mut Bmc, contact: &Contact, now: Micros) {
    let jitter = rand::rng().random_range(0..=1_000);
    match &contact.outcome {
        Ok((protocol, power)) => {
            bmc.reached(*protocol, *power, jitter, now);
            if bmc.certificate.is_none() {
                bmc.certificate.clone_from(&contact.certificate);
            }
        }
        Err(error) => match error.trouble() {
            Some(trouble) => bmc.missed(trouble, &error.to_string(), jitter, now),
            // It is there and lets us in, and does not tell the power.
            None => {
                bmc.reason = error.to_string();
                bmc.next = now + crate::domain::bmc::POLL_EVERY;
            }
        },
    }
}

/// Contact and store; the record as it is then.
pub(super) async fn contact_and_store(app: &App, bmc: Bmc, first: Option<JustSet>) -> Result<(Bmc, Contact)> {
    let contact = contact(app, &bmc, first).await?;
    let now = app.now();
    let (node, before) = (bmc.node.clone(), bmc.clone());
    let shared = std::sync::Arc::new(contact);
    let kept = shared.clone();
    let stored = app
        .store
        .write(move |tx| {
            // It may have been changed meanwhile: what was learnt is laid over what is there now, unless it was set anew.
            let Some(mut bmc) = tx.bmc(&node)? else { return Ok(None) };
            if !bmc.follows(&before) {
                return Ok(Some(bmc));
            }
            apply(&mut bmc, &kept, now);
            tx.put_bmc(&bmc)?;
            Ok(Some(bmc))
        })
        .await?;
    let contact = std::sync::Arc::try_unwrap(shared).map_err(|_| Error::internal("a contact is still in use"))?;
    Ok((stored.unwrap_or(bmc), contact))
}
