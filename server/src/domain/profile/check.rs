//! The bounds and alphabets of what a person gave: what passes can be written into any root file system as it is.

use super::spec::{Spec, Wrong};
use super::user::check_users;

/// Files of one profile, and bytes of one file, at most.
pub const FILES_MAX: usize = 100;
/// See [`FILES_MAX`].
pub const FILE_BYTES_MAX: usize = 256 * 1024;
/// Bytes of an iPXE script, at most.
pub const SCRIPT_MAX: usize = 64 * 1024;
/// Bytes of one parameter as JSON, at most.
pub const PARAM_BYTES_MAX: usize = 8 * 1024;
/// Keys, modules, sysctl settings, units and parameters of one profile, at most of each.
pub const MANY: usize = 200;
/// Keys: earlier releases had no bound but that of a request.
const KEYS_MAX: usize = 10_000;

/// Check what a person gave. Errors: the first thing that does not fit.
pub fn check(spec: &Spec) -> Result<(), Wrong> {
    bound("files", spec.files.len(), FILES_MAX)?;
    for file in &spec.files {
        let place = |field: &str| format!("files.{}.{field}", file.path);
        check_path(&file.path)?;
        if file.mode & !0o7777 != 0 {
            return Err(Wrong::new(place("mode"), "permission bits, 0 to 0o7777", format!("{:#o}", file.mode)));
        }
        check_content(&place("content"), &file.content)?;
        if file.secret.is_some() {
            // An inherited mode may be that of a file for all.
            if file.mode & 0o007 != 0 {
                let form = "no permission for others in a file with a secret, as \"0600\" or \"0640\"";
                return Err(Wrong::new(place("mode"), form, format!("{:#o}", file.mode)));
            }
            if file.template {
                return Err(Wrong::new(place("template"), "no template beside a secret", "both"));
            }
        }
        for (field, id) in [("owner", &file.owner), ("group", &file.group)] {
            if !id.is_empty() && !is_id(id) {
                return Err(Wrong::new(place(field), "a number or a name of a-z, 0-9, '_', '-'", format!("{id:?}")));
            }
        }
    }
    bound("ssh_authorized_keys", spec.ssh_authorized_keys.len(), KEYS_MAX)?;
    for key in &spec.ssh_authorized_keys {
        check_ssh_key("ssh_authorized_keys", key)?;
    }
    bound("modules", spec.modules.len(), MANY)?;
    for module in &spec.modules {
        let good = (1..=64).contains(&module.len())
            && module.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        if !good {
            return Err(Wrong::new("modules", "names of letters, digits, '_', '-'", format!("{module:?}")));
        }
    }
    bound("sysctl", spec.sysctl.len(), MANY)?;
    for (key, value) in &spec.sysctl {
        let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/' | b'*' | b':');
        let good = (1..=200).contains(&key.len()) && key.bytes().all(name) && !key.starts_with('-');
        if !good || key.contains("..") {
            return Err(Wrong::new("sysctl", "keys as net.ipv4.ip_forward", format!("{key:?}")));
        }
        if value.len() > 1000 || value.chars().any(char::is_control) {
            return Err(Wrong::new(format!("sysctl.{key}"), "one line of at most 1,000 bytes", format!("{value:?}")));
        }
    }
    check_units(spec)?;
    check_users(&spec.users)?;
    bound("params", spec.params.len(), MANY)?;
    for (name, value) in &spec.params {
        let bytes = serde_json::to_string(value).map_or(usize::MAX, |text| text.len());
        if bytes > PARAM_BYTES_MAX {
            let form = format!("at most {PARAM_BYTES_MAX} bytes");
            return Err(Wrong::new(format!("params.{name}"), form, bytes.to_string()));
        }
        let first = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        let rest = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !first || !rest || name.len() > 63 {
            return Err(Wrong::new("params", "names of a-z, 0-9, '_', beginning with a letter", format!("{name:?}")));
        }
    }
    check_content("cloud_init.user_data", &spec.cloud_init.user_data)?;
    check_content("cloud_init.network_config", &spec.cloud_init.network_config)?;
    spec.cloud_init.check(&spec.files)?;
    spec.network.check(&spec.files)?;
    if !spec.network.is_empty() && !spec.cloud_init.network_config.is_empty() {
        return Err(Wrong::new("cloud_init.network_config", "none beside network", "both"));
    }
    check_script(&spec.script)?;
    check_content("answer", &spec.answer)?;
    spec.check_templates().map_err(|f| Wrong {
        place: format!("{}, line {}", f.place, f.line),
        expected: "a template that can be read".to_owned(),
        got: f.problem,
    })
}

fn bound(place: &str, count: usize, most: usize) -> Result<(), Wrong> {
    if count > most { Err(Wrong::new(place, format!("at most {most}"), count.to_string())) } else { Ok(()) }
}

fn check_content(place: &str, content: &str) -> Result<(), Wrong> {
    if content.len() > FILE_BYTES_MAX {
        return Err(Wrong::new(place, "at most 256 KiB", format!("{} bytes", content.len())));
    }
    Ok(())
}

fn check_units(spec: &Spec) -> Result<(), Wrong> {
    bound("units", spec.units.len(), MANY)?;
    for (name, unit) in &spec.units {
        let place = |field: &str| format!("units.{name}.{field}");
        if !is_unit(name) {
            let form = "names as web.service, of a kind that systemd knows; higuma-* are Higuma's own";
            return Err(Wrong::new("units", form, format!("{name:?}")));
        }
        check_content(&place("content"), &unit.content)?;
        if unit.masked && (unit.enabled || !unit.content.is_empty()) {
            return Err(Wrong::new(place("masked"), "neither content nor enabled in a masked unit", "both"));
        }
        if !unit.masked && !unit.enabled && unit.content.is_empty() {
            return Err(Wrong::new(format!("units.{name}"), "content, enabled or masked", "none of them"));
        }
    }
    Ok(())
}

/// iPXE takes what begins with its name; more is the operator's own.
fn check_script(script: &str) -> Result<(), Wrong> {
    if script.len() > SCRIPT_MAX {
        return Err(Wrong::new("script", "at most 64 KiB", format!("{} bytes", script.len())));
    }
    if !script.is_empty() && !script.starts_with("#!ipxe\n") {
        return Err(Wrong::new("script", "a first line #!ipxe", script.lines().next().unwrap_or_default()));
    }
    Ok(())
}

pub(super) fn check_ssh_key(place: &str, key: &str) -> Result<(), Wrong> {
    if key.len() > 16_384 || key.is_empty() || key.chars().any(char::is_control) {
        return Err(Wrong::new(place, "one line as in authorized_keys", format!("{key:?}")));
    }
    Ok(())
}

/// Absolute and normalised, and not the root itself.
pub(super) fn check_path_of(path: &str) -> bool {
    path.len() <= 1000
        && path.strip_prefix('/').is_some_and(|rest| {
            rest.split('/')
                .all(|part| !part.is_empty() && part != "." && part != ".." && part.chars().all(|c| !c.is_control()))
        })
}

fn check_path(path: &str) -> Result<(), Wrong> {
    if check_path_of(path) {
        Ok(())
    } else {
        Err(Wrong::new("files", "absolute paths without '.', '..' or '//'", format!("{path:?}")))
    }
}

fn is_id(id: &str) -> bool {
    let first = id.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_');
    let name =
        id.len() <= 32 && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'));
    // The number that stands for "no change" in chown(2) is nobody's.
    id.parse::<u32>().is_ok_and(|n| n != u32::MAX) || (first && name)
}

/// systemd.unit(5): a prefix of these characters, and a known suffix.
fn is_unit(name: &str) -> bool {
    const KINDS: [&str; 9] = ["service", "socket", "timer", "mount", "automount", "path", "target", "slice", "swap"];
    name.len() <= 255
        && !name.starts_with("higuma-")
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'_' | b'.' | b'\\' | b'-' | b'@'))
        && name.rsplit_once('.').is_some_and(|(prefix, kind)| !prefix.is_empty() && KINDS.contains(&kind))
}
