//! `higuma pool` and `higuma address`: what is sent, what is printed, and files both ways.

use super::fake::{Answer, Request};
use super::{Home, UUID, error, node, text};
use higuma::domain::ipam::import;
use serde_json::{Value, json};

fn pool() -> Value {
    json!({ "name": "bmc", "kind": "bmc", "cluster": "", "cidr": "10.9.0.0/24", "gateway": "10.9.0.1", "vlan": 7,
        "ranges": ["10.9.0.10-10.9.0.20", "10.9.0.30"], "exclusions": [], "source": "static", "capacity": 12, "used": 3,
        "released": 1 })
}

fn server(r: &Request) -> Answer {
    let address = json!({ "pool": "bmc", "address": "10.9.0.40", "node": UUID, "hostname": "web", "kind": "bmc", "since_us": 0,
        "released_us": null });
    let imported = json!({ "rows": 2, "changed": 1, "written": false });
    match (r.method.as_str(), r.path.as_str()) {
        ("GET", "/api/v1/nodes?q=web") => (200, json!({ "items": [node(UUID, "web")] }).to_string()),
        ("POST", "/api/v1/pools") => (201, pool().to_string()),
        ("PUT", "/api/v1/pools" | "/api/v1/addresses") => (200, imported.to_string()),
        ("GET", "/api/v1/pools") => (200, json!({ "items": [pool()] }).to_string()),
        ("GET" | "PUT", "/api/v1/pools/bmc") => (200, pool().to_string()),
        ("DELETE", "/api/v1/pools/bmc?force=bmc") => (204, String::new()),
        ("POST", "/api/v1/addresses/release") => (200, json!({ "released": 1 }).to_string()),
        ("GET", "/api/v1/addresses/conflicts") => (200, json!({ "items": [] }).to_string()),
        (_, path) if path.starts_with("/api/v1/addresses") => (200, json!({ "items": [address] }).to_string()),
        _ => (404, error("not_found", "no")),
    }
}

#[test]
fn a_pool_is_made_shown_and_removed() {
    let home = Home::new(server);
    let add = [
        "pool",
        "add",
        "bmc",
        "--kind",
        "bmc",
        "--cidr",
        "10.9.0.0/24",
        "--range",
        "10.9.0.10-10.9.0.20",
        "--vlan",
        "7",
    ];
    let out = home.run(&add);
    assert!(out.status.success() && text(&out.stdout).contains("3 of 12"), "{}", text(&out.stderr));
    let sent: Value = serde_json::from_slice(&home.fake.requests()[0].body).unwrap();
    let expected = json!({ "name": "bmc", "kind": "bmc", "cluster": "", "cidr": "10.9.0.0/24", "vlan": 7,
        "ranges": ["10.9.0.10-10.9.0.20"], "exclusions": [], "source": "static" });
    assert_eq!(sent, expected);
    assert!(text(&home.run(&["pool", "show", "bmc"]).stdout).contains("Gateway:   10.9.0.1"));
    assert_eq!(home.run(&["pool", "rm", "bmc"]).status.code(), Some(3));
    assert!(home.run(&["pool", "rm", "bmc", "--force", "bmc"]).status.success());
    let edit = ["pool", "edit", "bmc", "--kind", "bmc", "--cidr", "10.9.0.0/23"];
    assert!(home.run(&edit).status.success());
    assert!(home.fake.lines().contains(&"PUT /api/v1/pools/bmc".to_owned()));
}

#[test]
fn what_is_exported_can_be_imported() {
    let home = Home::new(server);
    let out = home.run(&["pool", "export"]);
    let pools = import::pools(text(&out.stdout)).unwrap();
    assert_eq!((pools.len(), pools[0].1.ranges.len(), pools[0].1.vlan), (1, 2, 7));
    let out = home.run(&["address", "export"]);
    let rows = import::addresses(text(&out.stdout)).unwrap();
    assert_eq!((rows[0].node.as_str(), rows[0].address.to_string().as_str()), (UUID, "10.9.0.40"));
    let file = home.path("a.csv");
    std::fs::write(&file, "address,node\n").unwrap();
    let out = home.run(&["address", "import", "--dry-run", file.to_str().unwrap()]);
    assert_eq!(text(&out.stdout), "2 row(s), 1 change something; dry run, nothing written\n");
    let sent: Value = serde_json::from_slice(&home.fake.requests()[2].body).unwrap();
    assert_eq!(sent, json!({ "csv": "address,node\n", "dry_run": true }));
    std::fs::write(&file, b"\xff").unwrap();
    assert_eq!(home.run(&["pool", "import", file.to_str().unwrap()]).status.code(), Some(2));
}

#[test]
fn addresses_are_listed_given_and_given_back() {
    let home = Home::new(server);
    let out = home.run(&["address", "list", "--node", "web", "--pool", "bmc"]);
    assert!(text(&out.stdout).contains("10.9.0.40  bmc   web"), "{}", text(&out.stdout));
    assert_eq!(home.fake.lines()[1], format!("GET /api/v1/addresses?pool=bmc&node={UUID}&live=true"));
    assert!(home.run(&["address", "reserve", "web", "10.9.0.40"]).status.success());
    let sent: Value = serde_json::from_slice(&home.fake.requests()[3].body).unwrap();
    assert_eq!(sent, json!({ "node": UUID, "address": "10.9.0.40" }));
    assert_eq!(text(&home.run(&["address", "release", "web"]).stdout), "1 address(es) released\n");
    assert!(home.run(&["address", "conflicts"]).status.success());
}

#[test]
fn a_pool_tells_dhcp_clients() {
    let home = Home::new(|r| match r.path.as_str() {
        "/api/v1/pools" => {
            let mut pool: Value = match r.body.as_slice() {
                [] => json!({ "name": "d", "kind": "dhcp", "cidr": "10.0.0.0/24", "ranges": ["10.0.0.10-10.0.0.20"],
                    "dns": ["10.0.0.2", "10.0.0.3"], "lease_seconds": 600, "options": { "150": "0a000001", "66": "ff" } }),
                body => serde_json::from_slice(body).unwrap(),
            };
            let more = json!({ "capacity": 11, "used": 0, "released": 0 });
            pool.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let pools = json!({ "items": [pool] });
            if r.method == "POST" { (201, pool.to_string()) } else { (200, pools.to_string()) }
        }
        _ => (404, error("not_found", "no")),
    });
    let add = |more: &[&str]| {
        let base = ["pool", "add", "d", "--kind", "dhcp", "--cidr", "10.0.0.0/24", "--range", "10.0.0.10-10.0.0.20"];
        home.run(&[&base[..], more].concat())
    };
    let told =
        ["--dns", "10.0.0.2", "--dns", "10.0.0.3", "--lease", "12h", "--mtu", "9000", "--option", "150=0a000001"];
    let out = add(&told);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let sent: Value = serde_json::from_slice(&home.fake.requests()[0].body).unwrap();
    assert_eq!((&sent["dns"], &sent["lease_seconds"]), (&json!(["10.0.0.2", "10.0.0.3"]), &json!(43_200)));
    assert_eq!((&sent["mtu"], &sent["options"]), (&json!(9000), &json!({ "150": "0a000001" })));
    for bad in
        [&["--lease", "12"][..], &["--lease", "1500ms"], &["--option", "150"], &["--option", "1=0", "--option", "1=1"]]
    {
        assert_eq!(add(bad).status.code(), Some(2), "{bad:?}");
    }
    let out = home.run(&["pool", "export"]);
    let read = import::pools(text(&out.stdout)).unwrap();
    let dhcp = &read[0].1.dhcp;
    assert_eq!((dhcp.lease_seconds, dhcp.options.dns.len(), dhcp.options.other.len()), (Some(600), 2, 2));
}

#[test]
fn leases_are_listed_and_released() {
    let lease = json!({ "address": "10.0.0.17", "subnet": "10.0.0.0/24", "state": "bound", "client": "id:01",
        "hardware": "52:54:00:00:00:01", "hostname": "kitchen", "expires_us": 0, "seen_us": 0, "node": UUID, "node_hostname": "web" });
    let home = Home::new(move |r| match (r.method.as_str(), r.path.as_str()) {
        ("GET", "/api/v1/nodes?q=web") => (200, json!({ "items": [node(UUID, "web")] }).to_string()),
        ("GET", path) if path.starts_with("/api/v1/dhcp/leases") => (200, json!({ "items": [lease] }).to_string()),
        ("DELETE", "/api/v1/dhcp/leases/10.0.0.17") => (204, String::new()),
        _ => (404, error("not_found", "nobody")),
    });
    let out = home.run(&["dhcp", "leases", "--node", "web", "--state", "bound"]);
    assert!(text(&out.stdout).contains("10.0.0.17  bound"), "{} {}", text(&out.stdout), text(&out.stderr));
    assert_eq!(home.fake.lines()[1], format!("GET /api/v1/dhcp/leases?node={UUID}&state=bound"));
    assert!(home.run(&["dhcp", "release", "10.0.0.17"]).status.success());
    assert_eq!(home.run(&["dhcp", "release", "10.0.0.18"]).status.code(), Some(3));
}
