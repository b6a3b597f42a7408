//! At most one session per BMC at a time, kept and used again: real BMCs crash when they are asked too often or by too many
//! at once. A session that nobody used for a while is logged out.

use super::{Access, BmcError, Talk};
use crate::domain::NodeUuid;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};
use tokio::time::Instant;

/// Whoever waits longer for his turn is told that the BMC is busy.
const TURN: Duration = Duration::from_secs(60);
/// After so long without use it is asked whether the session still lives.
const FRESH: Duration = Duration::from_secs(20);
/// After so long without use it is logged out. Longer than the pause between two polls.
const IDLE: Duration = Duration::from_secs(150);

/// All sessions of this process.
#[derive(Clone, Default)]
pub struct Sessions {
    places: Arc<Mutex<HashMap<NodeUuid, Arc<Turn<Place>>>>>,
}

#[derive(Default)]
struct Place {
    open: Option<(Access, Talk, Instant)>,
}

/// A session in use; nobody else uses the BMC meanwhile.
pub struct Lent {
    place: OwnedMutexGuard<Place>,
}

impl Lent {
    /// The session.
    pub fn talk(&mut self) -> Result<&mut Talk, BmcError> {
        match &mut self.place.open {
            Some((_, talk, used)) => {
                *used = Instant::now();
                Ok(talk)
            }
            None => Err(BmcError::Silent("the session was ended".to_owned())),
        }
    }

    /// It is of no use any more: the next caller logs in anew.
    pub async fn discard(mut self) {
        if let Some((_, talk, _)) = self.place.open.take() {
            talk.close().await;
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
        let turn = tokio::time::timeout(TURN, self.place(&access.node).lock_owned()).await;
        let mut place = turn.map_err(|_| {
            BmcError::Busy(format!("the BMC is busy with other requests for more than {} s: try again", TURN.as_secs()))
        })?;
        if let Some((with, mut talk, used)) = place.open.take() {
            if with.same(access) && (used.elapsed() < FRESH || talk.is_alive().await) {
                place.open = Some((with, talk, Instant::now()));
                return Ok(Lent { place });
            }
            talk.close().await;
        }
        let talk = Talk::open(access).await?;
        place.open = Some((access.clone(), talk, Instant::now()));
        Ok(Lent { place })
    }

    /// Logs those out that nobody used for a while; called now and then. One in use is left alone.
    pub async fn tidy(&self) {
        let all: Vec<(NodeUuid, Arc<Turn<Place>>)> = {
            let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            places.iter().map(|(node, place)| (node.clone(), place.clone())).collect()
        };
        for (node, place) in all {
            let Ok(mut held) = place.clone().try_lock_owned() else { continue };
            if held.open.as_ref().is_some_and(|(.., used)| used.elapsed() > IDLE)
                && let Some((_, talk, _)) = held.open.take()
            {
                talk.close().await;
            }
            let empty = held.open.is_none();
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
                && let Some((_, talk, _)) = held.open.take()
            {
                talk.close().await;
            }
        }
    }
}
