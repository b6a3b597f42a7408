//! Who a node is, over HTTPS: names in scripts, conflicts in lists, merging, and addresses that a machine's firmware gives.

use super::fixture::{NODE_A, NODE_B, Server, credential};
use serde_json::{Value, json};

/// Boots as a machine with this serial number and MAC; the name that the script gave it.
fn boot(server: &Server, uuid: &str, serial: &str, mac: &str, credential: &str) -> String {
    let c = &server.client;
    let path = format!("/ipxe/{uuid}?mac={mac}&serial={serial}&manufacturer=Kuma&product=One&arch=x86_64");
    let script = c.get(&path, &[]).expect(200).text();
    let word = |key: &str, len: usize| script.split(key).nth(1).unwrap_or_else(|| panic!("{script}"))[..len].to_owned();
    let system = json!({"manufacturer": "Kuma", "product": "One", "serial": serial});
    let body = json!({"nonce": word("higuma.nonce=", 64), "credential": credential, "boot_mac": mac,
        "inventory": {"system": system}});
    c.call("POST", &format!("/ipxe/{uuid}/register"), "", Some(body)).expect(200);
    word("higuma.node=", 36)
}

fn node(server: &Server, uuid: &str) -> Value {
    server.client.admin("GET", &format!("/api/v1/nodes/{uuid}"), None).expect(200).json()
}

#[test]
fn a_second_machine_with_the_uuid_is_a_node_of_its_own() {
    let server = Server::start(&[("admission", "auto")]);
    let c = &server.client;
    c.seed();
    let (a, b) = (credential('a'), credential('b'));
    assert_eq!(boot(&server, NODE_A, "SN-1", "00-25-90-00-00-01", &a), NODE_A);
    c.admin("PATCH", &format!("/api/v1/nodes/{NODE_A}"), Some(json!({"profile": "hv"}))).expect(200);
    let own = boot(&server, NODE_A, "SN-2", "00-25-90-00-00-02", &b);
    assert_ne!(own, NODE_A);
    // The address is the firmware's, the answer is the credential's.
    assert_eq!(c.call("GET", &format!("/ipxe/{NODE_A}/profile"), &a, None).expect(200).json()["profile"], "hv");
    for name in [NODE_A, own.as_str()] {
        let waits = c.call("GET", &format!("/ipxe/{name}/detail"), &b, None).expect(404).text();
        assert!(waits.contains("waits for approval"), "{waits}");
    }
    c.call("GET", &format!("/ipxe/{own}/detail"), &a, None).expect(403);
    let shown = node(&server, &own);
    assert_eq!((&shown["identity"]["source"], &shown["identity"]["told_uuid"]), (&json!("conflict"), &json!(NODE_A)));
    assert_eq!(shown["identity"]["conflicts"][0]["node"], NODE_A);
    let list = c.admin("GET", "/api/v1/nodes", None).expect(200).json();
    for item in list["items"].as_array().unwrap() {
        assert!(item["conflict"].as_str().unwrap().contains("serial SN-"), "{item}");
    }
    let events = c.admin("GET", "/api/v1/events?kind=identity&open=true", None).expect(200).json();
    assert_eq!(events["items"].as_array().unwrap().len(), 2, "{events}");
    assert!(events["items"][0]["severity"] == "alarm", "{events}");
}

#[test]
fn what_ipxe_says_may_hold_anything() {
    let server = Server::start(&[]);
    let c = &server.client;
    c.seed();
    let long = "x".repeat(2_000);
    for serial in ["%00%0a%0d%20higuma.nonce=1", "%ff%fe", "%F0%9F%90%BB", long.as_str(), "%24%7Buuid%7D"] {
        let path = format!("/ipxe/unknown?serial={serial}&product={serial}&mac=00-25-90-00-00-07&arch=x86_64");
        let script = c.get(&path, &[]).expect(200).text();
        assert_eq!(script.matches("higuma.node=").count(), 1, "{script}");
        assert_eq!(script.matches("higuma.nonce=").count(), 1, "{script}");
        assert!(script.is_ascii() && !script.contains("${uuid}"), "{script}");
    }
}

#[test]
fn a_replaced_board_is_merged_and_its_agent_goes_on() {
    let server = Server::start(&[]);
    let c = &server.client;
    c.seed();
    let (a, b) = (credential('a'), credential('b'));
    boot(&server, NODE_A, "SN-1", "00-25-90-00-00-01", &a);
    c.admin("PATCH", &format!("/api/v1/nodes/{NODE_A}"), Some(json!({"profile": "hv"}))).expect(200);
    boot(&server, NODE_B, "SN-1", "00-25-90-00-00-01", &b);
    assert_eq!(node(&server, NODE_B)["identity"]["merge_candidate"], NODE_A);
    let merge = format!("/api/v1/nodes/{NODE_B}/merge");
    for bad in [json!({}), json!({"into": "x"}), json!({"into": NODE_A, "force": true}), json!({"into": NODE_B})] {
        c.admin("POST", &merge, Some(bad)).expect(400);
    }
    let merged = c.admin("POST", &merge, Some(json!({"into": NODE_A}))).expect(200).json();
    assert_eq!((&merged["uuid"], &merged["identity"]["aliases"]), (&json!(NODE_A), &json!([NODE_B])));
    // The agent goes on under the address that it knows.
    let path = format!("/ipxe/{NODE_B}/detail");
    assert_eq!(c.call("GET", &path, &b, None).expect(200).json()["profile"], "hv");
    assert_eq!(node(&server, NODE_B)["uuid"], NODE_A);
    let refused = c.admin("PUT", &format!("/api/v1/nodes/{NODE_B}"), Some(json!({}))).expect(409).text();
    assert!(refused.contains(NODE_A), "{refused}");
    let nothing = format!("/api/v1/nodes/{NODE_A}/not-same");
    c.admin("POST", &nothing, None).expect(409);
}
