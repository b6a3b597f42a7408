//! Switches and cables over the JSON API: what a node that speaks JSON heard, as people and their programs see it.

use super::fixture::{NODE_A, NODE_B, Server, credential};
use serde_json::{Value, json};

fn neighbour(mac: &str, port: &str) -> Value {
    json!({"interface": "eth0", "mac": mac, "chassis_id": "Ethernet1/1", "chassis_id_type": "local",
        "port_id": port, "port_id_type": "interface_name", "system_name": "tor-1", "pvid": 7})
}

#[test]
fn switches_links_and_the_comparison() {
    let server = Server::start(&[("cabling-moved", "hold")]);
    let c = &server.client;
    c.seed();
    let boot = |uuid: &str, digit: char, port: &str| {
        let mac = "52:54:00:12:34:56";
        let body = json!({"nonce": c.nonce(uuid), "credential": credential(digit), "boot_mac": mac,
            "inventory": {"nics": [{"name": "eth0", "mac": mac}]}, "neighbours": [neighbour(mac, port)]});
        c.call("POST", &format!("/ipxe/{uuid}/register"), "", Some(body)).expect(200);
    };
    boot(NODE_A, 'a', "swp10");
    boot(NODE_B, 'b', "swp2");

    let list = c.admin("GET", "/api/v1/switches", None).expect(200).json();
    assert_eq!((&list["items"][0]["name"], &list["items"][0]["ports"]), (&json!("tor-1"), &json!(2)));
    // By name, and by an id with a slash in it.
    for name in ["tor-1", "Ethernet1%2F1"] {
        let ports = c.admin("GET", &format!("/api/v1/switches/{name}/ports"), None).expect(200).json();
        assert_eq!(ports["items"][0]["port_id"], "swp2", "{ports}");
        assert_eq!(ports["items"][1]["links"][0]["node"], NODE_A, "{ports}");
    }
    c.admin("GET", "/api/v1/switches/none/ports", None).expect(404);
    let page = c.admin("GET", "/api/v1/cabling/links?switch=tor-1&limit=1", None).expect(200).json();
    let next = page["next"].as_str().unwrap();
    let rest = c.admin("GET", &format!("/api/v1/cabling/links?limit=1&cursor={next}"), None).expect(200).json();
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));
    c.admin("GET", "/api/v1/cabling/links?node=x", None).expect(400);

    let put = |csv: &str| c.admin("PUT", "/api/v1/cabling/expected", Some(json!({"csv": csv})));
    let refused = put("node,nic,switch,port\n,eth0,tor-1,swp2\n").expect(400);
    assert!(refused.text().contains("line 2: expected either a node"), "{}", refused.text());
    let done =
        put(&format!("node,nic,switch,port\n{NODE_A},1,tor-1,swp10\n{NODE_B},1,tor-1,swp9\n")).expect(200).json();
    assert_eq!(done, json!({"rows": 2, "differ": 1, "written": true}));
    let check = c.admin("GET", "/api/v1/cabling/check", None).expect(200).json();
    assert_eq!((&check["items"][0]["verdict"], &check["items"][1]), (&json!("wrong-port"), &Value::Null));
    let all = c.admin("GET", &format!("/api/v1/cabling/check?all=true&node={NODE_A}"), None).expect(200).json();
    assert_eq!(all["items"][0]["verdict"], "ok");
    let rows = c.admin("GET", "/api/v1/cabling/expected?limit=1", None).expect(200).json();
    assert_eq!(rows["next"], "1");

    // Held, accepted, and let go on.
    c.admin("PATCH", &format!("/api/v1/nodes/{NODE_A}"), Some(json!({"profile": "hv"}))).expect(200);
    boot(NODE_A, 'c', "swp11");
    let detail = || c.call("GET", &format!("/ipxe/{NODE_A}/detail"), &credential('c'), None);
    assert!(detail().expect(404).text().contains("cabling changed"));
    c.call("POST", &format!("/api/v1/nodes/{NODE_A}/cabling/accept"), &credential('c'), None).expect(401);
    let links = c.admin("POST", &format!("/api/v1/nodes/{NODE_A}/cabling/accept"), None).expect(200).json();
    assert_eq!(links["items"][0]["port_id"], "swp11");
    detail().expect(200);
    c.admin("POST", "/api/v1/nodes/00000000-1111-4000-8000-000000000001/cabling/accept", None).expect(404);
}
