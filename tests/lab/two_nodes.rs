//! Two servers at once, each with its own profile; and what one is allowed to see, the other is not.

use crate::steps::{TO_RUNNING, wait_registered, wait_running};
use higuma_proto::api::{NewProfile, NodeProfile, RegisterAnswer, RegisterBody};
use higuma_tests::error::ensure;
use higuma_tests::images::TINY_UP;
use higuma_tests::stock::{self, CONSOLE};
use higuma_tests::{Context, Lab, LabResult, Node, NodeSpec, Server, ServerSpec, Stock};
use std::time::Duration;

#[test]
fn two_nodes() -> LabResult {
    let lab = Lab::new("two-nodes")?;
    let server = lab.server(ServerSpec::new(&[])?)?;
    stock::first_stage(&server)?;
    stock::image(&server, Stock::Tiny)?;
    let names = ["east", "west"];
    for name in names {
        stock::profile(
            &server,
            &NewProfile {
                name: name.to_owned(),
                image: Stock::Tiny.reference(),
                cmdline: format!("{CONSOLE} lab.side={name}"),
                files: Vec::new(),
                ssh_authorized_keys: Vec::new(),
                ..NewProfile::default()
            },
        )?;
    }
    let nodes =
        [lab.node(NodeSpec::new("n1", &server.bootfile()))?, lab.node(NodeSpec::new("n2", &server.bootfile()))?];
    for node in &nodes {
        node.power_on()?;
    }
    for (node, name) in nodes.iter().zip(names) {
        wait_registered(&lab, &server, node)?;
        server.api()?.assign(node.uuid(), name)?;
    }
    for (node, name) in nodes.iter().zip(names) {
        let running = wait_running(&lab, &server, node, TO_RUNNING, None)?;
        ensure(running.boot.and_then(|boot| boot.summary.profile).as_deref() == Some(name), "another profile")?;
        node.wait_for(&format!("lab.side={name}"), Duration::from_secs(30))?;
        let line = node.wait_for(TINY_UP, Duration::from_secs(30))?;
        ensure(line.contains(&running.summary.hostname), format!("{line:?}, not {}", running.summary.hostname))?;
    }
    for node in &nodes {
        node.power_off();
    }

    // The same two as agents that speak JSON: each credential opens its own node's profile and detail only.
    let uuids = [nodes[0].uuid(), nodes[1].uuid()];
    let credentials = ["1".repeat(64), "2".repeat(64)];
    for (node, credential) in nodes.iter().zip(&credentials) {
        register(&server, node, credential)?;
    }
    for (own, uuid) in uuids.iter().enumerate() {
        for (whose, credential) in credentials.iter().enumerate() {
            let api = server.api()?.with_token(credential);
            for what in ["profile", "detail"] {
                let answer = api.send("GET", &format!("/ipxe/{uuid}/{what}"), None::<&()>)?;
                let expected: &[u16] = if own == whose { &[200] } else { &[401, 403, 404] };
                let said = format!("{what} of node {own} with credential {whose}: {} {}", answer.status, answer.body);
                ensure(expected.contains(&answer.status), &said)?;
                ensure(own == whose || !answer.body.contains(names[own]), said)?;
            }
        }
        let mine: NodeProfile =
            server.api()?.with_token(&credentials[own]).call("GET", &format!("/ipxe/{uuid}/profile"), None::<&()>)?;
        ensure(mine.profile == names[own], format!("{mine:?}"))?;
    }
    let nobody = server.api()?.with_token("").send("GET", &format!("/ipxe/{}/detail", uuids[0]), None::<&()>)?;
    ensure(nobody.status == 401, format!("without a credential: {}", nobody.status))?;
    lab.finish()
}

/// Fetches the node's script and registers with its nonce; its address is what the node is recognised by.
fn register(server: &Server, node: &Node, credential: &str) -> LabResult {
    let (uuid, mac) = (node.uuid(), &node.spec().nics[0].mac);
    let (status, script) = server.http_get(&format!("/ipxe/{uuid}?mac={mac}&arch=x86_64&platform=pcbios"))?;
    ensure(status == 200, format!("script: status {status}"))?;
    let nonce =
        script.split("higuma.nonce=").nth(1).and_then(|rest| rest.get(..64)).context("no nonce in the script")?;
    let body = RegisterBody {
        nonce: nonce.to_owned(),
        credential: credential.to_owned(),
        boot_mac: mac.clone(),
        inventory: Default::default(),
        neighbours: Vec::new(),
    };
    let api = server.api()?.with_token("");
    let answer: RegisterAnswer = api.call("POST", &format!("/ipxe/{uuid}/register"), Some(&body))?;
    ensure(!answer.boot_id.is_empty(), "no boot id")
}
