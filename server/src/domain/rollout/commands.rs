//! What people say to a rollout while it goes.

use super::{Rollout, State};

impl Rollout {
    /// Nothing new is begun until `resume`. False: it has ended, or was paused before.
    pub fn pause(&mut self, by: &str) -> bool {
        let may = self.state.is_open() && self.paused_by.is_none();
        if may {
            self.paused_by = Some(by.to_owned());
        }
        may
    }

    /// Go on. False: it was not paused.
    pub fn resume(&mut self) -> bool {
        self.state.is_open() && self.paused_by.take().is_some()
    }

    /// End it: what was begun ends, and what was done stays; `rollback`: every member that was touched goes back. False: it
    /// has ended, or does that already.
    pub fn abort(&mut self, by: &str, rollback: bool) -> bool {
        let next = if rollback { State::RollingBack } else { State::Stopping };
        let may = self.state.next().contains(&next);
        if may {
            self.become_(next);
            self.paused_by = None;
            self.why = format!("aborted by {by}");
        }
        may
    }
}
