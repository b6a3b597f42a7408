//! What keeps a console going: the line is pumped a moment at a time, so that power and sensors of the node can be asked for in
//! between; a lost BMC is waited for; a console that nobody looks at is given back.

use super::desk::{Desk, Phase, Typed};
use crate::bmc::{BmcError, Lent, Line, LineError};
use crate::error::Error;
use crate::service::App;
use crate::service::bmc::contact;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep, timeout};

/// The session is held so long at once; shorter while somebody types.
const TURN: Duration = Duration::from_millis(150);
const TYPING_TURN: Duration = Duration::from_millis(40);
const TYPING: Duration = Duration::from_secs(5);
/// The record is looked at so often: whether the node is still ours, and with which account.
const RECORD: Duration = Duration::from_secs(10);
/// Pauses before a lost BMC is asked again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// BMCs end the session that was lost, and our console in it, within so long.
const STILL_OURS: Duration = Duration::from_secs(90);
/// One moment with the BMC, whatever it does.
const ROUND: Duration = Duration::from_secs(90);
/// An opening that somebody closes meanwhile is seen through: broken off, the BMC would keep a line open that nobody has.
const OPENING: Duration = Duration::from_secs(10);
/// To give the line back.
const CLOSE: Duration = Duration::from_secs(5);

/// Tells those who wait that it is over, however this ends.
struct Ended(Arc<Desk>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.closed("the console ended by a fault of the server: see its log", false);
    }
}

struct Runner {
    app: App,
    desk: Arc<Desk>,
    typed: Receiver<Typed>,
    line: Option<Line>,
    take: bool,
    /// When the BMC was lost last with the line open.
    lost_at: Option<Instant>,
    /// Typed, and not taken by the line yet: characters, or a break.
    pending: Vec<u8>,
    pending_break: bool,
    last_typed: Option<Instant>,
    record_seen: Option<Instant>,
}

/// Until it is closed, not used, or refused.
pub(super) async fn run(app: App, desk: Arc<Desk>, typed: Receiver<Typed>, take: bool) {
    let _ended = Ended(desk.clone());
    let (pending, last_typed, record_seen) = (Vec::new(), None, None);
    let (line, lost_at, pending_break) = (None, None, false);
    let mut runner = Runner { app, desk, typed, line, take, lost_at, pending, pending_break, last_typed, record_seen };
    let (reason, taken) = runner.until_over().await;
    if timeout(CLOSE, runner.give_back()).await.is_err() {
        tracing::debug!(node = %runner.desk.node, "the BMC of node {} did not take its console back", runner.desk.node);
    }
    runner.desk.closed(&reason, taken);
}

impl Runner {
    /// Why it is over; and whether because it is open elsewhere.
    async fn until_over(&mut self) -> (String, bool) {
        let mut pause = FIRST_PAUSE;
        let mut opened_twice = false;
        loop {
            if self.desk.stop.is_cancelled() {
                return ("it was closed".to_owned(), false);
            }
            let unused = self.app.consoles.unused;
            if self.desk.unused_for(unused) {
                return (format!("nobody looked at it for {} s", unused.as_secs()), false);
            }
            let stop = self.desk.stop.clone();
            let opening = self.line.is_none();
            let stopped = async {
                stop.cancelled().await;
                if opening {
                    sleep(OPENING).await;
                }
            };
            let outcome = tokio::select! {
                outcome = timeout(ROUND, self.round()) => outcome.unwrap_or_else(|_| {
                    Err(LineError::Lost(format!("the BMC did not answer within {} s", ROUND.as_secs())))
                }),
                () = stopped => continue,
            };
            match outcome {
                Ok(()) => pause = FIRST_PAUSE,
                // The session that was kept may be over without anybody knowing: a second try has another.
                Err(LineError::Lost(_)) if self.desk.phase() == Phase::Opening && !opened_twice => opened_twice = true,
                Err(LineError::Lost(reason)) if self.desk.phase() == Phase::Opening => return (reason, false),
                Err(LineError::Lost(reason)) => {
                    self.lost(reason);
                    let _ = timeout(pause, stop.cancelled()).await;
                    pause = LONGEST_PAUSE.min(pause * 2);
                }
                Err(over) => return (over.to_string(), over == LineError::Taken),
            }
        }
    }

    /// What was typed for the node as it was is not typed to it as it comes back.
    fn lost(&mut self, reason: String) {
        // Just now nobody else can have it: it is our own, of the session that is lost. Later it may be somebody's.
        if self.line.take().is_some() {
            self.lost_at = Some(Instant::now());
        }
        self.take = false;
        self.desk.waiting(reason);
        self.pending.clear();
        self.pending_break = false;
        while self.typed.try_recv().is_ok() {}
    }

    async fn round(&mut self) -> Result<(), LineError> {
        let mut lent = self.lent().await?;
        let Some(line) = &mut self.line else {
            let Some(lent) = &mut lent else { return Err(LineError::Lost("there is no session".to_owned())) };
            let ours = self.lost_at.is_some_and(|at| at.elapsed() < STILL_OURS);
            self.line = Some(Line::open(lent, self.take || ours).await?);
            self.desk.opened();
            return Ok(());
        };
        loop {
            let taken = line.write(&self.pending);
            self.pending.drain(..taken.min(self.pending.len()));
            if !self.pending.is_empty() || self.pending_break && !line.send_break() {
                break;
            }
            self.pending_break = false;
            let Ok(typed) = self.typed.try_recv() else { break };
            self.last_typed = Some(Instant::now());
            match typed {
                Typed::Break => self.pending_break = true,
                Typed::Bytes(bytes) => self.pending = bytes,
            }
        }
        let typing = self.last_typed.is_some_and(|at| at.elapsed() < TYPING);
        let turn = if typing { TYPING_TURN } else { TURN };
        let bytes = line.pump(lent.as_mut(), Instant::now() + turn).await?;
        drop(lent);
        if !bytes.is_empty() {
            self.desk.wrote(&bytes);
        }
        Ok(())
    }

    /// The shared session, when it is needed; and now and then a look at the record.
    async fn lent(&mut self) -> Result<Option<Lent>, LineError> {
        let fresh = self.record_seen.is_some_and(|at| at.elapsed() < RECORD);
        if let Some(line) = &self.line
            && fresh
        {
            if !line.is_shared() {
                return Ok(None);
            }
            if let Some(lent) = self.app.bmcs.again(&self.desk.node).await.map_err(lost_or_refused)? {
                return Ok(Some(lent));
            }
        }
        let opened = contact::open(&self.app, &self.desk.node).await.map_err(|error| match error {
            Error::Internal(_) => {
                let node = &self.desk.node;
                tracing::error!(%node, error = ?error, "the console of node {node} cannot read the record of its BMC");
                LineError::Lost("the server could not read its database: see its log".to_owned())
            }
            other => LineError::Refused(other.to_string()),
        })?;
        let lent = opened.map_err(lost_or_refused)?;
        self.record_seen = Some(Instant::now());
        Ok(Some(lent))
    }

    async fn give_back(&mut self) {
        let Some(line) = self.line.take() else { return };
        let mut lent = match line.is_shared() {
            true => self.app.bmcs.again(&self.desk.node).await.ok().flatten(),
            false => None,
        };
        line.close(lent.as_mut()).await;
    }
}

fn lost_or_refused(error: BmcError) -> LineError {
    match error {
        BmcError::LoginRefused(words) | BmcError::Refused(words) => LineError::Refused(words),
        BmcError::Silent(words) | BmcError::Unclear(words) | BmcError::Busy(words) => LineError::Lost(words),
    }
}
