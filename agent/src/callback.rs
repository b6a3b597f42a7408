//! The helper that stays in the running system: tells the server once that the system is up, then a heartbeat at the interval
//! that the server says, until SIGTERM. It holds the callback credential of this one boot and nothing else.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use higuma_proto::agent::{Event, ReportUpRequest};
use higuma_proto::steps::UP;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, fstatat};
use nix::unistd::{chroot, fchdir};
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};

use crate::client::{Address, Client};
use crate::console::say;
use crate::explain;
use crate::journal::now_us;
use crate::steps::{backoff, clock, jittered};

/// What the second stage leaves for this helper (mode 600).
pub const FILE: &str = "/run/higuma/callback.json";
/// The image's init must have taken over within this.
const INIT_PATIENCE: Duration = Duration::from_secs(120);

/// The file.
#[derive(Serialize, Deserialize)]
pub struct CallbackFile {
    /// `HOST:PORT` of the server's gRPC listener.
    pub grpc: String,
    /// This boot.
    pub boot_id: String,
    /// Callback credential, 64 hex digits.
    pub credential: String,
    /// Our certificate authority, PEM.
    pub ca_pem: String,
    /// The DNS name in the server's certificate.
    pub server_name: String,
    /// A clock before this is wrong, seconds since 1970 UTC.
    pub not_before: i64,
    /// To be sent with the report.
    pub events: Vec<Event>,
}

/// Reports, then sends heartbeats until SIGTERM (exit code 0).
pub fn run(file: &Path, after_init: Option<&str>, follow_root: bool) -> ExitCode {
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Before the image's init may take it away.
    let text = std::fs::read(file);
    if let Some(before) = after_init {
        // Started by PID 1 before it became the image's init: a session of its own, so that no console kills it.
        let _ = nix::unistd::setsid();
        if !wait_for_init(before, follow_root) {
            say(UP, "the image's init did not take over: nothing is reported");
            return ExitCode::FAILURE;
        }
    }
    let text = match text {
        Ok(text) => text,
        Err(e) => {
            say(UP, &format!("cannot read {}: {e}", file.display()));
            return ExitCode::FAILURE;
        }
    };
    // The parser's message could quote the credential: only the place is told.
    let Ok(callback) = serde_json::from_slice::<CallbackFile>(&text) else {
        say(UP, &format!("{} is not what was expected", file.display()));
        return ExitCode::FAILURE;
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            say(UP, &format!("cannot start: {e}"));
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(async {
        let Ok(mut term) = signal(SignalKind::terminate()) else { return ExitCode::FAILURE };
        tokio::select! {
            _ = term.recv() => ExitCode::SUCCESS,
            why = talk(callback, follow_root) => {
                say(UP, &why);
                ExitCode::FAILURE
            }
        }
    })
}

/// Runs for ever; returns only why it cannot.
async fn talk(callback: CallbackFile, follow_root: bool) -> String {
    let follow = || {
        if follow_root {
            enter_root_of_init()
        }
    };
    follow();
    let address = Address { grpc: callback.grpc, ca_pem: callback.ca_pem, server_name: callback.server_name };
    let client = match Client::new(&address, &callback.credential) {
        Ok(client) => client,
        Err(why) => return why,
    };
    if now_us() / 1_000_000 < callback.not_before {
        // Without it TLS fails for ever; as root it works, and otherwise the report says what is wrong.
        let _ = clock::set(callback.not_before);
    }
    let mut interval = report(&client, callback.events, follow).await;
    let mut failures = 0u32;
    loop {
        tokio::time::sleep(jittered(interval)).await;
        follow();
        match client.heartbeat(uptime()).await {
            Ok(answer) => {
                failures = 0;
                interval = seconds(answer.heartbeat_seconds);
                if !answer.reboot.is_empty() {
                    reboot(&answer.reboot, Path::new(REBOOTING), &REBOOTS).await;
                }
            }
            Err(status) => {
                failures = failures.saturating_add(1);
                if failures == 1 {
                    say(UP, &format!("no heartbeat reached the server: {}", explain::status(&status)));
                }
            }
        }
    }
}

/// Restart the system by the first of `commands` that works, once a boot: `/run` is new with each. One that could not be
/// asked is asked at the next heartbeat.
async fn reboot(reason: &str, marker: &Path, commands: &[&'static [&'static str]]) {
    if marker.exists() {
        return;
    }
    let shown: String = reason.chars().filter(|c| !c.is_control()).take(200).collect();
    say(UP, &format!("the server asks for a restart: {shown}"));
    for command in commands.iter().copied() {
        let asked = tokio::task::spawn_blocking(move || ask(command));
        match tokio::time::timeout(REBOOT_PATIENCE, asked).await {
            // Time over: it may well be under way.
            Err(_) | Ok(Ok(Ok(()))) => {
                let _ = marker.parent().map(std::fs::create_dir_all);
                let _ = std::fs::write(marker, shown.as_bytes());
                return;
            }
            Ok(Ok(Err(why))) => say(UP, &format!("{}: {why}", command.join(" "))),
            Ok(Err(_)) => {}
        }
    }
}

/// What restarts a system, the gentlest first.
const REBOOTS: [&[&str]; 2] = [&["systemctl", "--no-block", "reboot"], &["reboot"]];
/// For one of them.
const REBOOT_PATIENCE: Duration = Duration::from_secs(30);
/// Says that it was asked in this boot.
const REBOOTING: &str = "/run/higuma/rebooting";

fn ask(command: &[&str]) -> Result<(), String> {
    let (program, arguments) = command.split_first().ok_or("nothing to run")?;
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let mut run = std::process::Command::new(program);
    run.args(arguments).env("PATH", path).stdin(std::process::Stdio::null());
    match run.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("it ended with {status}")),
        Err(error) => Err(format!("it could not be run: {error}")),
    }
}

/// Tries until the server has it; gives the interval of the heartbeats.
async fn report(client: &Client, events: Vec<Event>, follow: impl Fn()) -> Duration {
    let began = Instant::now();
    // The server makes the event `up` itself when it gets the first report.
    let mut failures = 0u32;
    loop {
        follow();
        let os = os_name(Path::new("/"));
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned();
        let message = ReportUpRequest {
            os: os.clone(),
            kernel: kernel.clone(),
            uptime_seconds: uptime(),
            events: events.clone(),
        };
        match client.up(message).await {
            Ok(answer) => {
                say(UP, &format!("ok: {os}, kernel {kernel} ({:.1} s)", began.elapsed().as_secs_f32()));
                return seconds(answer.heartbeat_seconds);
            }
            Err(status) => {
                failures = failures.saturating_add(1);
                say(UP, &format!("retry: {}", explain::status(&status)));
                tokio::time::sleep(jittered(backoff(Duration::from_secs(1), failures))).await;
            }
        }
    }
}

/// The server's interval, within reason.
fn seconds(interval: u32) -> Duration {
    Duration::from_secs(u64::from(interval.clamp(1, 3_600)))
}

fn uptime() -> u64 {
    let text = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    text.split('.').next().and_then(|s| s.parse().ok()).unwrap_or(0)
}

/// PRETTY_NAME of os-release(5).
fn os_name(root: &Path) -> String {
    let text = ["etc/os-release", "usr/lib/os-release"]
        .iter()
        .find_map(|path| std::fs::read_to_string(root.join(path)).ok())
        .unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map(|name| name.trim().trim_matches(['"', '\'']).to_owned())
        .unwrap_or_else(|| "unknown".to_owned())
}

/// `DEVICE:INODE` of the program that a process runs.
pub fn program_of(process: &str) -> Option<String> {
    let meta = std::fs::metadata(format!("/proc/{process}/exe")).ok()?;
    Some(format!("{}:{}", meta.dev(), meta.ino()))
}

/// [`program_of`] PID 1, by the `/proc` that PID 1 left as our standard input: the one in our root may be gone by now.
fn program_of_init() -> Option<String> {
    let stat = fstatat(std::io::stdin(), "1/exe", AtFlags::empty()).ok()?;
    Some(format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// Into the root that PID 1 is in now: an initrd's init goes on into another, where names are resolved, programs are and `/proc`
/// is. What cannot be stays as it is.
fn enter_root_of_init() {
    let Ok(root) =
        openat(std::io::stdin(), "1/root", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
    else {
        return;
    };
    if fchdir(&root).is_ok() {
        let _ = chroot(".");
    }
}

/// Waits until PID 1 runs another program than `before`, which is how the image's init shows.
fn wait_for_init(before: &str, follow_root: bool) -> bool {
    let end = Instant::now() + INIT_PATIENCE;
    while Instant::now() < end {
        let now = if follow_root { program_of_init() } else { program_of("1") };
        if now.is_some_and(|now| now != before) {
            // A moment for an init that ends at once: the kernel would panic, and nothing must be reported.
            std::thread::sleep(Duration::from_secs(3));
            return true;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    false
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_named_as_it_names_itself() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(os_name(root.path()), "unknown");
        std::fs::create_dir_all(root.path().join("usr/lib")).unwrap();
        std::fs::write(
            root.path().join("usr/lib/os-release"),
            "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
        )
        .unwrap();
        assert_eq!(os_name(root.path()), "Debian GNU/Linux 12 (bookworm)");
    }

    #[test]
    fn what_restarts_a_system_says_how_it_went() {
        assert_eq!(ask(&["true"]), Ok(()));
        assert!(ask(&["false"]).unwrap_err().contains("ended with"));
        assert!(ask(&["no-such-program-of-ours"]).unwrap_err().contains("could not be run"));
    }

    #[tokio::test]
    async fn one_that_was_asked_in_this_boot_is_not_asked_again() {
        let dir = tempfile::tempdir().unwrap();
        let marker = dir.path().join("rebooting");
        // Nothing here restarts the machine of the tests.
        let works: &[&[&str]] = &[&["no-such-program-of-ours"], &["false"], &["true"]];
        reboot("rollout x", &marker, &works[..2]).await;
        assert!(!marker.exists(), "none of them worked: it is asked again");
        reboot("rollout x\n", &marker, works).await;
        assert_eq!(std::fs::read_to_string(&marker).unwrap(), "rollout x");
        reboot("rollout y", &marker, works).await;
        assert_eq!(std::fs::read_to_string(&marker).unwrap(), "rollout x");
    }

    #[test]
    fn intervals_stay_within_reason() {
        assert_eq!(seconds(0), Duration::from_secs(1));
        assert_eq!(seconds(u32::MAX), Duration::from_secs(3_600));
    }
}
