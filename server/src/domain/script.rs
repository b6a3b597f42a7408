//! Which script iPXE gets: the decision alone. Rendering is the transport's, storing the offer is the service's.

use super::Invalid;
use super::identity::{Claim, Teller, Told};
use super::ids::{Mac, Sha256};
use super::image::Arch;
use super::node::{Admission, Node};

/// What iPXE tells of the machine. Any text may hold anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machine {
    /// SMBIOS, as iPXE sees it: nothing at all where the firmware has only the newer entry point.
    pub told: Told,
    /// MAC of the interface that it booted from.
    pub mac: Option<Mac>,
    /// What the processor can run; none: neither of ours.
    pub arch: Option<Arch>,
}

impl Machine {
    /// Who it says it is.
    pub fn claim(&self) -> Claim {
        Claim::new(Teller::Ipxe, &self.told, self.mac.clone(), self.mac.clone())
    }
}

/// The architecture from iPXE's words; `i386` is a 32-bit processor, since boot.ipxe tests for long mode.
pub fn arch_from_ipxe(word: &str) -> Option<Arch> {
    match word {
        "x86_64" => Some(Arch::X86_64),
        "arm64" | "aarch64" => Some(Arch::Aarch64),
        _ => None,
    }
}

/// The first stage to boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstStage {
    /// For which machines.
    pub arch: Arch,
    /// Blob.
    pub kernel: Sha256,
    /// Blob.
    pub initramfs: Sha256,
}

/// The decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Script {
    /// Boot the first stage; a nonce is minted.
    FirstStage(FirstStage),
    /// There is none for this architecture: say what to run, and try again later.
    NoFirstStage(Arch),
    /// The operator's own, of a profile of the mode ipxe.
    Own(String),
    /// Boot from the disk.
    LocalDisk,
    /// The operator's own does not fit this node: wait.
    Unfit,
    /// A person said no.
    Rejected,
    /// A processor that we have nothing for.
    Unsupported,
    /// Neither UUID nor MAC: nothing to call it by.
    Nameless,
}

impl Script {
    /// Name of the decision, for people and tests.
    pub fn name(&self) -> &'static str {
        match self {
            Self::FirstStage(_) => "first-stage",
            Self::NoFirstStage(_) => "no-first-stage",
            Self::Own(_) => "ipxe",
            Self::LocalDisk => "local-disk",
            Self::Unfit => "unfit",
            Self::Rejected => "rejected",
            Self::Unsupported => "unsupported",
            Self::Nameless => "nameless",
        }
    }
}

/// By which way the profile of a node boots it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// By the first stage.
    FirstStage,
    /// By this script of the operator's.
    Script(String),
    /// From its disk, since...
    Disk(String),
    /// By a script that does not fit the node, and why.
    Unfit(String),
}

/// Decide. Unknown machines get the first stage too: that is how they are discovered. Returns why, for people.
/// `way`: of the node's profile; it counts for a node that may boot.
pub fn decide(machine: &Machine, node: Option<&Node>, way: Way, first_stage: Option<&FirstStage>) -> (Script, String) {
    let Some(arch) = machine.arch else {
        return (Script::Unsupported, "the processor is neither x86_64 nor arm64".to_owned());
    };
    if machine.claim().claimed().is_none() {
        return (Script::Nameless, "iPXE told neither a UUID nor a serial number nor a MAC address".to_owned());
    }
    if let Some(node) = node {
        if node.retired {
            return (Script::Rejected, "the node is retired".to_owned());
        }
        if node.admission == Admission::Rejected {
            return (Script::Rejected, "the node was rejected".to_owned());
        }
    }
    if node.is_some_and(|node| node.admission == Admission::Admitted && !node.maintenance) {
        match way {
            Way::FirstStage => {}
            Way::Script(text) => return (Script::Own(text), "a script of its profile".to_owned()),
            Way::Disk(why) => return (Script::LocalDisk, why),
            Way::Unfit(why) => return (Script::Unfit, format!("the script of its profile does not fit it: {why}")),
        }
    }
    let Some(stage) = first_stage.filter(|s| s.arch == arch) else {
        return (
            Script::NoFirstStage(arch),
            format!("there is no first stage for {arch}: run `higuma first-stage build`"),
        );
    };
    let why = match node {
        None => "never seen: the first stage discovers it".to_owned(),
        Some(n) if n.admission == Admission::Pending => {
            "pending: the first stage registers and waits for approval".to_owned()
        }
        Some(n) if n.maintenance => "in maintenance: the first stage registers and waits".to_owned(),
        Some(n) => match &n.profile {
            Some(profile) => format!("assigned to profile {profile}: the first stage boots it"),
            None => "admitted, without a profile: the first stage waits for one".to_owned(),
        },
    };
    (Script::FirstStage(stage.clone()), why)
}

/// `HOST:PORT` of an HTTP request or a setting, for URLs in scripts: a name, an IPv4 or a bracketed IPv6 address.
pub fn check_authority(text: &str) -> Result<&str, Invalid> {
    let bad = || Invalid::new("host", "HOST or HOST:PORT, e.g. 10.0.0.1:8080 or [fd00::1]:8080", text);
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (v6, port) = rest.split_once(']').ok_or_else(bad)?;
            v6.parse::<std::net::Ipv6Addr>().map_err(|_| bad())?;
            (None, port.strip_prefix(':').or(if port.is_empty() { None } else { Some("x") }))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(text), None),
        },
    };
    if let Some(host) = host {
        host.parse::<super::ids::Hostname>().map_err(|_| bad())?;
    }
    if let Some(port) = port {
        port.parse::<u16>().map_err(|_| bad())?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::NodeUuid;

    #[test]
    fn decisions() {
        let uuid: NodeUuid = "4c4c4544-0046-3010-8052-b4c04f4a4d32".parse().unwrap();
        let stage = FirstStage { arch: Arch::X86_64, kernel: Sha256::of("k"), initramfs: Sha256::of("i") };
        let told = Told { uuid: Some(uuid.clone()), ..Told::default() };
        let m = Machine { told, mac: None, arch: Some(Arch::X86_64) };
        let node = Node::new(uuid, Admission::Pending, 0);
        let name = |m: &Machine, n: Option<&Node>, s: Option<&FirstStage>| decide(m, n, Way::FirstStage, s).0.name();
        assert_eq!(name(&m, None, Some(&stage)), "first-stage");
        assert_eq!(name(&m, Some(&node), Some(&stage)), "first-stage");
        assert_eq!(name(&m, None, None), "no-first-stage");
        assert_eq!(name(&Machine { arch: Some(Arch::Aarch64), ..m.clone() }, None, Some(&stage)), "no-first-stage");
        assert_eq!(name(&Machine { arch: None, ..m.clone() }, None, Some(&stage)), "unsupported");
        assert_eq!(name(&Machine { told: Told::default(), ..m.clone() }, None, Some(&stage)), "nameless");
        let rejected = Node { admission: Admission::Rejected, ..node.clone() };
        assert_eq!(name(&m, Some(&rejected), Some(&stage)), "rejected");
        assert_eq!(name(&m, Some(&Node { retired: true, ..node.clone() }), Some(&stage)), "rejected");
        // A profile's own way is for those that may boot.
        let admitted = Node { admission: Admission::Admitted, ..node.clone() };
        let way = |n: &Node, way: Way| decide(&m, Some(n), way, None).0.name();
        assert_eq!(way(&admitted, Way::Disk(String::new())), "local-disk");
        assert_eq!(way(&admitted, Way::Script("#!ipxe\n".into())), "ipxe");
        assert_eq!(way(&admitted, Way::Unfit(String::new())), "unfit");
        assert_eq!(way(&node, Way::Disk(String::new())), "no-first-stage", "pending");
        let kept_out = Node { maintenance: true, ..admitted.clone() };
        assert_eq!(way(&kept_out, Way::Disk(String::new())), "no-first-stage");
        assert_eq!(way(&Node { retired: true, ..admitted }, Way::Disk(String::new())), "rejected");
    }

    #[test]
    fn authorities_cannot_carry_anything_else() {
        for good in ["10.0.2.2:8080", "boot.example.org", "[fd00::1]:80", "[::1]"] {
            assert_eq!(check_authority(good), Ok(good));
        }
        for bad in ["", "a b", "a\n", "host:99999", "host:", "[::1", "[::1]x", "[x]:1", "a/b", "user@host"] {
            assert!(check_authority(bad).is_err(), "{bad:?}");
        }
    }
}
