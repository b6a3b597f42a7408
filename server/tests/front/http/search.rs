//! `where=` and the rules over HTTPS: what is refused says what and where.

use super::fixture::{NODE_A, NODE_B, Server, credential};
use serde_json::json;

fn register(server: &Server, uuid: &str, digit: char, serial: &str) {
    let nonce = server.client.nonce(uuid);
    let inventory = json!({"system": {"serial": serial}, "memory": {"total_bytes": 8u64 << 30}});
    let body = json!({"nonce": nonce, "credential": credential(digit), "inventory": inventory});
    server.client.call("POST", &format!("/ipxe/{uuid}/register"), "", Some(body)).expect(200);
}

#[test]
fn nodes_are_searched_by_an_expression() {
    let server = Server::start(&[]);
    let client = &server.client;
    client.seed();
    register(&server, NODE_A, 'a', "SN-A");
    register(&server, NODE_B, 'b', "SN-B");
    let found = |expression: &str| {
        let encoded: String = expression.bytes().map(|b| format!("%{b:02X}")).collect();
        client.admin("GET", &format!("/api/v1/nodes?where={encoded}"), None)
    };
    let page = found("node.memory.total >= 8*GiB && node.serial != \"SN-B\"").expect(200).json();
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    assert_eq!(page["items"][0]["uuid"], NODE_A);
    assert_eq!(found("node.uuid.endsWith('33')").expect(200).json()["items"][0]["uuid"], NODE_B);
    let error = found("node.memroy.total > 0").expect(400).json();
    assert_eq!(error["code"], "bad_request");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("character 6") && message.contains("did you mean memory?"), "{message}");
    found("node.disks[0].size > 0").expect(400);
    found(&"!".repeat(4_000)).expect(400);
    found("").expect(200);
}

#[test]
fn rules_are_read_replaced_and_tried() {
    let server = Server::start(&[]);
    let client = &server.client;
    client.seed();
    let empty = client.admin("GET", "/api/v1/rules", None).expect(200).json();
    assert_eq!(empty["rules"], json!([]));
    let rule = json!({"name": "a", "when": "node.serial.startsWith('SN-')", "admission": "admitted"});
    let put = json!({"rules": [rule], "expected_hash": empty["hash"]});
    let list = client.admin("PUT", "/api/v1/rules", Some(put.clone())).expect(200).json();
    assert_eq!(list["rules"], json!([rule]));
    client.admin("PUT", "/api/v1/rules", Some(put)).expect(409);
    let bad = json!({"rules": [{"name": "b", "when": "node.x == 1", "admission": "admitted"}]});
    let error = client.admin("PUT", "/api/v1/rules", Some(bad)).expect(400).json();
    assert!(error["message"].as_str().unwrap().starts_with("rule b: character 6"), "{error}");
    client.admin("PUT", "/api/v1/rules", Some(json!({"rules": [], "unknown": 1}))).expect(400);
    register(&server, NODE_A, 'a', "SN-A");
    register(&server, NODE_B, 'b', "other");
    let node = |uuid: &str| client.admin("GET", &format!("/api/v1/nodes/{uuid}"), None).expect(200).json();
    assert_eq!((&node(NODE_A)["admission"], &node(NODE_A)["admitted_by"]), (&json!("admitted"), &json!("rule a")));
    assert_eq!((&node(NODE_B)["admission"], &node(NODE_B)["admitted_by"]), (&json!("pending"), &json!("policy")));
    let test = json!({"when": "node.memory.total == 8*GiB"});
    let tested = client.admin("POST", "/api/v1/rules/test", Some(test)).expect(200).json();
    assert_eq!((&tested["matching"], &tested["scanned"]), (&json!(2), &json!(2)));
    let rules = json!({"rules": [{"name": "all", "when": "true", "admission": "rejected"}]});
    let tested = client.admin("POST", "/api/v1/rules/test", Some(rules)).expect(200).json();
    assert_eq!(tested["changes"][0]["change"], "pending -> rejected");
    assert_eq!(tested["changes"][0]["because"], "rule all: true");
    client.admin("POST", "/api/v1/rules/test", Some(json!({}))).expect(400);
    client.call("GET", "/api/v1/rules", "", None).expect(401);
}
