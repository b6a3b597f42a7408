//! The script of docs/src/curl-agent.md, run as it stands there: a shell and curl are an agent too.

use super::fixture::{NODE_A, Server};
use serde_json::json;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn the_script_of_the_book_boots_a_node() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/src/curl-agent.md");
    let page = std::fs::read_to_string(page).unwrap();
    let script = page.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a sh block");
    let server = Server::start(&[("admission", "approve")]);
    let c = &server.client;
    c.seed();
    let file = server.dir.path().join("agent.sh");
    std::fs::write(&file, script.replace("sleep 5", "sleep 0.2")).unwrap();
    // The certificate has localhost among its names, as for any other client of people.
    let https = c.https.replace("127.0.0.1", "localhost");
    let mut child = Command::new("sh")
        .arg(&file)
        .args([&c.plain, &https, server.dir.path().join("ca.pem").to_str().unwrap(), NODE_A])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("sh and curl are installed by `make setup`");
    let node = format!("/api/v1/nodes/{NODE_A}");
    let deadline = Instant::now() + Duration::from_secs(30);
    while c.admin("GET", &node, None).status != 200 {
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none() && Instant::now() < deadline, "{:?}", child.wait_with_output());
        std::thread::sleep(Duration::from_millis(50));
    }
    // It waits while nobody has approved it; assigning a profile approves.
    assert_eq!(c.admin("GET", &node, None).json()["lifecycle"], "discovered");
    c.admin("PATCH", &node, Some(json!({"profile": "hv"}))).expect(200);
    let output = child.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    assert!(out.contains("\"profile\":\"hv\"") && out.contains("\"urls\""), "{out}");
    let node = c.admin("GET", &node, None).expect(200).json();
    assert_eq!((&node["lifecycle"], &node["boot"]["os"]), (&json!("running"), &json!("my own")));
}
