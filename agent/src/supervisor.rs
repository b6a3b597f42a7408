//! PID 1 of both stages, kept so small that it cannot fail: it starts the worker, reaps children, starts the worker
//! again when it dies, and restarts the machine as the last resort. It never exits, never panics, never waits for ever.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::console::{self, say};
use crate::{firmware, mounts, power, second, worker};

/// After so many deaths of the worker the machine is restarted.
const MAX_DEATHS: u32 = 6;
/// A worker that gave no sign of life for so long is killed.
const SILENCE: Duration = Duration::from_secs(240);
/// A killed worker that is not gone after so long is killed again.
const REAP: Duration = Duration::from_secs(30);
/// A worker that outlives so many kills hangs in the kernel: only a restart ends it.
const MAX_KILLS: u32 = 2;
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
            firmware::wait_for_leftover(Path::new(firmware::HOME), |line| say("init", line));
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
    let mut watch = Watch { last: None, since: Instant::now(), kills: 0 };
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
        match watch.look() {
            Verdict::Fine => {}
            Verdict::Kill(why) => {
                say("init", &format!("the worker {why}: killed"));
                let _ = kill(pid, Signal::SIGKILL);
            }
            Verdict::Restart => power::restart("the worker hangs in the kernel", Duration::from_secs(10)),
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
    kills: u32,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Fine,
    /// To be killed; why.
    Kill(String),
    /// Killing does not help.
    Restart,
}

impl Watch {
    fn look(&mut self) -> Verdict {
        let since = self.since.elapsed();
        if since < Duration::from_secs(5) {
            return Verdict::Fine;
        }
        let verdict = self.judge(std::fs::read_to_string(worker::ALIVE_FILE).ok(), since);
        if verdict != Verdict::Fine {
            self.since = Instant::now();
        }
        verdict
    }

    /// `beat`: the counter now; `since`: how long ago it last grew, or the last kill was.
    fn judge(&mut self, beat: Option<String>, since: Duration) -> Verdict {
        if self.kills == 0 && beat != self.last {
            self.last = beat;
            self.since = Instant::now();
            return Verdict::Fine;
        }
        if since <= if self.kills == 0 { SILENCE } else { REAP } {
            return Verdict::Fine;
        }
        if self.kills >= MAX_KILLS {
            return Verdict::Restart;
        }
        self.kills += 1;
        Verdict::Kill(match self.kills {
            1 => format!("gave no sign of life for {} s", since.as_secs()),
            _ => format!("is not gone {} s after it was killed", since.as_secs()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_cannot_be_killed_ends_in_a_restart() {
        let mut watch = Watch { last: None, since: Instant::now(), kills: 0 };
        let beat = |n: u32| Some(n.to_string());
        let long = SILENCE + TICK;
        assert_eq!(watch.judge(beat(1), long), Verdict::Fine, "it beats");
        assert_eq!(watch.judge(beat(1), SILENCE), Verdict::Fine);
        assert!(matches!(watch.judge(beat(1), long), Verdict::Kill(why) if why.contains("no sign of life")));
        assert_eq!(watch.judge(beat(2), REAP), Verdict::Fine);
        assert!(matches!(watch.judge(beat(3), REAP + TICK), Verdict::Kill(why) if why.contains("not gone")));
        assert_eq!(watch.judge(beat(3), REAP + TICK), Verdict::Restart);
    }
}
