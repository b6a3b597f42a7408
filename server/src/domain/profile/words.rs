//! A profile's own words, as a person wrote them: a JSON object in which everything may be missing and `null` takes away
//! what a parent said. The form is in docs/src/profiles.md.

use super::cloud_init::CloudInit;
use super::merge::{DEPTH_MAX, Layer};
use super::network::Network;
use super::spec::{File, Param, Spec, Unit, Wrong};
use super::user::User;
use crate::domain::ids::Name;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Of one revision.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Words(pub Map<String, Value>);

/// Bytes of one profile's words, at most.
pub const WORDS_MAX: usize = 2 * 1024 * 1024;

/// The form of a profile without `null`. The names are the API's: never renamed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Form {
    image: Option<String>,
    mode: Option<String>,
    cmdline: String,
    script: String,
    answer: String,
    params: BTreeMap<String, Param>,
    files: BTreeMap<String, FileForm>,
    ssh_authorized_keys: Vec<String>,
    modules: Vec<String>,
    #[serde(deserialize_with = "scalars")]
    sysctl: BTreeMap<String, String>,
    units: BTreeMap<String, Unit>,
    users: BTreeMap<String, User>,
    cloud_init: CloudInit,
    #[serde(skip)]
    network: Network,
}

const NAMES: [&str; 14] = [
    "image",
    "mode",
    "cmdline",
    "script",
    "answer",
    "params",
    "files",
    "ssh_authorized_keys",
    "modules",
    "sysctl",
    "units",
    "users",
    "cloud_init",
    "network",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    content: Option<String>,
    secret: Option<String>,
    mode: Option<Octal>,
    #[serde(default)]
    owner: Id,
    #[serde(default)]
    group: Id,
    #[serde(default)]
    template: bool,
}

/// `"0644"` or 420.
#[derive(Deserialize)]
#[serde(untagged)]
enum Octal {
    Bits(u32),
    Text(String),
}

/// `"root"` or 0.
#[derive(Deserialize)]
#[serde(untagged)]
enum Id {
    Number(u32),
    Name(String),
}

impl Default for Id {
    fn default() -> Self {
        Self::Name(String::new())
    }
}

impl Id {
    /// Root has one spelling, so that one file has one plan.
    fn text(self) -> String {
        match self {
            Self::Number(0) => String::new(),
            Self::Number(n) => n.to_string(),
            Self::Name(name) if name == "root" || name == "0" => String::new(),
            Self::Name(name) => name,
        }
    }
}

fn scalars<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Scalar {
        Bool(bool),
        Int(i64),
        Text(String),
    }
    let text = |value| match value {
        Scalar::Bool(b) => u8::from(b).to_string(),
        Scalar::Int(n) => n.to_string(),
        Scalar::Text(text) => text,
    };
    Ok(BTreeMap::<String, Scalar>::deserialize(from)?.into_iter().map(|(k, v)| (k, text(v))).collect())
}

impl Words {
    /// The words of a whole spec, as if one profile had said all of it.
    pub fn of(spec: &Spec) -> Words {
        let mut words = Map::new();
        let mut put = |name: &str, value: Value, empty: bool| {
            if !empty {
                words.insert(name.to_owned(), value);
            }
        };
        put("image", json!(spec.image.as_ref().map(ToString::to_string)), spec.image.is_none());
        put("mode", json!(spec.mode.map(|m| m.as_str())), spec.mode.is_none());
        put("cmdline", json!(spec.cmdline.as_str()), spec.cmdline.as_str().is_empty());
        put("script", json!(spec.script), spec.script.is_empty());
        put("answer", json!(spec.answer), spec.answer.is_empty());
        put("params", json!(spec.params), spec.params.is_empty());
        let files: Map<String, Value> = spec.files.iter().map(|f| (f.path.clone(), file_words(f))).collect();
        put("files", json!(files), files.is_empty());
        put("ssh_authorized_keys", json!(spec.ssh_authorized_keys), spec.ssh_authorized_keys.is_empty());
        put("modules", json!(spec.modules), spec.modules.is_empty());
        put("sysctl", json!(spec.sysctl), spec.sysctl.is_empty());
        put("units", json!(spec.units), spec.units.is_empty());
        put("users", json!(spec.users), spec.users.is_empty());
        put("cloud_init", json!(spec.cloud_init), spec.cloud_init.is_unsaid());
        put("network", spec.network.words(), spec.network.is_empty());
        Words(words)
    }

    /// These over `parent`'s, typed; the caller checks the values. Errors: a form that is none, and where.
    pub(super) fn resolve(&self, parent: Option<&Words>) -> Result<Spec, Wrong> {
        if let Some(name) = self.0.keys().find(|name| !NAMES.contains(&name.as_str())) {
            return Err(Wrong::new("profile", format!("one of {}", NAMES.join(", ")), format!("{name:?}")));
        }
        let bytes = serde_json::to_string(&self.0).map_or(usize::MAX, |text| text.len());
        if bytes > WORDS_MAX {
            return Err(Wrong::new("profile", format!("at most {WORDS_MAX} bytes"), format!("{bytes}")));
        }
        let layer = |words: &Words| {
            let deep = || Wrong::new("profile", format!("at most {DEPTH_MAX} maps in maps"), "more");
            Layer::of(&words.0).ok_or_else(deep)
        };
        let below = parent.map(layer).transpose()?.unwrap_or_else(Layer::nothing);
        let Some(Value::Object(whole)) = below.under(layer(self)?).resolved() else {
            return Err(Wrong::new("profile", "a map", "something else"));
        };
        typed(whole)
    }
}

fn file_words(f: &File) -> Value {
    let mut file = json!({"mode": format!("{:04o}", f.mode)});
    match &f.secret {
        Some(secret) => file["secret"] = json!(secret.as_str()),
        None => file["content"] = json!(f.content),
    }
    for (name, id) in [("owner", &f.owner), ("group", &f.group)] {
        if !id.is_empty() {
            file[name] = json!(id);
        }
    }
    if f.template {
        file["template"] = json!(true);
    }
    file
}

/// Field by field, so that an error names the field.
fn typed(whole: Map<String, Value>) -> Result<Spec, Wrong> {
    let mut form = Form::default();
    for (name, value) in whole {
        let wrong = |e: serde_json::Error| Wrong::new(name.clone(), "the form in docs/src/profiles.md", e.to_string());
        match (name.as_str(), value) {
            // Key by key here, too: the error names the file.
            ("files", Value::Object(files)) => {
                for (path, file) in files {
                    let file = serde_json::from_value(file).map_err(|e| {
                        Wrong::new(
                            format!("files.{path}"),
                            "content or secret, mode, owner, group, template",
                            e.to_string(),
                        )
                    })?;
                    form.files.insert(path, file);
                }
            }
            ("units", Value::Object(units)) => {
                for (unit, said) in units {
                    let said = serde_json::from_value(said).map_err(|e| {
                        Wrong::new(format!("units.{unit}"), "content, enabled, masked, template", e.to_string())
                    })?;
                    form.units.insert(unit, said);
                }
            }
            ("users", Value::Object(users)) => {
                for (user, said) in users {
                    // A parser's message could repeat a password that was put in the place of its hash.
                    let said = serde_json::from_value(said).map_err(|_| {
                        let form = "uid, groups, shell, home, comment, ssh_authorized_keys, password_hash (a hash or {secret: NAME}), sudo (nopasswd)";
                        Wrong::new(format!("users.{user}"), form, "something else (not shown)")
                    })?;
                    form.users.insert(user, said);
                }
            }
            ("params", Value::Object(params)) => {
                for (param, value) in params {
                    let value = serde_json::from_value(value).map_err(|_| {
                        Wrong::new(
                            format!("params.{param}"),
                            "a string, an int, a bool or a list of strings",
                            "something else",
                        )
                    })?;
                    form.params.insert(param, value);
                }
            }
            ("network", value) => form.network = Network::of(value)?,
            (_, value) => {
                let Form {
                    image, mode, cmdline, script, answer, ssh_authorized_keys, modules, sysctl, cloud_init, ..
                } = serde_json::from_value(json!({ name.as_str(): value })).map_err(wrong)?;
                match name.as_str() {
                    "image" => form.image = image,
                    "mode" => form.mode = mode,
                    "cmdline" => form.cmdline = cmdline,
                    "script" => form.script = script,
                    "answer" => form.answer = answer,
                    "ssh_authorized_keys" => form.ssh_authorized_keys = ssh_authorized_keys,
                    "modules" => form.modules = modules,
                    "sysctl" => form.sysctl = sysctl,
                    "cloud_init" => form.cloud_init = cloud_init,
                    // A map that is none: its own deserializer has refused it above.
                    _ => {}
                }
            }
        }
    }
    form.spec()
}

impl Form {
    fn spec(self) -> Result<Spec, Wrong> {
        let files = self.files.into_iter().map(|(path, f)| f.file(path)).collect::<Result<_, _>>()?;
        Ok(Spec {
            image: self.image.map(|i| i.parse().map_err(|e| Wrong::at("image", e))).transpose()?,
            mode: self.mode.map(|m| m.parse().map_err(|e| Wrong::at("mode", e))).transpose()?,
            cmdline: self.cmdline.parse().map_err(|e| Wrong::at("cmdline", e))?,
            script: self.script,
            answer: self.answer,
            params: self.params,
            files,
            ssh_authorized_keys: self.ssh_authorized_keys,
            modules: self.modules,
            sysctl: self.sysctl,
            units: self.units,
            users: self.users,
            cloud_init: self.cloud_init,
            network: self.network,
            setup: None,
        })
    }
}

impl FileForm {
    fn file(self, path: String) -> Result<File, Wrong> {
        let place = |field: &str| format!("files.{path}.{field}");
        let mode = match self.mode {
            None if self.secret.is_some() => 0o600,
            None => 0o644,
            Some(Octal::Bits(bits)) => bits,
            Some(Octal::Text(text)) => u32::from_str_radix(text.trim_start_matches("0o"), 8)
                .map_err(|_| Wrong::new(place("mode"), "octal digits, e.g. \"0644\"", format!("{text:?}")))?,
        };
        let secret: Option<Name> =
            self.secret.map(|secret| secret.parse().map_err(|e| Wrong::at(place("secret"), e))).transpose()?;
        let content = match (self.content, &secret) {
            (Some(content), None) => content,
            (None, Some(_)) => String::new(),
            (None, None) => {
                return Err(Wrong::new(place("content"), "text, or a secret, here or in a parent", "none"));
            }
            (Some(_), Some(_)) => {
                return Err(Wrong::new(place("secret"), "content or secret (null removes a parent's)", "both"));
            }
        };
        let (owner, group) = (self.owner.text(), self.group.text());
        Ok(File { path, mode, owner, group, content, secret, template: self.template })
    }
}
