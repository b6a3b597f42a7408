//! `higuma bmc password` and `higuma master-key`: a password is asked for by POST and printed, and nothing else.

use super::fake::{Answer, Request};
use super::{Home, UUID, error, node, text};
use serde_json::json;

fn server(r: &Request) -> Answer {
    let key = |rotating: bool| json!({ "id": "0011223344556677", "source": "file /x/master.key", "sealed": 3, "waiting": 1, "rotating": rotating });
    match (r.method.as_str(), r.path.as_str()) {
        ("GET", "/api/v1/nodes?q=web") => (200, json!({ "items": [node(UUID, "web")] }).to_string()),
        ("POST", path) if path == format!("/api/v1/nodes/{UUID}/bmc/password/reveal") => {
            let one = json!({ "user": "higuma", "passwords": ["Abc-2defg", "Xyz2"], "state": "planned", "via": "in-band",
                "changed_us": 0 });
            (200, json!({ "node": UUID, "credentials": [one] }).to_string())
        }
        ("GET", "/api/v1/master-key") => (200, key(false).to_string()),
        ("POST", "/api/v1/master-key/rotate") => (202, key(true).to_string()),
        _ => (404, error("not_found", "no")),
    }
}

#[test]
fn a_password_is_a_table_or_json() {
    let home = Home::new(server);
    let out = home.run(&["bmc", "password", "show", "web"]);
    let shown = text(&out.stdout);
    assert!(out.status.success() && shown.starts_with("USER    PASSWORD   STATE"), "{shown}{}", text(&out.stderr));
    assert_eq!(shown.lines().filter(|l| l.starts_with("higuma")).count(), 2, "{shown}");
    assert_eq!(home.fake.lines()[1], format!("POST /api/v1/nodes/{UUID}/bmc/password/reveal"));
    let out = home.run(&["bmc", "password", "show", UUID, "-o", "json"]);
    assert!(text(&out.stdout).contains("\"Xyz2\""));
}

#[test]
fn the_master_key_is_shown_and_replaced() {
    let home = Home::new(server);
    assert!(text(&home.run(&["master-key", "show"]).stdout).contains("Rotation:     none under way"));
    let out = home.run(&["master-key", "rotate"]);
    assert!(text(&out.stdout).contains("under way, 1 row(s) wait"), "{}", text(&out.stdout));
    assert_eq!(home.fake.lines()[..2], ["GET /api/v1/master-key", "POST /api/v1/master-key/rotate"]);
}
