//! Our DHCP server on a bare net: an address from a pool for firmware, iPXE and operating system of one machine, two machines at
//! once, and a second subnet behind a relay (dnsmasq).

use crate::pxe::{PORT, Rig, in_order, plugged};
use crate::steps::{TO_RUNNING, wait_running};
use higuma_proto::api::{DhcpLease, Exchange, Exchanges, Page};
use higuma_tests::error::ensure;
use higuma_tests::programs::{bound, run};
use higuma_tests::switch::SwitchPort;
use higuma_tests::{Firmware, LabResult, wait};
use std::collections::BTreeSet;
use std::time::Duration;

const SECOND: SwitchPort = SwitchPort { tap: "tap1", id: "2", description: "rack 1 unit 2", vlan: 1 };

fn pool(rig: &Rig, name: &str, network: &str, gateway: &str) -> LabResult {
    let (cidr, range) = (format!("{network}.0/24"), format!("{network}.100-{network}.120"));
    let words = ["pool", "add", name, "--kind", "dhcp", "--cidr", &cidr, "--range", &range, "--gateway", gateway];
    rig.server.cli(&[&words[..], &["--dns", gateway, "--domain", "lab.example", "--lease", "10m"]].concat()).map(drop)
}

fn leases(rig: &Rig) -> LabResult<Vec<DhcpLease>> {
    let page: Page<DhcpLease> = rig.server.api()?.call("GET", "/api/v1/dhcp/leases", None::<&()>)?;
    Ok(page.items)
}

/// Whether it is of the range of [`pool`].
fn given(lease: &DhcpLease, network: &str) -> bool {
    let last = lease.address.strip_prefix(&format!("{network}.")).and_then(|last| last.parse::<u8>().ok());
    last.is_some_and(|last| (100..=120).contains(&last))
}

/// From power-on to the second stage: all programs of one machine have one address.
#[test]
fn pxe_bios() -> LabResult {
    let rig = plugged("pxe-bios", "server", &[PORT], &[])?;
    pool(&rig, "lan", &rig.switch.network, &rig.switch.host)?;
    let node = rig.node_on("n1", Firmware::Bios, PORT.tap)?;
    node.power_on()?;
    let asked = rig.registered(&node)?;
    in_order(&asked, &["dhcp offer DISCOVER boot.ipxe", "dhcp ack REQUEST", "script first-stage"])?;
    wait_running(&rig.lab, &rig.server, &node, TO_RUNNING, None)?;
    let leases = leases(&rig)?;
    println!("pxe_bios: {leases:#?}");
    ensure(leases.len() == 1, format!("one machine has {} addresses", leases.len()))?;
    ensure(given(&leases[0], &rig.switch.network), format!("not of the pool: {leases:?}"))?;
    ensure(leases[0].state == "bound" && leases[0].uuid.as_deref() == Some(node.uuid()), format!("{leases:?}"))?;
    rig.lab.finish()
}

/// Two machines that are powered on together, one on BIOS, one on EDK2's own PXE client.
#[test]
fn two_machines() -> LabResult {
    let rig = plugged("two-pxe", "server", &[PORT, SECOND], &[])?;
    pool(&rig, "lan", &rig.switch.network, &rig.switch.host)?;
    let nodes = [rig.node_on("n1", Firmware::Bios, PORT.tap)?, rig.node_on("n2", Firmware::UefiPxe, SECOND.tap)?];
    nodes[0].power_on()?;
    nodes[1].power_on()?;
    in_order(&rig.registered(&nodes[0])?, &["dhcp ack REQUEST", "script first-stage"])?;
    in_order(&rig.registered(&nodes[1])?, &["dhcp ack REQUEST", "tftp complete snponly.efi", "script first-stage"])?;
    let leases = leases(&rig)?;
    let addresses: BTreeSet<&str> = leases.iter().map(|lease| lease.address.as_str()).collect();
    let machines: BTreeSet<_> = leases.iter().map(|lease| lease.uuid.clone()).collect();
    ensure((addresses.len(), machines.len()) == (2, 2), format!("{leases:#?}"))?;
    drop(nodes);
    rig.lab.finish()
}

/// A second subnet behind a router that relays: its pool, its options, its way back.
#[test]
fn dhcp_relay() -> LabResult {
    let rig = plugged("dhcp-relay", "server", &[PORT], &[])?;
    let inside = rig.switch.network.replacen("10.9", "10.8", 1);
    let router = format!("{inside}.1");
    let namespace = &rig.switch.namespace;
    namespace.bridge("br1")?;
    namespace.ip(&["addr", "add", &format!("{router}/24"), "dev", "br1"])?;
    namespace.tap(SECOND.tap, "br1")?;
    namespace.ip(&["route", "add", "default", "via", &rig.switch.host])?;
    run(namespace.command("sysctl").args(["-q", "-w", "net.ipv4.ip_forward=1"]))?;
    // Goes with the interface at the end of the test.
    let back = format!("{}.2", rig.switch.network);
    run(bound("ip").args(["route", "add", &format!("{inside}.0/24"), "via", &back]))?;
    let mut relay = namespace.command("dnsmasq");
    relay.args(["--no-daemon", "--conf-file=/dev/null", "--port=0", "--user=root", "--group=root"]);
    relay.arg(format!("--dhcp-relay={router},{}", rig.switch.host));
    let log = std::fs::File::create(rig.lab.dir().join("relay.log"))?;
    namespace.spawn(relay.stdout(log.try_clone()?).stderr(log))?;

    pool(&rig, "lan", &rig.switch.network, &rig.switch.host)?;
    pool(&rig, "far", &inside, &router)?;
    let node = rig.node_on("n1", Firmware::Bios, SECOND.tap)?;
    node.power_on()?;
    let asked = rig.registered(&node)?;
    in_order(&asked, &["dhcp offer DISCOVER boot.ipxe", "dhcp ack REQUEST", "script first-stage"])?;
    ensure(asked.iter().any(|e| e.service == "dhcp" && e.relay == router), format!("no relay: {asked:#?}"))?;
    let leases = leases(&rig)?;
    ensure(leases.len() == 1 && given(&leases[0], &inside), format!("{leases:#?}"))?;
    drop(node);
    rig.lab.finish()
}

/// Another DHCP server on the wire is noticed when ours starts, and told: in the log, the journal and the metrics.
#[test]
fn other_dhcp_server() -> LabResult {
    let rig = plugged("other-dhcp", "server", &[PORT], &[])?;
    let told = |word: &str| -> LabResult<Option<Exchange>> {
        let all: Exchanges = rig.server.api()?.call("GET", "/api/v1/boot-exchanges", None::<&()>)?;
        let found = all.items.into_iter().rev().find(|exchange| exchange.what == "PROBE");
        Ok(found.filter(|exchange| exchange.result == word))
    };
    let until = |word: &str| wait::until(&format!("{word} to be told"), Duration::from_secs(30), || told(word));
    println!("other_dhcp_server: {}", until("alone")?.detail);
    rig.switch.addresses()?;
    rig.server.terminate()?;
    rig.server.start_again()?;
    let other = until("other-server")?;
    let address = format!("{}.2", rig.switch.network);
    println!("other_dhcp_server: {}", other.detail);
    ensure(other.detail.contains(&address) && other.client == address, format!("{other:?}"))?;
    let log = rig.server.log()?;
    ensure(log.lines().any(|line| line.contains("ERROR") && line.contains(&address)), log)?;
    let metrics = rig.server.api()?.send("GET", "/metrics", None::<&()>)?.body;
    let gauge = |line: &str| line.starts_with("higuma_dhcp_other_servers{") && line.contains("addresses");
    ensure(metrics.lines().any(|line| gauge(line) && line.ends_with(" 1")), metrics)?;
    rig.lab.finish()
}
