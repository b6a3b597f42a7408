//! What a person sets of a BMC by hand: its address, its protocol, an account that is there already.

use super::contact::{access, contact_and_store, no_address, retired};
use super::show::{detail, show};
use crate::bmc::BmcError;
use crate::domain::bmc::{Bmc, BmcState, Protocol, Trouble};
use crate::domain::credential::{Password, Via};
use crate::domain::ids::Invalid;
use crate::domain::{Micros, NodeUuid};
use crate::error::{Error, Result};
use crate::service::{App, credentials, nodes};
use crate::store::Tx;
use higuma_proto::api::{BmcDetail, SetBmc};
use std::net::IpAddr;

/// Set what is given. A user and password are stored and proven by a login; the record says how that went. Errors: no such
/// node, or a retired one; values that do not fit; a password without a user.
pub async fn set(app: &App, node: NodeUuid, given: SetBmc) -> Result<BmcDetail> {
    let address: Option<Option<IpAddr>> = match given.address.as_deref() {
        None => None,
        Some("") => Some(None),
        Some(text) => {
            Some(Some(text.parse().map_err(|_| Invalid::new("BMC address", "an IPv4 or IPv6 address", text))?))
        }
    };
    let protocol: Option<Protocol> = given.protocol.as_deref().map(str::parse).transpose()?;
    let account = match (given.user, given.password) {
        (Some(user), Some(password)) => Some((user, password.parse::<Password>()?)),
        (None, None) => None,
        _ => return Err(Error::BadRequest("user and password are set together".to_owned())),
    };
    let (now, at, key) = (app.now(), node.clone(), node.clone());
    let (port, forget) = (given.port, given.forget_certificate);
    app.store
        .write(move |tx| {
            let node = nodes::find(tx, &at)?;
            if node.retired {
                return Err(retired(&node.uuid));
            }
            let node = node.uuid;
            let mut bmc = tx.bmc(&node)?.unwrap_or_else(|| Bmc::new(node.clone(), now));
            if let Some(address) = address {
                bmc.address = address;
            }
            if let Some(port) = port {
                bmc.port = (port != 0).then_some(port);
            }
            if let Some(protocol) = protocol {
                (bmc.protocol, bmc.driver) = (protocol, None);
            }
            if forget {
                bmc.certificate = None;
            }
            bmc.failures = 0;
            bmc.next = now;
            bmc.changed = now;
            tx.put_bmc(&bmc)
        })
        .await?;
    let bmc = app.store.read(move |tx| tx.bmc(&key)).await?.ok_or_else(|| nodes::not_found(&node))?;
    app.bmcs.forgive(&bmc.node).await;
    let met = match account {
        Some((user, password)) => take(app, &bmc, &user, &password).await?,
        None if !bmc.is_polled() => return show(app, node).await,
        None => Ok(()),
    };
    let bmc = match met {
        Ok(()) => contact_and_store(app, bmc, None).await?.0,
        Err(error) => keep(app, &node, error).await?,
    };
    detail(app, &bmc).await
}

/// A node that was retired is one again: its BMC is contacted at once.
pub(in crate::service) fn taken_back(tx: &mut Tx<'_>, node: &NodeUuid, now: Micros) -> Result<()> {
    let Some(mut bmc) = tx.bmc(node)? else { return Ok(()) };
    (bmc.failures, bmc.next, bmc.changed) = (0, now, now);
    tx.put_bmc(&bmc)
}

/// An account that a person gives: in force when it logs in; kept for later when the BMC does not answer, and what it did instead
/// is given. Errors: the BMC refuses it.
async fn take(app: &App, bmc: &Bmc, user: &str, password: &Password) -> Result<std::result::Result<(), BmcError>> {
    let access = access(bmc, user, password.reveal()).ok_or_else(|| no_address(&bmc.node))?;
    let met = app.bmcs.lend(&access).await.map(drop);
    match &met {
        Ok(()) => credentials::adopt(app, bmc.node.clone(), user, password, Via::Enrolled).await?,
        Err(refused @ BmcError::LoginRefused(_)) => {
            return Err(Error::Conflict(format!("{refused}; nothing of this account was kept")));
        }
        Err(_) => credentials::offer(app, bmc.node.clone(), user, password).await?,
    };
    Ok(met)
}

/// It did not answer: it is asked again by itself.
async fn keep(app: &App, node: &NodeUuid, error: BmcError) -> Result<Bmc> {
    let (key, now) = (node.clone(), app.now());
    app.store
        .write(move |tx| {
            let mut bmc = tx.bmc(&key)?.ok_or_else(|| nodes::not_found(&key))?;
            bmc.state = BmcState::Configured;
            bmc.missed(Trouble::Silent, &error.to_string(), 500, now);
            tx.put_bmc(&bmc)?;
            Ok(bmc)
        })
        .await
}
