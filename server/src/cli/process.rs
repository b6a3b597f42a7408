//! Runs the programs that build images: each in a process group of its own, with a deadline, its output read line by
//! line, and stopped when we are. On failure the last lines it printed are in the error. No shell is ever involved.

use super::error::{Failure, Result};
use super::interrupt;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

const KEPT_LINES: usize = 15;
const LONGEST_LINE: usize = 2_000;
const TICK: Duration = Duration::from_millis(100);
/// After the end of a program: how long its left-over children may keep the pipe open.
const DRAIN: Duration = Duration::from_millis(500);

/// What becomes of a line that was looked at.
pub trait Heard {
    /// It may say why the program failed.
    fn may_explain(self) -> bool;
}

impl Heard for () {
    fn may_explain(self) -> bool {
        true
    }
}

impl Heard for bool {
    fn may_explain(self) -> bool {
        self
    }
}

/// Run to the end; `package` is the Debian package that has the program, named when it is missing. Every line of
/// standard output and error goes to `on_line`.
pub fn run<H: Heard>(
    command: Command,
    package: &str,
    deadline: Duration,
    on_line: impl FnMut(&str) -> H,
) -> Result<()> {
    Running::start(command, package, Stdio::null())?.follow(deadline, on_line)
}

/// The same with `feed` writing the program's standard input, in a thread of its own. Its error counts even when the
/// program is content with what it got; a program that fails is told before a pipe that broke because of that.
pub fn run_fed<T: Send>(
    command: Command,
    package: &str,
    deadline: Duration,
    on_line: impl FnMut(&str),
    feed: impl FnOnce(ChildStdin) -> Result<T> + Send,
) -> Result<T> {
    let mut running = Running::start(command, package, Stdio::piped())?;
    let name = running.name.clone();
    let input = running.child.stdin.take();
    std::thread::scope(|scope| {
        let fed = scope.spawn(move || match input {
            Some(input) => feed(input),
            None => Err(Failure::failed(format!("{name} has no standard input"))),
        });
        running.follow(deadline, on_line)?;
        fed.join().unwrap_or_else(|_| Err(Failure::failed("what fed it ended early")))
    })
}

/// A program that was started, and its output.
struct Running {
    name: String,
    child: Child,
    group: i32,
    reader: std::io::PipeReader,
}

impl Running {
    fn start(mut command: Command, package: &str, stdin: Stdio) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let broken = |e: std::io::Error| Failure::failed(format!("could not run {name}: {e}"));
        let (reader, writer) = std::io::pipe().map_err(broken)?;
        command.stdin(stdin).stdout(writer.try_clone().map_err(broken)?).stderr(writer).process_group(0);
        if interrupt::requested() {
            return Err(Failure::failed("interrupted"));
        }
        // With the command go the writing ends of the pipe: the reader must see the end when the child is gone.
        let child = command.spawn().map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => Failure::failed(format!(
                "expected the program {name}, which is not installed: run `apt-get install {package}`"
            )),
            _ => Failure::failed(format!("could not run {name}: {e}")),
        })?;
        let group = i32::try_from(child.id()).unwrap_or(i32::MAX);
        interrupt::hold_group(group);
        Ok(Self { name, child, group, reader })
    }

    fn follow<H: Heard>(self, deadline: Duration, on_line: impl FnMut(&str) -> H) -> Result<()> {
        let Self { name, child, group, reader } = self;
        let ended = follow(&name, child, group, reader, deadline, on_line);
        interrupt::release_group(group);
        ended
    }
}

fn follow<H: Heard>(
    name: &str,
    mut child: Child,
    group: i32,
    reader: std::io::PipeReader,
    deadline: Duration,
    mut on_line: impl FnMut(&str) -> H,
) -> Result<()> {
    let (send, receive) = sync_channel::<String>(256);
    std::thread::spawn(move || {
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        while matches!(reader.by_ref().take(LONGEST_LINE as u64).read_until(b'\n', &mut line), Ok(1..)) {
            // The rest of a line that is too long is nobody's.
            if line.len() == LONGEST_LINE && !line.ends_with(b"\n") && reader.skip_until(b'\n').is_err() {
                return;
            }
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            if send.send(text).is_err() {
                return;
            }
        }
    });

    let start = Instant::now();
    let mut last = std::collections::VecDeque::new();
    let mut ended: Option<(std::process::ExitStatus, Instant)> = None;
    let mut timed_out = false;
    let status = loop {
        let open = match receive.recv_timeout(TICK) {
            Ok(line) => {
                if on_line(&line).may_explain() && !line.trim().is_empty() {
                    last.push_back(line);
                }
                if last.len() > KEPT_LINES {
                    last.pop_front();
                }
                true
            }
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => {
                if ended.is_none() {
                    std::thread::sleep(TICK);
                }
                false
            }
        };
        if let Some((status, at)) = ended {
            if !open || at.elapsed() > DRAIN {
                break status;
            }
            continue;
        }
        match child.try_wait() {
            Ok(Some(status)) => ended = Some((status, Instant::now())),
            Ok(None) if start.elapsed() > deadline && !timed_out => {
                timed_out = true;
                let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
            }
            Ok(None) => {}
            Err(e) => {
                let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
                return Err(Failure::failed(format!("lost {name}: {e}")));
            }
        }
    };
    if status.success() {
        return Ok(());
    }
    let why = match timed_out {
        true => format!("{name} did not end within {} s and was stopped", deadline.as_secs()),
        false => format!("{name} failed ({status})"),
    };
    let lines: Vec<String> = last.into();
    Err(Failure::failed(if lines.is_empty() { why } else { format!("{why}; it said:\n  {}", lines.join("\n  ")) }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn gives_lines_and_explains_failures() {
        let mut lines = Vec::new();
        run(sh("echo one; echo two >&2"), "dash", Duration::from_secs(10), |l| lines.push(l.to_owned())).unwrap();
        assert_eq!(lines, ["one", "two"]);
        let noise = |line: &str| line != "noise";
        let failed = run(sh("echo noise; exit 3"), "dash", Duration::from_secs(10), noise).unwrap_err();
        assert!(!failed.message.contains("noise"), "{failed}");
        let failed = run(sh("echo no room >&2; exit 3"), "dash", Duration::from_secs(10), |_| {}).unwrap_err();
        assert!(failed.message.contains("exit status: 3") && failed.message.contains("no room"), "{failed}");
        let missing = run(Command::new("no-such-program"), "some-package", Duration::from_secs(1), |_| {}).unwrap_err();
        assert!(missing.message.contains("apt-get install some-package"), "{missing}");
    }

    #[test]
    fn input_is_fed() {
        use std::io::Write;
        let feed = |script, bytes: usize| {
            let mut lines = Vec::new();
            let fed = run_fed(
                sh(script),
                "dash",
                Duration::from_secs(10),
                |l| lines.push(l.to_owned()),
                |mut input| input.write_all(&vec![b'x'; bytes]).map_err(|e| Failure::because("feeding", &e)),
            );
            (fed.map_err(|e| e.message), lines)
        };
        assert_eq!(feed("wc -c", 300_000), (Ok(()), vec!["300000".to_owned()]));
        let (failed, _) = feed("echo no room >&2; exit 3", 300_000);
        assert!(failed.clone().unwrap_err().contains("no room"), "{failed:?}");
        // It is content too early.
        let (failed, _) = feed("exit 0", 300_000);
        assert!(failed.clone().unwrap_err().starts_with("feeding"), "{failed:?}");
    }

    #[test]
    fn a_deadline_ends_the_whole_group() {
        let start = Instant::now();
        let failed = run(sh("sleep 60 & sleep 60"), "dash", Duration::from_millis(300), |_| {}).unwrap_err();
        assert!(failed.message.contains("was stopped"), "{failed}");
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}
