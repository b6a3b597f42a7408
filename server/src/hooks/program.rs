//! Runs a hook that is a program, in a process group of its own, with an environment of its own: nothing of the server's
//! reaches it. No shell is involved. Whoever drops a run stops all of it.

use crate::service::rollouts::Ran;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStderr, ChildStdin, Command};

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// "Not yet, ask again": EX_TEMPFAIL of sysexits(3).
const NOT_YET: i32 = 75;
/// Last bytes that are kept of what it says on standard error.
const TOLD: usize = 1_000;
/// What it left running may hold its standard error for so long after its end.
const DRAIN: Duration = Duration::from_millis(300);

/// To its end: exit status 0 says yes, 75 "not yet". Errors: any other end, with the last line that it said.
pub(super) async fn run(ran: Ran) -> Result<bool, String> {
    let name = ran.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut command = Command::new(&ran.program);
    command.env_clear().env("PATH", PATH).envs(ran.env).current_dir("/").process_group(0).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| format!("could not run {name}: {e}"))?;
    let mut group = Group(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw));
    let (input, errors) = (child.stdin.take(), child.stderr.take());
    let mut told = Vec::new();
    let status = {
        let listening = listen(errors, &mut told);
        tokio::pin!(listening);
        // Its end counts, also when it has not read all, or has left somebody behind who says nothing.
        let ended = async { tokio::join!(child.wait(), feed(input, ran.body)).0 };
        tokio::pin!(ended);
        let status = tokio::select! {
            status = &mut ended => {
                let _ = tokio::time::timeout(DRAIN, listening).await;
                status
            }
            () = &mut listening => ended.await,
        };
        status.map_err(|e| format!("could not wait for {name}: {e}"))?
    };
    group.0 = None;
    match status.code() {
        Some(0) => Ok(true),
        Some(NOT_YET) => Ok(false),
        Some(code) => Err(format!("{name} ended with {code}{}", last_line(&told))),
        None => Err(format!("{name} was ended by a signal{}", last_line(&told))),
    }
}

/// All that it started, stopped when it is dropped before its end. The leader is not waited for until then, so its number is
/// nobody else's.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        let Some(leader) = self.0 else { return };
        // Some leave the group (timeout(1) does); their parents are known only as long as these live. Each may end just now.
        for pid in descendants(leader) {
            let _ = kill(pid, Signal::SIGKILL);
        }
        let _ = killpg(leader, Signal::SIGKILL);
    }
}

/// Whose parent, or whose parent's parent, it is.
fn descendants(leader: Pid) -> Vec<Pid> {
    let number = |entry: std::io::Result<std::fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse::<i32>().ok();
    let parent = |pid: i32| {
        // proc_pid_stat(5): "PID (NAME) STATE PPID ...", and a name may have anything in it.
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<i32>().ok()
    };
    let pids = std::fs::read_dir("/proc").into_iter().flatten().filter_map(number);
    let parents: Vec<(i32, i32)> = pids.filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut found = vec![leader.as_raw()];
    let mut at = 0;
    while let Some(&of) = found.get(at) {
        found.extend(
            parents
                .iter()
                .filter(|(pid, parent)| *parent == of && !found.contains(pid))
                .map(|(pid, _)| *pid)
                .collect::<Vec<_>>(),
        );
        at += 1;
    }
    found.into_iter().skip(1).map(Pid::from_raw).collect()
}

/// One that does not want to read is not made to.
async fn feed(input: Option<ChildStdin>, body: String) {
    if let Some(mut input) = input {
        let _ = input.write_all(body.as_bytes()).await;
        let _ = input.shutdown().await;
    }
}

async fn listen(errors: Option<ChildStderr>, told: &mut Vec<u8>) {
    let Some(mut errors) = errors else { return };
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = errors.read(&mut buffer).await {
        told.extend(buffer.iter().take(read));
        let more = told.len().saturating_sub(TOLD);
        told.drain(..more);
    }
}

fn last_line(told: &[u8]) -> String {
    let text = String::from_utf8_lossy(told);
    match text.lines().map(str::trim).rfind(|line| !line.is_empty()) {
        Some(line) => format!(": {line}"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Instant;

    fn script(dir: &tempfile::TempDir, text: &str) -> Ran {
        let program = dir.path().join("hook");
        std::fs::write(&program, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        Ran { program, env: vec![("HIGUMA_NODE", "n1".to_owned())], body: "{\"attempt\":1}".to_owned() }
    }

    #[tokio::test]
    async fn its_status_is_its_word() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(run(script(&dir, "exit 0")).await, Ok(true));
        assert_eq!(run(script(&dir, "exit 75")).await, Ok(false));
        let told = run(script(&dir, "echo first >&2; echo 'no such load' >&2; echo >&2; exit 3")).await;
        assert_eq!(told, Err("hook ended with 3: no such load".to_owned()));
        let told = run(script(&dir, "kill -9 $$")).await;
        assert_eq!(told, Err("hook was ended by a signal".to_owned()));
        let mut none = script(&dir, "");
        none.program = dir.path().join("none");
        assert!(run(none).await.unwrap_err().contains("could not run none"));
        // More than a pipe holds, in both ways, and nobody reads.
        let mut much = script(&dir, "head -c 300000 /dev/zero | tr '\\0' x >&2; exit 4");
        much.body = "x".repeat(300_000);
        let told = run(much).await.unwrap_err();
        assert!(told.starts_with("hook ended with 4: xxx") && told.len() < 1_100, "{}", told.len());
    }

    #[tokio::test]
    async fn it_gets_what_it_is_told_and_nothing_of_ours() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let text = format!("(pwd; cat; echo; env | grep -v '^_=' | grep -v ^PWD= | sort) > {}", out.display());
        assert_eq!(run(script(&dir, &text)).await, Ok(true));
        let got = std::fs::read_to_string(out).unwrap();
        assert_eq!(got, format!("/\n{{\"attempt\":1}}\nHIGUMA_NODE=n1\nPATH={PATH}\n"));
    }

    #[tokio::test]
    async fn who_drops_it_stops_all_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let pids = dir.path().join("pids");
        // timeout(1) makes a group of its own.
        let inner = format!("sleep 1000 & echo $! >> {0}; wait", pids.display());
        let text = format!("echo $$ > {0}; timeout 1000 sh -c '{inner}'", pids.display());
        let told = async {
            loop {
                match std::fs::read_to_string(&pids) {
                    Ok(text) if text.lines().count() == 2 => return text,
                    _ => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        let pids = tokio::select! {
            ended = run(script(&dir, &text)) => panic!("it ended: {ended:?}"),
            told = tokio::time::timeout(Duration::from_secs(30), told) => told.unwrap(),
        };
        // Zombies of a test's children count as gone.
        let runs = |pid: &str| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            !stat.is_empty() && !stat.contains(") Z ")
        };
        let since = Instant::now();
        while pids.lines().any(runs) {
            assert!(since.elapsed() < Duration::from_secs(10), "it still runs");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn what_it_leaves_behind_keeps_nobody_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let since = Instant::now();
        assert_eq!(run(script(&dir, "sleep 5 & exit 0")).await, Ok(true));
        assert!(since.elapsed() < Duration::from_secs(4));
    }
}
