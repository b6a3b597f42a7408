//! `higuma job`: what it sends, how it follows a job, and with which code it ends.

use super::fake::{Answer, Request};
use super::{Home, error, text};
use serde_json::{Value, json};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const JOB: &str = "0198c2ab-5f0e-7cc2-8a30-1be0ffd4c1a3";

fn job(state: &str, ok: u32, failed: u32) -> String {
    let ended = (state == "done").then_some(9_000_000);
    json!({ "id": JOB, "action": "power-on", "selector": "web-17", "who": "admin", "made_us": 0, "stagger_ms": 500,
        "parallel": 16, "state": state, "cancelled_by": null, "started_us": 1, "ended_us": ended,
        "counts": { "total": 2, "waiting": 2 - ok - failed, "ok": ok, "failed": failed } })
    .to_string()
}

fn items() -> String {
    let item = |n: u32, state: &str, message: &str| {
        json!({ "n": n, "node": "n", "hostname": format!("web-{n}"), "state": state, "attempts": 1,
            "message": message, "started_us": 0, "ended_us": 0 })
    };
    json!({ "items": [item(1, "failed", "no BMC"), item(0, "ok", "on; was off")] }).to_string()
}

/// A job that takes three questions; the second one finds the server away.
fn server(failed: u32) -> impl Fn(&Request) -> Answer + Send + Sync + 'static {
    let asked = AtomicU32::new(0);
    move |r| {
        let path = format!("/api/v1/jobs/{JOB}");
        match (r.method.as_str(), r.path.as_str()) {
            ("POST", "/api/v1/jobs") => (201, job("queued", 0, 0)),
            ("POST", p) if p == format!("{path}/cancel") => (200, job("cancelling", 0, 0)),
            ("GET", p) if p == path => match asked.fetch_add(1, Ordering::SeqCst) {
                0 => (200, job("running", 0, 0)),
                1 => (503, error("unavailable", "starting")),
                _ => (200, job("done", 2 - failed, failed)),
            },
            ("GET", p) if p.starts_with(&format!("{path}/items")) => (200, items()),
            ("GET", "/api/v1/jobs?state=running") => {
                (200, json!({ "items": [serde_json::from_str::<Value>(&job("running", 1, 0)).unwrap()] }).to_string())
            }
            _ => (404, error("not_found", "no")),
        }
    }
}

#[test]
fn run_sends_one_request_and_follows_it_to_the_end() {
    let home = Home::new(server(1));
    let args = ["job", "run", "power-on", "web-0", "web-1", "--stagger", "2s", "--parallel", "4"];
    let out = home.run(&args);
    assert_eq!(out.status.code(), Some(1), "one failed: {}", text(&out.stderr));
    assert!(
        text(&out.stdout).contains("web-1  failed") && text(&out.stdout).contains("no BMC"),
        "{}",
        text(&out.stdout)
    );
    assert!(!text(&out.stdout).contains("was off"), "those that are ok are not listed: {}", text(&out.stdout));
    assert!(text(&out.stdout).ends_with("power-on, done: 2 of 2 (1 ok, 1 failed)\n"), "{}", text(&out.stdout));
    assert!(text(&out.stderr).contains("starting") && text(&out.stderr).contains("asking again"));
    assert!(text(&out.stderr).contains(&format!("higuma job show {JOB}")), "{}", text(&out.stderr));
    let mut sent: Value = serde_json::from_slice(&home.fake.requests()[0].body).unwrap();
    let request = sent.as_object_mut().unwrap().remove("request_id").unwrap();
    assert!(request.as_str().unwrap().parse::<uuid::Uuid>().is_ok());
    assert_eq!(sent, json!({"action": "power-on", "nodes": ["web-0", "web-1"], "stagger_ms": 2000, "parallel": 4}));
    assert_eq!(home.fake.lines().iter().filter(|line| line.starts_with("POST")).count(), 1);
}

#[test]
fn watch_ends_with_0_when_all_is_well_and_others_do_not_wait() {
    let home = Home::new(server(0));
    let out = home.run(&["job", "watch", JOB, "-o", "json"]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert_eq!(serde_json::from_slice::<Value>(&out.stdout).unwrap()["state"], "done");
    let out = home.run(&["job", "run", "reset", "--where", "node.retired", "--detach"]);
    assert!(out.status.success() && text(&out.stdout).contains(&format!("job {JOB}: power-on, queued")));
    let sent: Value = serde_json::from_slice(&home.fake.requests().pop().unwrap().body).unwrap();
    assert_eq!((&sent["select"], &sent["nodes"]), (&json!("node.retired"), &Value::Null));
    let out = home.run(&["job", "list", "--state", "running"]);
    assert!(text(&out.stdout).contains("1 of 2 (1 ok)"), "{}", text(&out.stdout));
    let out = home.run(&["job", "show", JOB, "--state", "failed"]);
    assert!(text(&out.stdout).contains("Pace:") && text(&out.stdout).contains("no BMC"), "{}", text(&out.stdout));
    assert_eq!(home.fake.lines().pop().unwrap(), format!("GET /api/v1/jobs/{JOB}/items?state=failed"));
    let out = home.run(&["job", "cancel", JOB]);
    assert!(text(&out.stdout).contains("cancelling"), "{}", text(&out.stdout));
    let asked = home.fake.lines().len();
    for wrong in [&["job", "run", "reset"][..], &["job", "run", "reset", "a", "--where", "true"]] {
        assert_eq!(home.run(wrong).status.code(), Some(2), "{wrong:?}");
    }
    assert_eq!(home.run(&["job", "run", "reset", "a", "--stagger", "2"]).status.code(), Some(2));
    assert_eq!(home.fake.lines().len(), asked);
    assert_eq!(home.run(&["job", "watch", "x"]).status.code(), Some(3));
}

#[test]
fn ctrl_c_ends_the_watching_and_says_that_the_job_goes_on() {
    let home = Home::new(|r| match r.method.as_str() {
        "GET" => (200, job("running", 0, 0)),
        _ => (404, error("not_found", "no")),
    });
    let child = home.command(&["job", "watch", JOB]).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    // The second question: the signal is listened for by then.
    while home.fake.lines().len() < 2 {
        assert!(started.elapsed() < Duration::from_secs(60), "it did not ask");
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let out = child.wait_with_output().unwrap();
    assert_eq!(out.status.code(), Some(130));
    assert!(text(&out.stderr).contains(&format!("the job goes on: higuma job watch {JOB}")), "{}", text(&out.stderr));
    assert!(home.fake.lines().iter().all(|line| line.starts_with("GET")), "nothing was cancelled");
}
