//! A node without a profile does not wait for ever: it restarts and registers anew, and by a rule it powers itself off.

use crate::steps::{TO_REGISTER, boot_id, wait_registered};
use higuma_proto::api::{NodePatch, PutRules, Rule, RuleList};
use higuma_tests::error::ensure;
use higuma_tests::{Context, Lab, LabResult, NodeSpec, ServerSpec, stock, wait};

#[test]
fn parking() -> LabResult {
    let lab = Lab::new("parking")?;
    let server = lab.server(ServerSpec::new(&[("park", "reboot"), ("park-after", "5s"), ("admission", "auto")])?)?;
    stock::first_stage(&server)?;
    let node = lab.node(NodeSpec::new("n1", &server.bootfile()))?;
    node.power_on()?;
    let first = wait_registered(&lab, &server, &node)?;
    ensure(first.summary.admitted_by.as_deref() == Some("policy"), format!("{:?}", first.summary.admitted_by))?;
    let second = lab.wait_node(&server, &node, "the node to register again", TO_REGISTER, |detail| {
        boot_id(detail).is_some() && boot_id(detail) != boot_id(&first)
    })?;
    let id = boot_id(&first).context("no first boot")?;
    let events = server.api()?.boot(id)?.events;
    ensure(
        events.iter().any(|e| e.message.contains("parked: restarts in") && e.message.contains("no profile")),
        format!("no event tells that it is parked: {events:?}"),
    )?;

    // From now on a rule takes such machines off; it holds when the node asks next.
    let rule = Rule {
        name: "off".to_owned(),
        when: "node.manufacturer == \"Kuma Systems\" && node.nics.exists(n, n.driver == \"virtio_net\")".to_owned(),
        admission: None,
        park: Some("poweroff".to_owned()),
        park_after_seconds: Some(0),
        ..Rule::default()
    };
    let put = PutRules { rules: vec![rule], expected_hash: None };
    let _: RuleList = server.api()?.call("PUT", "/api/v1/rules", Some(&put))?;
    wait::until("the node to power itself off", TO_REGISTER, || Ok((!node.running()).then_some(())))
        .context(format!("after its boot {:?}\n{}", boot_id(&second), node.explain()))?;
    let last = server.api()?.node(node.uuid())?.context("the node is gone")?;
    let id = boot_id(&last).context("no last boot")?;
    let events = server.api()?.boot(id)?.events;
    ensure(
        events.iter().any(|e| e.message.contains("park: poweroff") && e.message.contains("(rule off)")),
        format!("no event tells that it was powered off: {events:?}"),
    )?;
    // Off is off: a person still decides what comes next.
    let aside = NodePatch { maintenance: Some(true), ..NodePatch::default() };
    ensure(server.api()?.patch_node(node.uuid(), &aside)?.summary.lifecycle == "maintenance", "maintenance")?;
    lab.finish()
}
