//! `higuma boot`: how it watches over a restart of the server, and what it shows of a node.

use super::{Home, error, text};
use serde_json::{Value, json};

const NODE: &str = "4c4c4544-0046-3010-8052-b4c04f4a4d32";

fn asked(number: u64, what: &str) -> Value {
    json!({ "number": number, "at_us": 1_790_000_000_000_000_i64, "service": "tftp", "what": what, "result": "complete",
        "detail": "complete", "mac": "52:54:00:12:34:56", "uuid": "", "node": NODE, "client": "10.0.0.17",
        "address": "10.0.0.17", "interface": "", "relay": "", "bytes": 265_728, "took_us": 81_000 })
}

#[test]
fn watching_goes_on_over_a_restart_and_says_so() {
    let home = Home::new(|r| match r.path.as_str() {
        "/api/v1/boot-exchanges?" => {
            (200, json!({"items": [asked(9, "old.efi")], "next": 9, "missed": 0, "epoch": "a"}).to_string())
        }
        path if path.starts_with("/api/v1/boot-exchanges?&after=9&epoch=a&") => (
            200,
            json!({"items": [asked(1, "new.efi")], "next": 1, "missed": 0, "epoch": "b", "restarted": true})
                .to_string(),
        ),
        path if path.starts_with("/api/v1/boot-exchanges?&after=1&epoch=b&") => {
            std::thread::sleep(std::time::Duration::from_millis(200));
            (200, json!({"items": [], "next": 1, "missed": 0, "epoch": "b"}).to_string())
        }
        _ => (404, error("not_found", "no")),
    });
    let out = home.run(&["boot", "watch", "--for", "2"]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let lines = text(&out.stdout).lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("old.efi") && lines[1].contains("new.efi"), "{lines:?}");
    assert_eq!(text(&out.stderr).matches("the server was started again").count(), 1, "{}", text(&out.stderr));
}

#[test]
fn what_is_stored_of_a_node_reads_from_the_oldest_on() {
    let path = format!("/api/v1/nodes/{NODE}/exchanges");
    let home = Home::new(move |r| match r.path.split_once('?').map_or(r.path.as_str(), |(path, _)| path) {
        p if p == path && r.path.contains("cursor=x") => (200, json!({"items": [asked(1, "first.efi")]}).to_string()),
        p if p == path => (200, json!({"items": [asked(2, "second.efi")], "next": "x"}).to_string()),
        _ => (404, error("not_found", "no")),
    });
    let out = home.run(&["boot", "exchanges", NODE]);
    assert_eq!(
        text(&out.stdout),
        "2026-09-21 14:13:20.000  tftp      first.efi    complete   52:54:00:12:34:56 10.0.0.17       complete, 265728 bytes in 81 ms\n\
         2026-09-21 14:13:20.000  tftp      second.efi   complete   52:54:00:12:34:56 10.0.0.17       complete, 265728 bytes in 81 ms\n",
        "{}",
        text(&out.stderr)
    );
}
