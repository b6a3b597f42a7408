//! At most one session per BMC at a time, kept and used again: real BMCs crash when they are asked too often or by too many
//! at once. A session that nobody used for a while is logged out.

use super::{Access, BmcError, Talk};
use crate::domain::NodeUuid;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};
use tokio::time::Instant;

/// Whoever waits longer for his turn is told that the BMC is busy.
const TURN: Duration = Duration::from_secs(60);
/// The same login is not tried again so long after it was refused.
const REFUSED: Duration = Duration::from_secs(30);
/// Refused logins that are remembered of one BMC.
const REFUSED_MOST: usize = 8;
/// After so long without use it is asked whether the session still lives.
const FRESH: Duration = Duration::from_secs(20);
/// After so long without use it is logged out. Longer than the pause between two polls.
const IDLE: Duration = Duration::from_secs(150);

/// All sessions of this process.
#[derive(Clone, Default)]
pub struct Sessions {
    places: Arc<Mutex<HashMap<NodeUuid, Arc<Turn<Place>>>>>,
}

struct Open {
    access: Access,
    talk: Talk,
    used: Instant,
    /// No other session of this process has it.
    number: u64,
}

impl Open {
    fn new(access: &Access, talk: Talk) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        Self { access: access.clone(), talk, used: Instant::now(), number: NUMBER.fetch_add(1, Ordering::Relaxed) }
    }
}

#[derive(Default)]
struct Place {
    open: Option<Open>,
    /// Logins that were refused lately, with the BMC's words.
    refused: Vec<(Access, String, Instant)>,
}

impl Place {
    /// Why this login is not tried now: it was refused just before, and many wrong ones lock an account.
    fn refusal(&mut self, access: &Access) -> Option<BmcError> {
        self.refused.retain(|(.., at)| at.elapsed() < REFUSED);
        let same = |with: &Access| with.same_login(access) && with.protocol == access.protocol;
        let (_, why, at) = self.refused.iter().find(|(with, ..)| same(with))?;
        let (ago, wait) = (at.elapsed().as_secs(), REFUSED.saturating_sub(at.elapsed()).as_secs() + 1);
        Some(BmcError::LoginRefused(format!(
            "{why} ({ago} s ago; not asked again for {wait} s, because wrong logins lock the account)"
        )))
    }
}

/// A session in use; nobody else uses the BMC meanwhile.
pub struct Lent {
    place: OwnedMutexGuard<Place>,
}

impl Lent {
    /// The session.
    pub fn talk(&mut self) -> Result<&mut Talk, BmcError> {
        match &mut self.place.open {
            Some(open) => {
                open.used = Instant::now();
                Ok(&mut open.talk)
            }
            None => Err(BmcError::Silent("the session was ended".to_owned())),
        }
    }

    /// Names the session: another number means that what was begun in the earlier one is over.
    pub(super) fn number(&self) -> Option<u64> {
        self.place.open.as_ref().map(|open| open.number)
    }

    /// Who logged in, and where.
    pub(super) fn access(&self) -> Option<&Access> {
        self.place.open.as_ref().map(|open| &open.access)
    }

    /// It is of no use any more: the next caller logs in anew.
    pub async fn discard(mut self) {
        if let Some(open) = self.place.open.take() {
            open.talk.close().await;
        }
    }
}

impl Sessions {
    fn place(&self, node: &NodeUuid) -> Arc<Turn<Place>> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.entry(node.clone()).or_default().clone()
    }

    /// A session of this access, the open one when it still lives. Waits for its turn.
    pub async fn lend(&self, access: &Access) -> Result<Lent, BmcError> {
        let mut place = self.turn(&access.node).await?;
        if let Some(mut open) = place.open.take() {
            let serves = access.served_by(&open.access, open.talk.protocol(), open.talk.certificate().as_deref());
            if serves && !open.talk.is_over() && (open.used.elapsed() < FRESH || open.talk.is_alive().await) {
                open.used = Instant::now();
                place.open = Some(open);
                return Ok(Lent { place });
            }
            open.talk.close().await;
        }
        if let Some(refused) = place.refusal(access) {
            return Err(refused);
        }
        let talk = match Talk::open(access).await {
            Err(BmcError::LoginRefused(why)) => {
                place.refused.truncate(REFUSED_MOST - 1);
                place.refused.insert(0, (access.clone(), why.clone(), Instant::now()));
                return Err(BmcError::LoginRefused(why));
            }
            other => other?,
        };
        place.open = Some(Open::new(access, talk));
        Ok(Lent { place })
    }

    /// The session that is open, whoever opened it, for what goes on in it. None: there is none. Waits for its turn.
    pub async fn again(&self, node: &NodeUuid) -> Result<Option<Lent>, BmcError> {
        let place = self.turn(node).await?;
        let lives = place.open.as_ref().is_some_and(|open| !open.talk.is_over());
        Ok(lives.then_some(Lent { place }))
    }

    async fn turn(&self, node: &NodeUuid) -> Result<OwnedMutexGuard<Place>, BmcError> {
        tokio::time::timeout(TURN, self.place(node).lock_owned()).await.map_err(|_| {
            BmcError::Busy(format!("the BMC is busy with other requests for more than {} s: try again", TURN.as_secs()))
        })
    }

    /// What was refused may be tried at once: the BMC, or what is known of it, was changed just now.
    pub async fn forgive(&self, node: &NodeUuid) {
        if let Ok(mut place) = tokio::time::timeout(TURN, self.place(node).lock_owned()).await {
            place.refused.clear();
        }
    }

    /// Logs those out that nobody used for a while; called now and then. One in use is left alone.
    pub async fn tidy(&self) {
        let all: Vec<(NodeUuid, Arc<Turn<Place>>)> = {
            let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            places.iter().map(|(node, place)| (node.clone(), place.clone())).collect()
        };
        for (node, place) in all {
            let Ok(mut held) = place.clone().try_lock_owned() else { continue };
            if held.open.as_ref().is_some_and(|open| open.used.elapsed() > IDLE)
                && let Some(open) = held.open.take()
            {
                open.talk.close().await;
            }
            held.refused.retain(|(.., at)| at.elapsed() < REFUSED);
            let empty = held.open.is_none() && held.refused.is_empty();
            drop(held);
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            // Two hold it: the map and this loop; whoever took it meanwhile would be a third.
            if empty && Arc::strong_count(&place) == 2 {
                places.remove(&node);
            }
        }
    }

    /// Logs all out; a server that stops leaves no session to a BMC that has few.
    pub async fn close(&self) {
        let all: Vec<_> = {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            places.drain().collect()
        };
        for (_, place) in all {
            if let Ok(mut held) = place.try_lock_owned()
                && let Some(open) = held.open.take()
            {
                open.talk.close().await;
            }
        }
    }
}
