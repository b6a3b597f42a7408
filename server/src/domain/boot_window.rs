//! Which time belongs to a boot, of what its node asked of boot services: from the end of the boot before it until it is up. It
//! asks nobody the time: an open boot has no end.

use super::boot::{Boot, Phase};
use super::ids::Micros;

/// Firmware, DHCP, TFTP and iPXE take no longer until Register, microseconds.
pub const BEFORE: Micros = 15 * 60 * 1_000_000;

/// When a boot was heard of last. `reported`: the last report of its agent, by the server's clock.
pub fn last_sign(boot: &Boot, reported: Option<Micros>) -> Micros {
    [Some(boot.started), boot.up, boot.heartbeat, reported].into_iter().flatten().max().unwrap_or(boot.started)
}

/// Where it begins, included. `before`: the last sign of the boot before it.
pub fn begin(boot: &Boot, before: Option<Micros>) -> Micros {
    let earliest = boot.started.saturating_sub(BEFORE);
    before.map_or(earliest, |sign| sign.saturating_add(1).max(earliest)).min(boot.started)
}

/// Where it ends, not included; none: it goes on. `next`: where the window of the next boot begins.
pub fn end(boot: &Boot, reported: Option<Micros>, next: Option<Micros>) -> Option<Micros> {
    match (boot.up, next, boot.phase) {
        (Some(up), next, _) => Some(up.saturating_add(1).min(next.unwrap_or(Micros::MAX))),
        (None, Some(next), _) => Some(next),
        (None, None, Phase::Registered | Phase::Booting) => None,
        (None, None, _) => Some(last_sign(boot, reported).saturating_add(1)),
    }
}

/// From when on what its node asks belongs to none of its boots yet; none: it goes on. For a node's newest boot.
pub fn over(boot: &Boot, reported: Option<Micros>) -> Option<Micros> {
    end(boot, reported, None).map(|end| end.max(last_sign(boot, reported).saturating_add(1)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{NodeUuid, Sha256};
    use super::*;

    const MINUTE: Micros = 60_000_000;

    fn boot(started: Micros) -> Boot {
        let node = NodeUuid::from_mac(&"52:54:00:00:00:01".parse().unwrap());
        Boot::new(uuid::Uuid::nil(), node, Sha256::of("s"), String::new(), started)
    }

    #[test]
    fn windows_follow_each_other() {
        let first = Boot { up: Some(101 * MINUTE), heartbeat: Some(110 * MINUTE), ..boot(100 * MINUTE) };
        // The heartbeat ended a minute before; a renewal of its lease before that is not of the next boot.
        let sign = last_sign(&first, Some(100 * MINUTE + 5));
        assert_eq!((sign, begin(&first, None)), (110 * MINUTE, 85 * MINUTE));
        let second = boot(112 * MINUTE);
        assert_eq!(begin(&second, Some(sign)), 110 * MINUTE + 1);
        assert_eq!(begin(&second, Some(2 * MINUTE)), 97 * MINUTE, "at most so long");
        assert_eq!(begin(&second, Some(113 * MINUTE)), 112 * MINUTE, "late reports of the old one");
        assert_eq!(end(&first, None, Some(110 * MINUTE + 1)), Some(101 * MINUTE + 1));
        // Never up: what comes after its last sign is the next one's.
        let stuck = Boot { phase: Phase::Ended, ..boot(100 * MINUTE) };
        assert_eq!(end(&stuck, Some(101 * MINUTE), Some(105 * MINUTE)), Some(105 * MINUTE));
    }

    #[test]
    fn an_open_boot_goes_on_and_a_dead_one_does_not() {
        let open = boot(100 * MINUTE);
        assert_eq!((end(&open, None, None), over(&open, None)), (None, None));
        let failed = Boot { phase: Phase::Failed, ..boot(100 * MINUTE) };
        assert_eq!(over(&failed, Some(102 * MINUTE)), Some(102 * MINUTE + 1));
        let runs = Boot { phase: Phase::Running, up: Some(101 * MINUTE), heartbeat: Some(140 * MINUTE), ..open };
        assert_eq!(end(&runs, None, None), Some(101 * MINUTE + 1));
        assert_eq!(over(&runs, None), Some(140 * MINUTE + 1));
    }
}
