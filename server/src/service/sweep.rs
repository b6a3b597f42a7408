//! What time does: boots past their deadline fail, old offers go. Run every few seconds by each server; running it
//! twice at once is harmless.

use super::{App, events};
use crate::domain::boot::{Event, EventState};
use crate::error::Result;
use higuma_proto::{SECOND_STAGE_SEQ, steps};

/// Boots and offers handled in one run at most.
const BATCH: usize = 200;
/// Offers are kept this long after they expired, microseconds, so that a late Register is told "expired".
const OFFER_KEEP: i64 = 24 * 3600 * 1_000_000;
/// Seq of the event that the server writes: behind those of both stages, before ReportUp's.
const DEADLINE_SEQ: u32 = SECOND_STAGE_SEQ * 2 - 1;

/// What one run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Boots that failed by their deadline.
    pub failed: usize,
    /// Offers removed.
    pub offers: usize,
}

/// Once.
pub async fn run_once(app: &App) -> Result<Swept> {
    let now = app.now();
    let overdue = app.store.read(move |tx| tx.overdue_boots(now, BATCH)).await?;
    let mut swept = Swept::default();
    for boot in overdue {
        let id = boot.id;
        let failed = app
            .store
            .write(move |tx| {
                let Some(mut boot) = tx.boot(id)?.filter(|b| b.overdue(now)) else { return Ok(None) };
                let step = boot.last_step.clone().unwrap_or_else(|| steps::REGISTER.to_owned());
                let reason = "the deadline passed without a sign that the system is up";
                let event = Event {
                    seq: DEADLINE_SEQ,
                    at: now,
                    step: step.clone(),
                    state: EventState::Failed,
                    message: reason.to_owned(),
                };
                events::apply(tx, &mut boot, std::slice::from_ref(&event), now)?;
                // A second try of the same boot has that event already: it fails all the same.
                let _already_failed = !boot.fail(&step, reason);
                tx.put_boot(&boot)?;
                Ok(Some(boot))
            })
            .await?;
        if let Some(boot) = failed {
            events::count_failed(&boot);
            swept.failed += 1;
        }
    }
    swept.offers = app.store.write(move |tx| tx.expire_offers(now - OFFER_KEEP, BATCH)).await?;
    Ok(swept)
}
