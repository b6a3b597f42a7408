//! Two NICs behind a switch that speaks LLDP: switch, port, description and VLAN are known within three seconds of link,
//! and the second boot with the same cables does not wait for what it has heard.

use crate::steps::{TO_REGISTER, boot_id};
use higuma_proto::api::NodeDetail;
use higuma_proto::steps as step;
use higuma_tests::error::ensure;
use higuma_tests::switch::{Switch, SwitchPort};
use higuma_tests::{Backend, Context, Lab, LabResult, Nic, NodeSpec, ServerSpec, stock};

const PORTS: [SwitchPort; 2] = [
    SwitchPort { tap: "tap0", id: "swp3", description: "to web-17, boot", vlan: 42 },
    SwitchPort { tap: "tap1", id: "swp10", description: "to web-17, data", vlan: 1042 },
];

#[test]
fn lldp_fast() -> LabResult {
    let lab = Lab::new("lldp-fast")?;
    let switch = Switch::start(&lab, "tor-1", &PORTS)?;
    let server = lab.server(ServerSpec::behind(&switch.host, &[])?)?;
    stock::first_stage(&server)?;
    switch.serve(&server.bootfile())?;

    let mut spec = NodeSpec { namespace: Some(switch.namespace.name().to_owned()), ..NodeSpec::new("n1", "") };
    let second = spec.nics[0].mac.replacen("52:54:00", "52:54:01", 1);
    spec.nics[0].backend = Backend::Tap { interface: "tap0".to_owned() };
    spec.nics.push(Nic {
        mac: second,
        model: "virtio-net-pci".to_owned(),
        backend: Backend::Tap { interface: "tap1".to_owned() },
    });
    let node = lab.node(spec)?;
    node.power_on()?;
    let first = lab.wait_node(&server, &node, "both neighbours", TO_REGISTER, |detail| {
        detail.neighbours.len() == 2 && lldp_line(detail).is_some()
    })?;
    for (port, nic) in PORTS.iter().zip(&node.spec().nics) {
        let heard = first.neighbours.iter().find(|n| n.mac == nic.mac).context("nothing heard on a NIC")?;
        let is = (heard.system_name.as_str(), heard.port_id.as_str(), heard.port_description.as_str(), heard.pvid);
        ensure(is == ("tor-1", port.id, port.description, u32::from(port.vlan)), format!("{heard:?}"))?;
        ensure(heard.chassis_id == "chassis-tor-1", format!("{heard:?}"))?;
    }
    let line = lldp_line(&first).context("no event of step lldp")?;
    println!("lldp_fast: first boot: {line}");
    let seconds = seconds(&line)?;
    ensure(seconds.len() == 2 && seconds.iter().all(|s| *s < 3.0), format!("known after {seconds:?} s: {line}"))?;
    ensure(line.contains("of 3.0 s"), format!("the first boot may wait: {line}"))?;

    node.power_off();
    node.power_on()?;
    let again = lab.wait_node(&server, &node, "the second boot", TO_REGISTER, |detail| {
        boot_id(detail).is_some() && boot_id(detail) != boot_id(&first) && lldp_line(detail).is_some()
    })?;
    let line = lldp_line(&again).context("no event of step lldp")?;
    println!("lldp_fast: second boot: {line}");
    // It waits only when Register overtook a neighbour, and then until that is heard.
    ensure(waited(&line)? < 1.0, format!("everything was known: {line}"))?;
    ensure(again.neighbours.len() == 2, format!("{:?}", again.neighbours))?;

    // The switch as people see it: one with two ports, and the node behind both.
    let shown = server.cli(&["switch", "show", "tor-1"])?;
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    println!("{text}");
    let place = |id: &str| text.find(&format!("\n{id} ")).context("a port is not shown");
    ensure(place("swp3")? < place("swp10")?, "ports as people count")?;
    ensure(text.matches(&again.summary.hostname).count() == 2, &text)?;
    drop((node, server, switch));
    lab.finish()
}

/// How the step ended.
fn lldp_line(detail: &NodeDetail) -> Option<String> {
    let boot = detail.boot.as_ref()?;
    boot.events.iter().find(|event| event.step == step::LLDP && event.state == "ok").map(|event| event.message.clone())
}

/// "waited 0.1 s of 3.0 s", or no wait at all.
fn waited(line: &str) -> LabResult<f32> {
    match line.rsplit_once("waited ").and_then(|(_, rest)| rest.split_once(" s of ")) {
        Some((number, _)) => number.parse().context("not a number of seconds"),
        None => ensure(line.ends_with("no wait asked for"), line).map(|()| 0.0),
    }
}

/// "(0.6 s after link)", each.
fn seconds(line: &str) -> LabResult<Vec<f32>> {
    let parts = line.split(" s after link)").filter_map(|part| part.rsplit_once('(')).map(|(_, number)| number);
    parts.map(|number| number.parse().context("not a number of seconds")).collect()
}
