//! The power of the whole fleet, kept fresh: BMCs that are due are contacted, some at a time, and what came of it is
//! stored together. Any number of servers do this over one database: who takes a BMC has it for a while.

use super::contact::{Contact, apply, contact};
use crate::bmc::BmcError;
use crate::domain::Micros;
use crate::domain::bmc::Bmc;
use crate::error::Result;
use crate::service::App;
use futures_util::StreamExt;
use futures_util::stream::{self};
use std::sync::Arc;
use std::time::Duration;

/// Taken at once, and contacted at once.
const BATCH: usize = 500;
const AT_ONCE: usize = 128;
/// For one contact, whole: a slow BMC holds up no other.
const LONGEST: Duration = Duration::from_secs(60);
/// Stored in one transaction.
const TOGETHER: usize = 64;
/// A server that took BMCs and died: so long until others take them.
const LEASE: Micros = 300_000_000;

/// What one run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Polled {
    /// Contacted.
    pub asked: usize,
    /// That did not answer, or refused.
    pub failed: usize,
    /// There are more that are due.
    pub more: bool,
}

/// Contact those that are due, once.
pub async fn poll_once(app: &App) -> Result<Polled> {
    let now = app.now();
    // A read, most of the time.
    if app.store.read(move |tx| tx.next_due_bmc()).await?.is_none_or(|next| next > now) {
        return Ok(Polled::default());
    }
    let (due, more) = app
        .store
        .write(move |tx| {
            let mut due = Vec::new();
            let claimed = tx.claim_due_bmcs(now, now + LEASE, BATCH)?;
            let more = claimed.len() == BATCH;
            for bmc in claimed {
                // That of a retired node is left alone: its address may be another's today.
                if tx.node(&bmc.node)?.is_some_and(|node| !node.retired) {
                    due.push(bmc);
                }
            }
            Ok((due, more))
        })
        .await?;
    let mut polled = Polled { asked: due.len(), failed: 0, more };
    let contacts = stream::iter(due).map(|bmc| async move {
        let contact = tokio::time::timeout(LONGEST, contact(app, &bmc, None)).await.unwrap_or_else(|_| {
            let words = format!("it was not done within {} s", LONGEST.as_secs());
            Ok(Contact { outcome: Err(BmcError::Silent(words)), certificate: None })
        });
        (bmc, contact)
    });
    let mut groups = contacts.buffer_unordered(AT_ONCE).ready_chunks(TOGETHER);
    while let Some(group) = groups.next().await {
        let mut good = Vec::new();
        for (bmc, contact) in group {
            match contact {
                Ok(contact) => {
                    polled.failed += usize::from(contact.outcome.is_err());
                    good.push((bmc, contact));
                }
                Err(error) => {
                    polled.failed += 1;
                    tracing::error!(node = %bmc.node, error = ?error, "the BMC of node {} cannot be contacted", bmc.node);
                }
            }
        }
        store(app, good).await?;
    }
    metrics::counter!("higuma_bmc_polls_total", "result" => "ok").increment((polled.asked - polled.failed) as u64);
    metrics::counter!("higuma_bmc_polls_total", "result" => "failed").increment(polled.failed as u64);
    Ok(polled)
}

async fn store(app: &App, contacts: Vec<(Bmc, Contact)>) -> Result<()> {
    let (now, contacts) = (app.now(), Arc::new(contacts));
    app.store
        .write(move |tx| {
            for (before, contact) in contacts.iter() {
                // Changed by somebody meanwhile: what was learnt is laid over what is there now, unless it was set anew.
                let Some(mut bmc) = tx.bmc(&before.node)?.filter(|bmc| bmc.is_polled() && bmc.follows(before)) else {
                    continue;
                };
                apply(&mut bmc, contact, now);
                tx.put_bmc(&bmc)?;
            }
            Ok(())
        })
        .await
}
