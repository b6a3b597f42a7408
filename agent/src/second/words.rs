//! What a profile says of a running system, put into its root before its init begins: files with their owners, kernel
//! modules, sysctl settings, systemd units. What cannot be done is told in words and never stops the boot.

use std::io;

use higuma_proto::agent::{BootPlan, File, Unit};

use super::files::UNITS;
use super::tree::Tree;

/// `/etc/passwd` and `/etc/group` of an image are read up to this many bytes.
const IDS_MAX: u64 = 1 << 20;
/// A unit's file of the image is read up to this many bytes.
const UNIT_MAX: u64 = 256 << 10;

/// Writes modules, sysctl settings, and units; gives what could not be done.
pub fn settings(tree: &Tree, plan: &BootPlan, systemd: bool) -> Vec<String> {
    let mut problems = Vec::new();
    let mut note = |what: &str, outcome: io::Result<()>| {
        if let Err(e) = outcome {
            problems.push(format!("{what}: {e}"));
        }
    };
    if !plan.modules.is_empty() {
        let text: String = plan.modules.iter().map(|m| format!("{}\n", one_line(m))).collect();
        note("kernel modules", tree.write("/etc/modules-load.d/higuma.conf", 0o644, text.as_bytes()));
    }
    if !plan.sysctl.is_empty() {
        let line = |key: &str, value: &str| format!("{} = {}\n", one_line(key), one_line(value));
        let text: String = plan.sysctl.iter().map(|s| line(&s.key, &s.value)).collect();
        note("sysctl", tree.write("/etc/sysctl.d/90-higuma.conf", 0o644, text.as_bytes()));
    }
    for unit in &plan.units {
        let outcome = if systemd { write_unit(tree, unit) } else { Err(io::Error::other("the init is not systemd")) };
        note(&unit.name, outcome);
    }
    problems
}

/// A file with its mode and its owners; one whose owners cannot be found is not written, so that it is nobody else's.
pub fn file(tree: &Tree, file: &File) -> io::Result<()> {
    let owner = id(tree, "/etc/passwd", &file.owner)?;
    let group = id(tree, "/etc/group", &file.group)?;
    tree.write_owned(&file.path, file.mode, (owner, group), &file.content)
}

/// A number, or what a name stands for in a file as passwd(5) and group(5) have it; none: as it is made, root's.
fn id(tree: &Tree, table: &str, name: &str) -> io::Result<Option<u32>> {
    if name.is_empty() {
        return Ok(None);
    }
    if let Ok(number) = name.parse() {
        return Ok(Some(number));
    }
    let text = tree.read(table, IDS_MAX)?;
    let found = String::from_utf8_lossy(&text).lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1).and_then(|id| id.parse().ok())).flatten()
    });
    found.map(Some).ok_or_else(|| io::Error::other(format!("the image's {table} has no {name:?}")))
}

fn write_unit(tree: &Tree, unit: &Unit) -> io::Result<()> {
    let name = unit.name.as_str();
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return Err(io::Error::other("not the name of a unit"));
    }
    let path = format!("{UNITS}/{name}");
    if unit.masked {
        return tree.symlink(&path, "/dev/null");
    }
    if !unit.content.is_empty() {
        tree.write(&path, 0o644, unit.content.as_bytes())?;
    }
    if !unit.enabled {
        return Ok(());
    }
    let (target, text) = match unit.content.is_empty() {
        false => (path, unit.content.clone()),
        true => of_image(tree, name)?,
    };
    for (folder, by) in installs(&text) {
        tree.symlink(&format!("{UNITS}/{by}.{folder}/{name}"), &target)?;
    }
    Ok(())
}

/// Path and text of the image's own unit; of `a@b.service` it is the file of `a@.service`.
fn of_image(tree: &Tree, name: &str) -> io::Result<(String, String)> {
    let template = match (name.split_once('@'), name.rsplit_once('.')) {
        (Some((prefix, _)), Some((_, kind))) => format!("{prefix}@.{kind}"),
        _ => name.to_owned(),
    };
    for folder in [UNITS, "/usr/lib/systemd/system", "/lib/systemd/system"] {
        for file in [name, template.as_str()] {
            let path = format!("{folder}/{file}");
            if tree.exists(&path) {
                let text = String::from_utf8_lossy(&tree.read(&path, UNIT_MAX)?).into_owned();
                return Ok((path, text));
            }
        }
    }
    Err(io::Error::other("enabled, but neither the profile nor the image has it"))
}

/// Who wants it, as systemd.unit(5) has it in `[Install]`; where nothing is said, what starts at boot.
fn installs(text: &str) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line == "[Install]";
            continue;
        }
        let Some((key, value)) = line.split_once('=').filter(|_| inside) else { continue };
        let folder = match key.trim() {
            "WantedBy" => "wants",
            "RequiredBy" => "requires",
            "UpheldBy" => "upholds",
            _ => continue,
        };
        let honest = |by: &&str| !by.contains('/') && !by.starts_with('.');
        found.extend(value.split_whitespace().filter(honest).map(|by| (folder, by.to_owned())));
    }
    if found.is_empty() {
        found.push(("wants", "multi-user.target".to_owned()));
    }
    found
}

fn one_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use higuma_proto::agent::Sysctl;

    use super::*;

    fn unit(name: &str, content: &str, enabled: bool) -> Unit {
        Unit { name: name.to_owned(), content: content.to_owned(), enabled, masked: false }
    }

    #[test]
    fn modules_sysctl_and_units() {
        let root = tempfile::tempdir().unwrap();
        let tree = Tree::open(root.path()).unwrap();
        tree.write("/lib/systemd/system/getty@.service", 0o644, b"[Install]\nWantedBy=getty.target\n").unwrap();
        let plan = BootPlan {
            modules: vec!["kvm".to_owned(), "bonding\nevil".to_owned()],
            sysctl: vec![Sysctl { key: "net.ipv4.ip_forward".to_owned(), value: "1\nevil = 1".to_owned() }],
            units: vec![
                unit(
                    "web.service",
                    "[Unit]\nWantedBy=no.target\n[Install]\nWantedBy=a.target b.target\nRequiredBy = c.target\n",
                    true,
                ),
                unit("plain.service", "[Service]\n", true),
                unit("off.service", "[Service]\n", false),
                unit("getty@tty3.service", "", true),
                unit("none.service", "", true),
                unit("../../evil.service", "x", true),
                Unit { masked: true, ..unit("apt-daily.timer", "", false) },
            ],
            ..BootPlan::default()
        };
        let problems = settings(&tree, &plan, true);
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].contains("none.service") && problems[1].contains("evil"), "{problems:?}");
        let read = |path: &str| std::fs::read_to_string(root.path().join(path)).unwrap();
        assert_eq!(read("etc/modules-load.d/higuma.conf"), "kvm\nbonding\n");
        assert_eq!(read("etc/sysctl.d/90-higuma.conf"), "net.ipv4.ip_forward = 1\n");
        let link = |path: &str| {
            let path = root.path().join("etc/systemd/system").join(path);
            std::fs::read_link(path).ok().map(|to| to.display().to_string())
        };
        for at in ["a.target.wants", "b.target.wants", "c.target.requires"] {
            assert_eq!(link(&format!("{at}/web.service")).as_deref(), Some("/etc/systemd/system/web.service"));
        }
        assert!(link("no.target.wants/web.service").is_none());
        assert!(link("multi-user.target.wants/plain.service").is_some(), "enabled is started");
        assert!(link("multi-user.target.wants/off.service").is_none());
        let getty = "/lib/systemd/system/getty@.service";
        assert_eq!(link("getty.target.wants/getty@tty3.service").as_deref(), Some(getty));
        assert_eq!(link("apt-daily.timer").as_deref(), Some("/dev/null"));
        assert_eq!(settings(&tree, &plan, false).len(), 7, "without systemd no unit is");
    }

    #[test]
    fn owners_come_from_the_image() {
        let root = tempfile::tempdir().unwrap();
        let tree = Tree::open(root.path()).unwrap();
        let (uid, gid) = (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw());
        tree.write("/etc/passwd", 0o644, format!("root:x:0:0::/:\nwww:x:{uid}:99::/:\n").as_bytes()).unwrap();
        tree.write("/etc/group", 0o644, format!("www:x:{gid}:\n").as_bytes()).unwrap();
        let of = |owner: &str, group: &str| File {
            path: "/etc/x".to_owned(),
            mode: 0o4750,
            owner: owner.to_owned(),
            group: group.to_owned(),
            content: b"x".to_vec(),
        };
        for (owner, group) in [("", ""), ("www", "www"), (&*uid.to_string(), &*gid.to_string())] {
            file(&tree, &of(owner, group)).unwrap();
            let made = std::fs::metadata(root.path().join("etc/x")).unwrap();
            assert_eq!((made.uid(), made.gid(), made.mode() & 0o7777), (uid, gid, 0o4750));
        }
        std::fs::remove_file(root.path().join("etc/x")).unwrap();
        assert!(file(&tree, &of("nobody-here", "")).unwrap_err().to_string().contains("/etc/passwd"));
        assert!(!root.path().join("etc/x").exists());
        assert_eq!(id(&tree, "/etc/passwd", "0").unwrap(), Some(0));
    }
}
