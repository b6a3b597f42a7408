//! Does the work of jobs, on any number of servers: takes items, has them performed within their time, renews its leases,
//! and writes the results down. It does not know how an action is performed: that is [`Perform`].

use super::claim::{LEASE, Work, claim, finish, recover, renew};
use crate::domain::bmc::BmcAction;
use crate::domain::job::{ItemState, TRIES, backoff, time_for};
use crate::domain::{Micros, NodeUuid};
use crate::error::{Error, Result};
use crate::service::App;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Items that one server does at once.
const ROOM: u32 = 256;
/// Looked for work that other servers were asked for.
const POLL: Duration = Duration::from_secs(2);
/// Leases are renewed so often: three times before they end.
const RENEW: Duration = Duration::from_micros(LEASE as u64 / 3);
/// A result that the database does not take is offered again so often.
const WRITES: u32 = 120;

/// An action that did not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What was expected, what came, what to do. No secret.
    pub message: String,
    /// It may work a moment later, and trying again is safe: for an action that may not simply be repeated
    /// ([`BmcAction::is_repeatable`]) only when the BMC surely did not carry it out (no session, "busy").
    pub transient: bool,
}

/// Carries out an action on one node.
pub trait Perform: Send + Sync {
    /// Do it, and say what happened, in words for people and without secrets ("on; was off"). It is given up at
    /// `deadline`. Dropping the future must leave nothing behind that hurts a later call.
    fn perform(
        &self,
        node: NodeUuid,
        action: BmcAction,
        deadline: Instant,
    ) -> BoxFuture<'_, std::result::Result<String, Failure>>;
}

/// Microseconds since 1970 UTC.
pub type Clock = Arc<dyn Fn() -> Micros + Send + Sync>;

/// One server's hands.
pub struct Runner {
    /// State.
    pub app: App,
    /// What does it.
    pub perform: Arc<dyn Perform>,
    /// Name of this server, the same after a restart, of no other.
    pub server: String,
    /// The time.
    pub clock: Clock,
    /// What is under way when the server stops may take so long to end.
    pub grace: Duration,
}

type Key = (Uuid, u32);

/// What is under way.
#[derive(Default)]
struct Busy {
    tasks: JoinSet<()>,
    known: HashMap<Id, (Key, AbortHandle)>,
}

impl Busy {
    fn keys(&self) -> Vec<Key> {
        self.known.values().map(|(key, _)| *key).collect()
    }

    fn ended(&mut self, ended: std::result::Result<(Id, ()), JoinError>) {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
        self.known.remove(&id);
        if let Err(error) = ended
            && error.is_panic()
        {
            tracing::error!("the task of a job's item panicked; the item is taken as lost");
        }
    }
}

impl Runner {
    /// Until `stop`. What was under way when this server ended last is seen to first.
    ///
    /// # Errors
    /// None: what fails is logged and tried again.
    pub async fn run(self, stop: CancellationToken) -> Result<()> {
        let runner = Arc::new(self);
        let mut busy = Busy::default();
        let (mut recovered, mut renewal) = (false, Instant::now() + RENEW);
        loop {
            if !recovered {
                recovered = runner.recover().await;
            }
            let look_again = if recovered { runner.take(&mut busy).await } else { Some(POLL) };
            let Some(wait) = look_again else { continue };
            tokio::select! {
                () = stop.cancelled() => break,
                () = runner.app.wake.notified() => {}
                Some(ended) = busy.tasks.join_next_with_id() => busy.ended(ended),
                () = sleep(wait) => {}
                () = sleep_until(renewal) => {}
            }
            if Instant::now() >= renewal {
                runner.renew(&mut busy).await;
                renewal = Instant::now() + RENEW;
            }
        }
        runner.end(busy).await;
        Ok(())
    }

    async fn recover(&self) -> bool {
        match recover(&self.app, &self.server, (self.clock)()).await {
            Ok(0) => true,
            Ok(items) => {
                tracing::warn!(items, "{items} items of jobs were under way when this server ended");
                true
            }
            Err(error) => {
                log(&error);
                false
            }
        }
    }

    /// Take work; gives when to look again, none: at once.
    async fn take(self: &Arc<Self>, busy: &mut Busy) -> Option<Duration> {
        while let Some(ended) = busy.tasks.try_join_next_with_id() {
            busy.ended(ended);
        }
        let room = ROOM.saturating_sub(u32::try_from(busy.known.len()).unwrap_or(ROOM));
        let now = (self.clock)();
        let claimed = match claim(&self.app, &self.server, room, now).await {
            Ok(claimed) => claimed,
            Err(error) => {
                log(&error);
                return Some(POLL);
            }
        };
        for work in claimed.work {
            let key = (work.item.job, work.item.n);
            let runner = Arc::clone(self);
            let task = busy.tasks.spawn(async move { runner.work(work).await });
            busy.known.insert(task.id(), (key, task));
        }
        if claimed.again {
            return None;
        }
        let next = claimed.next.map(|next| next.saturating_sub((self.clock)()).max(0));
        let next = next.and_then(|micros| u64::try_from(micros).ok()).map(Duration::from_micros);
        Some(next.map_or(POLL, |next| next.min(POLL)))
    }

    async fn renew(&self, busy: &mut Busy) {
        if busy.known.is_empty() {
            return;
        }
        let keys = busy.keys();
        match renew(&self.app, &self.server, &keys, (self.clock)()).await {
            Ok(held) => {
                // Another server took it as lost, and has seen to it. Or it has ended just now.
                for (_, task) in busy.known.values().filter(|(key, _)| !held.contains(key)) {
                    task.abort();
                }
            }
            Err(error) => log(&error),
        }
    }

    /// Let what is under way end, for a while; the rest is for the next one.
    async fn end(&self, mut busy: Busy) {
        let all = async { while busy.tasks.join_next().await.is_some() {} };
        let _ = timeout(self.grace, all).await;
        busy.tasks.shutdown().await;
        if let Err(error) = recover(&self.app, &self.server, (self.clock)()).await {
            log(&error);
        }
    }

    /// One item to its result.
    async fn work(&self, work: Work) {
        let (state, message) = self.attempt(&work).await;
        for _ in 0..WRITES {
            match finish(&self.app, &work, state, &message, (self.clock)()).await {
                Ok(true) => return,
                Ok(false) => {
                    let Work { item, action } = &work;
                    tracing::warn!(
                        job = %item.job, node = %item.node,
                        "{action} of node {} ended ({state}: {message}), but this server was taken as lost meanwhile",
                        item.node
                    );
                    return;
                }
                Err(error) => log(&error),
            }
            sleep(Duration::from_secs(1)).await;
        }
    }

    /// Perform it, again where that is safe and may help, within its time.
    async fn attempt(&self, work: &Work) -> (ItemState, String) {
        let Work { item, action } = work;
        let time = Duration::from_micros(u64::try_from(time_for(*action)).unwrap_or_default());
        let deadline = Instant::now() + time;
        let mut tried = 0;
        loop {
            tried += 1;
            let once = async { self.perform.perform(item.node.clone(), *action, deadline).await };
            let failure = match timeout_at(deadline, AssertUnwindSafe(once).catch_unwind()).await {
                Ok(Ok(Ok(message))) => return (ItemState::Ok, message),
                Ok(Ok(Err(failure))) => failure,
                Ok(Err(_)) => {
                    tracing::error!(node = %item.node, "{action} of node {} panicked", item.node);
                    return (ItemState::Failed, "internal error: see the server's log".to_owned());
                }
                Err(_) => {
                    let message = format!(
                        "no result within {} s: it was given up, and whether the BMC has carried it out is not known. \
                         Look at the node, then run it again if it is needed",
                        time.as_secs()
                    );
                    return (ItemState::Failed, message);
                }
            };
            let pause = Duration::from_micros(u64::try_from(backoff(tried)).unwrap_or_default());
            let again = failure.transient && tried < TRIES && Instant::now() + pause < deadline;
            if !again {
                let times = if tried > 1 { format!(" (tried {tried} times)") } else { String::new() };
                return (ItemState::Failed, format!("{}{times}", failure.message));
            }
            sleep(pause).await;
        }
    }
}

fn log(error: &Error) {
    tracing::error!(error = ?error, "jobs: {error}; trying again");
}
