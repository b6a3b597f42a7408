//! The built program: stopped by SIGTERM, killed and started again, and no secret in what it says.

use super::fixture::{Client, NODE_A, credential};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct Program {
    pub child: Child,
    pub client: Client,
    pub grpc: u16,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(dir: &Path, log: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_higuma"));
    let log = File::options().create(true).append(true).open(log).unwrap();
    command.arg("serve").arg("--data-dir").arg(dir).env_remove("RUST_LOG");
    for listen in ["--http-listen", "--https-listen", "--grpc-listen"] {
        command.args([listen, "127.0.0.1:0"]);
    }
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    command
}

/// The port after `what` in the last line that says what is served.
fn port(log: &str, what: &str) -> Option<u16> {
    let line = log.lines().rfind(|line| line.contains("serving HTTP "))?;
    let rest = line.split(&format!("{what} 127.0.0.1:")).nth(1)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

pub fn start(dir: &Path, log: &Path) -> Program {
    let _ = std::fs::remove_file(log);
    let mut child = command(dir, log).env("RUST_LOG", "debug").spawn().unwrap();
    let begun = Instant::now();
    loop {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        let ports = (port(&text, "serving HTTP"), port(&text, "HTTPS"), port(&text, "gRPC"));
        if let (Some(http), Some(https), Some(grpc)) = ports {
            return Program { child, client: Client::new(dir, http, https), grpc };
        }
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none() && begun.elapsed() < Duration::from_secs(30), "{ended:?}\n{text}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_acknowledged_registration_survives_kill_9_and_sigterm_stops_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let (data, log) = (dir.path().join("data"), dir.path().join("log"));
    let mut program = start(&data, &log);
    program.client.seed();
    let nonce = program.client.nonce(NODE_A);
    let body = json!({"nonce": nonce, "credential": credential('a')});
    let path = format!("/ipxe/{NODE_A}/register");
    let boot = program.client.call("POST", &path, "", Some(body.clone())).expect(200).json();
    program.child.kill().unwrap();
    program.child.wait().unwrap();
    let said = std::fs::read_to_string(&log).unwrap();
    for secret in [&nonce, &credential('a'), &program.client.token] {
        assert!(!said.contains(secret.as_str()), "a secret in the log");
    }

    let mut program = start(&data, &log);
    assert_eq!(program.client.call("POST", &path, "", Some(body)).expect(200).json(), boot, "the same answer");
    let node = program.client.admin("GET", &format!("/api/v1/nodes/{NODE_A}"), None).expect(200).json();
    assert_eq!(node["boot"]["id"], boot["boot_id"]);

    // A second server on the same folder is refused, and says why.
    let second_log = dir.path().join("second");
    let second = command(&data, &second_log).status().unwrap();
    assert!(!second.success());
    assert!(std::fs::read_to_string(&second_log).unwrap().contains("another higuma serve uses the data folder"));

    // With connections still open (the client keeps them alive).
    let begun = Instant::now();
    kill(Pid::from_raw(i32::try_from(program.child.id()).unwrap()), Signal::SIGTERM).unwrap();
    let status = program.child.wait().unwrap();
    assert!(status.success(), "{status:?}\n{}", std::fs::read_to_string(&log).unwrap());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
