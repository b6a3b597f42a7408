//! A cable is put into another port between two boots: that is an alarm before the node gets anything to boot; with
//! `cabling-moved = "hold"` it waits, and boots on when a person accepts it.

use crate::steps::{TO_REGISTER, TO_RUNNING, boot_id, wait_running};
use higuma_proto::api::{NodeEvent, Page};
use higuma_proto::steps as step;
use higuma_tests::error::ensure;
use higuma_tests::images::TINY_UP;
use higuma_tests::switch::{Switch, SwitchPort};
use higuma_tests::{Backend, Context, Lab, LabResult, NodeSpec, Server, ServerSpec, Stock, stock};
use std::time::Duration;

const PORTS: [SwitchPort; 2] = [
    SwitchPort { tap: "tap3", id: "swp3", description: "rack 1", vlan: 1 },
    SwitchPort { tap: "tap7", id: "swp7", description: "rack 1", vlan: 1 },
];

#[test]
fn cable_moved() -> LabResult {
    let lab = Lab::new("cable-moved")?;
    let switch = Switch::start(&lab, "tor-1", &PORTS)?;
    let server = lab.server(ServerSpec::behind(&switch.host, &[("cabling-moved", "hold")])?)?;
    stock::fill(&server, &[Stock::Tiny])?;
    switch.serve(&server.bootfile())?;
    let mut spec = NodeSpec { namespace: Some(switch.namespace.name().to_owned()), ..NodeSpec::new("n1", "") };
    let tap = |name: &str| Backend::Tap { interface: name.to_owned() };
    spec.nics[0].backend = tap("tap3");
    let mut node = lab.node(spec)?;
    node.power_on()?;
    let first = lab.wait_node(&server, &node, "its neighbour", TO_REGISTER, |detail| !detail.neighbours.is_empty())?;
    ensure(first.neighbours[0].port_id == "swp3", format!("{:?}", first.neighbours))?;
    ensure(events(&server, node.uuid())?.is_empty(), "the first cable is no news")?;

    node.power_off();
    node.respec(|spec| spec.nics[0].backend = tap("tap7"))?;
    // What it would boot is decided before it comes back.
    server.api()?.assign(node.uuid(), "tiny")?;
    node.power_on()?;
    let held = lab.wait_node(&server, &node, "the node to be held", TO_REGISTER, |detail| {
        boot_id(detail) != boot_id(&first)
            && detail.boot.as_ref().is_some_and(|boot| {
                boot.events.iter().any(|e| e.step == step::PLAN && e.message.contains("cabling changed"))
            })
    })?;
    let boot = held.boot.as_ref().context("no boot")?;
    ensure(boot.summary.plan_hash.is_none() && boot.summary.phase == "registered", format!("{:?}", boot.summary))?;
    let told = events(&server, node.uuid())?;
    println!("cable_moved: {told:?}");
    let alarm = told.iter().find(|e| e.kind == "cabling" && e.severity == "alarm").context("no alarm")?;
    let nic = &node.spec().nics[0];
    ensure(alarm.subject == format!("cable:{}", nic.mac), format!("{alarm:?}"))?;
    let ends = format!("({}) was at tor-1 port swp3, is at tor-1 port swp7", nic.mac);
    ensure(alarm.message.ends_with(&ends), format!("{alarm:?}"))?;
    ensure(alarm.at_us >= boot.summary.started_us, "the alarm is of this boot")?;

    let accepted = server.cli(&["cabling", "accept", node.uuid()])?;
    println!("{}", String::from_utf8_lossy(&accepted.stdout));
    let running = wait_running(&lab, &server, &node, TO_RUNNING, None)?;
    ensure(boot_id(&running) == boot_id(&held), "it goes on without another power-on")?;
    node.wait_for(TINY_UP, Duration::from_secs(30))?;
    ensure(events(&server, node.uuid())?.is_empty(), "accepted is put right")?;
    drop((node, server, switch));
    lab.finish()
}

fn events(server: &Server, uuid: &str) -> LabResult<Vec<NodeEvent>> {
    let page: Page<NodeEvent> =
        server.api()?.call("GET", &format!("/api/v1/events?node={uuid}&kind=cabling&open=true"), None::<&()>)?;
    Ok(page.items)
}
