//! `higuma secret`: a value is taken from a file or a pipe, goes out in the body alone, and is never printed.

use super::fake::{Answer, Request};
use super::{Home, error, text};
use serde_json::json;
use std::io::Write;
use std::process::Stdio;

const VALUE: &str = "canary\n";

fn server(r: &Request) -> Answer {
    let secret = json!({"name": "web-key", "size": 7, "revision": 2, "fingerprint": "f00d", "password_hash": false,
        "created_us": 0, "changed_us": 0, "changed_by": "ann", "profiles": ["web"]});
    match (r.method.as_str(), r.path.as_str()) {
        ("PUT" | "GET", "/api/v1/secrets/web-key") => (200, secret.to_string()),
        ("GET", path) if path.starts_with("/api/v1/secrets?") || path == "/api/v1/secrets" => {
            (200, json!({ "items": [secret] }).to_string())
        }
        ("DELETE", "/api/v1/secrets/web-key?force=web-key") => (204, String::new()),
        ("DELETE", _) => (409, error("conflict", "used by profile web")),
        _ => (404, error("not_found", "no")),
    }
}

#[test]
fn a_value_goes_out_in_the_body_alone() {
    let home = Home::new(server);
    std::fs::write(home.path("key"), VALUE).unwrap();
    let out = home.run(&["secret", "set", "web-key", "-f", home.path("key").to_str().unwrap()]);
    let shown = text(&out.stdout);
    assert!(out.status.success() && shown.contains("Fingerprint:  f00d"), "{shown}{}", text(&out.stderr));
    let mut piped = home.command(&["secret", "set", "web-key"]);
    let mut child = piped.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(VALUE.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert!(!text(&out.stdout).contains("canary") && !shown.contains("canary"));
    let requests = home.fake.requests();
    assert_eq!(requests.len(), 2);
    for request in requests {
        assert!(!request.path.contains("canary"));
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body, json!({ "base64": "Y2FuYXJ5Cg==" }), "to the last byte");
    }
}

#[test]
fn they_are_listed_and_deleted() {
    let home = Home::new(server);
    let out = home.run(&["secret", "list"]);
    let shown = text(&out.stdout);
    assert!(shown.starts_with("NAME     REVISION") && shown.contains("web-key  2"), "{shown}{}", text(&out.stderr));
    assert!(text(&home.run(&["secret", "show", "web-key"]).stdout).contains("Used by:      web"));
    assert_eq!(home.run(&["secret", "delete", "web-key"]).status.code(), Some(4));
    assert!(home.run(&["secret", "delete", "web-key", "--force", "web-key"]).status.success());
    std::fs::write(home.path("empty"), "").unwrap();
    let out = home.run(&["secret", "set", "web-key", "-f", home.path("empty").to_str().unwrap()]);
    assert!(out.status.code() == Some(2) && text(&out.stderr).contains("got nothing"), "{}", text(&out.stderr));
}
