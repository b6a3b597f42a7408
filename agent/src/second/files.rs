//! What makes the root file system this node's: hostname, machine-id, networks, keys, users, the profile's files, and the callback
//! helper. The last word is the profile's: its files are written over ours.

use std::io;

use higuma_proto::agent::Event;

use super::handover::Handover;
use super::tree::Tree;
use super::{network, systemd, users, words};
use crate::callback::CallbackFile;
use crate::decide::Way;
use crate::site::Site;

/// Where systemd looks for units of the machine.
pub const UNITS: &str = "/etc/systemd/system";

/// Whether the image is run by systemd: its init leads there.
pub fn runs_systemd(tree: &Tree, init: &str) -> bool {
    tree.final_name(init).as_deref() == Some("systemd")
}

/// Writes everything but the callback's file; gives what could not be written, in words.
pub fn write_all(tree: &Tree, handover: &Handover, systemd: bool) -> Vec<String> {
    let mut problems = Vec::new();
    let mut note = |what: &str, outcome: io::Result<()>| {
        if let Err(e) = outcome {
            problems.push(format!("{what}: {e}"));
        }
    };
    note("identity", identity(tree, handover));
    if systemd {
        note("units", units(tree, handover.way));
    }
    note("authorized keys", authorized_keys(tree, &handover.plan.ssh_authorized_keys));
    // Before the files: these may be theirs.
    problems.extend(users::write(tree, &handover.plan.users));
    problems.extend(network::write(tree, handover, systemd));
    problems.extend(words::settings(tree, &handover.plan, systemd));
    for file in &handover.plan.files {
        if let Err(e) = words::file(tree, file) {
            problems.push(format!("{}: {e}", file.path));
        }
    }
    problems
}

fn identity(tree: &Tree, handover: &Handover) -> io::Result<()> {
    let plan = &handover.plan;
    if !plan.hostname.is_empty() {
        tree.write("/etc/hostname", 0o644, format!("{}\n", plan.hostname).as_bytes())?;
        if !tree.exists("/etc/hosts") {
            let hosts = format!("127.0.0.1 localhost\n127.0.1.1 {}\n::1 localhost ip6-localhost\n", plan.hostname);
            tree.write("/etc/hosts", 0o644, hosts.as_bytes())?;
        }
    }
    if plan.machine_id.len() == 32 && plan.machine_id.bytes().all(|b| b.is_ascii_hexdigit()) {
        tree.write("/etc/machine-id", 0o444, format!("{}\n", plan.machine_id).as_bytes())?;
    }
    Ok(())
}

fn units(tree: &Tree, way: Way) -> io::Result<()> {
    // Beside an image's own initrd the helper runs already.
    let up = (way != Way::Beside).then(|| ("higuma-up.service", systemd::up_unit()));
    for (unit, text) in up.into_iter().chain([("higuma-ssh-host-keys.service", systemd::host_keys_unit())]) {
        tree.write(&format!("{UNITS}/{unit}"), 0o644, text.as_bytes())?;
        tree.symlink(&format!("{UNITS}/multi-user.target.wants/{unit}"), &format!("{UNITS}/{unit}"))?;
    }
    Ok(())
}

fn authorized_keys(tree: &Tree, keys: &[String]) -> io::Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    tree.folder("/root", 0o700)?;
    tree.folder("/root/.ssh", 0o700)?;
    let lines: String = keys.iter().map(|key| format!("{}\n", key.lines().next().unwrap_or_default())).collect();
    tree.write("/root/.ssh/authorized_keys", 0o600, lines.as_bytes())
}

/// Writes what the callback helper needs, and the helper. Comes last: `events` hold what happened before, problems too.
pub fn callback(tree: &Tree, handover: &Handover, site: &Site, events: Vec<Event>) -> io::Result<()> {
    tree.folder(systemd::RUN, 0o755)?;
    callback_file(tree, &format!("{}/callback.json", systemd::RUN), handover, site, events)?;
    let agent = std::fs::read("/proc/self/exe")?;
    tree.write(&format!("{}/agent", systemd::RUN), 0o755, &agent)
}

/// What the helper is told, in this file.
pub fn callback_file(tree: &Tree, path: &str, handover: &Handover, site: &Site, events: Vec<Event>) -> io::Result<()> {
    let file = CallbackFile {
        grpc: handover.grpc.clone(),
        boot_id: handover.plan.boot_id.clone(),
        credential: handover.callback.clone(),
        ca_pem: site.ca_pem.clone().unwrap_or_default(),
        server_name: site.server_name.clone().unwrap_or_default(),
        not_before: handover.made_at_us / 1_000_000,
        events,
    };
    tree.write(path, 0o600, &serde_json::to_vec(&file)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use higuma_proto::agent::{BootPlan, File};

    use super::*;

    #[test]
    fn a_node_gets_its_own_files_and_the_profile_has_the_last_word() {
        let root = tempfile::tempdir().unwrap();
        let tree = Tree::open(root.path()).unwrap();
        tree.write("/usr/lib/systemd/systemd-networkd", 0o755, b"").unwrap();
        tree.write("/lib/systemd/system/systemd-networkd.service", 0o644, b"").unwrap();
        let plan = BootPlan {
            hostname: "node-1".to_owned(),
            machine_id: "0123456789abcdef0123456789abcdef".to_owned(),
            boot_id: "b".to_owned(),
            ssh_authorized_keys: vec!["ssh-ed25519 AAAA me\nssh-rsa sneaked".to_owned()],
            files: vec![
                File { path: "/etc/hostname".to_owned(), mode: 0o600, content: b"mine\n".to_vec(), ..File::default() },
                File { path: "/../etc/passwd".to_owned(), mode: 0o600, content: Vec::new(), ..File::default() },
            ],
            ..BootPlan::default()
        };
        let mut handover = Handover::of(&plan, Way::Embedded, &"d".repeat(64), "s:1", None, Vec::new());
        handover.macs = vec!["52:54:00:00:00:01".to_owned()];
        let problems = write_all(&tree, &handover, true);
        assert_eq!(problems.len(), 1, "only the dishonest path: {problems:?}");
        let event = Event { message: problems.concat(), ..Event::default() };
        let site = Site::read(&root.path().join("none"));
        callback(&tree, &handover, &site, vec![event]).unwrap();
        let read = |path: &str| std::fs::read_to_string(root.path().join(path)).unwrap();
        assert_eq!(read("etc/hostname"), "mine\n");
        assert_eq!(read("etc/machine-id"), "0123456789abcdef0123456789abcdef\n");
        assert_eq!(read("root/.ssh/authorized_keys"), "ssh-ed25519 AAAA me\n");
        assert!(read("etc/systemd/network/10-higuma-525400000001.network").contains("DHCP=yes"));
        let wants = root.path().join("etc/systemd/system/multi-user.target.wants");
        assert!(wants.join("higuma-up.service").symlink_metadata().is_ok());
        assert!(wants.join("systemd-networkd.service").symlink_metadata().is_ok());
        let file = root.path().join("run/higuma/callback.json");
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        let file: CallbackFile = serde_json::from_str(&read("run/higuma/callback.json")).unwrap();
        assert!(file.events.iter().any(|e| e.message.contains("/../etc/passwd")), "{:?}", file.events);
    }
}
