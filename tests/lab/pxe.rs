//! From firmware to the second stage with our boot services, beside a real dnsmasq that gives addresses and nothing else: SeaBIOS
//! with the iPXE ROM, the same made to load `undionly.kpxe` first, EDK2's own PXE client, and EDK2's HTTP boot.

use crate::steps::{TO_REGISTER, TO_RUNNING, wait_running};
use higuma_proto::api::{Exchange, Exchanges, NewProfile, NodeDetail, NodePatch};
use higuma_tests::error::ensure;
use higuma_tests::stock::{self, CONSOLE};
use higuma_tests::switch::{Switch, SwitchPort};
use higuma_tests::{Backend, Firmware, Lab, LabResult, Node, NodeSpec, Server, ServerSpec, Stock, wait};

pub const PORT: SwitchPort = SwitchPort { tap: "tap0", id: "1", description: "rack 1 unit 1", vlan: 1 };

pub struct Rig {
    pub lab: Lab,
    pub switch: Switch,
    pub server: Server,
}

/// A server that is a ProxyDHCP and serves TFTP towards a switch whose own DHCP server gives addresses only.
fn rig(name: &str, settings: &[(&str, &str)]) -> LabResult<Rig> {
    let rig = plugged(name, "proxy", &[PORT], settings)?;
    rig.switch.addresses()?;
    Ok(rig)
}

/// A server with this mode of DHCP towards a switch on which no other server is.
pub fn plugged(name: &str, mode: &str, ports: &[SwitchPort], settings: &[(&str, &str)]) -> LabResult<Rig> {
    let lab = Lab::new(name)?;
    let switch = Switch::start(&lab, "tor-1", ports)?;
    let dhcp = format!("{}={mode}", switch.uplink);
    let all = [settings, &[("dhcp", dhcp.as_str()), ("tftp-listen", switch.uplink.as_str())]].concat();
    let server = lab.server(ServerSpec::behind(&switch.host, &all)?)?;
    stock::first_stage(&server)?;
    stock::image(&server, Stock::Tiny)?;
    let profile = NewProfile {
        name: "hv".to_owned(),
        image: Stock::Tiny.reference(),
        cmdline: CONSOLE.to_owned(),
        files: Vec::new(),
        ssh_authorized_keys: Vec::new(),
        ..NewProfile::default()
    };
    stock::profile(&server, &profile)?;
    Ok(Rig { lab, switch, server })
}

impl Rig {
    fn node(&self, firmware: Firmware) -> LabResult<Node> {
        self.node_on("n1", firmware, PORT.tap)
    }

    pub fn node_on(&self, name: &str, firmware: Firmware, tap: &str) -> LabResult<Node> {
        let mut spec = NodeSpec::new(name, "");
        spec.firmware = firmware;
        spec.namespace = Some(self.switch.namespace.name().to_owned());
        spec.nics[0].backend = Backend::Tap { interface: tap.to_owned() };
        let node = self.lab.node(spec)?;
        let planned = NodePatch { profile: Some("hv".to_owned()), ..NodePatch::default() };
        let _: NodeDetail =
            self.server.api()?.call("PUT", &format!("/api/v1/nodes/{}", node.uuid()), Some(&planned))?;
        Ok(node)
    }

    /// What the node asked for, in order.
    pub fn asked(&self, node: &Node) -> LabResult<Vec<Exchange>> {
        let path = format!("/api/v1/boot-exchanges?node={}", node.uuid());
        let all: Exchanges = self.server.api()?.call("GET", &path, None::<&()>)?;
        Ok(all.items)
    }

    /// Until the first stage has registered; what it asked for until then.
    fn to_first_stage(&self, node: &Node) -> LabResult<Vec<Exchange>> {
        node.power_on()?;
        self.registered(node)
    }

    /// Of a node that is on.
    pub fn registered(&self, node: &Node) -> LabResult<Vec<Exchange>> {
        let registered =
            self.lab.wait_node(&self.server, node, "the node to register", TO_REGISTER, |d| d.boot.is_some());
        let asked = self.asked(node)?;
        for exchange in &asked {
            println!("{:<9} {:<14} {:<18} {}", exchange.service, exchange.what, exchange.result, exchange.detail);
        }
        registered.map(|_| asked)
    }
}

/// Whether the words come in this order; each is `service result what`.
pub fn in_order(asked: &[Exchange], wanted: &[&str]) -> LabResult {
    let mut left = wanted.iter();
    let mut next = left.next();
    for exchange in asked {
        let text = format!("{} {} {} {}", exchange.service, exchange.result, exchange.what, exchange.detail);
        if next.is_some_and(|words| words.split(' ').all(|word| text.contains(word))) {
            next = left.next();
        }
    }
    ensure(next.is_none(), format!("{next:?} did not come, of {wanted:?}: {asked:#?}"))
}

/// The ROM's own iPXE is told the script at once.
#[test]
fn proxy_beside_dnsmasq() -> LabResult {
    let rig = rig("proxy", &[])?;
    let node = rig.node(Firmware::Bios)?;
    let asked = rig.to_first_stage(&node)?;
    in_order(&asked, &["dhcp offer DISCOVER boot.ipxe", "script first-stage"])?;
    ensure(asked.iter().all(|e| e.service != "tftp"), "iPXE loaded something by TFTP")?;
    wait_running(&rig.lab, &rig.server, &node, TO_RUNNING, None)?;
    let all: Exchanges = rig.server.api()?.call("GET", "/api/v1/boot-exchanges", None::<&()>)?;
    let probe = all.items.iter().find(|exchange| exchange.what == "PROBE").map(|exchange| exchange.result.as_str());
    ensure(matches!(probe, Some("beside" | "no-server")), format!("{probe:?}: dnsmasq may start after us"))?;
    // The addresses are the other server's: nothing of ours has one in it.
    let given = rig.asked(&node)?.into_iter().find(|e| e.service == "dhcp" && e.what == "REQUEST" && e.result == "ack");
    ensure(given.is_none(), format!("an address was given in proxy mode: {given:?}"))?;
    rig.lab.finish()
}

/// A ROM that is made to load our iPXE once, by TFTP: the loop ends with the transfer.
#[test]
fn pxe_undionly() -> LabResult {
    let rig = rig("undionly", &[("ipxe-chain", "all")])?;
    let node = rig.node(Firmware::Bios)?;
    let asked = rig.to_first_stage(&node)?;
    in_order(
        &asked,
        &["dhcp offer undionly.kpxe", "tftp complete undionly.kpxe", "dhcp offer boot.ipxe", "script first-stage"],
    )?;
    let loaded = asked.iter().filter(|e| e.service == "tftp" && e.result == "complete").count();
    ensure(loaded == 1, format!("undionly.kpxe was loaded {loaded} times"))?;
    drop(node);
    rig.lab.finish()
}

/// EDK2's own PXE client, by TFTP.
#[test]
fn pxe_uefi() -> LabResult {
    let rig = rig("pxe-uefi", &[])?;
    let node = rig.node(Firmware::UefiPxe)?;
    let asked = rig.to_first_stage(&node)?;
    in_order(
        &asked,
        &["dhcp offer snponly.efi", "tftp complete snponly.efi", "dhcp offer boot.ipxe", "script first-stage"],
    )?;
    wait_running(&rig.lab, &rig.server, &node, TO_RUNNING, None)?;
    // The same, stored, is on the boot's timeline.
    let detail: NodeDetail = rig.server.api()?.call("GET", &format!("/api/v1/nodes/{}", node.uuid()), None::<&()>)?;
    let boot = detail.boot.ok_or("the node has no boot")?;
    let way = ["dhcp offer DISCOVER", "tftp complete snponly.efi", "dhcp offer boot.ipxe", "script first-stage"];
    in_order(&boot.exchanges, &way)?;
    let moved = boot.exchanges.iter().find(|e| e.service == "tftp" && e.result == "complete").map_or(0, |e| e.bytes);
    ensure(moved > 100_000, format!("snponly.efi had {moved} bytes"))?;
    let told = rig.server.cli(&["boot", "show", &boot.summary.id])?;
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    println!("{told}");
    let line = format!("{moved} bytes in");
    ensure(told.contains("DISCOVER") && told.contains(&line) && told.contains("register"), told)?;
    rig.lab.finish()
}

/// EDK2's HTTP boot; `higuma boot watch` tells the same.
#[test]
fn http_boot_uefi() -> LabResult {
    let rig = rig("http-boot", &[])?;
    let node = rig.node(Firmware::UefiHttp)?;
    let asked = rig.to_first_stage(&node)?;
    let way =
        ["dhcp offer snponly.efi HTTP", "http-boot GET snponly.efi", "dhcp offer boot.ipxe", "script first-stage"];
    in_order(&asked, &way)?;
    let told = rig.server.cli(&["boot", "watch", node.uuid(), "--once"])?;
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    println!("{told}");
    ensure(told.contains("HTTP boot") && told.contains("first-stage"), told)?;
    wait::until("the node to run", TO_RUNNING, || {
        Ok(rig.server.api()?.node(node.uuid())?.filter(|d| d.summary.lifecycle == "running"))
    })?;
    rig.lab.finish()
}
