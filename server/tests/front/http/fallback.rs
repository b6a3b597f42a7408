//! A node in fallback, as people see it over HTTPS: its list, its page, the fleet's, the metric; and trying again.

use super::boot_grpc::{connect, registration, with};
use super::fixture::{NODE_A, Server, credential};
use higuma::domain::Sha256;
use higuma_proto::agent::get_boot_plan_response::Answer;
use higuma_proto::agent::{Event, GetBootPlanRequest, ReportEventsRequest, ReportUpRequest};
use serde_json::json;

/// One boot: up with what it gets, or dead after its jump; gives the revision.
fn boots(server: &Server, digit: char, comes_up: bool) -> u32 {
    let nonce = server.client.nonce(NODE_A);
    // Another one for each boot, and another for its second stage.
    let callback = char::from_digit(digit.to_digit(16).unwrap() - 9, 16).unwrap();
    let (session, callback) = (credential(digit), credential(callback));
    server.runtime.block_on(async {
        let mut agent = connect(server, &server.server_name).await.unwrap();
        agent.register(registration(&nonce, &session, NODE_A)).await.unwrap();
        let ask = GetBootPlanRequest { callback_sha256: Sha256::of(&callback).to_string() };
        let answer = agent.get_boot_plan(with(ask, &session)).await.unwrap().into_inner().answer;
        let Some(Answer::Plan(plan)) = answer else { panic!("{answer:?}") };
        if comes_up {
            agent.report_up(with(ReportUpRequest::default(), &callback)).await.unwrap();
        } else {
            let event = Event { seq: 0, at_us: 1, step: "kexec".into(), state: "ok".into(), message: String::new() };
            let events = ReportEventsRequest { events: vec![event], ..ReportEventsRequest::default() };
            agent.report_events(with(events, &session)).await.unwrap();
        }
        plan.revision
    })
}

#[test]
fn a_node_in_fallback_is_seen_and_tries_again() {
    let server = Server::start(&[("fallback-after", "1")]);
    let c = &server.client;
    c.seed();
    let node = format!("/api/v1/nodes/{NODE_A}");
    c.admin("PUT", &node, Some(json!({"profile": "hv"}))).expect(200);
    assert_eq!(boots(&server, 'a', true), 1);
    let words = json!({"image": "debian:12", "cmdline": "broken"});
    c.admin("PUT", "/api/v1/profiles/hv", Some(json!({"name": "hv", "words": words}))).expect(200);
    assert_eq!((boots(&server, 'b', false), boots(&server, 'c', true)), (2, 1));

    let shown = c.admin("GET", &node, None).expect(200).json();
    assert_eq!((&shown["fallback"]["from"], &shown["fallback"]["to"]), (&json!("hv@2"), &json!("hv@1")));
    assert_eq!(shown["reason"], json!("hv@2 failed to boot: it gets hv@1 instead"));
    let found = c.admin("GET", "/api/v1/nodes?where=node.fallback%20%3D%3D%20%22hv%401%22", None).expect(200).json();
    assert_eq!(found["items"][0]["uuid"], json!(NODE_A));
    let drift = c.admin("GET", &format!("{node}/drift"), None).expect(200).json();
    assert_eq!((&drift["drift"], &drift["fallback"]), (&json!("changed"), &shown["reason"]));
    let page = c.admin("GET", &format!("/nodes/{NODE_A}"), None).expect(200).text();
    assert!(page.contains("In fallback: hv@2 failed to boot") && page.contains("value=\"retry\""), "{page}");
    let fleet = c.admin("GET", "/", None).expect(200).text();
    assert!(fleet.contains("1 node, whose revision failed to boot"), "{fleet}");
    let events = c.admin("GET", "/api/v1/events?kind=boot&open=true", None).expect(200).json();
    assert_eq!((events["items"].as_array().unwrap().len(), &events["items"][0]["severity"]), (1, &json!("alarm")));

    let again = c.admin("POST", &format!("{node}/retry"), None).expect(200).json();
    assert!(again.get("fallback").is_none(), "{again}");
    c.admin("POST", &format!("{node}/retry"), None).expect(200);
    c.call("POST", &format!("{node}/retry"), "", None).expect(401);
    c.admin("POST", "/api/v1/nodes/4c4c4544-0046-3010-8052-b4c04f4a4d99/retry", None).expect(404);
    assert_eq!(boots(&server, 'd', true), 2);
    let well = c.admin("GET", &format!("/nodes/{NODE_A}"), None).expect(200).text();
    assert!(!well.contains("In fallback"), "{well}");
}
