//! Two NICs in a bond by LACP, and a VLAN over it whose address comes out of a pool: the far end of the bond agrees on both
//! links, the address answers a ping in that VLAN, and "up" came by way of the bond.

use crate::steps::{TO_DEBIAN, wait_registered, wait_running};
use higuma_proto::api::{NetworkDevice, NewProfile, NodeNetwork};
use higuma_proto::steps as step;
use higuma_tests::error::ensure;
use higuma_tests::programs::run;
use higuma_tests::stock::{self, CONSOLE};
use higuma_tests::switch::{Switch, SwitchPort};
use higuma_tests::{Backend, Context, Lab, LabError, LabResult, NodeSpec, ServerSpec, Stock, wait};
use std::time::Duration;

const PORTS: [SwitchPort; 2] = [
    SwitchPort { tap: "tap0", id: "swp1", description: "rack 1", vlan: 1 },
    SwitchPort { tap: "tap1", id: "swp2", description: "rack 1", vlan: 1 },
];
const TRUNK: &str = include_str!("trunk.py");
const VLAN: &str = "20";
/// What LACP calls a link in use: synchronization, collecting and distributing (IEEE 802.1AX-2020, 6.4.2.3).
const IN_USE: u8 = 0x38;

#[test]
fn bond_vlan() -> LabResult {
    let lab = Lab::new("bond-vlan")?;
    let switch = Switch::start(&lab, "tor-1", &PORTS)?;
    for port in PORTS {
        // A frame of one link of a bond does not come back by the other one.
        run(switch.namespace.command("bridge").args(["link", "set", "dev", port.tap, "isolated", "on"]))?;
    }
    let server = lab.server(ServerSpec::behind(&switch.host, &[])?)?;
    stock::first_stage(&server)?;
    stock::image(&server, Stock::Debian)?;
    switch.serve(&server.bootfile())?;
    let mut spec =
        NodeSpec { namespace: Some(switch.namespace.name().to_owned()), memory_mib: 2048, ..NodeSpec::new("n1", "") };
    let tap = |port: SwitchPort| Backend::Tap { interface: port.tap.to_owned() };
    // A link that tells no speed takes no part in LACP.
    spec.nics[0].model = "virtio-net-pci,speed=10000,duplex=full".to_owned();
    let mut second = spec.nics[0].clone();
    second.mac = second.mac.replacen("52:54:00", "52:54:01", 1);
    spec.nics[0].backend = tap(PORTS[0]);
    second.backend = tap(PORTS[1]);
    spec.nics.push(second);
    let network = switch.network.replacen("10.9", "10.8", 1);
    let cidr = format!("{network}.0/24");
    server.cli(&[
        "pool",
        "add",
        "storage",
        "--kind",
        "node",
        "--cidr",
        &cidr,
        "--range",
        &format!("{network}.40-{network}.50"),
    ])?;
    let words = serde_json::json!({
        "image": Stock::Debian.reference(),
        "cmdline": CONSOLE,
        "network": {
            "lan0": {"match": {"boot": true}},
            "lan1": {"match": {"mac": spec.nics[1].mac, "driver": "virtio_net"}},
            "bond0": {"bond": ["lan0", "lan1"], "mode": "802.3ad", "lacp_rate": "fast", "hash": "layer2+3", "dhcp4": true},
            "storage": {"vlan": 20, "over": "bond0", "address": {"pool": "storage"}},
        },
    });
    let words = words.as_object().cloned();
    stock::profile(&server, &NewProfile { name: "bonded".to_owned(), words, ..NewProfile::default() })?;

    let node = lab.node(spec)?;
    node.power_on()?;
    wait_registered(&lab, &server, &node)?;
    server.api()?.assign(node.uuid(), "bonded")?;
    lab.wait_node(&server, &node, "the second stage", TO_DEBIAN, |detail| {
        detail.boot.as_ref().is_some_and(|boot| boot.events.iter().any(|event| event.step == step::KEXEC))
    })?;

    // The first stage had two links; from now on they are one.
    let log = lab.dir().join("lacp.log");
    let file = std::fs::File::create(&log)?;
    let mut lacp = switch.namespace.command("python3");
    lacp.args(["-c", TRUNK, "lacp", "02:00:00:00:00:01"]).args(PORTS.map(|port| port.tap));
    switch.namespace.spawn(lacp.stdout(file.try_clone()?).stderr(file))?;
    wait_running(&lab, &server, &node, TO_DEBIAN, None)?;
    let agreed =
        wait::until("LACP on both links", Duration::from_secs(60), || both_in_use(&std::fs::read_to_string(&log)?));
    let partner = agreed.map_err(|error| LabError::new(format!("{error}\n{}", node.explain())))?;
    ensure(
        partner == node.spec().nics[0].mac,
        format!("the bond's address is {partner}, not of the NIC that it boots by"),
    )?;

    let (status, text) = server.http_get(&format!("/ipxe/{}/detail", node.uuid()))?;
    ensure(status == 200, &text)?;
    let detail: NodeNetwork = serde_json::from_str(&text).context("reading the detail")?;
    let device = |name: &str| -> LabResult<&NetworkDevice> {
        detail.devices.iter().find(|device| device.name == name).context("no such device in the detail")
    };
    ensure(device("lan1")?.master.as_deref() == Some("bond0"), &text)?;
    let address = device("storage")?.addresses.first().context("no address was given")?;
    ensure(*address == format!("{network}.40/24"), &text)?;
    let address = address.split('/').next().unwrap_or_default();
    let mut ping = switch.namespace.command("python3");
    ping.args(["-c", TRUNK, "ping", "br0", VLAN, &format!("{network}.1"), address]);
    let told = String::from_utf8_lossy(&run(&mut ping)?.stdout).into_owned();
    println!("bond_vlan: {told}");
    ensure(told.contains(&format!("is at {partner} in VLAN {VLAN}")), told)?;
    drop((node, server, switch));
    lab.finish()
}

/// The partner's address, when each port has the same one and its last state is in use.
fn both_in_use(log: &str) -> LabResult<Option<String>> {
    let last = |port: &str| {
        let line = log.lines().rfind(|line| line.starts_with(&format!("{port} partner ")))?;
        let words: Vec<&str> = line.split(' ').collect();
        let state = u8::from_str_radix(words.last()?, 16).ok()?;
        Some(((*words.get(2)?).to_owned(), (*words.get(4)?).to_owned())).filter(|_| state & IN_USE == IN_USE)
    };
    let [a, b] = PORTS.map(|port| last(port.tap));
    Ok(a.zip(b).filter(|(a, b)| a == b).map(|((partner, _), _)| partner))
}
