//! The power of the whole fleet, kept fresh: BMCs that are due are contacted, some at a time, and what came of it is
//! stored together. Any number of servers do this over one database: who takes a BMC has it for a while.

use super::contact::{apply, contact};
use crate::domain::Micros;
use crate::domain::bmc::Bmc;
use crate::error::Result;
use crate::service::App;
use futures_util::StreamExt;
use futures_util::stream::{self};
use std::sync::Arc;

/// Taken at once, and contacted at once.
const BATCH: usize = 500;
const AT_ONCE: usize = 128;
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
    let due = app.store.write(move |tx| tx.claim_due_bmcs(now, now + LEASE, BATCH)).await?;
    let mut polled = Polled { asked: due.len(), failed: 0, more: due.len() == BATCH };
    let contacts = stream::iter(due).map(|bmc| async move {
        let contact = contact(app, &bmc, None).await;
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

async fn store(app: &App, contacts: Vec<(Bmc, super::contact::Contact)>) -> Result<()> {
    let (now, contacts) = (app.now(), Arc::new(contacts));
    app.store
        .write(move |tx| {
            for (before, contact) in contacts.iter() {
                // Changed by somebody meanwhile: what was learnt is laid over what is there now, unless it is reached elsewhere.
                let Some(mut bmc) = tx.bmc(&before.node)?.filter(|bmc| bmc.address == before.address) else { continue };
                apply(&mut bmc, contact, now);
                tx.put_bmc(&bmc)?;
            }
            Ok(())
        })
        .await
}
