//! PID 1 of both stages, kept so small that it cannot fail: it starts the worker, reaps children, starts the worker
//! again when it dies, and restarts the machine as the last resort. It never exits, never panics, never waits for ever.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::console::{self, say};
use crate::{mounts, power, second, worker};

/// After so many deaths of the worker the machine is restarted.
const MAX_DEATHS: u32 = 6;
/// A worker that gave no sign of life for so long is killed.
const SILENCE: Duration = Duration::from_secs(240);
const TICK: Duration = Duration::from_millis(100);

/// Supervises until the machine is restarted or the second stage hands over to the image's init.
pub fn run() -> ! {
    let failed = mounts::mount_all();
    console::use_machine_console();
    say("init", &format!("higuma-agent {} is PID 1", crate::VERSION));
    for problem in failed {
        say("mounts", &format!("failed: {problem}"));
    }
    // The worker is what an out-of-memory kill should hit, never this process.
    let _ = std::fs::write("/proc/self/oom_score_adj", "-1000");
    // Ctrl-Alt-Del on the console must not end a boot half-way without a word.
    let _ = nix::sys::reboot::set_cad_enabled(false);

    let mut deaths = 0u32;
    loop {
        match run_worker(deaths) {
            Ending::SwitchRoot => second::switch::hand_over(),
            Ending::Died(why) => {
                deaths = deaths.saturating_add(1);
                say("init", &format!("the worker {why} (death {deaths} of {MAX_DEATHS})"));
            }
        }
        if deaths >= MAX_DEATHS {
            power::restart("the worker died too often", Duration::from_secs(30));
        }
        let pause = Duration::from_secs(2u64.saturating_pow(deaths).min(30));
        say("init", &format!("starting the worker again in {} s", pause.as_secs()));
        reap_for(pause);
    }
}

enum Ending {
    SwitchRoot,
    Died(String),
}

fn run_worker(run: u32) -> Ending {
    let spawned = Command::new("/proc/self/exe").arg("worker").env(worker::RUN_ENV, run.to_string()).spawn();
    let child = match spawned {
        Ok(child) => child,
        Err(e) => return Ending::Died(format!("cannot be started: {e}")),
    };
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
    let mut watch = Watch { last: None, since: Instant::now() };
    loop {
        match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(who, code)) if who == pid => return ending(ExitStatus::from_raw(code << 8)),
            Ok(WaitStatus::Signaled(who, signal, _)) if who == pid => {
                return ending(ExitStatus::from_raw(signal as i32));
            }
            // Some other child was reaped: look again at once.
            Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) => continue,
            Err(Errno::ECHILD) => return Ending::Died("vanished".to_owned()),
            _ => {}
        }
        if watch.silent() {
            say("init", &format!("the worker gave no sign of life for {} s: killed", SILENCE.as_secs()));
            let _ = kill(pid, Signal::SIGKILL);
            watch.since = Instant::now();
        }
        std::thread::sleep(TICK);
    }
}

fn ending(status: ExitStatus) -> Ending {
    if status.code() == Some(i32::from(worker::EXIT_SWITCH_ROOT)) {
        return Ending::SwitchRoot;
    }
    Ending::Died(match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with code {code}"),
        (None, Some(9)) => "was killed by signal 9 (out of memory?)".to_owned(),
        (None, Some(6)) => "aborted (signal 6: a panic)".to_owned(),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended for an unknown reason".to_owned(),
    })
}

/// Reaps orphans while waiting.
fn reap_for(pause: Duration) {
    let end = Instant::now() + pause;
    while Instant::now() < end {
        while let Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) =
            waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG))
        {}
        std::thread::sleep(TICK);
    }
}

/// Tells a worker that still beats from one that hangs. The beat is a counter, not a time: the clock may be stepped.
struct Watch {
    last: Option<String>,
    since: Instant,
}

impl Watch {
    fn silent(&mut self) -> bool {
        if self.since.elapsed() < Duration::from_secs(5) {
            return false;
        }
        let now = std::fs::read_to_string(worker::ALIVE_FILE).ok();
        if now != self.last {
            self.last = now;
            self.since = Instant::now();
            return false;
        }
        self.since.elapsed() > SILENCE
    }
}
