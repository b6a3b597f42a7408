//! The jump: first the server gets the events that still wait (within a budget), then nothing of this kernel is left.

use std::time::Duration;

use higuma_proto::steps::KEXEC;
use kexec_rs::Loaded;

use super::StepError;
use crate::explain;
use crate::first::reporter::Reporter;
use crate::journal::{Journal, State};

/// For telling the server before the jump.
const FLUSH: Duration = Duration::from_secs(8);

/// Comes back only when the kernel refused to jump.
pub async fn jump(loaded: Loaded, reporter: &Reporter, journal: &Journal) -> StepError {
    journal.record(KEXEC, State::Started, "");
    journal.record(KEXEC, State::Ok, "jumping into the second stage");
    reporter.flush(FLUSH).await;
    match loaded.execute() {
        Ok(never) => match never {},
        Err(e) => {
            let why = explain::chain(&e);
            journal.record(KEXEC, State::Failed, &why);
            StepError::again(why)
        }
    }
}
