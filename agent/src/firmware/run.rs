//! Runs the program of an update: in a process group of its own, without input, its output into a file in memory of which
//! the end is kept. The output is no pipe on purpose: a program that flashes must not be killed by a broken one when the
//! worker dies.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::leftover;

/// Bytes kept of the output: its end.
pub const OUTPUT_MAX: u64 = 64 * 1024;
/// An output file that grew over this is cut.
const FILE_MAX: u64 = 8 << 20;
const TICK: Duration = Duration::from_millis(100);
/// How often a program that runs is told of.
const TELL: Duration = Duration::from_secs(30);
/// Between "please end" and the kill.
const GRACE: Duration = Duration::from_secs(5);
/// A killed program that is not gone by then hangs in the kernel.
const REAP: Duration = Duration::from_secs(15);

/// What to run.
pub struct Job<'a> {
    /// Where the archive was unpacked; the program's working folder.
    pub folder: &'a Path,
    /// Path from there.
    pub exec: &'a str,
    /// Its arguments.
    pub args: &'a [String],
    /// Its whole environment.
    pub env: Vec<(&'static str, String)>,
    /// It is killed after this.
    pub deadline: Duration,
    /// Where its output goes.
    pub output: &'a Path,
}

/// How it ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ended {
    /// By itself.
    pub exit_code: Option<i32>,
    /// By a signal; 0: not.
    pub signal: u32,
    /// At its deadline.
    pub timed_out: bool,
    /// End of its output.
    pub output: Vec<u8>,
    /// Why it was not run, or what else went wrong.
    pub error: String,
}

/// Runs it to its end, at most until its deadline and some seconds.
pub fn run(job: &Job<'_>, mut tell: impl FnMut(&str)) -> Ended {
    let failed = |error: String| Ended { error, ..Ended::default() };
    let mut child = match spawn(job) {
        Ok(child) => child,
        Err(error) => return failed(error),
    };
    tell(&format!("{} runs, for {} s at most", job.exec, job.deadline.as_secs()));
    let group = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
    // The worker is what an out-of-memory kill should hit, not a program that flashes.
    let _ = std::fs::write(format!("/proc/{group}/oom_score_adj"), "0");
    let mut tail = Tail { path: job.output, kept: Vec::new() };
    let began = Instant::now();
    let mut told = began;
    let (mut asked, mut killed) = (None::<Instant>, None::<Instant>);
    let (status, error) = loop {
        match child.try_wait() {
            Ok(Some(status)) => break (Some(status), String::new()),
            Ok(None) => {}
            Err(e) => break (None, format!("its end cannot be seen: {e}")),
        }
        tail.keep_small();
        match (asked, killed) {
            (None, _) if began.elapsed() >= job.deadline => {
                tell(&format!("{} is over its deadline of {} s: ended", job.exec, job.deadline.as_secs()));
                let _ = killpg(group, Signal::SIGTERM);
                asked = Some(Instant::now());
            }
            (Some(at), None) if at.elapsed() >= GRACE => {
                let _ = killpg(group, Signal::SIGKILL);
                killed = Some(Instant::now());
            }
            (_, Some(at)) if at.elapsed() >= REAP => {
                break (None, "it could not be killed: it hangs in the kernel".to_owned());
            }
            _ => {}
        }
        if told.elapsed() >= TELL {
            told = Instant::now();
            tell(&format!("{} runs since {} s: {}", job.exec, began.elapsed().as_secs(), tail.last_line()));
        }
        std::thread::sleep(TICK);
    };
    // What it started and did not wait for may be what flashes: it has the same deadline.
    let mut left = leftover::running(job.folder).len();
    if left > 0 && asked.is_none() {
        tell(&format!("{} ended and left {left} process(es): waiting for them", job.exec));
        while left > 0 && began.elapsed() < job.deadline {
            tail.keep_small();
            std::thread::sleep(TICK);
            left = leftover::running(job.folder).len();
        }
    }
    let left_over = left > 0 && asked.is_none();
    let _ = killpg(group, Signal::SIGKILL);
    leftover::kill_all(job.folder);
    let code = |status: ExitStatus| status.code();
    let signal = status.and_then(|s| s.signal()).and_then(|s| u32::try_from(s).ok()).unwrap_or(0);
    Ended {
        exit_code: status.and_then(code),
        signal,
        timed_out: asked.is_some() || left_over,
        output: tail.end(),
        error,
    }
}

fn spawn(job: &Job<'_>) -> Result<Child, String> {
    let wanted = job.folder.join(job.exec);
    let program = wanted.canonicalize().map_err(|e| format!("the archive has no program {:?}: {e}", job.exec))?;
    let folder = job.folder.canonicalize().map_err(|e| format!("{}: {e}", job.folder.display()))?;
    if !program.starts_with(&folder) || !program.is_file() {
        return Err(format!("expected {:?} to be a file of the archive, got {}", job.exec, program.display()));
    }
    let _ = std::fs::remove_file(job.output);
    let open = OpenOptions::new().append(true).create(true).mode(0o600).open(job.output);
    let (output, errors) = open
        .and_then(|file| Ok((file.try_clone()?, file)))
        .map_err(|e| format!("cannot make the file {} for its output: {e}", job.output.display()))?;
    // By the name that was asked for: busybox and its like look at it.
    Command::new(&wanted)
        .args(job.args)
        .current_dir(&folder)
        .env_clear()
        .envs(job.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .process_group(0)
        .spawn()
        .map_err(|e| {
            format!("{:?} cannot be started: {e} (is it static, or a script whose interpreter is here?)", job.exec)
        })
}

/// The output file, of which only the end is wanted.
struct Tail<'p> {
    path: &'p Path,
    /// End of what was cut away.
    kept: Vec<u8>,
}

impl Tail<'_> {
    /// The program appends, so a file that is cut to nothing simply begins anew.
    fn keep_small(&mut self) {
        let Ok(file) = OpenOptions::new().read(true).write(true).open(self.path) else { return };
        if file.metadata().is_ok_and(|meta| meta.len() > FILE_MAX) {
            self.kept = last_bytes(&file);
            let _ = file.set_len(0);
        }
    }

    fn end(self) -> Vec<u8> {
        let mut all = self.kept;
        all.extend(tail_of(self.path));
        let from = all.len().saturating_sub(OUTPUT_MAX as usize);
        all.split_off(from)
    }

    fn last_line(&self) -> String {
        let bytes = tail_of(self.path);
        let text = String::from_utf8_lossy(&bytes);
        let line = text.split(['\n', '\r']).rfind(|line| !line.trim().is_empty()).unwrap_or("no output yet");
        line.trim().chars().take(200).collect()
    }
}

/// The end of an output file; nothing when it cannot be read.
pub fn tail_of(path: &Path) -> Vec<u8> {
    File::open(path).map(|file| last_bytes(&file)).unwrap_or_default()
}

fn last_bytes(mut file: &File) -> Vec<u8> {
    let mut bytes = Vec::new();
    let size = file.metadata().map(|meta| meta.len()).unwrap_or(0);
    let sought = file.seek(SeekFrom::Start(size.saturating_sub(OUTPUT_MAX)));
    // A file that cannot be read has no end to show.
    let _ = sought.and_then(|_| file.take(OUTPUT_MAX).read_to_end(&mut bytes));
    bytes
}
