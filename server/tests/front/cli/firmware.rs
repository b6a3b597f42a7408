//! `higuma firmware`: what it sends, what it prints, and what it refuses before anything is sent.

use super::fake::{Answer, Request};
use super::{Home, UUID, error, node, text};
use serde_json::{Value, json};

fn firmware() -> Value {
    json!({ "uuid": UUID, "hostname": "web", "state": "failed", "action": "hold", "reason": "BIOS 1.2.3, wanted 2 (rule r)",
        "components": [{ "component": "bios", "subject": "", "vendor": "Kuma", "model": "One", "version": "1.2.3",
            "verdict": "differs", "rule": "r", "wanted": "2", "mode": "update", "tried": 3 }],
        "attempts": [{ "id": "a", "boot": "b", "rule": "r", "component": "bios", "subject": "", "wanted": "2", "n": 3,
            "before": "1.2.3", "after": "1.2.3", "started_us": 0, "reported_us": 1, "exit": "exit code 1",
            "output": "flash\u{1b}[31m failed\n", "ended_us": 2, "outcome": "unchanged", "cleared_us": null }] })
}

fn server(r: &Request) -> Answer {
    match (r.method.as_str(), r.path.as_str()) {
        ("PUT", path) if path.starts_with("/api/v1/blobs/") => (200, json!({ "sha256": "", "size": 1 }).to_string()),
        ("POST" | "PUT", "/api/v1/firmware/rules" | "/api/v1/firmware/rules/bios") => {
            let mut rule: Value = serde_json::from_slice(&r.body).unwrap();
            rule["position"] = json!(1);
            rule["changed_us"] = json!(1);
            (201, rule.to_string())
        }
        ("POST", "/api/v1/firmware/rules/bios/move") | ("GET", "/api/v1/firmware/rules") => {
            (200, json!({ "items": [] }).to_string())
        }
        ("DELETE", "/api/v1/firmware/rules/bios") => (204, String::new()),
        ("GET", "/api/v1/nodes?q=web") => (200, json!({ "items": [node(UUID, "web")] }).to_string()),
        (_, path) if path.starts_with(&format!("/api/v1/nodes/{UUID}/firmware")) => (200, firmware().to_string()),
        ("GET", "/api/v1/firmware/compliance") => (200, json!({ "nodes": { "failed": 3 } }).to_string()),
        ("GET", "/api/v1/firmware/nodes?state=failed") => (200, json!({ "items": [] }).to_string()),
        _ => (404, error("not_found", "no")),
    }
}

#[test]
fn a_rule_is_sent_with_its_archive_uploaded_first() {
    let home = Home::new(server);
    let archive = home.path("u.tar");
    std::fs::write(&archive, "archive").unwrap();
    let archive = archive.to_str().unwrap();
    let add = ["firmware", "rule", "add", "bios", "--component", "bios", "--wanted", "2"];
    let runs = ["--mode", "update", "--exec", "busybox", "--arg", "sh", "--arg", "-x", "--archive", archive];
    let out = home.run(&[&add[..], &runs[..]].concat());
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert!(text(&out.stdout).contains("busybox sh -x"), "{}", text(&out.stdout));
    let sha256 = hex::encode(<sha2::Sha256 as sha2::Digest>::digest("archive"));
    let blob = format!("/api/v1/blobs/{sha256}");
    assert_eq!(
        home.fake.lines(),
        [format!("HEAD {blob}"), format!("PUT {blob}"), "POST /api/v1/firmware/rules".into()]
    );
    let sent: Value = serde_json::from_slice(&home.fake.requests()[2].body).unwrap();
    let update = json!({ "blob": sha256, "exec": "busybox", "args": ["sh", "-x"], "deadline_seconds": 600 });
    let rule = json!({ "name": "bios", "component": "bios", "vendor": "*", "model": "*", "wanted": "2", "allowed": [],
        "mode": "update", "on_failure": "hold", "update": update });
    assert_eq!(sent, rule);

    let change = ["firmware", "rule", "change", "bios", "--component", "bios", "--wanted", "3", "--mode", "hold"];
    assert!(home.run(&change).status.success());
    assert!(home.run(&["firmware", "rule", "move", "bios", "--before", "x"]).status.success());
    assert!(home.run(&["firmware", "rule", "remove", "bios"]).status.success());
    let requests = home.fake.requests();
    assert_eq!(requests[4].body, br#"{"before":"x"}"#);
    assert_eq!(
        home.fake.lines()[3..],
        [
            "PUT /api/v1/firmware/rules/bios",
            "POST /api/v1/firmware/rules/bios/move",
            "DELETE /api/v1/firmware/rules/bios"
        ]
    );
}

#[test]
fn half_an_update_is_refused_before_anything_is_sent() {
    let home = Home::new(server);
    let add = ["firmware", "rule", "add", "bios", "--component", "bios", "--wanted", "2"];
    for more in [&["--exec", "x"][..], &["--blob", "00"], &["--arg", "x"], &["--archive", "/nowhere"]] {
        let out = home.run(&[&add[..], more].concat());
        assert_eq!(out.status.code(), Some(2), "{more:?}: {}", text(&out.stderr));
    }
    assert_eq!(home.run(&["firmware", "rule", "move", "bios"]).status.code(), Some(2), "no place");
    assert_eq!(home.fake.requests(), []);
}

#[test]
fn a_node_s_firmware_reads_as_tables_and_steers_no_terminal() {
    let home = Home::new(server);
    let out = home.run(&["firmware", "show", "web", "--output"]);
    let shown = text(&out.stdout);
    for words in ["State:      failed", "1.2.3 -> 2", "unchanged, found 1.2.3", "exit code 1", "flash?[31m failed\n"] {
        assert!(shown.contains(words), "{words}: {shown}\n{}", text(&out.stderr));
    }
    let out = home.run(&["firmware", "retry", "web"]);
    assert!(out.status.success() && !text(&out.stdout).contains("flash"), "{}", text(&out.stderr));
    assert!(home.fake.lines().contains(&format!("POST /api/v1/nodes/{UUID}/firmware/retry")));
    let out = home.run(&["firmware", "status"]);
    assert_eq!(text(&out.stdout), "STATE   NODES\nfailed  3\n");
    assert!(home.run(&["firmware", "status", "--state", "failed", "-o", "json"]).status.success());
    assert!(home.run(&["firmware", "rule", "list"]).status.success());
}
