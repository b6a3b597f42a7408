//! A shell script with curl as an agent: from the script to `running`.

use super::fixture::{NODE_A, NODE_B, Server, credential};
use serde_json::json;

#[test]
fn from_script_to_running() {
    let server = Server::start(&[("blob-urls", "http://10.9.9.9:8080,http://[fd00::9]:8080")]);
    let c = &server.client;
    let not_ready = c.get("/readyz", &[]).expect(503).json();
    assert!(not_ready["reasons"][0].as_str().unwrap().contains("higuma first-stage build"), "{not_ready}");
    let script = c.get(&format!("/ipxe/{NODE_A}?arch=x86_64"), &[]).expect(200).text();
    assert!(script.contains("run on the server: higuma first-stage build"), "{script}");
    c.seed();
    assert_eq!(c.get("/readyz", &[]).expect(200).json()["ready"], true);

    // A preview mints nothing.
    let preview = c.admin("GET", &format!("/api/v1/nodes/{NODE_A}/script"), None).expect(200).json();
    assert_eq!(preview["decision"], "first-stage");
    assert!(preview["script"].as_str().unwrap().contains("higuma.nonce=<nonce>"));

    let nonce = c.nonce(NODE_A);
    let (a, b) = (credential('a'), credential('b'));
    let body = |nonce: &str, credential: &str| {
        Some(json!({"nonce": nonce, "credential": credential, "boot_mac": "52:54:00:12:34:56",
            "inventory": {"system": {"serial": "S1", "product": "R650"}}}))
    };
    let register = |uuid: &str, body| c.call("POST", &format!("/ipxe/{uuid}/register"), "", body);
    // Of another node; then its own; then again (a lost reply); then with another credential.
    register(NODE_B, body(&nonce, &a)).expect(403);
    let boot = register(NODE_A, body(&nonce, &a)).expect(200).json();
    assert_eq!(register(NODE_A, body(&nonce, &a)).expect(200).json(), boot);
    register(NODE_A, body(&nonce, &b)).expect(403);
    register(NODE_A, body(&credential('0'), &b)).expect(403);

    // Pending: no plan, and the node is in the list.
    let path = |what: &str| format!("/ipxe/{NODE_A}/{what}");
    assert!(c.call("GET", &path("detail"), &a, None).expect(404).text().contains("waits for approval"));
    let node = format!("/api/v1/nodes/{NODE_A}");
    let found = c.admin("GET", "/api/v1/nodes?q=s1", None).expect(200).json();
    assert_eq!((&found["items"][0]["uuid"], &found["items"][0]["admission"]), (&json!(NODE_A), &json!("pending")));

    c.admin("PATCH", &node, Some(json!({"profile": "none"}))).expect(404);
    c.admin("PATCH", &node, Some(json!({"profile": "hv"}))).expect(200);
    assert_eq!(c.call("GET", &path("profile"), &a, None).expect(200).json()["profile"], "hv");
    let detail = c.call("GET", &path("detail"), &a, None).expect(200).json();
    let url = detail["parts"][0]["urls"][0].as_str().unwrap();
    let (first, blob) = url.split_once("/blobs/").unwrap();
    assert_eq!(first, c.plain, "the server that it boots from comes first");
    let others = ["http://10.9.9.9:8080", "http://[fd00::9]:8080"].map(|base| format!("{base}/blobs/{blob}"));
    assert_eq!(detail["parts"][0]["urls"], json!([url, others[0], others[1]]));
    assert_eq!(c.send("GET", url, &[], None).expect(200).body, b"image kernel");

    // Another node's credential reads nothing of this one's.
    let other = c.nonce(NODE_B);
    register(NODE_B, body(&other, &b)).expect(200);
    for what in ["profile", "detail"] {
        c.call("GET", &path(what), &b, None).expect(403);
    }
    c.call("POST", &path("installed"), &b, Some(json!({}))).expect(403);

    c.call("POST", &path("installed"), &a, Some(json!({"os": "Debian 12", "kernel": "6.1"}))).expect(200);
    let shown = c.admin("GET", &node, None).expect(200).json();
    assert_eq!(shown["lifecycle"], "running", "{shown}");
    assert_eq!(shown["boot"]["os"], "Debian 12");

    // Restarted: the new boot's credential counts, the old one does not.
    let nonce = c.nonce(NODE_A);
    let fresh = credential('c');
    register(NODE_A, body(&nonce, &fresh)).expect(200);
    c.call("GET", &path("detail"), &a, None).expect(401);
    c.call("GET", &path("detail"), &fresh, None).expect(200);
    let boots = c.admin("GET", &format!("{node}/boots?limit=1"), None).expect(200).json();
    assert!(boots["next"].is_string(), "{boots}");

    c.admin("PATCH", &node, Some(json!({"admission": "rejected"}))).expect(200);
    let script = c.get(&format!("/ipxe/{NODE_A}?arch=x86_64"), &[]).expect(200).text();
    assert!(script.contains("rejected or retired"), "{script}");
}
