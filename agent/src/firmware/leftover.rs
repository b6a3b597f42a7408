//! Remembers that the program of an attempt was begun, and waits for it when the worker was started again meanwhile: it
//! still runs then, and neither a second one nor a restart may get in its way.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// The note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begun {
    attempt: String,
    /// Seconds since the machine started: the program's deadline.
    until: i64,
}

/// Writes the note; from now on the attempt counts as begun.
pub(super) fn mark(file: &Path, attempt: &str, deadline: Duration) -> std::io::Result<()> {
    let until = seconds_up().saturating_add(i64::try_from(deadline.as_secs()).unwrap_or(i64::MAX));
    let text = serde_json::to_vec(&Begun { attempt: attempt.to_owned(), until })?;
    let temporary = file.with_extension("new");
    fs::write(&temporary, text)?;
    fs::rename(&temporary, file)
}

/// The note, whatever attempt it is about.
pub(super) fn any(file: &Path) -> Option<Begun> {
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}

/// The note of this attempt, if it was begun.
pub(super) fn of(file: &Path, attempt: &str) -> Option<Begun> {
    any(file).filter(|begun| begun.attempt == attempt)
}

/// Waits until nothing of `folder` runs any more; what does at the deadline is killed.
pub(super) fn wait(begun: &Begun, folder: &Path) {
    while !running(folder).is_empty() {
        if seconds_up() >= begun.until {
            kill_all(folder);
            std::thread::sleep(Duration::from_secs(2));
            return;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Ends what runs a program of the folder, or in it.
pub(super) fn kill_all(folder: &Path) {
    for process in running(folder) {
        let _ = kill(process, Signal::SIGKILL);
    }
}

/// Processes that run a program of the folder, or in it.
pub(super) fn running(folder: &Path) -> Vec<Pid> {
    let Ok(folder) = folder.canonicalize() else { return Vec::new() };
    let Ok(all) = fs::read_dir("/proc") else { return Vec::new() };
    let own = nix::unistd::getpid();
    all.flatten()
        .filter_map(|entry| {
            let pid = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?);
            let here = |name| fs::read_link(entry.path().join(name)).is_ok_and(|path| path.starts_with(&folder));
            (pid != own && (here("exe") || here("cwd"))).then_some(pid)
        })
        .collect()
}

fn seconds_up() -> i64 {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map(|time| time.tv_sec()).unwrap_or(0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn what_still_runs_is_waited_for_and_killed_at_its_deadline() {
        let folder = tempfile::tempdir().unwrap();
        let note = folder.path().join("attempt.json");
        assert_eq!(of(&note, "a"), None);
        mark(&note, "a", Duration::from_secs(2)).unwrap();
        assert_eq!(of(&note, "b"), None);
        assert!(any(&note).is_some());
        let begun = of(&note, "a").unwrap();
        let mut child = std::process::Command::new("sleep").arg("60").current_dir(folder.path()).spawn().unwrap();
        let began = Instant::now();
        wait(&begun, folder.path());
        assert!(began.elapsed() >= Duration::from_secs(1) && began.elapsed() < Duration::from_secs(30));
        assert!(!child.wait().unwrap().success());
        wait(&begun, folder.path());
    }
}
