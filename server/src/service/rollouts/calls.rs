//! What rollouts ask of somebody: hooks that move the load, over HTTP or by a program, and an operator's check. Each call is
//! taken for a short time, tried, and tried again until it is answered or its deadline has passed; a server that dies in the
//! middle is followed by another. What goes over the wire is [`Caller`]'s.

use super::asked::{Caller, Ran};
use super::request::{Wanted, request};
use crate::domain::boot::clean;
use crate::domain::ids::Micros;
use crate::domain::rollout::{CallState, Task};
use crate::error::Result;
use crate::service::App;
use futures_util::future::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::time::Duration;
use tokio::time::Instant;

const SECOND: Micros = 1_000_000;
/// Calls of one server at once.
const AT_ONCE: usize = 256;
/// Calls taken in one transaction.
const TAKE_MAX: usize = 64;
/// While some run, others become due.
const LOOK: Duration = Duration::from_millis(500);
/// A server that took a call and was not heard from for so long has lost it.
const TAKEN: Micros = 30 * SECOND;
/// A program that still runs is taken for longer so often.
const RENEW: Duration = Duration::from_secs(10);
/// The database is let alone for so long when it failed.
const REST: Duration = Duration::from_secs(5);
/// Between two tries.
const AGAIN: Micros = 5 * SECOND;
/// "Not yet, ask again" (RFC 9110 15.3.3).
const ACCEPTED: u16 = 202;
/// Bytes kept of an answer.
const MESSAGE_MAX: usize = 300;

/// Try calls whose time has come, and comes meanwhile, until there are none; how many tries there were. Each answer is
/// written down when it comes: an address that is slow keeps nobody else.
pub async fn call_once(app: &App, caller: &dyn Caller) -> Result<usize> {
    let mut running = FuturesUnordered::new();
    let (mut tried, mut failed, mut rest) = (0, None, Instant::now());
    loop {
        let room = AT_ONCE.saturating_sub(running.len()).min(TAKE_MAX);
        if room > 0 && Instant::now() >= rest {
            match take(app, room).await {
                Ok(taken) => running.extend(taken.into_iter().map(|task| attempt(app, caller, task))),
                Err(error) => {
                    // Programs may run for long: others are asked meanwhile, when the database is back.
                    tracing::warn!("calls of rollouts cannot be taken: {error}; trying again");
                    failed = Some(error);
                    rest = Instant::now() + REST;
                }
            }
        }
        if running.is_empty() {
            return failed.map_or(Ok(tried), Err);
        }
        let mut done = tokio::time::timeout(LOOK, running.next()).await.ok().flatten();
        while let Some(result) = done {
            tried += 1;
            if let Err(error) = result {
                // What was taken is taken again later.
                tracing::warn!("what became of a call of a rollout cannot be written down: {error}; trying again");
                failed = Some(error);
            }
            done = running.next().now_or_never().flatten();
        }
    }
}

/// Calls that are due are this server's for a time.
async fn take(app: &App, most: usize) -> Result<Vec<Task>> {
    let now = app.now();
    let due = app.store.read(move |tx| tx.due_calls(now, most)).await?;
    if due.is_empty() {
        return Ok(due);
    }
    app.store
        .write(move |tx| {
            let mut taken = Vec::new();
            for task in &due {
                let mine = Task { attempts: task.attempts.saturating_add(1), due: now + TAKEN, ..task.clone() };
                if tx.step_call(task, &mine)? {
                    taken.push(mine);
                }
            }
            Ok(taken)
        })
        .await
}

async fn attempt(app: &App, caller: &dyn Caller, task: Task) -> Result<()> {
    let (state, message) = match app.now() > task.deadline && task.attempts > 1 {
        // The server was away until then.
        true => (CallState::Waiting, task.message.clone()),
        false => match request(app, &task).await {
            Ok(Ok(Wanted::Request(asked))) => said(caller.ask(asked).await),
            Ok(Ok(Wanted::Program(ran))) => match run(app, caller, &task, ran).await? {
                Some(said) => said,
                None => return Ok(()),
            },
            Ok(Err(why)) => (CallState::Waiting, why),
            Err(error) => (CallState::Waiting, error.to_string()),
        },
    };
    let now = app.now();
    let over = state == CallState::Waiting && now.saturating_add(AGAIN) > task.deadline;
    let after = Task {
        state: if over { CallState::Failed } else { state },
        message: clean(&message, MESSAGE_MAX),
        due: now.saturating_add(AGAIN),
        ..task.clone()
    };
    metrics::counter!("higuma_rollout_calls_total", "call" => task.call.as_str(), "result" => after.state.as_str())
        .increment(1);
    app.store.write(move |tx| tx.step_call(&task, &after)).await?;
    Ok(())
}

fn said(answer: std::result::Result<u16, String>) -> (CallState, String) {
    match answer {
        Ok(ACCEPTED) => (CallState::Waiting, "it answered 202: not yet".to_owned()),
        Ok(status) if (200..300).contains(&status) => (CallState::Ok, format!("it answered {status}")),
        Ok(status) => (CallState::Waiting, format!("expected a status of 2xx, got {status}")),
        Err(why) => (CallState::Waiting, why),
    }
}

/// A program runs as long as its call may take, and the call stays this server's meanwhile; none: nobody wants it any more.
async fn run(app: &App, caller: &dyn Caller, task: &Task, ran: Ran) -> Result<Option<(CallState, String)>> {
    let mut held_until = app.now() + TAKEN;
    if app.now() >= task.deadline {
        // This server was away until then: nothing is begun that would be stopped at once.
        return Ok(Some((CallState::Waiting, "its deadline had passed before it could be run".to_owned())));
    }
    let mut running = caller.run(ran);
    loop {
        let left = u64::try_from(task.deadline.saturating_sub(app.now())).unwrap_or_default();
        match tokio::time::timeout(RENEW.min(Duration::from_micros(left)), &mut running).await {
            Ok(Ok(true)) => return Ok(Some((CallState::Ok, "it said yes".to_owned()))),
            Ok(Ok(false)) => return Ok(Some((CallState::Waiting, "it said: not yet".to_owned()))),
            Ok(Err(why)) => return Ok(Some((CallState::Waiting, why))),
            Err(_) if app.now() >= task.deadline => {
                let why = "it had not ended by its deadline, and was stopped".to_owned();
                return Ok(Some((CallState::Waiting, why)));
            }
            Err(_) => {
                let (before, longer) = (task.clone(), Task { due: app.now() + TAKEN, ..task.clone() });
                let until = longer.due;
                match app.store.write(move |tx| tx.step_call(&before, &longer)).await {
                    Ok(true) => held_until = until,
                    Ok(false) => return Ok(None),
                    // As long as nobody else may take it, it runs on.
                    Err(error) if app.now() >= held_until => return Err(error),
                    Err(error) => tracing::warn!("a hook that runs cannot be held: {error}; trying again"),
                }
            }
        }
    }
}
