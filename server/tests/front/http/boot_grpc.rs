//! The same way by gRPC, as our agent goes it: TLS by ca.pem and the fixed name alone.

use super::fixture::{NODE_A, NODE_B, Server, credential};
use higuma::domain::Sha256;
use higuma_proto::agent::agent_client::AgentClient;
use higuma_proto::agent::get_boot_plan_response::Answer;
use higuma_proto::agent::{
    Event, GetBootPlanRequest, GetFirmwarePlanRequest, HeartbeatRequest, RegisterRequest, ReportEventsRequest,
    ReportFirmwareRequest, ReportUpRequest,
};
use serde_json::json;
use std::path::Path;
use tonic::transport::{Certificate, Channel, ClientTlsConfig};
use tonic::{Code, Request};

pub async fn connect(server: &Server, name: &str) -> Result<AgentClient<Channel>, tonic::transport::Error> {
    connect_to(server.dir.path(), server.grpc, name).await
}

pub async fn connect_to(data: &Path, grpc: u16, name: &str) -> Result<AgentClient<Channel>, tonic::transport::Error> {
    let pem = std::fs::read(data.join("ca.pem")).unwrap();
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)).domain_name(name);
    let endpoint = Channel::from_shared(format!("https://127.0.0.1:{grpc}")).unwrap().tls_config(tls)?;
    Ok(AgentClient::new(endpoint.connect().await?))
}

pub fn with<T>(message: T, credential: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {credential}").parse().unwrap());
    request
}

pub fn registration(nonce: &str, credential: &str, uuid: &str) -> RegisterRequest {
    RegisterRequest {
        nonce: nonce.to_owned(),
        credential: credential.to_owned(),
        uuid: uuid.to_owned(),
        boot_mac: "52:54:00:12:34:56".to_owned(),
        ..RegisterRequest::default()
    }
}

#[test]
fn from_script_to_running() {
    let server = Server::start(&[]);
    server.client.seed();
    let nonce = server.client.nonce(NODE_A);
    let (session, callback) = (credential('a'), credential('c'));
    server.runtime.block_on(async {
        assert!(connect(&server, "other.higuma.internal").await.is_err());
        let mut agent = connect(&server, &server.server_name).await.unwrap();
        let bad = agent.register(registration(&nonce, &session, "4c4c")).await.unwrap_err();
        assert_eq!(bad.code(), Code::InvalidArgument);
        assert!(bad.message().contains("8-4-4-4-12"), "{}", bad.message());
        let other = agent.register(registration(&nonce, &session, NODE_B)).await.unwrap_err();
        assert_eq!(other.code(), Code::PermissionDenied);
        let boot = agent.register(registration(&nonce, &session, NODE_A)).await.unwrap().into_inner().boot_id;
        let again = agent.register(registration(&nonce, &session, NODE_A)).await.unwrap().into_inner().boot_id;
        assert_eq!(boot, again);
        let second = agent.register(registration(&nonce, &callback, NODE_A)).await.unwrap_err();
        assert_eq!(second.code(), Code::PermissionDenied);

        let event = Event { seq: 0, at_us: 1, step: "plan".into(), state: "started".into(), message: String::new() };
        let events = ReportEventsRequest { events: vec![event], ..ReportEventsRequest::default() };
        for expected in [1, 0] {
            let report = agent.report_events(with(events.clone(), &session)).await.unwrap().into_inner();
            assert_eq!(report.stored, expected, "idempotent on seq");
        }
        let ask = GetBootPlanRequest { callback_sha256: Sha256::of(&callback).to_string() };
        let answer = agent.get_boot_plan(with(ask.clone(), &session)).await.unwrap().into_inner().answer;
        assert!(matches!(answer, Some(Answer::Wait(_))), "{answer:?}");
    });
    let node = format!("/api/v1/nodes/{NODE_A}");
    server.client.admin("PATCH", &node, Some(json!({"profile": "hv"}))).expect(200);
    server.runtime.block_on(async {
        let mut agent = connect(&server, &server.server_name).await.unwrap();
        let ask = GetBootPlanRequest { callback_sha256: Sha256::of(&callback).to_string() };
        let answer = agent.get_boot_plan(with(ask, &session)).await.unwrap().into_inner().answer;
        let Some(Answer::Plan(plan)) = answer else { panic!("{answer:?}") };
        assert_eq!((plan.profile.as_str(), plan.parts.len()), ("hv", 2));
        // The session's credential is not the second stage's, and the other way round.
        let up = ReportUpRequest { os: "Debian".into(), kernel: "6.1".into(), ..ReportUpRequest::default() };
        assert_eq!(agent.report_up(with(up.clone(), &session)).await.unwrap_err().code(), Code::Unauthenticated);
        let events = ReportEventsRequest::default();
        assert_eq!(agent.report_events(with(events, &callback)).await.unwrap_err().code(), Code::Unauthenticated);
        agent.report_up(with(up, &callback)).await.unwrap();
        agent.heartbeat(with(HeartbeatRequest::default(), &callback)).await.unwrap();
    });
    let shown = server.client.admin("GET", &node, None).expect(200).json();
    assert_eq!(shown["lifecycle"], "running", "{shown}");
}

#[test]
fn without_a_credential_only_register_is_reached() {
    let server = Server::start(&[]);
    server.runtime.block_on(async {
        let mut agent = connect(&server, &server.server_name).await.unwrap();
        let codes = [
            agent.report_events(ReportEventsRequest::default()).await.unwrap_err().code(),
            agent.get_boot_plan(GetBootPlanRequest::default()).await.unwrap_err().code(),
            agent.report_up(ReportUpRequest::default()).await.unwrap_err().code(),
            agent.heartbeat(HeartbeatRequest::default()).await.unwrap_err().code(),
            agent.get_firmware_plan(GetFirmwarePlanRequest::default()).await.unwrap_err().code(),
            agent.report_firmware(ReportFirmwareRequest::default()).await.unwrap_err().code(),
        ];
        assert_eq!(codes, [Code::Unauthenticated; 6]);
        let registered = agent.register(RegisterRequest::default()).await.unwrap_err();
        assert_eq!(registered.code(), Code::InvalidArgument);
        let mut large = registration(&credential('0'), &credential('1'), NODE_A);
        large.agent_version = "x".repeat(higuma_proto::MAX_MESSAGE_BYTES);
        assert_eq!(agent.register(large).await.unwrap_err().code(), Code::OutOfRange);
    });
}

#[test]
fn an_expired_nonce_is_refused_and_says_so() {
    let server = Server::start(&[("offer-ttl", "1ms")]);
    server.client.seed();
    let nonce = server.client.nonce(NODE_A);
    std::thread::sleep(std::time::Duration::from_millis(20));
    server.runtime.block_on(async {
        let mut agent = connect(&server, &server.server_name).await.unwrap();
        let late = agent.register(registration(&nonce, &credential('a'), NODE_A)).await.unwrap_err();
        assert_eq!(late.code(), Code::PermissionDenied);
        assert!(late.message().contains("expired"), "{}", late.message());
    });
}
