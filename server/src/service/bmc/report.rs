//! ReportBmc: what became of a plan. The credential is proven by a login over the LAN before the BMC is called managed.

use super::contact::{JustSet, contact_and_store};
use super::plan::{bounded, remember, tell_addresses};
use crate::bmc::BmcError;
use crate::domain::bmc::{Bmc, BmcState, POLL_EVERY};
use crate::domain::boot::{Boot, clean};
use crate::domain::credential::Via;
use crate::error::{Error, Result};
use crate::service::{App, credentials};
use higuma_proto::agent::{BmcChange, BmcFound};
use std::time::Duration;
use uuid::Uuid;

/// What the agent says.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The plan's id.
    pub plan: String,
    /// Empty: all that is not optional is as planned.
    pub error: String,
    /// Which password is in force, from 1; 0: none was set.
    pub password: u32,
    /// What differed.
    pub changes: Vec<BmcChange>,
    /// Read back.
    pub found: Option<BmcFound>,
}

/// Less than the deadline of the agent's call.
const LOGIN: Duration = Duration::from_secs(14);
/// Changes of a report that are kept.
const CHANGES: usize = 64;

/// Store it, and log in over the LAN. True: the BMC refused the login with what was set in-band: the agent is to ask for
/// another plan. Errors: an unknown plan; the database.
pub async fn report(app: &App, boot: &Boot, report: Report) -> Result<bool> {
    let plan: Uuid = report.plan.parse().map_err(|_| Error::NotFound("this boot has no such BMC plan".to_owned()))?;
    let candidates = credentials::candidates(app, boot.node.clone()).await?;
    if !candidates.iter().any(|c| c.id == plan) {
        return Err(Error::NotFound("this boot has no such BMC plan (any more)".to_owned()));
    }
    let report = Report { found: report.found.map(bounded), ..report };
    let set = report.password.checked_sub(1).map(|index| JustSet { id: plan, index: index as usize, via: Via::InBand });
    let bmc = store(app, boot, report).await?;
    if set.is_none() || bmc.address.is_none() {
        return Ok(false);
    }
    // The agent waits; a BMC that takes longer is proven by the poller.
    let Ok(contact) = tokio::time::timeout(LOGIN, contact_and_store(app, bmc, set)).await else { return Ok(false) };
    let (_, contact) = contact?;
    match contact.outcome {
        Ok((protocol, _)) => {
            tracing::info!(node = %boot.node, "BMC of node {}: logged in over the LAN by {protocol}", boot.node);
            Ok(false)
        }
        Err(BmcError::LoginRefused(why)) => {
            tracing::warn!(node = %boot.node, "BMC of node {}: {why}", boot.node);
            credentials::fail(app, plan, &why).await.map(|()| true).or_else(|error| match error {
                // It was proven meanwhile, or before: then the account is locked, or the BMC lost it.
                Error::Conflict(_) => Ok(false),
                other => Err(other),
            })
        }
        Err(error) => {
            tracing::warn!(node = %boot.node, "BMC of node {}: {error}", boot.node);
            Ok(false)
        }
    }
}

async fn store(app: &App, boot: &Boot, report: Report) -> Result<Bmc> {
    let (now, node, boot_id) = (app.now(), boot.node.clone(), boot.id);
    if let Some(found) = &report.found {
        tell_addresses(app, &node, found).await?;
    }
    app.store
        .write(move |tx| {
            if let Some(found) = &report.found {
                remember(tx, &node, boot_id, found, now)?;
            }
            let mut bmc = tx.bmc(&node)?.unwrap_or_else(|| Bmc::new(node.clone(), now));
            let mut changes = report.changes.clone();
            changes.truncate(CHANGES);
            for change in &mut changes {
                for text in [&mut change.what, &mut change.before, &mut change.after, &mut change.error] {
                    *text = clean(text, 300);
                }
            }
            bmc.changes = serde_json::to_string(&changes).map_err(Error::internal)?;
            bmc.reported = Some(now);
            bmc.changed = now;
            if report.password > 0 {
                // Also one that was managed is to show that it still is.
                bmc.state = BmcState::Configured;
                // Whoever reports it logs in now; the poller keeps away meanwhile.
                bmc.next = now + POLL_EVERY;
            } else if !bmc.is_polled() {
                bmc.state = BmcState::Refused;
            }
            bmc.reason = clean(&report.error, 500);
            tx.put_bmc(&bmc)?;
            Ok(bmc)
        })
        .await
}
