//! BMC passwords and the master key over the wire: only for an administrator, only by POST, never kept on the way.

use super::fixture::{NODE_A, Server, credential};
use higuma::domain::NodeUuid;
use higuma::service::{App, Settings, credentials};
use higuma::store::Store;
use higuma::vault::Vault;
use serde_json::json;

#[test]
fn a_password_is_shown_to_an_administrator_and_survives_restart_and_rotation() {
    let mut server = Server::start(&[("bmc-user", "kuma")]);
    server.client.admin("PUT", &format!("/api/v1/nodes/{NODE_A}"), Some(json!({}))).expect(200);
    let path = format!("/api/v1/nodes/{NODE_A}/bmc/password/reveal");
    server.client.admin("POST", &path, None).expect(404);
    let node: NodeUuid = NODE_A.parse().unwrap();
    // Another handle on the same database and key: the agent's way in is not built here.
    let store = Store::open(&format!("sqlite:{}", server.dir.path().join("higuma.db").display())).unwrap();
    let vault = Vault::open(server.dir.path(), None, None).unwrap();
    let app = App::new(store, Settings { bmc_user: "kuma".into(), ..Settings::default() }).with_vault(vault);
    let planned = server.runtime.block_on(credentials::plan(&app, node)).unwrap();
    drop(app);

    let shown = server.client.admin("POST", &path, None).expect(200);
    assert_eq!(shown.header("cache-control"), "no-store");
    let body = shown.json();
    let first = &body["credentials"][0];
    assert_eq!((&first["user"], &first["state"]), (&json!("kuma"), &json!("planned")));
    assert_eq!(first["passwords"][0], planned.passwords[0].reveal());
    server.client.call("POST", &path, &credential('a'), None).expect(401);
    server.client.admin("GET", &path, None).expect(405);
    let events = server.client.admin("GET", "/api/v1/events?kind=bmc", None).expect(200).json();
    assert!(events["items"][0]["message"].as_str().unwrap().contains("shown to admin at"), "{events}");
    for path in ["/api/v1/events", &format!("/api/v1/nodes/{NODE_A}"), "/metrics"] {
        let text = server.client.admin("GET", path, None).expect(200).text();
        assert!(!text.contains(planned.passwords[0].reveal()), "{path}");
    }

    let before = server.client.admin("GET", "/api/v1/master-key", None).expect(200).json();
    assert_eq!((&before["sealed"], &before["waiting"], &before["rotating"]), (&json!(1), &json!(0), &json!(false)));
    let began = server.client.admin("POST", "/api/v1/master-key/rotate", None).expect(202).json();
    assert_ne!(began["id"], before["id"]);
    server.restart();
    let again = server.client.admin("POST", &path, None).expect(200).json();
    assert_eq!(again["credentials"], body["credentials"]);
    let after = server.client.admin("GET", "/api/v1/master-key", None).expect(200).json();
    assert_eq!(after["id"], began["id"]);
    server.client.call("GET", "/api/v1/master-key", &credential('a'), None).expect(401);
}
