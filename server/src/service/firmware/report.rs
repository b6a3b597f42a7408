//! How an update ended, as the agent says; and attempts of nodes that never came back.

use super::refresh_stored;
use crate::domain::Micros;
use crate::domain::boot::Boot;
use crate::domain::firmware::{Outcome, Report};
use crate::error::{Error, Result};
use crate::service::App;
use uuid::Uuid;

/// What the agent says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// Of which attempt.
    pub attempt: String,
    /// How the program ended, when it ended by itself.
    pub exit_code: Option<i32>,
    /// By a signal; 0: not.
    pub signal: u32,
    /// Killed at its deadline.
    pub timed_out: bool,
    /// End of its output.
    pub output: Vec<u8>,
    /// Why it was not run, or what else went wrong.
    pub error: String,
}

impl Said {
    /// In words.
    fn exit(&self, deadline_seconds: u32) -> String {
        let end = match (self.timed_out, self.signal, self.exit_code) {
            (true, ..) => format!("killed at its deadline of {deadline_seconds} s"),
            (_, signal @ 1.., _) => format!("ended by signal {signal}"),
            (_, _, Some(code)) => format!("exit code {code}"),
            _ => String::new(),
        };
        match (end.as_str(), self.error.as_str()) {
            ("", "") => "ended without a word".to_owned(),
            (_, "") => end,
            ("", error) => error.to_owned(),
            (end, error) => format!("{end}; {error}"),
        }
    }
}

/// Store it; again changes nothing. Errors: an attempt that is not of this boot; the database.
pub async fn report(app: &App, boot: &Boot, said: Said) -> Result<()> {
    let none = || Error::NotFound("this boot has no such firmware attempt".to_owned());
    let id: Uuid = said.attempt.parse().map_err(|_| none())?;
    let (boot, now) = (boot.clone(), app.now());
    let news = app
        .store
        .write(move |tx| {
            let attempt = tx.firmware_attempt(id)?.filter(|a| a.boot == boot.id && a.node == boot.node);
            let mut attempt = attempt.ok_or_else(none)?;
            if attempt.report.is_some() {
                return Ok(None);
            }
            let exit = said.exit(attempt.program.deadline_seconds);
            attempt.report = Some(Report::new(now, &exit, &said.output));
            tx.put_firmware_attempt(&attempt)?;
            Ok(Some(attempt))
        })
        .await?;
    if let Some(attempt) = news {
        let (node, n, part, wanted) = (&attempt.node, attempt.n, attempt.component(), &attempt.wanted);
        let exit = attempt.report.as_ref().map(|r| r.exit.as_str()).unwrap_or_default();
        tracing::info!(%node, attempt = %attempt.id, exit, "node {node}: update {n} of {part} to {wanted}: {exit}");
    }
    Ok(())
}

/// Attempts ended in one run at most.
const BATCH: usize = 50;

/// End open attempts whose nodes did not come back in time; returns how many.
pub async fn expire(app: &App) -> Result<usize> {
    let now = app.now();
    let overdue = app.store.read(move |tx| tx.overdue_firmware_attempts(now, BATCH)).await?;
    let mut lost = 0;
    for attempt in overdue {
        let id = attempt.id;
        // One row that cannot be handled must not keep the others.
        match app.store.write(move |tx| end_as_lost(tx, id, now)).await {
            Ok(ended) => lost += usize::from(ended),
            Err(error) => {
                tracing::error!(attempt = %id, error = ?error, "overdue firmware attempt {id} cannot be ended")
            }
        }
    }
    Ok(lost)
}

fn end_as_lost(tx: &mut crate::store::Tx<'_>, id: Uuid, now: Micros) -> Result<bool> {
    let open = tx.firmware_attempt(id)?.filter(|a| a.ended.is_none() && a.deadline < now);
    let Some(mut attempt) = open else { return Ok(false) };
    attempt.ended = Some((now, Outcome::Lost));
    tx.put_firmware_attempt(&attempt)?;
    refresh_stored(tx, &attempt.node, now)?;
    Ok(true)
}
