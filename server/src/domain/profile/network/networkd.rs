//! A node's network as files of systemd-networkd: systemd.link(5), systemd.netdev(5), systemd.network(5). Every value is
//! typed, so no line can be injected. NICs are matched by the address that they were made with, which a bond does not change.

use super::super::spec::File;
use super::setup::{Kind, Ready, Setup};
use super::{FOLDER, OF_NICS, OF_OTHERS};
use std::fmt::Write as _;

/// How often a bond looks at its links, milliseconds, where nothing is said: the kernel's own is never.
pub(super) const MIIMON: u32 = 100;

impl Setup {
    /// The files, in order of path.
    pub fn files(&self) -> Vec<File> {
        let mut files: Vec<File> = self.devices.iter().flat_map(|device| self.of(device)).collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files
    }

    fn of(&self, device: &Ready) -> Vec<File> {
        let file = |name: String, content: String| File {
            path: format!("{FOLDER}/{name}"),
            mode: 0o644,
            content,
            ..File::default()
        };
        match &device.kind {
            Kind::Nic(found) => {
                let mac = found.mac.as_str();
                vec![
                    file(format!("{OF_NICS}{}.link", device.name), link(device, mac)),
                    // Named as what the agent writes where a profile says nothing of the network: this goes over it.
                    file(
                        format!("{OF_NICS}{}.network", mac.replace(':', "")),
                        self.network(device, &format!("PermanentMACAddress={mac}")),
                    ),
                ]
            }
            Kind::Bond(_) | Kind::Vlan { .. } | Kind::Bridge(_) => vec![
                file(format!("{OF_OTHERS}{}.netdev", device.name), netdev(device)),
                file(
                    format!("{OF_OTHERS}{}.network", device.name),
                    self.network(device, &format!("Name={}", device.name)),
                ),
            ],
        }
    }

    fn network(&self, device: &Ready, is: &str) -> String {
        let said = &device.said;
        let mut text = head(device);
        let _ = write!(text, "[Match]\n{is}\n\n[Link]\n");
        if let Some(mtu) = device.mtu {
            let _ = writeln!(text, "MTUBytes={mtu}");
        }
        let own = said.is_addressed();
        if said.optional || !own {
            text.push_str("RequiredForOnline=no\n");
        }
        text.push_str("\n[Network]\n");
        if let Some(master) = &device.master {
            let bond = self.devices.iter().find(|d| d.name == *master).filter(|d| matches!(d.kind, Kind::Bond(_)));
            let _ = writeln!(text, "{}={master}", if bond.is_some() { "Bond" } else { "Bridge" });
            if bond.is_some_and(|bond| bond.said.primary == device.name) {
                text.push_str("PrimarySlave=yes\n");
            }
        }
        for vlan in &device.vlans {
            let _ = writeln!(text, "VLAN={vlan}");
        }
        let dhcp = match (said.dhcp4, said.dhcp6) {
            (true, true) => "yes",
            (true, false) => "ipv4",
            (false, true) => "ipv6",
            (false, false) => "no",
        };
        let ra = said.accept_ra.unwrap_or(said.dhcp4 || said.dhcp6);
        let local = if own { "ipv6" } else { "no" };
        let _ = write!(text, "DHCP={dhcp}\nIPv6AcceptRA={}\nLinkLocalAddressing={local}\n", yes(ra));
        if matches!(&device.kind, Kind::Bridge(ports) if ports.is_empty()) {
            // Nothing is plugged in: its addresses are there all the same.
            text.push_str("ConfigureWithoutCarrier=yes\n");
        }
        for address in &device.addresses {
            let _ = writeln!(text, "Address={address}");
        }
        for pool in &device.wanted {
            let _ = writeln!(text, "# Address= of pool {pool}: given when the node boots");
        }
        for server in &device.dns {
            let _ = writeln!(text, "DNS={server}");
        }
        if !device.search.is_empty() {
            let _ = writeln!(text, "Domains={}", device.search.join(" "));
        }
        routes(&mut text, device);
        let metric = said.metric.map(|metric| format!("RouteMetric={metric}\n")).unwrap_or_default();
        if said.dhcp4 {
            // The lease that the first stage had: the same client id asks for it.
            let _ = write!(text, "\n[DHCPv4]\nClientIdentifier=mac\n{metric}");
        }
        if ra && !metric.is_empty() {
            let _ = write!(text, "\n[IPv6AcceptRA]\n{metric}");
        }
        text
    }
}

fn head(device: &Ready) -> String {
    format!("# Written by Higuma: network.{} of the profile.\n", device.name)
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

/// The name that the profile calls it by; other names of it stay as further ones.
fn link(device: &Ready, mac: &str) -> String {
    format!(
        "{}[Match]\nPermanentMACAddress={mac}\n\n[Link]\nName={}\nAlternativeNamesPolicy=database onboard slot path\n",
        head(device),
        device.name
    )
}

fn netdev(device: &Ready) -> String {
    let said = &device.said;
    let mut text = head(device);
    let kind = match &device.kind {
        Kind::Bond(_) => "bond",
        Kind::Vlan { .. } => "vlan",
        Kind::Bridge(_) | Kind::Nic(_) => "bridge",
    };
    let _ = write!(text, "[NetDev]\nName={}\nKind={kind}\n", device.name);
    // A VLAN has that of what carries it.
    if let Some(mac) = device.mac.as_ref().filter(|_| kind != "vlan") {
        let _ = writeln!(text, "MACAddress={mac}");
    }
    if let Some(mtu) = device.mtu {
        let _ = writeln!(text, "MTUBytes={mtu}");
    }
    match &device.kind {
        Kind::Vlan { id, .. } => {
            let _ = write!(text, "\n[VLAN]\nId={id}\n");
        }
        Kind::Bridge(_) | Kind::Nic(_) => {
            let _ = write!(text, "\n[Bridge]\nSTP={}\n", yes(said.stp));
        }
        Kind::Bond(_) => {
            let _ = write!(text, "\n[Bond]\nMode={}\nMIIMonitorSec={}ms\n", said.mode, said.miimon.unwrap_or(MIIMON));
            for (word, delay) in [("UpDelaySec", said.up_delay), ("DownDelaySec", said.down_delay)] {
                if let Some(delay) = delay {
                    let _ = writeln!(text, "{word}={delay}ms");
                }
            }
            for (word, value) in [("LACPTransmitRate", &said.lacp_rate), ("TransmitHashPolicy", &said.hash)] {
                if !value.is_empty() {
                    let _ = writeln!(text, "{word}={value}");
                }
            }
            if let Some(least) = said.min_links {
                let _ = writeln!(text, "MinLinks={least}");
            }
        }
    }
    text
}

/// Gateways and routes; sections may be there several times.
fn routes(text: &mut String, device: &Ready) {
    for gateway in &device.gateways {
        let _ = write!(text, "\n[Route]\nGateway={gateway}\n");
        if let Some(metric) = device.said.metric {
            let _ = writeln!(text, "Metric={metric}");
        }
    }
    for route in &device.routes {
        let _ = write!(text, "\n[Route]\nDestination={}\n", route.to);
        match route.via {
            Some(via) => {
                let _ = writeln!(text, "Gateway={via}");
            }
            None if route.to.addr().is_ipv4() => text.push_str("Scope=link\n"),
            None => {}
        }
        if let Some(metric) = route.metric {
            let _ = writeln!(text, "Metric={metric}");
        }
    }
}
