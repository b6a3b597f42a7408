//! `higuma enrol`: what is sent, how it follows, and with which code it ends.

use super::fake::{Answer, Request};
use super::{Home, error, text};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};

const FILE: &str = "address,user,password\n10.0.8.10,ADMIN,geheim\n";

fn enrolment(state: &str) -> Value {
    json!({ "id": "e1", "batch": "b1", "address": "10.0.8.10", "port": null, "protocol": "auto", "driver": "ipmi",
        "user": "ADMIN", "name": "", "cluster": "", "profile": "hv", "uefi": false, "restart": false, "state": state,
        "held": false, "reason": "why", "system_uuids": [], "mac": "", "firmware": "", "power": "on", "node": null,
        "attempts": 0, "next_us": null, "who": "admin", "made_us": 1, "changed_us": 1 })
}

/// One that is followed: waiting, away, booting, and then this.
fn server(end: &'static str) -> impl Fn(&Request) -> Answer + Send + Sync + 'static {
    let asked = AtomicU32::new(0);
    move |r| match (r.method.as_str(), r.path.as_str()) {
        ("POST", "/api/v1/enrolments") if text(&r.body).contains("bad") => {
            (400, error("bad_request", "line 2: BMC address\nline 3: BMC user"))
        }
        ("POST", "/api/v1/enrolments") => {
            let dry = text(&r.body).contains("\"dry_run\":true");
            let done =
                json!({ "batch": "b1", "addresses": 1, "new": 1, "changed": 0, "unchanged": 0, "written": !dry });
            (200, done.to_string())
        }
        ("GET", "/api/v1/enrolments/counts?batch=b1") => match asked.fetch_add(1, Ordering::SeqCst) {
            0 => (200, json!({ "total": 1, "waiting": 1 }).to_string()),
            1 => (503, error("unavailable", "starting")),
            2 => (200, json!({ "total": 1, "booting": 1 }).to_string()),
            _ => (200, json!({ "total": 1, end: 1 }).to_string()),
        },
        ("GET", "/api/v1/enrolments?state=failed") => (200, json!({ "items": [enrolment("failed")] }).to_string()),
        ("POST", "/api/v1/enrolments/10.0.8.10/retry") => (200, enrolment("waiting").to_string()),
        ("POST", "/api/v1/enrolments/e1/cancel") => (409, error("conflict", "it is matched")),
        _ => (404, error("not_found", "no")),
    }
}

fn file(name: &str, text: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    (dir, path.display().to_string())
}

#[test]
fn a_file_is_sent_and_followed_until_each_has_its_node() {
    for (end, code) in [("matched", 0), ("failed", 1), ("held", 1)] {
        let home = Home::new(server(end));
        let (_dir, path) = file("rack.csv", FILE);
        let out = home.run(&["enrol", "import", "--watch", &path]);
        assert_eq!(out.status.code(), Some(code), "{end}: {}", text(&out.stderr));
        let body: Value = serde_json::from_slice(&home.fake.requests()[0].body).unwrap();
        assert_eq!(body, json!({ "format": "csv", "text": FILE, "dry_run": false, "restart": false }));
        assert!(text(&out.stderr).contains("1 booting"), "{}", text(&out.stderr));
        assert!(!text(&out.stderr).contains("geheim") && !text(&out.stdout).contains("geheim"));
    }
}

#[test]
fn a_check_a_bad_file_and_the_rest() {
    let home = Home::new(server("matched"));
    let (_dir, path) = file("rack.yml", "- {address: 10.0.8.10, user: a, password: geheim}\n");
    let out = home.run(&["enrol", "import", "--dry-run", "--restart", &path]);
    assert!(out.status.success() && text(&out.stdout).contains("nothing written"), "{}", text(&out.stderr));
    let body: Value = serde_json::from_slice(&home.fake.requests()[0].body).unwrap();
    assert_eq!((&body["format"], &body["dry_run"], &body["restart"]), (&json!("yaml"), &json!(true), &json!(true)));
    let (_dir, bad) = file("x.csv", "bad");
    let out = home.run(&["enrol", "import", &bad]);
    assert_eq!(out.status.code(), Some(2));
    assert!(
        text(&out.stderr).contains("line 2: BMC address\n") && text(&out.stderr).contains("line 3"),
        "{}",
        text(&out.stderr)
    );
    assert!(text(&home.run(&["enrol", "list", "--state", "failed"]).stdout).contains("10.0.8.10  failed"));
    assert!(home.run(&["enrol", "retry", "10.0.8.10", "--restart"]).status.success());
    let sent = home.fake.requests().pop().unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&sent.body).unwrap(), json!({ "restart": true }));
    assert_eq!(home.run(&["enrol", "cancel", "e1"]).status.code(), Some(4));
}
