//! Pools and addresses over the wire, and their page.

use super::fixture::{NODE_A, NODE_B, Server, credential};
use serde_json::{Value, json};

#[test]
fn people_make_pools_and_give_addresses() {
    let server = Server::start(&[]);
    let call =
        |method: &str, path: &str, body: Option<Value>| server.client.admin(method, &format!("/api/v1/{path}"), body);
    for node in [NODE_A, NODE_B] {
        call("PUT", &format!("nodes/{node}"), Some(json!({}))).expect(200);
    }
    let bad = |body: Value, words: &str| {
        let said = call("POST", "pools", Some(body)).expect(400).text();
        assert!(said.contains(words), "{said}");
    };
    bad(json!({"name": "p", "kind": "disk", "cidr": "10.0.0.0/24"}), "bmc, node or dhcp");
    bad(json!({"name": "p", "kind": "bmc", "cidr": "10.0.0.1/24"}), "expected a network, e.g. 10.0.0.0/24");
    bad(json!({"name": "p", "kind": "bmc", "cidr": "10.0.0.0/24", "gateway": "10.0.1.1"}), "gateway");
    bad(json!({"name": "p", "kind": "bmc", "cidr": "10.0.0.0/24", "colour": 1}), "unknown field");
    let new =
        json!({"name": "p", "kind": "bmc", "cidr": "10.0.0.0/24", "gateway": "10.0.0.1", "ranges": ["10.0.0.8/30"]});
    let made = call("POST", "pools", Some(new.clone())).expect(201).json();
    assert_eq!((&made["capacity"], &made["used"], &made["source"]), (&json!(4), &json!(0), &json!("static")));
    call("POST", "pools", Some(new.clone())).expect(409);
    call("PUT", "pools/q", Some(new)).expect(400);
    let given =
        call("POST", "addresses/reserve", Some(json!({"node": NODE_A, "address": "10.0.0.9"}))).expect(200).json();
    assert_eq!((&given["items"][0]["address"], &given["items"][0]["kind"]), (&json!("10.0.0.9"), &json!("bmc")));
    call("POST", "addresses/reserve", Some(json!({"node": NODE_B, "address": "10.0.0.9"}))).expect(409);
    call("POST", "addresses/reserve", Some(json!({"node": NODE_B, "address": "x"}))).expect(400);
    call("DELETE", "pools/p", None).expect(409);
    let file = format!("address,node,kind\n10.0.0.10,{NODE_B},bmc\n");
    let done = call("PUT", "addresses", Some(json!({"csv": file}))).expect(200).json();
    assert_eq!((&done["changed"], &done["written"]), (&json!(1), &json!(true)));
    let error =
        call("PUT", "pools", Some(json!({"csv": "name,kind,cidr\nx,bmc,10.0.0.0/8\ny,z,\n"}))).expect(400).text();
    assert!(error.contains("line 3"), "{error}");
    let page = call("GET", "addresses?live=true&limit=1", None).expect(200).json();
    let next = page["next"].as_str().unwrap().replace(' ', "%20");
    let rest = call("GET", &format!("addresses?live=true&limit=1&cursor={next}"), None).expect(200).json();
    assert_eq!((&rest["items"][0]["node"], rest["next"].is_null()), (&json!(NODE_B), true));
    call("GET", "addresses?cursor=x", None).expect(400);
    assert_eq!(call("GET", "addresses/conflicts", None).expect(200).json()["items"], json!([]));

    for path in ["/addresses", "/addresses?pool=p"] {
        let body = server.client.admin("GET", path, None).expect(200).text();
        assert!(body.contains("2 of 4 in use") && body.contains(&format!("/nodes/{NODE_A}")), "{body}");
    }
    server.client.admin("GET", "/addresses?pool=none", None).expect(404);
    let released = call("POST", "addresses/release", Some(json!({"node": NODE_A, "kind": "bmc"}))).expect(200).json();
    assert_eq!(released["released"], 1);
    call("DELETE", "pools/p?force=p", None).expect(204);
    call("GET", "pools/p", None).expect(404);
    server.client.call("GET", "/api/v1/pools", &credential('a'), None).expect(401);
}

#[test]
fn people_see_leases_and_make_pools_of_them() {
    let server = Server::start(&[]);
    let call =
        |method: &str, path: &str, body: Option<Value>| server.client.admin(method, &format!("/api/v1/{path}"), body);
    let pool = json!({"name": "d", "kind": "dhcp", "cidr": "10.0.0.0/24", "ranges": ["10.0.0.8/30"], "dns": ["10.0.0.2"],
        "lease_seconds": 600, "options": {"150": "0a000001"}});
    let made = call("POST", "pools", Some(pool)).expect(201).json();
    assert_eq!(
        (&made["options"]["150"], &made["lease_seconds"], &made["capacity"]),
        (&json!("0a000001"), &json!(600), &json!(4))
    );
    let bad = json!({"name": "b", "kind": "bmc", "cidr": "10.1.0.0/24", "dns": ["10.0.0.2"]});
    let said = call("POST", "pools", Some(bad)).expect(400).text();
    assert!(said.contains("this is one of kind bmc"), "{said}");
    assert_eq!(
        call("GET", "dhcp/leases?subnet=10.0.0.0/24&state=bound", None).expect(200).json(),
        json!({"items": []})
    );
    for bad in ["state=free", "subnet=x", "node=x", "cursor=x", "colour=1"] {
        call("GET", &format!("dhcp/leases?{bad}"), None).expect(400);
    }
    call("DELETE", "dhcp/leases/10.0.0.9", None).expect(404);
    call("DELETE", "dhcp/leases/x", None).expect(400);
    server.client.call("GET", "/api/v1/dhcp/leases", &credential('a'), None).expect(401);
    let body = server.client.admin("GET", "/addresses?pool=d", None).expect(200).text();
    assert!(body.contains("0 of 4 in use"), "{body}");
}
