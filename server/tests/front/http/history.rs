//! Versions, differences and events of a node through the API.

use super::fixture::{NODE_A, NODE_B, Server, credential};
use serde_json::{Value, json};

#[test]
fn versions_diff_and_events() {
    let server = Server::start(&[]);
    let c = &server.client;
    c.seed();
    let register = |digit: char, version: &str, gone: bool| {
        let dimm = |locator: &str, bytes: u64| json!({"locator": locator, "size_bytes": bytes});
        let dimms = vec![dimm("A1", 1 << 35), dimm("B1", if gone { 0 } else { 1 << 35 })];
        let inventory = json!({"bios": {"version": version}, "memory": {"total_bytes": 5, "dimms": dimms}});
        let body = json!({"nonce": c.nonce(NODE_A), "credential": credential(digit), "inventory": inventory});
        c.call("POST", &format!("/ipxe/{NODE_A}/register"), "", Some(body)).expect(200);
    };
    register('a', "1.9.2", false);
    register('b', "2.1.0", true);
    let get = |path: &str| c.admin("GET", path, None);
    let base = format!("/api/v1/nodes/{NODE_A}/inventory");
    let page = get(&format!("{base}/versions?limit=1")).expect(200).json();
    assert_eq!((&page["items"][0]["version"], &page["items"][0]["changes"]), (&json!(2), &json!(2)));
    let page = get(&format!("{base}/versions?cursor={}", page["next"].as_str().unwrap())).expect(200).json();
    assert_eq!((&page["items"][0]["version"], page.get("next")), (&json!(1), None));
    let first = get(&format!("{base}/versions/1")).expect(200).json();
    assert_eq!(first["inventory"]["bios"]["version"], "1.9.2");
    let diff = get(&format!("{base}/diff")).expect(200).json();
    assert_eq!((&diff["from"]["version"], &diff["to"]["version"], &diff["more"]), (&json!(1), &json!(2), &json!(0)));
    let bios =
        json!({"section": "bios", "item": "", "change": "changed", "field": "version", "old": "1.9.2", "new": "2.1.0"});
    assert_eq!(diff["changes"][0], bios);
    assert_eq!((&diff["changes"][1]["item"], &diff["changes"][1]["change"]), (&json!("B1"), &json!("gone")));
    assert_eq!(get(&format!("{base}/diff?from=2&to=2")).expect(200).json()["changes"], json!([]));

    for (path, status, says) in [
        (format!("{base}/versions?cursor=x"), 400, "the `next` of the page before"),
        (format!("{base}/versions/x"), 400, "the path does not fit"),
        (format!("{base}/versions/9"), 404, "higuma node history"),
        (format!("{base}/diff?from=9"), 404, "has no inventory version 9"),
        (format!("{base}/diff?from=-1"), 400, "the query does not fit"),
        (format!("{base}/diff?form=1"), 400, "form"),
        (format!("/api/v1/nodes/{NODE_B}/inventory/diff"), 404, "there is no node"),
        (format!("/api/v1/nodes/{NODE_B}/inventory/versions"), 404, "there is no node"),
    ] {
        let error = get(&path).expect(status).json();
        assert!(error["message"].as_str().unwrap().contains(says), "{path}: {error}");
        c.call("GET", &path, &credential('b'), None).expect(401);
    }

    let open = get("/api/v1/events?open=true&kind=hardware").expect(200).json();
    let subjects: Vec<&Value> = open["items"].as_array().unwrap().iter().map(|e| &e["subject"]).collect();
    assert_eq!(subjects.len(), 2, "{open}");
    assert!(subjects.contains(&&json!("bios")) && subjects.contains(&&json!("dimm:B1")), "{open}");
    assert_eq!(open["items"][0]["hostname"], "node-b4c04f4a4d32");
    assert_eq!(get(&format!("/api/v1/nodes/{NODE_A}")).json()["open_events"], 2);
    // The one that is no warning.
    let bios = open["items"].as_array().unwrap().iter().find(|event| event["subject"] == "bios").unwrap();
    let id = bios["id"].as_str().unwrap();
    let seen = c.admin("POST", &format!("/api/v1/events/{id}/acknowledge"), None).expect(200).json();
    assert_eq!(seen["acknowledged_by"], "admin");
    assert_eq!(get("/api/v1/nodes").json()["items"][0]["open_events"], 1);

    let all = json!({"kind": "hardware", "severity": "warning"});
    let seen = c.admin("POST", "/api/v1/events/acknowledge", Some(all)).expect(200).json();
    assert_eq!(seen["acknowledged"], 1, "the DIMM that is gone");
    c.admin("POST", "/api/v1/events/acknowledge", Some(json!({"kind": "weather"}))).expect(400);
    assert_eq!(get("/api/v1/events?open=true&kind=hardware&severity=warning").json()["items"], json!([]));
    assert_eq!(get("/api/v1/nodes").json()["items"][0]["open_events"], 0);

    let metrics = get("/metrics").expect(200).text();
    for line in [
        "higuma_hardware_changes_total{change=\"gone\",component=\"dimm\"} 1",
        "higuma_hardware_changes_total{change=\"changed\",component=\"bios\"} 1",
        "higuma_node_events_open{kind=\"hardware\",severity=\"warning\"}",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}
