//! The network of the booted system: what the profile says, as files of systemd-networkd that come with the others; or, where
//! it says nothing, DHCP on every NIC. Turns on what the image has, and never changes a network itself.

use std::io;

use super::files::UNITS;
use super::handover::Handover;
use super::systemd;
use super::tree::Tree;

/// Sets up what makes the network; gives what could not be done, in words.
pub fn write(tree: &Tree, handover: &Handover, systemd: bool) -> Vec<String> {
    let mut problems = Vec::new();
    let mut note = |what: &str, outcome: io::Result<()>| {
        if let Err(e) = outcome {
            problems.push(format!("{what}: {e}"));
        }
    };
    let networkd = systemd && has(tree, "systemd-networkd");
    if networkd {
        note("networks", enable_networkd(tree));
    }
    match (&handover.plan.network, networkd) {
        (None, true) => note("networks", by_dhcp(tree, handover)),
        (None, false) => {}
        (Some(_), true) => note("name service", enable_resolved(tree)),
        (Some(_), false) => {
            let why = "the profile says the network, and the image has no systemd-networkd (Debian: package systemd): \
                       its own network holds";
            note("networks", Err(io::Error::other(why)));
        }
    }
    note("name servers", resolv_conf(tree, handover));
    problems
}

/// Whether the image has this program of systemd's.
fn has(tree: &Tree, program: &str) -> bool {
    ["/usr/lib/systemd", "/lib/systemd"].iter().any(|folder| tree.exists(&format!("{folder}/{program}")))
}

/// The unit of the image is started at boot.
fn enable(tree: &Tree, wants: &str, unit: &str) -> io::Result<()> {
    let target = format!("/lib/systemd/system/{unit}");
    if tree.exists(&target) { tree.symlink(&format!("{UNITS}/{wants}/{unit}"), &target) } else { Ok(()) }
}

fn enable_networkd(tree: &Tree) -> io::Result<()> {
    enable(tree, "multi-user.target.wants", "systemd-networkd.service")?;
    enable(tree, "sockets.target.wants", "systemd-networkd.socket")
}

/// Name servers of the profile go by way of networkd to systemd-resolved, where the image has it.
fn enable_resolved(tree: &Tree) -> io::Result<()> {
    if !has(tree, "systemd-resolved") {
        return Ok(());
    }
    enable(tree, "sysinit.target.wants", "systemd-resolved.service")?;
    if is_without_servers(tree)? {
        tree.symlink("/etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf")?;
    }
    Ok(())
}

fn by_dhcp(tree: &Tree, handover: &Handover) -> io::Result<()> {
    for mac in &handover.macs {
        let boot = handover.boot_mac.as_ref().is_none_or(|boot| boot == mac);
        if let Some(text) = systemd::network(mac, boot) {
            // A profile's file for the same NIC has the same name, and is written over it.
            let name = mac.replace(':', "");
            tree.write(&format!("/etc/systemd/network/10-higuma-{name}.network"), 0o644, text.as_bytes())?;
        }
    }
    Ok(())
}

fn is_without_servers(tree: &Tree) -> io::Result<bool> {
    Ok(!tree.exists("/etc/resolv.conf") || tree.read("/etc/resolv.conf", 1)?.is_empty())
}

/// Only where nothing of the image would do it: the profile's servers, else those of the first stage.
fn resolv_conf(tree: &Tree, handover: &Handover) -> io::Result<()> {
    if has(tree, "systemd-resolved") || !is_without_servers(tree)? {
        return Ok(());
    }
    let said = handover.plan.network.as_ref().filter(|network| !network.name_servers.is_empty());
    let text = match said {
        None => handover.resolv_conf.clone(),
        Some(network) => {
            let honest =
                |word: &&String| !word.is_empty() && !word.contains(|c: char| c.is_whitespace() || c.is_control());
            let servers = network.name_servers.iter().filter(honest).map(|server| format!("nameserver {server}\n"));
            let search: Vec<&str> = network.search.iter().filter(honest).map(String::as_str).collect();
            let search = if search.is_empty() { String::new() } else { format!("search {}\n", search.join(" ")) };
            servers.chain([search]).collect()
        }
    };
    if text.is_empty() { Ok(()) } else { tree.write("/etc/resolv.conf", 0o644, text.as_bytes()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use higuma_proto::agent::{BootPlan, Network};

    use super::*;
    use crate::decide::Way;

    fn handover(network: Option<Network>) -> Handover {
        let plan = BootPlan { network, ..BootPlan::default() };
        let mut handover = Handover::of(&plan, Way::Embedded, &"d".repeat(64), "s:1", None, Vec::new());
        handover.macs = vec!["52:54:00:00:00:01".to_owned()];
        handover.resolv_conf = "nameserver 10.0.0.1\n".to_owned();
        handover
    }

    fn said() -> Option<Network> {
        Some(Network {
            name_servers: vec!["10.1.0.1".to_owned(), "fd00::1".to_owned()],
            search: vec!["lab.example".to_owned(), "b\nnameserver 6.6.6.6".to_owned()],
        })
    }

    fn image(programs: &[&str]) -> (tempfile::TempDir, Tree) {
        let root = tempfile::tempdir().unwrap();
        let tree = Tree::open(root.path()).unwrap();
        for program in programs {
            tree.write(&format!("/usr/lib/systemd/{program}"), 0o755, b"").unwrap();
            tree.write(&format!("/lib/systemd/system/{program}.service"), 0o644, b"").unwrap();
        }
        (root, tree)
    }

    const OURS: &str = "etc/systemd/network/10-higuma-525400000001.network";
    const NETWORKD: &str = "etc/systemd/system/multi-user.target.wants/systemd-networkd.service";

    #[test]
    fn without_words_every_nic_asks_by_dhcp() {
        let (root, tree) = image(&["systemd-networkd"]);
        assert!(write(&tree, &handover(None), true).is_empty());
        assert!(root.path().join(OURS).exists() && root.path().join(NETWORKD).symlink_metadata().is_ok());
        let resolv = std::fs::read_to_string(root.path().join("etc/resolv.conf")).unwrap();
        assert_eq!(resolv, "nameserver 10.0.0.1\n");
    }

    #[test]
    fn a_profile_s_network_is_the_whole() {
        let (root, tree) = image(&["systemd-networkd"]);
        assert!(write(&tree, &handover(said()), true).is_empty());
        assert!(!root.path().join(OURS).exists(), "DHCP was not asked for");
        assert!(root.path().join(NETWORKD).symlink_metadata().is_ok());
        let resolv = std::fs::read_to_string(root.path().join("etc/resolv.conf")).unwrap();
        assert_eq!(resolv, "nameserver 10.1.0.1\nnameserver fd00::1\nsearch lab.example\n", "no line is smuggled in");

        let (root, tree) = image(&["systemd-networkd", "systemd-resolved"]);
        assert!(write(&tree, &handover(said()), true).is_empty());
        let link = std::fs::read_link(root.path().join("etc/resolv.conf")).unwrap();
        assert_eq!(link.to_str(), Some("../run/systemd/resolve/stub-resolv.conf"));
        let wants = root.path().join("etc/systemd/system/sysinit.target.wants/systemd-resolved.service");
        assert!(wants.symlink_metadata().is_ok());
    }

    #[test]
    fn an_image_that_cannot_do_it_is_told() {
        let (root, tree) = image(&[]);
        assert_eq!(write(&tree, &handover(None), true), Vec::<String>::new());
        let told = write(&tree, &handover(said()), true);
        assert!(told.len() == 1 && told[0].contains("no systemd-networkd"), "{told:?}");
        assert!(!root.path().join(OURS).exists());
        let (_root, tree) = image(&["systemd-networkd"]);
        assert_eq!(write(&tree, &handover(said()), false).len(), 1, "nothing would start it");
    }
}
