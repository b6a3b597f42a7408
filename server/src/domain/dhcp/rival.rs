//! Other servers of DHCP on a wire that we serve: what we ask to find them, and what it means that they answer. Pure.

use super::request::{Hardware, MessageType, Op, Request};
use super::situation::Mode;
use crate::domain::Sha256;
use std::net::Ipv4Addr;

/// What all servers of one installation know a question of theirs by: a client identifier (option 61) that nobody else has.
pub fn mark(installation: &str) -> Vec<u8> {
    let digest = Sha256::of(installation);
    [b"\0higuma-probe:", digest.as_str().get(..32).unwrap_or_default().as_bytes()].concat()
}

/// The hardware address that an installation asks with: its own and always the same, so that a server which offers an address
/// keeps one and not hundreds. Locally administered (IEEE 802).
pub fn hardware(installation: &str) -> Hardware {
    let digest = hex::decode(Sha256::of(installation).as_str()).unwrap_or_default();
    let mut address = vec![0x02];
    address.extend(digest.iter().copied().chain([0; 5]).take(5));
    Hardware { kind: 1, address }
}

/// A server that answered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rival {
    /// Its id (option 54), else where its answer came from.
    pub server: Ipv4Addr,
    /// The address that it offers; none: it only tells what to boot (ProxyDHCP).
    pub offers: Option<Ipv4Addr>,
    /// It tells machines what to boot: next server and file, or PXE's own options.
    pub boots: bool,
}

/// Of a packet that came after our question of that number; none: it is no offer to us.
pub fn rival(reply: &Request, boot_file: bool, xid: u32, source: Ipv4Addr) -> Option<Rival> {
    if reply.op != Op::Reply || reply.xid != xid || reply.kind != Some(MessageType::Offer) {
        return None;
    }
    let known = |address: Ipv4Addr| Some(address).filter(|address| !address.is_unspecified());
    let offers = known(reply.yiaddr);
    Some(Rival {
        server: reply.server_id.or(known(source)).unwrap_or(Ipv4Addr::UNSPECIFIED),
        offers,
        boots: boot_file || offers.is_none(),
    })
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gravity {
    /// As it should be.
    Fine,
    /// Machines may not boot.
    Warning,
    /// Two servers give addresses.
    Error,
}

/// What the answers mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// How bad.
    pub gravity: Gravity,
    /// Word for programs.
    pub word: &'static str,
    /// For people: what is there, and what to do.
    pub detail: String,
}

/// Weighs what was found on a wire where we are this.
pub fn verdict(mode: Mode, rivals: &[Rival]) -> Verdict {
    let names = |takes: &dyn Fn(&Rival) -> bool| {
        let all: Vec<String> =
            rivals.iter().filter(|rival| takes(rival)).map(|rival| rival.server.to_string()).collect();
        all.join(", ")
    };
    let (giving, booting) = (names(&|rival| rival.offers.is_some()), names(&|rival| rival.boots));
    let (gravity, word, detail) = match (mode, giving.as_str(), booting.as_str()) {
        (Mode::Server, "", "") => (Gravity::Fine, "alone", "no other DHCP server answers".to_owned()),
        (Mode::Server, "", booting) => (
            Gravity::Warning,
            "other-boot-server",
            format!("{booting} tells machines what to boot, too: expected us alone, switch it off there"),
        ),
        (Mode::Server, giving, _) => (
            Gravity::Error,
            "other-server",
            format!(
                "another DHCP server answers here: {giving}. Expected us alone: machines get addresses of either, by chance. \
                 Switch it off there, or be beside it with mode proxy"
            ),
        ),
        (_, "", booting) => (
            Gravity::Warning,
            "no-server",
            format!(
                "no DHCP server answers here{}: expected one that gives addresses, machines do not boot without. Start it, or \
                 be the server with mode server",
                if booting.is_empty() { String::new() } else { format!(" ({booting} only tells what to boot)") }
            ),
        ),
        (_, giving, "") => (Gravity::Fine, "beside", format!("beside the DHCP server {giving}")),
        (_, giving, booting) => (
            Gravity::Warning,
            "other-boot-server",
            format!(
                "beside the DHCP server {giving}; {booting} tells machines what to boot, too: expected us alone, take the boot \
                 file out there"
            ),
        ),
    };
    Verdict { gravity, word, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_servers_mean() {
        let gives =
            Rival { server: Ipv4Addr::new(10, 0, 0, 1), offers: Some(Ipv4Addr::new(10, 0, 0, 9)), boots: false };
        let both = Rival { boots: true, ..gives.clone() };
        let boots = Rival { server: Ipv4Addr::new(10, 0, 0, 2), offers: None, boots: true };
        for (mode, rivals, gravity, word, names) in [
            (Mode::Server, vec![], Gravity::Fine, "alone", vec![]),
            (Mode::Server, vec![gives.clone()], Gravity::Error, "other-server", vec!["10.0.0.1"]),
            (Mode::Server, vec![gives.clone(), boots.clone()], Gravity::Error, "other-server", vec!["10.0.0.1"]),
            (Mode::Server, vec![boots.clone()], Gravity::Warning, "other-boot-server", vec!["10.0.0.2"]),
            (Mode::Proxy, vec![], Gravity::Warning, "no-server", vec![]),
            (Mode::Proxy, vec![boots.clone()], Gravity::Warning, "no-server", vec!["10.0.0.2"]),
            (Mode::Proxy, vec![gives.clone()], Gravity::Fine, "beside", vec!["10.0.0.1"]),
            (Mode::Proxy, vec![gives, boots], Gravity::Warning, "other-boot-server", vec!["10.0.0.1", "10.0.0.2"]),
            (Mode::Proxy, vec![both], Gravity::Warning, "other-boot-server", vec!["10.0.0.1"]),
        ] {
            let found = verdict(mode, &rivals);
            assert_eq!((found.gravity, found.word), (gravity, word), "{found:?}");
            assert!(names.iter().all(|name| found.detail.contains(name)), "{found:?}");
        }
    }

    #[test]
    fn an_installation_knows_its_own_questions() {
        assert_eq!(mark("a"), mark("a"));
        assert_ne!(mark("a"), mark("b"));
        let hardware = hardware("a");
        assert!(hardware.is_of_one_port() && hardware.address.len() == 6, "{hardware:?}");
    }
}
