//! Serial consoles of nodes: one a node and server, shared by all who look at it, kept by a task of its own. Who opens, types
//! and closes is written down as events of the node; what is typed and what is shown never is.

mod desk;
mod ring;
mod run;
mod tame;

use super::show::stored;
use crate::domain::node_event::{Kind, Notice, Severity};
use crate::domain::{Invalid, NodeUuid};
use crate::error::{Error, Result};
use crate::service::{App, node_events};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use desk::{Desk, NotTyped, Phase, Typed};
use higuma_proto::api::{ConsoleInput, ConsoleOutput, ConsoleScreen, ConsoleState, OpenConsole};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::timeout;

/// Open at one time; each keeps a quarter of a megabyte.
const MOST: usize = 128;
/// A closed one is shown for so long.
const SHOWN: Duration = Duration::from_secs(600);
/// To open one: two logins, where the BMC speaks Redfish.
const OPENING: Duration = Duration::from_secs(60);
/// A reader waits at most so long.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// Bytes of one request.
const TYPED_MOST: usize = 4_096;
/// A server that stops gives its consoles back within this.
const STOPPING: Duration = Duration::from_secs(3);

/// The consoles of this process.
#[derive(Clone)]
pub struct Consoles {
    desks: Arc<Mutex<HashMap<NodeUuid, Arc<Desk>>>>,
    /// One that nobody looks at for so long is given back. Longer than any wait of a reader.
    pub unused: Duration,
}

impl Default for Consoles {
    fn default() -> Self {
        Self { desks: Arc::default(), unused: Duration::from_secs(60) }
    }
}

impl Consoles {
    fn desks(&self) -> MutexGuard<'_, HashMap<NodeUuid, Arc<Desk>>> {
        self.desks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, node: &NodeUuid) -> Result<Arc<Desk>> {
        let desk = self.desks().get(node).cloned();
        desk.ok_or_else(|| {
            Error::NotFound(format!(
                "no console of node {node} is open on this server: open it (`higuma console {node}`)"
            ))
        })
    }

    /// Forgets those that are closed for a while; called now and then.
    pub fn tidy(&self) {
        self.desks().retain(|_, desk| !desk.closed_for(SHOWN));
    }

    /// Gives all back.
    pub async fn close(&self) {
        let all: Vec<_> = self.desks().values().cloned().collect();
        all.iter().for_each(|desk| desk.stop.cancel());
        for desk in all {
            let mut versions = desk.versions();
            let _ = timeout(STOPPING, versions.wait_for(|_| desk.phase() == Phase::Closed)).await;
        }
    }
}

/// Open the console of a node; the one that is open already, when there is one. Errors: nothing to log in to; it is open
/// elsewhere; the BMC does not answer, or has none.
pub async fn open(app: &App, node: NodeUuid, how: OpenConsole, by: &str) -> Result<ConsoleState> {
    let node = stored(app, node).await?.node;
    let (desk, fresh) = {
        let mut desks = app.consoles.desks();
        match desks.get(&node).filter(|desk| desk.phase() != Phase::Closed && !desk.stop.is_cancelled()) {
            Some(desk) => (desk.clone(), false),
            None => {
                let open = desks.values().filter(|desk| desk.phase() != Phase::Closed).count();
                if open >= MOST {
                    return Err(Error::Unavailable(format!(
                        "{open} consoles are open on this server, and it keeps {MOST} at most: close one, or wait until one is not looked at for a minute"
                    )));
                }
                let (desk, typed) = Desk::new(node.clone(), by, app.now());
                tokio::spawn(run::run(app.clone(), desk.clone(), typed, how.take));
                desks.insert(node.clone(), desk.clone());
                (desk, true)
            }
        }
    };
    let mut versions = desk.versions();
    let over = timeout(OPENING, versions.wait_for(|_| desk.phase() != Phase::Opening)).await.is_err();
    let state = desk.show();
    if over {
        desk.stop.cancel();
        return Err(Error::Unavailable(format!(
            "the BMC of node {node} did not open its console within {} s",
            OPENING.as_secs()
        )));
    }
    if desk.phase() != Phase::Closed {
        if fresh {
            tell(app, &node, format!("{by} opened the serial console")).await?;
        }
        return Ok(state);
    }
    let reason = state.reason;
    Err(match desk.is_taken() {
        true => Error::Conflict(format!(
            "{reason} (of node {node}): wait until it is closed there, or take it (`higuma console {node} --take`)"
        )),
        false => Error::Unavailable(format!("the console of node {node} could not be opened: {reason}")),
    })
}

/// The screen: newer than `version`, or as it is after `wait` seconds. Errors: no console is open, or was lately.
pub async fn screen(app: &App, node: NodeUuid, version: Option<u64>, wait: Option<u64>) -> Result<ConsoleScreen> {
    let desk = app.consoles.of(&stored(app, node).await?.node)?;
    let mut versions = desk.versions();
    if let Some(version) = version {
        let newer = versions.wait_for(|now| *now > version);
        let _ = timeout(wait_of(wait), newer).await;
    }
    Ok(desk.screen())
}

/// What the node wrote from byte `from` on (none: from the oldest that is kept). With nothing new it waits, `wait` seconds at
/// most. Errors: as [`screen`].
pub async fn output(app: &App, node: NodeUuid, from: Option<u64>, wait: Option<u64>) -> Result<ConsoleOutput> {
    let desk = app.consoles.of(&stored(app, node).await?.node)?;
    let before = desk.show().state;
    let mut versions = desk.versions();
    // A change of its state is news too.
    let news =
        |_: &u64| desk.end() > from.unwrap_or_default() || desk.phase() == Phase::Closed || desk.show().state != before;
    let _ = timeout(wait_of(wait), versions.wait_for(news)).await;
    let (console, piece) = desk.piece(from.unwrap_or_default());
    let next = piece.from + piece.bytes.len() as u64;
    // Who asks for the oldest misses nothing.
    let missed = if from.is_some() { piece.missed } else { 0 };
    Ok(ConsoleOutput { console, from: piece.from, next, missed, data: STANDARD.encode(&piece.bytes) })
}

fn wait_of(seconds: Option<u64>) -> Duration {
    Duration::from_secs(seconds.unwrap_or_default()).min(LONGEST_WAIT)
}

/// Type. Taken means: sent in this order while the BMC is there; what a lost BMC did not take is not typed later. Errors: no
/// console is open; it waits for its BMC; more is waiting than is good.
pub async fn input(app: &App, node: NodeUuid, given: ConsoleInput, by: &str) -> Result<ConsoleState> {
    let desk = app.consoles.of(&stored(app, node).await?.node)?;
    let typed = checked(&given)?;
    match desk.type_in(by, &given.writer, given.sequence, typed) {
        Ok(first) => {
            if first {
                tell(app, &desk.node, format!("{by} types on the serial console")).await?;
            }
            Ok(desk.show())
        }
        Err(NotTyped::NotOpen) => {
            let state = desk.show();
            Err(Error::Conflict(format!("nothing was typed: the console is {}: {}", state.state, state.reason)))
        }
        Err(NotTyped::Full) => Err(Error::Unavailable(
            "nothing was typed: the node is slower than what is typed; send it again".to_owned(),
        )),
    }
}

fn checked(given: &ConsoleInput) -> Result<Vec<Typed>> {
    let ConsoleInput { writer, sequence, data, break_after } = given;
    if writer.is_empty() || writer.len() > 64 || writer.chars().any(char::is_control) {
        return Err(Invalid::new("writer", "1 to 64 characters", writer).into());
    }
    if *sequence == 0 {
        return Err(Invalid::new("sequence", "a number from 1", "0").into());
    }
    // What was typed is in no message.
    let bytes = STANDARD.decode(data).map_err(|_| Error::BadRequest("expected base64 in `data`".to_owned()))?;
    if bytes.len() > TYPED_MOST {
        return Err(Error::TooLarge(format!("expected at most {TYPED_MOST} bytes at once, got {}", bytes.len())));
    }
    let bytes = (!bytes.is_empty()).then_some(Typed::Bytes(bytes));
    Ok(bytes.into_iter().chain(break_after.then_some(Typed::Break)).collect())
}

/// Close it for all who look at it. Errors: none is open.
pub async fn close(app: &App, node: NodeUuid, by: &str) -> Result<ConsoleState> {
    let desk = app.consoles.of(&stored(app, node).await?.node)?;
    if desk.phase() != Phase::Closed {
        desk.stop.cancel();
        let mut versions = desk.versions();
        let _ = timeout(LONGEST_WAIT, versions.wait_for(|_| desk.phase() == Phase::Closed)).await;
        tell(app, &desk.node, format!("{by} closed the serial console")).await?;
    }
    Ok(desk.show())
}

async fn tell(app: &App, node: &NodeUuid, message: String) -> Result<()> {
    let (node, now) = (node.clone(), app.now());
    let notice = Notice { kind: Kind::Bmc, severity: Severity::Info, subject: "console".to_owned(), message };
    app.store.write(move |tx| node_events::record(tx, &node, &notice, now)).await
}
