//! Carries out an update of the node's firmware: fetches and verifies the archive, unpacks it into memory, runs the
//! program in it with a deadline, and says how that ended. Never runs one attempt twice: a program that flashes must not
//! be started again because the worker died. Blocking: call it from a thread of its own.

pub mod archive;
mod leftover;
pub mod run;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use higuma_proto::agent::{FirmwareUpdate, ReportFirmwareRequest};

use crate::fetch::{self, FetchError, Limits, Progress};
use crate::memory::mib;

/// Where everything of an update is: in memory, gone with the restart.
pub const HOME: &str = "/run/higuma/firmware";
/// The archive must be here after so long; the server gives the attempt up an hour after that of the program.
const FETCH: Duration = Duration::from_secs(1_800);
/// Bytes that an archive may unpack to, and entries that it may have.
const UNPACKED: archive::Limits = archive::Limits { bytes: 2 << 30, entries: 20_000 };

/// Carries it out, or finds out what became of it when it was begun before the worker was started again. `tell` gets lines
/// for people.
pub fn carry_out(update: &FirmwareUpdate, home: &Path, mut tell: impl FnMut(&str)) -> ReportFirmwareRequest {
    let place = Place::of(home);
    let deadline = Duration::from_secs(u64::from(update.deadline_seconds));
    let outcome = match leftover::of(&place.marker, &update.attempt_id) {
        Some(begun) => {
            tell("the agent was restarted while the update ran: waiting for its end, it is not started again");
            leftover::wait(&begun, &place.files);
            let error = "the agent was restarted while the update ran: how its program ended is not known".to_owned();
            run::Ended { output: run::tail_of(&place.output), error, ..run::Ended::default() }
        }
        None => match prepare(update, &place, &mut tell) {
            Ok(()) => {
                let job = run::Job {
                    folder: &place.files,
                    exec: &update.exec,
                    args: &update.args,
                    env: environment(update, &place.files),
                    deadline,
                    output: &place.output,
                };
                run::run(&job, &mut tell)
            }
            Err(error) => run::Ended { error, ..run::Ended::default() },
        },
    };
    ReportFirmwareRequest {
        attempt_id: update.attempt_id.clone(),
        exit_code: outcome.exit_code,
        signal: outcome.signal,
        timed_out: outcome.timed_out,
        output: outcome.output,
        error: outcome.error,
    }
}

/// Waits for the program of an update that still runs, at most until its own deadline: to be called before anything that
/// may end in a restart of the machine. At once when there is none.
pub fn wait_for_leftover(home: &Path, tell: impl FnOnce(&str)) {
    let place = Place::of(home);
    let Some(begun) = leftover::any(&place.marker) else { return };
    if !leftover::running(&place.files).is_empty() {
        tell("the program of a firmware update runs: waiting for its end");
        leftover::wait(&begun, &place.files);
    }
}

/// Paths below the home.
struct Place {
    files: PathBuf,
    output: PathBuf,
    marker: PathBuf,
}

impl Place {
    fn of(home: &Path) -> Place {
        Place { files: home.join("files"), output: home.join("output"), marker: home.join("attempt.json") }
    }
}

/// Everything up to the start of the program, which is marked last.
fn prepare(update: &FirmwareUpdate, place: &Place, tell: &mut impl FnMut(&str)) -> Result<(), String> {
    let part = update.part.as_ref().ok_or("the server named no archive")?;
    if !crate::bootargs::is_secret(&part.sha256) {
        return Err("the server's sha256 of the archive is not 64 hex digits".to_owned());
    }
    let mut archive = kexec_rs::memfd(c"firmware").map_err(|e| format!("cannot make a file in memory: {e}"))?;
    let end = Instant::now() + FETCH;
    let fetched = fetch::fetch(part, &mut archive, &Limits::default(), |progress| {
        if let Progress::Trouble(why) = progress {
            tell(&format!("archive: {why}"));
        }
        Instant::now() < end
    });
    fetched.map_err(|e| match e {
        FetchError::Stopped => format!("the archive was not here after {} s", FETCH.as_secs()),
        e => format!("the archive could not be had: {e}"),
    })?;
    tell(&format!("archive of {} verified (sha256 {})", mib(part.size), part.sha256));
    let unpacked = unpack(archive, &place.files)?;
    tell(&format!("{} file(s) unpacked, {}", unpacked.files, mib(unpacked.bytes)));
    leftover::mark(&place.marker, &update.attempt_id, Duration::from_secs(u64::from(update.deadline_seconds)))
        .map_err(|e| format!("cannot note that the update begins: {e}"))
}

fn unpack(archive: File, files: &Path) -> Result<archive::Unpacked, String> {
    // Of an attempt that was given up before its program was started.
    match fs::remove_dir_all(files) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            return Err(format!("cannot empty {}: {e}", files.display()));
        }
        _ => {}
    }
    fs::create_dir_all(files).map_err(|e| format!("cannot make {}: {e}", files.display()))?;
    archive::unpack(archive, files, UNPACKED).map_err(|e| format!("the archive cannot be used: {e}"))
}

/// All that the program finds in its environment.
fn environment(update: &FirmwareUpdate, files: &Path) -> Vec<(&'static str, String)> {
    let files = files.display();
    vec![
        ("HIGUMA_COMPONENT", update.component.clone()),
        ("HIGUMA_SUBJECT", update.subject.clone()),
        ("HIGUMA_WANTED", update.wanted.clone()),
        ("PATH", format!("{files}:{files}/bin:{files}/sbin:/usr/sbin:/usr/bin:/sbin:/bin")),
    ]
}
