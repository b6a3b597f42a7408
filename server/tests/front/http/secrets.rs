//! The built program with everything in its log: a secret goes to the agent of the node that has it, and is looked for in all
//! else that the program says and keeps. And the addresses of secrets.

use super::boot_grpc::{connect_to, registration, with};
use super::fixture::{Client, NODE_A, Server, credential};
use super::process;
use higuma::domain::Sha256;
use higuma_proto::agent::get_boot_plan_response::Answer;
use higuma_proto::agent::{BootPlan, GetBootPlanRequest};
use serde_json::json;

/// What is looked for.
const CANARY: &str = "canary-7f3a91c2e4";
/// What is in a hash that stands in the profile itself.
const HASH: &str = "$6$saltsalt$canaryhashcanaryhashcanaryhashcanaryhashcanaryhashcanaryhashcanaryhashcanaryhashca";

/// In any of the forms in which it could be.
fn leaks(text: &str) -> Option<String> {
    use base64::Engine as _;
    // Base64 of it has one of three forms, by what stands before it.
    let shifted = (0..3).map(|n| {
        let digits = base64::engine::general_purpose::STANDARD.encode(format!("{}{CANARY}", "x".repeat(n)));
        digits[4..digits.len() - 4].to_owned()
    });
    let forms = [CANARY.to_owned(), hex::encode(CANARY), "canaryhash".to_owned()];
    forms.into_iter().chain(shifted).find(|form| text.contains(form.as_str()))
}

fn no_leak(what: &str, text: &str) {
    assert_eq!(leaks(text), None, "{what}: {text}");
}

fn clean(client: &Client, path: &str, status: u16) -> String {
    let text = client.admin("GET", path, None).expect(status).text();
    no_leak(path, &text);
    text
}

fn words() -> serde_json::Value {
    json!({"image": "debian:12", "files": {"/etc/key": {"secret": "web-key"}},
        "users": {"ann": {"uid": 1000, "password_hash": HASH}}})
}

#[test]
fn a_value_reaches_the_nodes_own_agent_and_no_other_sink() {
    let dir = tempfile::tempdir().unwrap();
    let (data, log) = (dir.path().join("data"), dir.path().join("log"));
    let mut program = process::start(&data, &log);
    let client = &program.client;
    client.seed();
    let value = format!("BEGIN\n{CANARY}\nEND\n");
    let set = |text: &str| client.admin("PUT", "/api/v1/secrets/web-key", Some(json!({ "text": text })));
    no_leak("set", &set(&value).expect(201).text());
    no_leak("set again", &set(&value).expect(200).text());
    for wrong in [json!({ "txt": CANARY }), json!(CANARY), json!({"text": [CANARY]}), json!({ "base64": CANARY })] {
        no_leak("refused", &client.admin("PUT", "/api/v1/secrets/web-key", Some(wrong)).expect(400).text());
    }
    let new = json!({"name": "web", "words": words()});
    client.admin("POST", "/api/v1/profiles", Some(new)).expect(201);

    let (nonce, session) = (client.nonce(NODE_A), credential('a'));
    let name = std::fs::read_to_string(data.join("server-name")).unwrap().trim().to_owned();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut agent = connect_to(&data, program.grpc, &name).await.unwrap();
        agent.register(registration(&nonce, &session, NODE_A)).await.unwrap();
    });
    let node = format!("/api/v1/nodes/{NODE_A}");
    no_leak("assign", &client.admin("PATCH", &node, Some(json!({"profile": "web"}))).expect(200).text());
    // Before the plan was given, and after.
    let plan: BootPlan = runtime.block_on(async {
        let mut agent = connect_to(&data, program.grpc, &name).await.unwrap();
        let ask = GetBootPlanRequest { callback_sha256: Sha256::of("callback").to_string() };
        match agent.get_boot_plan(with(ask, &session)).await.unwrap().into_inner().answer {
            Some(Answer::Plan(plan)) => plan,
            other => panic!("{other:?}"),
        }
    });
    assert_eq!((plan.files[0].content.as_slice(), plan.files[0].mode), (value.as_bytes(), 0o600));
    assert_eq!(plan.users[0].password_hash, HASH);
    no_leak("debug", &format!("{plan:?}"));
    for path in ["detail", "profile"] {
        let answer = client.call("GET", &format!("/ipxe/{NODE_A}/{path}"), &session, None);
        no_leak(path, &answer.expect(if path == "detail" { 409 } else { 200 }).text());
    }

    let boot = client.admin("GET", &node, None).expect(200).json()["boot"]["id"].as_str().unwrap().to_owned();
    for path in [
        "/api/v1/secrets",
        "/api/v1/secrets/web-key",
        "/api/v1/nodes",
        &node,
        &format!("{node}/drift"),
        &format!("{node}/script"),
        &format!("{node}/boots"),
        &format!("{node}/exchanges"),
        &format!("/api/v1/boots/{boot}"),
        "/api/v1/boot-exchanges",
        &format!("/api/v1/profiles/web/preview?node={NODE_A}"),
        "/api/v1/profiles/web/revisions",
        "/api/v1/events",
        "/api/v1/status",
        "/api/v1/master-key",
        "/metrics",
        "/",
        &format!("/nodes/{NODE_A}"),
        "/events",
        "/rollouts",
        "/images",
    ] {
        clean(client, path, 200);
    }
    // What a profile says itself is told to who may change it, the hash that stands in it too; the secret is a name there.
    let shown = client.admin("GET", "/api/v1/profiles/web", None).expect(200).text();
    assert!(shown.contains("\"secret\":\"web-key\"") && !shown.contains(CANARY), "{shown}");
    let mut next = words();
    next["users"]["ann"]["password_hash"] = json!(HASH.replace("salt", "pepper"));
    let apply = json!({"profiles": [{"name": "web", "words": next}], "dry_run": true});
    let told = client.admin("POST", "/api/v1/apply", Some(apply)).expect(200).text();
    no_leak("apply", &told);
    assert!(told.contains("users ann password_hash"), "{told}");
    for path in ["/boot.ipxe".to_owned(), format!("/ipxe/{NODE_A}?arch=x86_64")] {
        no_leak(&path, &client.get(&path, &[]).expect(200).text());
    }

    let other = client.admin("PUT", "/api/v1/secrets/web-key", Some(json!({"text": format!("{CANARY} two")})));
    assert_eq!(other.expect(200).json()["revision"], 2);
    let drift = clean(client, &format!("{node}/drift"), 200);
    assert!(drift.contains("files /etc/key secret") && drift.contains("web-key (fingerprint "), "{drift}");
    let refused = client.admin("DELETE", "/api/v1/secrets/web-key", None).expect(409).text();
    no_leak("delete", &refused);

    program.child.kill().unwrap();
    program.child.wait().unwrap();
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(said.contains("secret web-key: revision 2 was set by admin"), "who did it is told: {said}");
    assert_eq!(leaks(&said), None, "in the log");
    let mut kept = Vec::new();
    for file in std::fs::read_dir(&data).unwrap().flatten().filter(|f| f.path().is_file()) {
        kept.extend(std::fs::read(file.path()).unwrap());
    }
    let kept = String::from_utf8_lossy(&kept).replace(HASH, "");
    assert!(kept.contains("web-key (fingerprint "), "what is looked for would be found");
    for form in [CANARY.to_owned(), hex::encode(CANARY)] {
        assert!(!kept.contains(&form), "in the database");
    }
}

#[test]
fn secrets_have_their_addresses() {
    let server = Server::start(&[]);
    let client = &server.client;
    for (method, path) in [("GET", "/api/v1/secrets"), ("PUT", "/api/v1/secrets/a"), ("DELETE", "/api/v1/secrets/a")] {
        let body = (method == "PUT").then(|| json!({"text": "x"}));
        client.call(method, path, "", body).expect(401);
    }
    for n in 1..=3 {
        let made = client.admin("PUT", &format!("/api/v1/secrets/s{n}"), Some(json!({"base64": "AP8K"}))).expect(201);
        assert_eq!((made.json()["size"].clone(), made.json()["revision"].clone()), (json!(3), json!(1)));
    }
    let first = client.admin("GET", "/api/v1/secrets?limit=2", None).expect(200).json();
    assert_eq!((first["items"].as_array().unwrap().len(), first["next"].clone()), (2, json!("s2")));
    let rest = client.admin("GET", "/api/v1/secrets?limit=2&cursor=s2", None).expect(200).json();
    assert_eq!((rest["items"][0]["name"].clone(), rest.get("next")), (json!("s3"), None));
    client.admin("PUT", "/api/v1/secrets/S%20", Some(json!({"text": "x"}))).expect(400);
    client.admin("DELETE", "/api/v1/secrets/s1?force=s2", None).expect(400);
    client.admin("DELETE", "/api/v1/secrets/s1", None).expect(204);
    client.admin("GET", "/api/v1/secrets/s1", None).expect(404);
    client.admin("DELETE", "/api/v1/secrets/s1", None).expect(404);
}
