//! A new password for a BMC's account, over the LAN. The new one is stored, sealed, before it is sent; the old one is kept
//! until the new one has logged in; so at no instant is there a BMC with a password that nobody knows.

use super::contact::{self, JustSet, no_address};
use crate::bmc::BmcError;
use crate::domain::NodeUuid;
use crate::domain::credential::Via;
use crate::error::Result;
use crate::service::{App, credentials};

/// Rotate; what happened, for people.
pub(super) async fn rotate(app: &App, node: &NodeUuid) -> Result<std::result::Result<String, BmcError>> {
    let mut lent = match contact::open(app, node).await? {
        Ok(lent) => lent,
        Err(error) => return Ok(Err(error)),
    };
    let Some(current) = credentials::current(app, node.clone()).await? else {
        return Ok(Err(BmcError::LoginRefused("no login to this BMC was proven yet".to_owned())));
    };
    let planned = credentials::plan(app, node.clone()).await?;
    if planned.user != current.user {
        let (mine, theirs) = (&planned.user, &current.user);
        return Ok(Err(BmcError::Refused(format!(
            "account {theirs:?} was given by a person and is not changed: boot the node once, and its agent makes {mine:?}"
        ))));
    }
    let mut refused = String::new();
    for (index, password) in planned.passwords.iter().enumerate() {
        let set = match lent.talk() {
            Ok(talk) => talk.set_password(&planned.user, password.reveal()).await,
            Err(error) => Err(error),
        };
        match set {
            Ok(()) => {
                lent.discard().await;
                return prove(app, node, &planned, index).await;
            }
            // This shape is not to its taste.
            Err(BmcError::Refused(why)) => refused = why,
            Err(BmcError::Unclear(_)) => {
                lent.discard().await;
                return prove(app, node, &planned, index).await;
            }
            Err(other) => {
                lent.discard().await;
                return Ok(Err(other));
            }
        }
    }
    credentials::fail(app, planned.id, &refused).await?;
    Ok(Err(BmcError::Refused(format!(
        "the BMC takes none of the new passwords: {refused}; the old one is still in force"
    ))))
}

/// Log in with the new one; and when that is refused, with the old one.
async fn prove(
    app: &App,
    node: &NodeUuid,
    planned: &credentials::Planned,
    index: usize,
) -> Result<std::result::Result<String, BmcError>> {
    let key = node.clone();
    let bmc = app.store.read(move |tx| tx.bmc(&key)).await?.ok_or_else(|| no_address(node))?;
    let mut contact = contact::contact(app, &bmc, Some(JustSet { id: planned.id, index, via: Via::Lan })).await?;
    if matches!(contact.outcome, Err(BmcError::LoginRefused(_))) {
        // The BMC said yes and meant no: then the old one still is in force.
        contact = contact::contact(app, &bmc, None).await?;
    }
    match contact.outcome {
        Err(error) => Ok(Err(error)),
        Ok(_) => match credentials::current(app, node.clone()).await? {
            Some(current) if planned.passwords.iter().any(|p| p.reveal().starts_with(current.password.reveal())) => {
                Ok(Ok("the new password is in force; it was proven by a login".to_owned()))
            }
            _ => {
                credentials::fail(app, planned.id, "the BMC said that it took it, and logs in with the old one")
                    .await?;
                let words = "the BMC said that it took the new password, and still logs in with the old one";
                Ok(Err(BmcError::Refused(words.to_owned())))
            }
        },
    }
}
