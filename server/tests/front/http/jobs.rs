//! Jobs over the JSON API, from the request to the last result, with hands that are made up.

use super::fixture::{NODE_A, NODE_B, Server};
use futures_util::future::BoxFuture;
use higuma::domain::NodeUuid;
use higuma::domain::bmc::BmcAction;
use higuma::service::jobs::{Failure, Perform};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Node A is done at once; node B only when it is let go, and fails.
struct Hands(watch::Sender<bool>);

impl Perform for Hands {
    fn perform(&self, node: NodeUuid, action: BmcAction, _: Instant) -> BoxFuture<'_, Result<String, Failure>> {
        Box::pin(async move {
            if node.as_str() == NODE_A {
                return Ok(format!("{action} is done"));
            }
            drop(self.0.subscribe().wait_for(|go| *go).await);
            Err(Failure { message: "no BMC at 10.0.0.9".into(), transient: false })
        })
    }
}

#[test]
fn a_job_is_asked_for_followed_and_cancelled() {
    let hands = Arc::new(Hands(watch::Sender::new(false)));
    let server = Server::start_with(&[("job-stagger", "0s"), ("job-nodes", "2")], Some(hands.clone()));
    let c = &server.client;
    for uuid in [NODE_A, NODE_B] {
        c.admin("PUT", &format!("/api/v1/nodes/{uuid}"), Some(json!({}))).expect(200);
    }
    let until = |id: &str, fits: &dyn Fn(&Value) -> bool| loop {
        let job = c.admin("GET", &format!("/api/v1/jobs/{id}"), None).expect(200).json();
        if fits(&job) {
            return job;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let ask = json!({"action": "power-on", "nodes": [NODE_B, NODE_A], "parallel": 2, "request_id": "r1"});
    let job = c.admin("POST", "/api/v1/jobs", Some(ask.clone())).expect(201).json();
    let id = job["id"].as_str().unwrap().to_owned();
    assert_eq!((&job["who"], &job["counts"]["total"], &job["stagger_ms"]), (&json!("admin"), &json!(2), &json!(0)));
    assert_eq!(c.admin("POST", "/api/v1/jobs", Some(ask)).expect(200).json()["id"], job["id"], "the same request");
    let half = until(&id, &|job| job["counts"]["ok"] == 1);
    assert_eq!((&half["state"], &half["ended_us"]), (&json!("running"), &Value::Null));

    // Waits for node B, and is cancelled.
    let next = json!({"action": "identify 15", "select": format!("node.uuid == '{NODE_B}'")});
    let next = c.admin("POST", "/api/v1/jobs", Some(next)).expect(201).json();
    let next = next["id"].as_str().unwrap().to_owned();
    for _ in 0..2 {
        let job = c.admin("POST", &format!("/api/v1/jobs/{next}/cancel"), None).expect(200).json();
        assert_eq!((&job["state"], &job["cancelled_by"]), (&json!("cancelled"), &json!("admin")));
    }
    hands.0.send_replace(true);
    let done = until(&id, &|job| job["state"] == "done");
    assert_eq!((&done["counts"]["ok"], &done["counts"]["failed"]), (&json!(1), &json!(1)));

    let items = |query: &str| c.admin("GET", &format!("/api/v1/jobs/{id}/items?{query}"), None).expect(200).json();
    let first = items("limit=1");
    assert_eq!((&first["items"][0]["node"], &first["next"]), (&json!(NODE_B), &json!("failed:0")), "failed first");
    assert_eq!(first["items"][0]["message"], "no BMC at 10.0.0.9");
    assert_eq!(items("limit=1&cursor=failed:0")["items"][0]["message"], "power-on is done");
    assert_eq!(items("state=ok")["items"][0]["node"], NODE_A);
    let list = c.admin("GET", "/api/v1/jobs?limit=1", None).expect(200).json();
    assert_eq!((&list["items"][0]["id"], &list["next"]), (&json!(next), &json!(next)), "newest first");
    assert_eq!(c.admin("GET", "/api/v1/jobs?state=done", None).expect(200).json()["items"][0]["id"], json!(id));
    let event = c.admin("GET", "/api/v1/events?kind=bmc&open=true", None).expect(200).json();
    assert_eq!(event["items"][0]["message"], "power-on: no BMC at 10.0.0.9");
    let metrics = c.admin("GET", "/metrics", None).expect(200).text();
    assert!(metrics.contains("higuma_job_items_total{action=\"power-on\",result=\"failed\"} 1"), "{metrics}");

    let refused = |body: Value, status: u16| c.admin("POST", "/api/v1/jobs", Some(body)).expect(status).text();
    assert!(refused(json!({"action": "reset", "nodes": ["nobody"]}), 404).contains("nobody"));
    assert!(refused(json!({"action": "fly", "nodes": [NODE_A]}), 400).contains("power-cycle"));
    assert!(refused(json!({"action": "reset", "nodes": ["a", "b", "c"]}), 400).contains("job-nodes"));
    assert!(refused(json!({"action": "reset", "request_id": "r1", "nodes": [NODE_A]}), 409).contains("r1"));
    refused(json!({"action": "reset", "nodes": [NODE_A], "node": 1}), 400);
    c.admin("GET", "/api/v1/jobs/x", None).expect(400);
    c.admin("GET", "/api/v1/jobs?state=old", None).expect(400);
    c.admin("POST", "/api/v1/jobs/0198c2ab-5f0e-7cc2-8a30-1be0ffd4c1a3/cancel", None).expect(404);
    c.call("POST", "/api/v1/jobs", "", Some(json!({"action": "reset", "nodes": [NODE_A]}))).expect(401);
}

#[test]
fn a_job_goes_on_after_a_restart() {
    let hands = Arc::new(Hands(watch::Sender::new(false)));
    let mut server = Server::start_with(&[], Some(hands.clone()));
    for uuid in [NODE_A, NODE_B] {
        server.client.admin("PUT", &format!("/api/v1/nodes/{uuid}"), Some(json!({}))).expect(200);
    }
    let ask = json!({"action": "clear-log", "select": "true", "parallel": 1});
    let job = server.client.admin("POST", "/api/v1/jobs", Some(ask)).expect(201).json();
    let path = format!("/api/v1/jobs/{}", job["id"].as_str().unwrap());
    server.restart();
    hands.0.send_replace(true);
    let counts = loop {
        let job = server.client.admin("GET", &path, None).expect(200).json();
        if job["state"] == "done" {
            break job["counts"].clone();
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!((&counts["ok"], &counts["failed"]), (&json!(1), &json!(1)));
}
