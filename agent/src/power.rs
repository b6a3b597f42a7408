//! Ends of a boot that is not a boot: restart, power off. Only ever called by the agent when it runs a machine.

use std::time::Duration;

use nix::sys::reboot::{RebootMode, reboot};

use crate::console::say;

/// Restarts the machine after `pause`. When the kernel refuses, says so and tries again for ever: there is nothing else
/// left to do.
pub fn restart(why: &str, pause: Duration) -> ! {
    end(why, "restarts", pause, RebootMode::RB_AUTOBOOT)
}

/// Powers the machine off after `pause`.
pub fn off(why: &str, pause: Duration) -> ! {
    end(why, "powers off", pause, RebootMode::RB_POWER_OFF)
}

fn end(why: &str, what: &str, pause: Duration, mode: RebootMode) -> ! {
    say("power", &format!("the machine {what} in {} s: {why}", pause.as_secs()));
    std::thread::sleep(pause);
    loop {
        // Nothing is mounted from a disk: there is nothing to sync, and a sync could hang. On success it does not come back.
        let Err(e) = reboot(mode);
        say("power", &format!("the kernel refused ({e}); trying again in 30 s"));
        std::thread::sleep(Duration::from_secs(30));
    }
}
