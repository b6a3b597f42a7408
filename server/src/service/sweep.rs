//! What time does: boots past their deadline fail, old offers go. Run every few seconds by each server; running it
//! twice at once is harmless.

use super::{App, dhcp, events, exchanges, firmware, install, jobs, node_events, rollouts, vault};
use crate::domain::Micros;
use crate::domain::boot::EventState;
use crate::domain::install::ATTEMPTS_MAX;
use crate::error::Result;
use higuma_proto::steps;

/// Boots handled in one run at most.
const BATCH: usize = 200;
/// Offers removed in one transaction, and transactions of one run, at most.
const OFFER_BATCH: usize = 1_000;
/// See [`OFFER_BATCH`].
const OFFER_BATCHES: usize = 20;
/// Offers are kept this long after they expired, microseconds, so that a late Register is told "expired".
const OFFER_KEEP: i64 = 3600 * 1_000_000;

/// What one run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Boots that failed by their deadline.
    pub failed: usize,
    /// Offers removed.
    pub offers: usize,
    /// Firmware updates whose nodes did not come back.
    pub lost_updates: usize,
    /// Events that are over by their age.
    pub stale_events: usize,
    /// Jobs that ended long ago.
    pub old_jobs: usize,
    /// Rollouts that ended long ago.
    pub old_rollouts: usize,
    /// Leases that are over for long.
    pub old_leases: usize,
    /// Boots whose nodes were left to their disks.
    pub left: usize,
    /// Exchanges of boot services, long ago.
    pub old_exchanges: usize,
}

/// Once.
pub async fn run_once(app: &App) -> Result<Swept> {
    let now = app.now();
    let overdue = app.store.read(move |tx| tx.overdue_boots(now, BATCH)).await?;
    let mut swept = Swept::default();
    for boot in overdue {
        // One row that cannot be handled must not keep the others from their deadline.
        match give_up(app, boot.id, now).await {
            Ok(true) => swept.failed += 1,
            Ok(false) => {}
            Err(error) => {
                tracing::error!(boot = %boot.id, error = ?error, "boot {} is overdue and cannot be given up", boot.id)
            }
        }
    }
    swept.left = install::end_left(app, BATCH).await?;
    for _ in 0..OFFER_BATCHES {
        let gone = app.store.write(move |tx| tx.expire_offers(now - OFFER_KEEP, OFFER_BATCH)).await?;
        swept.offers += gone;
        if gone < OFFER_BATCH {
            break;
        }
    }
    app.store.write(move |tx| tx.expire_sessions(now)).await?;
    swept.lost_updates = firmware::expire(app).await?;
    swept.stale_events = node_events::forget_stale(app).await?;
    swept.old_jobs = jobs::forget_old(app).await?;
    swept.old_rollouts = rollouts::forget_old(app).await?;
    swept.old_leases = dhcp::leases::forget_old(app).await?;
    swept.old_exchanges = exchanges::kept::forget_old(app).await?;
    // Last: what keeps a rotation of the master key from going on keeps nothing else.
    vault::resume(app).await?;
    Ok(swept)
}

/// Fail one boot whose deadline has passed; false when it has moved on meanwhile.
async fn give_up(app: &App, id: uuid::Uuid, now: Micros) -> Result<bool> {
    let failed = app
        .store
        .write(move |tx| {
            let Some(mut boot) = tx.boot(id)?.filter(|b| b.overdue(now)) else { return Ok(None) };
            let step = boot.last_step.clone().unwrap_or_else(|| steps::REGISTER.to_owned());
            let install = tx.install(&boot.node)?.filter(|install| install.boot == boot.id);
            let (step, reason) = match &install {
                None => (step, "the deadline passed without a sign that the system is up".to_owned()),
                Some(install) => {
                    let attempts = install.attempts;
                    let reason = format!(
                        "the deadline passed without the installer's call (attempt {attempts} of {ATTEMPTS_MAX})"
                    );
                    (steps::INSTALL.to_owned(), reason)
                }
            };
            events::note(tx, &boot, &step, EventState::Failed, reason.clone(), now)?;
            if !boot.fail(&step, &reason) {
                return Ok(None);
            }
            tx.put_boot(&boot)?;
            Ok(Some(boot))
        })
        .await?;
    if let Some(boot) = &failed {
        events::count_failed(boot);
    }
    Ok(failed.is_some())
}
