//! An installer over plain HTTP: its answer file by the token of its boot, its call, and the disk from then on. And what
//! people do with profiles in a folder, over HTTPS.

use super::boot_grpc::{connect, registration, with};
use super::fixture::{NODE_A, Server, credential};
use higuma::domain::Sha256;
use higuma_proto::agent::GetBootPlanRequest;
use higuma_proto::agent::get_boot_plan_response::Answer;
use serde_json::json;

#[test]
fn from_an_answer_file_to_the_disk() {
    let server = Server::start(&[]);
    let c = &server.client;
    c.seed();
    let words = json!({"mode": "installer", "image": "debian:12", "cmdline": "url={{ urls.answer }} s={{ urls.seed }}",
        "answer": "{{ node.hostname }} calls {{ urls.installed }}\n"});
    c.admin("POST", "/api/v1/profiles", Some(json!({"name": "inst", "words": words}))).expect(201);
    let node = format!("/api/v1/nodes/{NODE_A}");
    let (nonce, session) = (c.nonce(NODE_A), credential('a'));
    let ask = || async {
        let mut agent = connect(&server, &server.server_name).await.unwrap();
        let ask = GetBootPlanRequest { callback_sha256: Sha256::of("callback").to_string() };
        agent.get_boot_plan(with(ask, &session)).await.unwrap().into_inner().answer
    };
    server.runtime.block_on(async {
        let mut agent = connect(&server, &server.server_name).await.unwrap();
        agent.register(registration(&nonce, &session, NODE_A)).await.unwrap();
    });
    c.admin("PATCH", &node, Some(json!({"profile": "inst"}))).expect(200);
    let Some(Answer::Plan(plan)) = server.runtime.block_on(ask()) else { panic!("no plan") };
    let at = format!("url={}/install/", c.plain);
    let token = plan.cmdline.split(&at).nth(1).unwrap_or_else(|| panic!("{}", plan.cmdline))[..64].to_owned();
    assert!(plan.cmdline.ends_with(&format!(" s={}/install/{token}/", c.plain)), "{}", plan.cmdline);
    assert_eq!((plan.parts.len(), plan.files.len()), (2, 0));

    let path = |what: &str| format!("/install/{token}/{what}");
    let answer = c.get(&path("answer"), &[]).expect(200);
    assert_eq!(answer.text(), format!("node-b4c04f4a4d32 calls {}{}\n", c.plain, path("installed")));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(c.get(&path("user-data"), &[]).expect(200).body, answer.body);
    assert!(c.get(&path("meta-data"), &[]).expect(200).text().contains("local-hostname: node-b4c04f4a4d32\n"));
    assert_eq!(c.get(&path("vendor-data"), &[]).expect(200).text(), "");
    c.get(&path("passwd"), &[]).expect(404);
    c.get(&path("installed"), &[]).expect(405);
    for bad in [credential('0'), "x".to_owned(), token.to_uppercase()] {
        let refused = c.get(&format!("/install/{bad}/answer"), &[]).expect(404).text();
        assert!(!refused.contains(&bad), "{refused}");
    }
    // No page and no answer for people has the token.
    for shown in [node.clone(), format!("/nodes/{NODE_A}"), format!("/api/v1/profiles/inst/preview?node={NODE_A}")] {
        let shown = c.admin("GET", &shown, None).expect(200).text();
        assert!(shown.contains("inst") && !shown.contains(&token), "{shown}");
    }
    for _ in 0..2 {
        c.send("POST", &format!("{}{}", c.plain, path("installed")), &[], Some(vec![])).expect(204);
    }
    c.get(&path("answer"), &[]).expect(404);
    let shown = c.admin("GET", &node, None).expect(200).json();
    assert_eq!(
        (shown["lifecycle"].as_str(), shown["disk"]["install"]["attempts"].as_u64()),
        (Some("assigned"), Some(1))
    );
    assert!(shown["disk"]["install"]["installed_us"].is_i64(), "{shown}");
    assert!(
        c.admin("GET", &format!("/nodes/{NODE_A}"), None).expect(200).text().contains("by profile inst revision 1")
    );
    let script = c.get(&format!("/ipxe/{NODE_A}?arch=x86_64"), &[]).expect(200).text();
    assert!(script.contains("sanboot") && !script.contains("nonce"), "{script}");
    // Asked for, it runs again.
    c.admin("POST", &format!("{node}/reinstall"), None).expect(200);
    c.nonce(NODE_A);
}

#[test]
fn a_folder_is_applied_by_the_api() {
    let server = Server::start(&[]);
    let c = &server.client;
    c.seed();
    let mut body =
        json!({"profiles": [{"name": "web", "words": {"parent": "hv", "modules": ["kvm"]}}], "dry_run": true});
    let would = c.admin("POST", "/api/v1/apply", Some(body.clone())).expect(200).json();
    assert_eq!((would["changes"][0]["action"].as_str(), would["dry_run"].as_bool()), (Some("create"), Some(true)));
    c.admin("GET", "/api/v1/profiles/web", None).expect(404);
    body["dry_run"] = json!(false);
    body["expected_state"] = would["state"].clone();
    c.admin("POST", "/api/v1/apply", Some(body.clone())).expect(200);
    c.admin("POST", "/api/v1/apply", Some(body.clone())).expect(409);
    body.as_object_mut().unwrap().remove("expected_state");
    let again = c.admin("POST", "/api/v1/apply", Some(body.clone())).expect(200).json();
    assert_eq!((again["changes"].as_array().unwrap().len(), again["unchanged"].as_u64()), (0, Some(1)));
    body["profiles"][0]["words"]["mode"] = json!("no such");
    assert!(c.admin("POST", "/api/v1/apply", Some(body)).expect(400).text().contains("profile web: mode"));
    c.call("POST", "/api/v1/apply", "", Some(json!({}))).expect(401);
}
