//! The firmware policy over the wire: rules by the API, the update by gRPC, and a server that is restarted between the
//! hand-out and the report.

use super::boot_grpc::{connect, registration, with};
use super::fixture::{NODE_A, NODE_B, Server, credential};
use higuma::domain::Sha256;
use higuma_proto::agent::get_boot_plan_response::Answer as Plan;
use higuma_proto::agent::get_firmware_plan_response::Answer;
use higuma_proto::agent::{
    Bios, FirmwareUpdate, GetBootPlanRequest, GetFirmwarePlanRequest, Inventory, ReportFirmwareRequest,
};
use serde_json::{Value, json};
use tonic::Code;

/// Power on: registers with this BIOS under a fresh credential.
fn boot(server: &Server, session: &str, bios: &str) {
    let nonce = server.client.nonce(NODE_A);
    let bios = Bios { vendor: "Kuma".into(), version: bios.into(), ..Bios::default() };
    let mut request = registration(&nonce, session, NODE_A);
    request.inventory = Some(Inventory { bios: Some(bios), ..Inventory::default() });
    server.runtime.block_on(async {
        let mut agent = connect(server, &server.server_name).await.unwrap();
        agent.register(request).await.unwrap();
    });
}

fn ask(server: &Server, session: &str) -> Answer {
    server.runtime.block_on(async {
        let mut agent = connect(server, &server.server_name).await.unwrap();
        let answer = agent.get_firmware_plan(with(GetFirmwarePlanRequest {}, session)).await.unwrap();
        answer.into_inner().answer.unwrap()
    })
}

fn update(server: &Server, session: &str) -> FirmwareUpdate {
    match ask(server, session) {
        Answer::Update(update) => update,
        other => panic!("expected an update, got {other:?}"),
    }
}

fn report(server: &Server, session: &str, report: ReportFirmwareRequest) -> Result<(), Code> {
    server.runtime.block_on(async {
        let mut agent = connect(server, &server.server_name).await.unwrap();
        agent.report_firmware(with(report, session)).await.map(drop).map_err(|status| status.code())
    })
}

fn plan(server: &Server, session: &str) -> Plan {
    server.runtime.block_on(async {
        let mut agent = connect(server, &server.server_name).await.unwrap();
        let ask = GetBootPlanRequest { callback_sha256: Sha256::of(credential('c')).to_string() };
        agent.get_boot_plan(with(ask, session)).await.unwrap().into_inner().answer.unwrap()
    })
}

fn firmware_of(server: &Server) -> Value {
    server.client.admin("GET", &format!("/api/v1/nodes/{NODE_A}/firmware"), None).expect(200).json()
}

#[test]
fn an_update_survives_restarts_of_the_server_at_every_point() {
    let mut server = Server::start(&[]);
    server.client.seed();
    let blob = server.client.blob(b"archive");
    let rule = json!({"name": "bios", "component": "bios", "vendor": "kuma*", "wanted": "2.0.0", "mode": "update",
        "update": {"blob": blob, "exec": "busybox", "args": ["sh", "update.sh"], "deadline_seconds": 120}});
    let made = server.client.admin("POST", "/api/v1/firmware/rules", Some(rule.clone())).expect(201).json();
    assert_eq!((&made["position"], &made["update"]), (&json!(1), &rule["update"]));
    server.client.admin("PUT", &format!("/api/v1/nodes/{NODE_A}"), Some(json!({"profile": "hv"}))).expect(200);

    let (first, second) = (credential('a'), credential('b'));
    boot(&server, &first, "1.2.3");
    server.restart();
    assert!(matches!(plan(&server, &first), Plan::Wait(wait) if wait.ask_firmware));
    let given = update(&server, &first);
    assert_eq!(
        (given.component.as_str(), given.wanted.as_str(), given.attempt, given.attempts),
        ("bios", "2.0.0", 1, 3)
    );
    assert_eq!((given.exec.as_str(), given.args.len(), given.deadline_seconds), ("busybox", 2, 120));
    let part = given.part.clone().unwrap();
    assert_eq!((part.sha256.as_str(), part.size), (blob.as_str(), 7));
    assert!(part.urls[0].starts_with("http://127.0.0.1:") && part.urls[0].ends_with(&format!("/blobs/{blob}")));
    server.restart();
    assert_eq!(update(&server, &first), given, "the same attempt after a restart");
    let done = ReportFirmwareRequest {
        attempt_id: given.attempt_id.clone(),
        exit_code: Some(0),
        output: vec![b'x'; 200_000],
        ..ReportFirmwareRequest::default()
    };
    assert_eq!(report(&server, &first, ReportFirmwareRequest::default()), Err(Code::NotFound));
    assert_eq!(report(&server, &first, done.clone()), Ok(()));
    server.restart();
    assert_eq!(report(&server, &first, done), Ok(()), "idempotent");
    assert!(matches!(ask(&server, &first), Answer::Restart(_)));
    server.restart();
    boot(&server, &second, "2.0.0");
    assert!(matches!(ask(&server, &second), Answer::Nothing(_)));
    assert!(matches!(plan(&server, &second), Plan::Plan(_)));
    let shown = firmware_of(&server);
    assert_eq!((&shown["state"], &shown["attempts"][0]["outcome"]), (&json!("compliant"), &json!("succeeded")));
    assert_eq!(shown["attempts"].as_array().unwrap().len(), 1, "counted once: {shown}");
    assert_eq!(shown["attempts"][0]["output"].as_str().unwrap().len(), 64 * 1024);
    let metrics = server.client.admin("GET", "/metrics", None).expect(200).text();
    assert!(metrics.contains("higuma_firmware_nodes{state=\"compliant\"} 1"), "{metrics}");
}

#[test]
fn people_see_and_steer_it_by_the_api() {
    let server = Server::start(&[]);
    server.client.seed();
    let call = |method: &str, path: &str, body: Option<Value>| {
        server.client.admin(method, &format!("/api/v1/firmware/{path}"), body)
    };
    let bad = |body: Value, words: &str| {
        let said = call("POST", "rules", Some(body)).expect(400).text();
        assert!(said.contains(words), "{said}");
    };
    bad(json!({"name": "r", "component": "cpu", "wanted": "1"}), "bios, bmc, nic, nvme or disk");
    bad(json!({"name": "r", "component": "bios", "wanted": "1", "colour": "red"}), "unknown field");
    bad(json!({"name": "r", "component": "bios", "wanted": "1", "mode": "update"}), "an archive");
    let gone = json!({"blob": "0".repeat(64), "exec": "x"});
    bad(json!({"name": "r", "component": "bios", "wanted": "1", "mode": "update", "update": gone}), "upload it first");
    bad(json!({"name": "r", "component": "disk", "vendor": "x", "wanted": "1"}), "within the model");
    for (name, mode) in [("hold", "hold"), ("tell", "report")] {
        let rule = json!({"name": name, "component": "bios", "wanted": "2.0.0", "mode": mode});
        call("POST", "rules", Some(rule)).expect(201);
    }
    call("POST", "rules", Some(json!({"name": "tell", "component": "bios", "wanted": "1"}))).expect(409);
    call("POST", "rules/tell/move", Some(json!({"before": "hold"}))).expect(200);
    call("POST", "rules/tell/move", Some(json!({"before": "none"}))).expect(404);
    let listed = call("GET", "rules", None).expect(200).json();
    assert_eq!((&listed["items"][0]["name"], &listed["items"][1]["position"]), (&json!("tell"), &json!(2)));

    boot(&server, &credential('a'), "1.2.3");
    // Pending: nothing to learn, nothing to hold.
    assert!(matches!(ask(&server, &credential('a')), Answer::Nothing(_)));
    server.client.admin("PATCH", &format!("/api/v1/nodes/{NODE_A}"), Some(json!({"profile": "hv"}))).expect(200);
    assert!(matches!(ask(&server, &credential('a')), Answer::Nothing(_)), "the first rule that fits reports");
    call("DELETE", "rules/tell", None).expect(204);
    call("DELETE", "rules/tell", None).expect(404);
    let Answer::Hold(hold) = ask(&server, &credential('a')) else { panic!("not held") };
    assert!(hold.reason.contains("BIOS 1.2.3, wanted 2.0.0 (rule hold)"), "{hold:?}");
    assert!(matches!(plan(&server, &credential('a')), Plan::Wait(wait) if wait.reason.contains("firmware")));

    let counts = call("GET", "compliance", None).expect(200).json();
    assert_eq!((&counts["nodes"]["held"], &counts["nodes"]["failed"]), (&json!(1), &json!(0)));
    let nodes = call("GET", "nodes?state=held", None).expect(200).json();
    assert_eq!((&nodes["items"][0]["uuid"], nodes["next"].is_null()), (&json!(NODE_A), true));
    call("GET", "nodes?state=fine", None).expect(400);
    assert_eq!(firmware_of(&server)["components"][0]["verdict"], "differs");
    let events = server.client.admin("GET", "/api/v1/events?kind=firmware&open=true", None).expect(200).json();
    assert_eq!(events["items"][0]["subject"], "firmware:bios");
    server.client.admin("POST", &format!("/api/v1/nodes/{NODE_A}/firmware/retry"), None).expect(200);
    server.client.admin("POST", &format!("/api/v1/nodes/{NODE_B}/firmware/retry"), None).expect(404);
    for path in ["/api/v1/firmware/rules", "/api/v1/firmware/compliance"] {
        server.client.call("GET", path, &credential('a'), None).expect(401);
    }
}
