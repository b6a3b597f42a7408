//! A profile's words in a file, and those that `profile show` tells beside the old fields.

use super::error::{Failure, Result};
use higuma_proto::api::Profile;
use serde_json::{Map, Value};
use std::io::Read;
use std::path::Path;

/// No file of words is larger; the server has the same limit.
const LIMIT: u64 = 2 << 20;

/// Of a file in TOML (by its name), or in YAML, of which JSON is a part.
pub(super) fn read(path: &Path) -> Result<Map<String, Value>> {
    let told = path.display();
    let usage = |e: std::io::Error| Failure::usage(format!("could not read {told}: {e}"));
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().take(LIMIT + 1).read_to_string(&mut text).map_err(usage)?;
    } else {
        std::fs::File::open(path).and_then(|f| f.take(LIMIT + 1).read_to_string(&mut text)).map_err(usage)?;
    }
    if text.len() as u64 > LIMIT {
        return Err(Failure::usage(format!("expected at most 2 MiB in {told}: put larger files into the image")));
    }
    let toml = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("toml"));
    let value = if toml { of_toml(&text) } else { serde_saphyr::from_str(&text).map_err(|e| e.to_string()) };
    match value.map_err(|e| Failure::usage(format!("{told}: {e}")))? {
        Value::Object(words) => Ok(words),
        other => Err(Failure::usage(format!("expected a map in {told}, e.g. image = \"debian:12\", got {other}"))),
    }
}

/// TOML has no null: what a parent says is taken away in `remove`, a list of paths as `files./etc/motd`... of at most
/// two steps, since names hold dots themselves.
fn of_toml(text: &str) -> std::result::Result<Value, String> {
    let mut words: Value = ::toml::from_str(text).map_err(|e| e.to_string())?;
    let Some(map) = words.as_object_mut() else { return Ok(words) };
    let Some(remove) = map.remove("remove") else { return Ok(words) };
    let form = "remove: expected a list of texts as \"cmdline\" or \"files./etc/motd\"";
    for path in remove.as_array().ok_or(form)? {
        let path = path.as_str().ok_or(form)?;
        match path.split_once('.') {
            None => {
                map.insert(path.to_owned(), Value::Null);
            }
            Some((name, key)) => {
                let inner = map.entry(name).or_insert_with(|| Value::Object(Map::new()));
                inner.as_object_mut().ok_or(form)?.insert(key.to_owned(), Value::Null);
            }
        }
    }
    Ok(words)
}

/// As TOML, with `remove` for `null`; none where TOML cannot say all of it.
pub(super) fn toml(words: &Map<String, Value>) -> Option<String> {
    let mut said = words.clone();
    let mut remove: Vec<String> = vec![];
    for (name, value) in words {
        match value {
            Value::Null => {
                said.remove(name);
                remove.push(name.clone());
            }
            Value::Object(map) => {
                let inner = said.get_mut(name)?.as_object_mut()?;
                for key in map.iter().filter(|(_, value)| value.is_null()).map(|(key, _)| key) {
                    inner.remove(key);
                    remove.push(format!("{name}.{key}"));
                }
            }
            _ => {}
        }
    }
    if !remove.is_empty() {
        said.insert("remove".to_owned(), remove.into());
    }
    let text = ::toml::to_string_pretty(&said).ok()?;
    // Written is what is read again, or it is not written.
    (of_toml(&text).ok()? == Value::Object(words.clone())).then_some(text)
}

/// Lines of what a node gets beside image, command line, files and keys.
pub(super) fn more(p: &Profile) -> Vec<(&'static str, String)> {
    let Some(all) = &p.resolved else { return vec![] };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut lines = vec![];
    if let Some(mode) = all.get("mode") {
        lines.push(("Boot mode", text(mode)));
    }
    if let Some(Value::Array(modules)) = all.get("modules") {
        lines.extend(modules.iter().map(|m| ("Module", text(m))));
    }
    for (title, name) in [("Parameter", "params"), ("Sysctl", "sysctl")] {
        if let Some(Value::Object(map)) = all.get(name) {
            lines.extend(map.iter().map(|(key, value)| (title, format!("{key} = {}", text(value)))));
        }
    }
    if let Some(Value::Object(units)) = all.get("units") {
        let flags = ["enabled", "masked", "template"];
        let words = |u: &Value| flags.iter().filter(|f| u[**f] == true).copied().collect::<Vec<_>>().join(", ");
        lines.extend(units.iter().map(|(name, unit)| ("Unit", format!("{name} ({})", words(unit)))));
    }
    if let Some(Value::Object(users)) = all.get("users") {
        // A password's hash is not shown.
        let password = |user: &Value| match user.get("password_hash") {
            None => "no password".to_owned(),
            Some(Value::Object(hash)) => {
                format!("password of secret {}", hash.get("secret").map(text).unwrap_or_default())
            }
            Some(_) => "password".to_owned(),
        };
        let uid = |user: &Value| user.get("uid").map_or_else(|| "0".to_owned(), text);
        lines.extend(users.iter().map(|(name, user)| ("User", format!("{name} ({}, {})", uid(user), password(user)))));
    }
    if let Some(Value::Object(devices)) = all.get("network") {
        lines.extend(devices.iter().map(|(name, device)| ("Network", format!("{name} {device}"))));
    }
    lines
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn of(name: &str, text: &str) -> Result<Map<String, Value>> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(name), text).unwrap();
        read(&dir.path().join(name))
    }

    /// What the book shows can be saved.
    #[test]
    fn examples_of_networks() {
        use crate::domain::profile::{Spec, Words};
        let book = include_str!("../../../docs/src/network.md");
        let examples: Vec<&str> = book.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert_eq!(examples.len(), 3);
        for example in examples {
            let words = Words(of("a.yaml", example).unwrap());
            let spec = Spec::of(None, &words).map_err(|wrong| format!("{wrong}: {example}")).unwrap();
            assert!(!spec.network.is_empty() && !spec.network.is_unreachable(), "{example}");
            assert_eq!(Spec::of(None, &Words::of(&spec)).unwrap(), spec);
        }
    }

    #[test]
    fn three_forms_of_the_same_words() {
        let toml = "parent = \"base\"\nremove = [\"cmdline\", \"files./etc/motd\"]\n[files.\"/a\"]\ncontent = \"x\"\nmode = 0o600\n";
        let yaml = "parent: base\ncmdline: null\nfiles:\n  /etc/motd: null\n  /a: {content: x, mode: 384}\n";
        let expected = json!({"parent": "base", "cmdline": null, "files": {"/etc/motd": null, "/a": {"content": "x", "mode": 384}}});
        for (name, text) in [("a.toml", toml), ("a.yaml", yaml), ("a.json", &expected.to_string())] {
            assert_eq!(Value::Object(of(name, text).unwrap()), expected, "{name}");
        }
        assert!(of("a.yaml", "[1]").unwrap_err().message.contains("expected a map"));
        assert!(of("a.toml", "a = ").unwrap_err().message.contains("line 1"));
    }
}
