//! A switch for virtual nodes: a bridge in a namespace of its own, a real lldpd on each of its ports, DHCP that names our
//! boot file, and an uplink to this machine, where `higuma serve` listens. Needs root; vanishes when it is dropped.

use crate::namespace::Namespace;
use crate::programs::{bound, run};
use crate::{Context, Lab, LabResult, wait};
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

static COUNT: AtomicU8 = AtomicU8::new(0);

/// A port: a tap that a node can be plugged into.
#[derive(Debug, Clone, Copy)]
pub struct SwitchPort {
    /// Interface of the port, and what a node's [`crate::Backend::Tap`] names.
    pub tap: &'static str,
    /// Port id that LLDP tells.
    pub id: &'static str,
    /// Port description.
    pub description: &'static str,
    /// Port VLAN id.
    pub vlan: u16,
}

/// The switch, up.
#[derive(Debug)]
pub struct Switch {
    /// Where nodes run.
    pub namespace: Namespace,
    /// Address of this machine as nodes see it.
    pub host: String,
    /// Interface of this machine towards the switch.
    pub uplink: String,
    /// The first three numbers of its network, `10.90.7`.
    pub network: String,
    dir: PathBuf,
}

impl Switch {
    /// A switch of this name with these ports; nodes get no addresses before [`Switch::serve`].
    pub fn start(lab: &Lab, name: &str, ports: &[SwitchPort]) -> LabResult<Switch> {
        let namespace = Namespace::create("switch")?;
        namespace.bridge("br0")?;
        for port in ports {
            namespace.tap(port.tap, "br0")?;
        }
        // One network for each test process: two tests at once do not meet.
        let number = (std::process::id() % 250) as u8;
        let network = format!("10.{}.{number}", 90 + COUNT.fetch_add(1, Ordering::SeqCst) % 10);
        let (host, uplink) = (format!("{network}.1"), format!("hgup{number}"));
        run(bound("ip").args([
            "link",
            "add",
            &uplink,
            "type",
            "veth",
            "peer",
            "name",
            "up0",
            "netns",
            namespace.name(),
        ]))?;
        run(bound("ip").args(["addr", "add", &format!("{host}/24"), "dev", &uplink]))?;
        run(bound("ip").args(["link", "set", &uplink, "up"]))?;
        namespace.ip(&["link", "set", "up0", "master", "br0", "up"])?;
        namespace.ip(&["addr", "add", &format!("{network}.2/24"), "dev", "br0"])?;
        let switch = Switch { namespace, host, uplink, network, dir: lab.dir().to_owned() };
        switch.speak(name, ports)?;
        Ok(switch)
    }

    /// lldpd on every port; answers a MED neighbour at once, as most switches do.
    fn speak(&self, name: &str, ports: &[SwitchPort]) -> LabResult {
        let socket = self.dir.join("lldpd.socket");
        let log = File::create(self.dir.join("lldpd.log"))?;
        let taps: Vec<&str> = ports.iter().map(|port| port.tap).collect();
        let mut lldpd = self.namespace.command("lldpd");
        lldpd.args(["-d", "-M", "4", "-I", &taps.join(","), "-S", "kuma switch", "-u"]).arg(&socket);
        self.namespace.spawn(lldpd.stdout(log.try_clone()?).stderr(log))?;
        wait::until("lldpd's socket", Duration::from_secs(10), || Ok(socket.exists().then_some(())))?;
        let control =
            |words: &[&str]| run(self.namespace.command("lldpcli").arg("-u").arg(&socket).args(words)).map(drop);
        control(&["configure", "med", "fast-start", "enable"])?;
        control(&["configure", "system", "hostname", name])?;
        control(&["configure", "system", "chassisid", &format!("chassis-{name}")])?;
        for port in ports {
            let ports = ["configure", "ports", port.tap, "lldp"];
            control(&[&ports[..], &["portidsubtype", "local", port.id]].concat())?;
            control(&[&ports[..], &["portdescription", port.description]].concat())?;
            // IEEE 802.1Q annex D.2.1: the port VLAN id.
            let vlan = format!("{:02x},{:02x}", port.vlan >> 8, port.vlan & 0xff);
            let tlv = ["custom-tlv", "add", "oui", "00,80,c2", "subtype", "1", "oui-info", &vlan];
            control(&[&ports[..], &tlv].concat())?;
        }
        Ok(())
    }

    /// DHCP for the nodes, with `bootfile` as the boot file.
    pub fn serve(&self, bootfile: &str) -> LabResult {
        self.dnsmasq(&[&format!("--dhcp-boot={bootfile}")])
    }

    /// DHCP for the nodes that gives addresses and nothing to boot.
    pub fn addresses(&self) -> LabResult {
        self.dnsmasq(&[])
    }

    fn dnsmasq(&self, more: &[&str]) -> LabResult {
        let log = File::create(self.dir.join("dnsmasq.log"))?;
        let mut dnsmasq = self.namespace.command("dnsmasq");
        dnsmasq.args(["--no-daemon", "--conf-file=/dev/null", "--port=0", "--interface=br0", "--bind-interfaces"]);
        dnsmasq.args(["--user=root", "--group=root", "--no-ping", "--log-dhcp"]);
        dnsmasq.arg(format!("--dhcp-range={0}.10,{0}.99,255.255.255.0,10m", self.network));
        dnsmasq.args(more);
        dnsmasq.arg(format!("--dhcp-leasefile={}", self.dir.join("leases").display()));
        self.namespace.spawn(dnsmasq.stdout(log.try_clone()?).stderr(log)).context("starting dnsmasq (dnsmasq-base)")
    }
}
