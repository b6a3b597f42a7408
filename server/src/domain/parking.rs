//! What a registered machine does that has nothing to boot: wait, or after a while power off or restart. The server tells
//! it anew each time it asks, so a profile that comes in the meantime wins.

use super::ids::{Invalid, Micros};
use super::node::words;
use std::fmt;
use std::str::FromStr;

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ParkAction {
    /// Waits, and asks again.
    Wait,
    /// Powers itself off.
    Poweroff,
    /// Restarts.
    Reboot,
}

words!(ParkAction, "park", "wait, poweroff or reboot", Wait = "wait", Poweroff = "poweroff", Reboot = "reboot");

/// What it does, and after how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parking {
    /// What.
    pub action: ParkAction,
    /// Waited before; 0: at once.
    pub after: Micros,
}

/// What it is told now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parked {
    /// Wait and ask again.
    Wait,
    /// Do this after so many seconds, and ask again until then.
    Act {
        /// Never [`ParkAction::Wait`].
        action: ParkAction,
        /// 0: now.
        after_seconds: u32,
    },
}

/// `since`: when it registered, or was admitted if that was later, so that whoever admits it has time to assign a profile.
pub fn decide(parking: Parking, since: Micros, now: Micros) -> Parked {
    if parking.action == ParkAction::Wait {
        return Parked::Wait;
    }
    let left = since.saturating_add(parking.after).saturating_sub(now).max(0);
    let seconds = left / 1_000_000 + i64::from(left % 1_000_000 > 0);
    Parked::Act { action: parking.action, after_seconds: u32::try_from(seconds).unwrap_or(u32::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Micros = 1_000_000;

    #[test]
    fn it_counts_from_when_it_registered_and_ends_at_zero() {
        let of = |action, after: Micros, now| decide(Parking { action, after }, 100 * SECOND, now);
        let act = |action, after_seconds| Parked::Act { action, after_seconds };
        for (action, after, now, expected) in [
            (ParkAction::Wait, 0, 900 * SECOND, Parked::Wait),
            (ParkAction::Poweroff, 0, 100 * SECOND, act(ParkAction::Poweroff, 0)),
            (ParkAction::Poweroff, 600 * SECOND, 100 * SECOND, act(ParkAction::Poweroff, 600)),
            (ParkAction::Reboot, 600 * SECOND, 100 * SECOND + 1, act(ParkAction::Reboot, 600)),
            (ParkAction::Reboot, 600 * SECOND, 699 * SECOND, act(ParkAction::Reboot, 1)),
            (ParkAction::Reboot, 600 * SECOND, 700 * SECOND, act(ParkAction::Reboot, 0)),
            (ParkAction::Reboot, 600 * SECOND, 9_000 * SECOND, act(ParkAction::Reboot, 0)),
            (ParkAction::Reboot, i64::MAX, 100 * SECOND, act(ParkAction::Reboot, u32::MAX)),
        ] {
            assert_eq!(of(action, after, now), expected);
        }
    }
}
