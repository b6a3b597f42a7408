//! `higuma profile preview`: all that a node would get, as the server rendered it.

use super::Global;
use super::client::{Client, encode};
use super::error::Result;
use super::node::resolve;
use super::output::{self, answer};
use higuma_proto::api::{PreviewSecret, PreviewUser, ProfilePreview};
use std::fmt::Write as _;

pub(super) fn show(global: &Global, name: &str, node: &str, revision: Option<&str>) -> Result<()> {
    let client = Client::new(global)?;
    let node = resolve(&client, node)?;
    let revision = revision.map(|revision| format!("&revision={}", encode(revision))).unwrap_or_default();
    let value = client.get(&format!("/api/v1/profiles/{}/preview?node={}{revision}", encode(name), encode(&node)))?;
    answer(global.format, value, |preview: ProfilePreview| text(&preview))
}

fn text(p: &ProfilePreview) -> String {
    let mut lines = vec![
        ("Node", format!("{} ({})", p.hostname, p.node)),
        ("Profile", format!("{} revision {}", p.profile, p.revision)),
        ("Boot mode", p.mode.clone()),
    ];
    if let Some(image) = &p.image {
        lines.push(("Image", image.clone()));
        lines.push(("Digest", p.image_digest.clone().unwrap_or_default()));
    }
    lines.push(("Plan", p.plan_hash.clone()));
    lines.push(("Command line", p.cmdline.clone()));
    for (key, value) in &p.params {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        lines.push(("Parameter", format!("{key} = {value}")));
    }
    lines.extend(p.modules.iter().map(|module| ("Module", module.clone())));
    lines.extend(p.sysctl.iter().map(|(key, value)| ("Sysctl", format!("{key} = {value}"))));
    lines.extend(p.ssh_authorized_keys.iter().map(|key| ("SSH key", key.clone())));
    lines.extend(p.users.iter().map(|(name, user)| ("User", user_line(name, user))));
    let told = |s: &PreviewSecret| format!("{} revision {} (fingerprint {})", s.name, s.revision, s.fingerprint);
    lines.extend(p.secrets.iter().map(|secret| ("Secret", told(secret))));
    let mut text = output::fields(&lines);
    let of = |id: &str| if id.is_empty() { "root".to_owned() } else { id.to_owned() };
    for f in &p.files {
        let head = format!("File {} ({:o} {}:{})", f.path, f.mode, of(&f.owner), of(&f.group));
        match &f.secret {
            Some(secret) => drop(writeln!(text, "\n{}: secret {}", output::clean(&head), output::clean(secret))),
            None => body(&mut text, &head, &f.content),
        }
    }
    for (head, content) in [("Script of iPXE", &p.script), ("Answer file", &p.answer)] {
        if !content.is_empty() {
            body(&mut text, head, content);
        }
    }
    for (name, unit) in &p.units {
        let flags = [("enabled", unit.enabled), ("masked", unit.masked)];
        let flags: Vec<&str> = flags.iter().filter(|(_, on)| *on).map(|(word, _)| *word).collect();
        let flags = if flags.is_empty() { String::new() } else { format!(" ({})", flags.join(", ")) };
        body(&mut text, &format!("Unit {name}{flags}"), &unit.content);
    }
    text
}

fn user_line(name: &str, user: &PreviewUser) -> String {
    let mut told = format!("{name} ({})", user.uid);
    for said in [&user.shell, &user.home].into_iter().filter(|said| !said.is_empty()) {
        let _ = write!(told, ", {said}");
    }
    if !user.groups.is_empty() {
        let _ = write!(told, ", in {}", user.groups.join(", "));
    }
    let _ = write!(told, ", password: {}", user.password);
    match user.ssh_authorized_keys.len() {
        0 => {}
        1 => told.push_str(", 1 SSH key"),
        keys => drop(write!(told, ", {keys} SSH keys")),
    }
    if user.sudo_nopasswd {
        told.push_str(", sudo without a password");
    }
    told
}

/// A text under its name; each line behind a bar, so that nothing in it looks like ours.
fn body(text: &mut String, head: &str, content: &str) {
    let _ = writeln!(text, "\n{}", output::clean(head));
    for line in content.lines() {
        let _ = writeln!(text, "{}", format!("  | {}", output::clean(line)).trim_end());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use higuma_proto::api::{PreviewUnit, ProfileFile};
    use serde_json::json;

    #[test]
    fn all_of_it_is_told() {
        let file = ProfileFile {
            path: "/etc/motd".into(),
            mode: 0o640,
            group: "adm".into(),
            content: "hv-1\n\n\x1b[2J\n".into(),
            ..ProfileFile::default()
        };
        let secret = Some("web-key".to_owned());
        let key = ProfileFile { path: "/key".into(), mode: 0o600, secret, ..ProfileFile::default() };
        let ann = PreviewUser {
            uid: 1000,
            groups: vec!["sudo".into()],
            shell: "/bin/sh".into(),
            home: "/home/ann".into(),
            ssh_authorized_keys: vec!["k".into()],
            password: "none".into(),
            ..PreviewUser::default()
        };
        let unit = PreviewUnit { content: "[Service]\n".into(), enabled: true, masked: false };
        let preview = ProfilePreview {
            profile: "web".into(),
            revision: 3,
            node: "u".into(),
            hostname: "hv-1".into(),
            mode: "initramfs".into(),
            image: Some("debian:12".into()),
            image_digest: Some("d".into()),
            plan_hash: "h".into(),
            cmdline: "quiet".into(),
            files: vec![file, key],
            users: [("ann".to_owned(), ann)].into(),
            secrets: vec![PreviewSecret { name: "web-key".into(), revision: 2, fingerprint: "f1".into() }],
            ssh_authorized_keys: vec![],
            params: json!({"ntp": "a", "n": 3}).as_object().unwrap().clone(),
            modules: vec!["kvm".into()],
            sysctl: [("a.b".to_owned(), "1".to_owned())].into(),
            units: [("web.service".to_owned(), unit)].into(),
            script: String::new(),
            answer: "d-i x\n".into(),
            network: vec![],
        };
        assert_eq!(
            text(&preview),
            "Node:          hv-1 (u)\nProfile:       web revision 3\nBoot mode:     initramfs\nImage:         debian:12\n\
             Digest:        d\nPlan:          h\nCommand line:  quiet\nParameter:     n = 3\nParameter:     ntp = a\n\
             Module:        kvm\nSysctl:        a.b = 1\nUser:          ann (1000), /bin/sh, /home/ann, in sudo, password: none, 1 SSH key\n\
             Secret:        web-key revision 2 (fingerprint f1)\n\nFile /etc/motd (640 root:adm)\n  | hv-1\n  |\n  | ?[2J\n\n\
             File /key (600 root:root): secret web-key\n\nAnswer file\n  | d-i x\n\nUnit web.service (enabled)\n  | [Service]\n"
        );
    }
}
