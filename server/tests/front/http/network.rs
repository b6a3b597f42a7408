//! A node's network as anybody on the boot network may read it, over plain HTTP: no credential, nothing given, nothing secret.

use super::boot_grpc::{connect, registration, with};
use super::fixture::{NODE_A, Server, credential};
use higuma::domain::Sha256;
use higuma_proto::agent::get_boot_plan_response::Answer;
use higuma_proto::agent::{GetBootPlanRequest, Inventory, Nic};
use serde_json::json;

#[test]
fn detail_over_plain_http() {
    let server = Server::start(&[]);
    let c = &server.client;
    c.seed();
    let detail = format!("/ipxe/{NODE_A}/detail");
    assert!(c.get(&detail, &[]).expect(404).text().contains("no node is known"));
    c.get("/ipxe/no-uuid/detail", &[]).expect(400);
    // The whole plan is for the node alone, by its credential.
    c.send("GET", &format!("{}{detail}", c.https), &[], None).expect(401);

    let pool = json!({"name": "storage", "kind": "node", "cidr": "10.20.0.0/24", "vlan": 20});
    c.admin("POST", "/api/v1/pools", Some(pool)).expect(201);
    let words = json!({"image": "debian:12", "files": {"/etc/key": {"content": "no secret for strangers"}}, "network": {
        "lan0": {"match": {"boot": true}},
        "bond0": {"bond": ["lan0"], "mode": "active-backup", "dhcp4": true, "dns": "10.0.0.2"},
        "vlan20": {"vlan": 20, "over": "bond0", "address": {"pool": "storage"}},
    }});
    let bad = json!({"name": "bad", "words": {"network": {"vlan20": {"vlan": 5000, "over": "lan0"}}}});
    let refused = c.admin("POST", "/api/v1/profiles", Some(bad)).expect(400).text();
    assert!(refused.contains("network.vlan20.vlan: expected 1 to 4094, got 5000"), "{refused}");
    c.admin("POST", "/api/v1/profiles", Some(json!({"name": "net", "words": words}))).expect(201);

    let (nonce, session) = (c.nonce(NODE_A), credential('a'));
    let nic = Nic { name: "eth0".into(), mac: "52:54:00:12:34:56".into(), ..Nic::default() };
    let plan = server.runtime.block_on(async {
        let mut agent = connect(&server, &server.server_name).await.unwrap();
        let mut hello = registration(&nonce, &session, NODE_A);
        hello.boot_mac = nic.mac.clone();
        hello.inventory = Some(Inventory { nics: vec![nic], ..Inventory::default() });
        agent.register(hello).await.unwrap();
        c.admin("PATCH", &format!("/api/v1/nodes/{NODE_A}"), Some(json!({"profile": "net"}))).expect(200);
        let told = c.get(&detail, &[]).expect(200);
        assert_eq!(told.header("cache-control"), "no-store");
        assert_eq!(told.json()["devices"][2]["pools"], json!(["storage"]), "a GET gives nothing");
        let ask = GetBootPlanRequest { callback_sha256: Sha256::of("callback").to_string() };
        agent.get_boot_plan(with(ask, &session)).await.unwrap().into_inner().answer
    });
    let Some(Answer::Plan(plan)) = plan else { panic!("no plan") };
    assert_eq!(plan.network.unwrap().name_servers, ["10.0.0.2"]);
    assert!(plan.files.iter().any(|file| file.path == "/etc/systemd/network/10-higuma-525400123456.network"));
    let told = c.get(&detail, &[]).expect(200).json();
    assert_eq!(
        told,
        json!({"node": NODE_A, "hostname": "node-b4c04f4a4d32", "profile": "net", "revision": 1, "reserved": [], "devices": [
            {"name": "bond0", "kind": "bond", "mac": "52:54:00:12:34:56", "mode": "active-backup", "members": ["lan0"],
                "dhcp4": true, "dhcp6": false, "addresses": [], "dns": ["10.0.0.2"]},
            {"name": "lan0", "kind": "nic", "mac": "52:54:00:12:34:56", "master": "bond0", "dhcp4": false, "dhcp6": false,
                "addresses": []},
            {"name": "vlan20", "kind": "vlan", "mac": "52:54:00:12:34:56", "vlan": 20, "over": "bond0", "dhcp4": false,
                "dhcp6": false, "addresses": ["10.20.0.1/24"]},
        ]})
    );
    let listed = c.admin("GET", "/api/v1/addresses?live=true", None).expect(200).json();
    assert_eq!(
        (&listed["items"][0]["address"], &listed["items"][0]["device"]),
        (&json!("10.20.0.1"), &json!("vlan20"))
    );
    let release = json!({"node": NODE_A, "device": "vlan20"});
    assert_eq!(c.admin("POST", "/api/v1/addresses/release", Some(release)).expect(200).json()["released"], 1);
    let reserve = json!({"node": NODE_A, "address": "10.20.0.9", "device": "vlan20"});
    let given = c.admin("POST", "/api/v1/addresses/reserve", Some(reserve)).expect(200).json();
    assert_eq!(given["items"][0]["address"], "10.20.0.9");
    assert_eq!(c.get(&detail, &[]).expect(200).json()["devices"][2]["addresses"], json!(["10.20.0.9/24"]));
}
