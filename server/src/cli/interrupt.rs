//! Ctrl-C and SIGTERM: child programs are stopped, temporary folders removed, then the process ends with code 130.
//! Nothing is undone on the server: uploads are idempotent, and what has no image yet is collected there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

/// How long tidying up after a signal may take.
pub const TIDY_DEADLINE: Duration = Duration::from_secs(20);

static REQUESTED: AtomicBool = AtomicBool::new(false);
static HELD: Mutex<Held> = Mutex::new(Held { folders: BTreeSet::new(), groups: BTreeSet::new(), words: String::new() });

struct Held {
    folders: BTreeSet<PathBuf>,
    groups: BTreeSet<i32>,
    words: String,
}

fn held() -> MutexGuard<'static, Held> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Did a signal ask us to end?
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

/// Remove this folder when a signal ends the process.
pub fn hold_folder(path: &Path) {
    watch();
    held().folders.insert(path.to_owned());
}

/// The folder is gone or no longer ours to remove.
pub fn release_folder(path: &Path) {
    held().folders.remove(path);
}

/// Stop this process group when a signal ends the process.
pub fn hold_group(leader: i32) {
    watch();
    held().groups.insert(leader);
}

/// The group has ended.
pub fn release_group(leader: i32) {
    held().groups.remove(&leader);
}

/// What a signal says when it ends the process, for what goes on elsewhere; empty: the usual words.
pub fn last_words(words: String) {
    watch();
    held().words = words;
}

/// Start listening, once. A machine where that fails keeps the default action of the signals.
fn watch() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
        let thread = std::thread::Builder::new().name("signals".into());
        let (ready, wait) = std::sync::mpsc::channel();
        let started = thread.spawn(move || {
            runtime.block_on(async {
                use tokio::signal::unix::{SignalKind, signal};
                let signals =
                    (signal(SignalKind::interrupt()), signal(SignalKind::terminate()), signal(SignalKind::hangup()));
                let _ = ready.send(());
                let (Ok(mut int), Ok(mut term), Ok(mut hup)) = signals else { return };
                tokio::select! {
                    _ = int.recv() => {}
                    _ = term.recv() => {}
                    _ = hup.recv() => {}
                }
                tidy();
                std::process::exit(super::Exit::Interrupted as i32);
            });
        });
        if started.is_ok() {
            let _ = wait.recv_timeout(Duration::from_secs(2));
        }
    });
}

fn tidy() {
    REQUESTED.store(true, Ordering::SeqCst);
    let words = held().words.clone();
    eprintln!("higuma: {}", if words.is_empty() { "interrupted; tidying up" } else { &words });
    let groups: Vec<i32> = held().groups.iter().copied().collect();
    for group in &groups {
        let _ = killpg(Pid::from_raw(*group), Signal::SIGTERM);
    }
    let started = Instant::now();
    while groups.iter().any(|g| kill(Pid::from_raw(-*g), None).is_ok()) && started.elapsed() < TIDY_DEADLINE / 2 {
        std::thread::sleep(Duration::from_millis(50));
    }
    for group in &groups {
        let _ = killpg(Pid::from_raw(*group), Signal::SIGKILL);
    }
    let folders: Vec<PathBuf> = held().folders.iter().cloned().collect();
    for folder in folders {
        super::scratch::remove(&folder);
    }
}
