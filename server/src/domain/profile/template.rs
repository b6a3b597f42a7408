//! Templates: the texts of a profile become a node's own. Strict (what is not defined is an error), bounded in steps and
//! bytes, and with nothing to read but the values given. Pure: the same profile and facts give the same texts.

use super::cloud_init::CloudInit;
use super::guard::guard;
use super::mode::Mode;
use super::spec::{File, Spec, Unit};
use crate::domain::facts::{Facts, Kind, NODE};
use crate::domain::image::Image;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, filters, functions, tests};
use std::borrow::Cow;
use std::io::{self, Write};

/// Bytes of one rendered text, at most.
pub const TEXT_MAX: usize = 1024 * 1024;
/// Bytes of all rendered texts of one node, at most.
pub const NODE_MAX: usize = 4 * 1024 * 1024;
/// Steps of one template, at most.
const FUEL: u64 = 200_000;
/// Bytes that `join` and `replace` make, at most.
const FILTERED_MAX: usize = 16 * 1024;
/// What a node's records say that changes while it boots: a text of it would be another at each look.
const LEFT_OUT: [&str; 6] = ["admission", "lifecycle", "profile", "fallback", "maintenance", "retired"];

/// Addresses of this server for one boot, as texts of the modes that have some see them: `urls`.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Urls {
    /// The plain listener, as the node reaches it.
    pub server: String,
    /// Of an installer: its answer file.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub answer: String,
    /// Of an installer: a folder with `user-data` (the answer file), `meta-data` and `vendor-data`, for cloud-init; it ends
    /// with '/'.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub seed: String,
    /// Of an installer: called (POST) at its end.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub installed: String,
}

impl Urls {
    /// Of a script.
    pub fn of_script(server: &str) -> Self {
        Self { server: server.to_owned(), ..Self::default() }
    }

    /// Of an installer with this token.
    pub fn of_installer(server: &str, token: &str) -> Self {
        let at = format!("{server}/install/{token}/");
        Self { server: server.to_owned(), answer: format!("{at}answer"), installed: format!("{at}installed"), seed: at }
    }

    /// Where nothing is handed out: in previews, and in what a plan's hash is over. As long as real ones mostly are.
    pub fn in_place(mode: Option<Mode>) -> Option<Self> {
        const SERVER: &str = "http://boot.server.invalid:8080";
        match mode? {
            Mode::Ipxe => Some(Self::of_script(SERVER)),
            Mode::Installer => Some(Self::of_installer(SERVER, &"x".repeat(64))),
            _ => None,
        }
    }
}

/// Which text does not fit, where, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}{}: {problem}", of_line(*.line))]
pub struct Failed {
    /// `cmdline`, `script`, `answer`, `files./etc/motd`, `units.web.service`.
    pub place: String,
    /// Of the template, from 1; 0: it is of no line.
    pub line: usize,
    /// What was expected or is not there.
    pub problem: String,
}

fn of_line(line: usize) -> String {
    if line == 0 { String::new() } else { format!(", line {line}") }
}

/// The values that templates of one node see: `node`, `params`, `profile`; `urls` where the mode has some, and `image` in a
/// script that may boot what one has.
#[derive(Debug, Clone)]
pub struct Context(Value);

impl Context {
    /// Of a node's facts under a revision of a profile, with its image; `urls`: none: those in place of real ones.
    pub fn new(
        facts: &Facts,
        spec: &Spec,
        profile: &str,
        revision: u32,
        image: Option<&Image>,
        urls: Option<&Urls>,
    ) -> Self {
        let mut node = serde_json::Map::new();
        for part in [serde_json::to_value(&facts.standing), serde_json::to_value(&facts.hardware)] {
            if let Ok(serde_json::Value::Object(part)) = part {
                node.extend(part);
            }
        }
        let mut node = serde_json::Value::Object(node);
        complete(&mut node, &NODE);
        if let Some(node) = node.as_object_mut() {
            node.retain(|name, _| !LEFT_OUT.contains(&name.as_str()));
        }
        let profile = serde_json::json!({"name": profile, "revision": revision});
        let mut all = serde_json::json!({"node": node, "params": spec.params, "profile": profile});
        if let Some(urls) = urls.cloned().or_else(|| Urls::in_place(spec.mode)) {
            if let (Some(Mode::Ipxe), Some(image)) = (spec.mode, image) {
                all["image"] = of_image(image, &urls.server);
            }
            all["urls"] = serde_json::json!(urls);
        }
        Self(Value::from(Serde(all)))
    }
}

/// What a script sees of its image: the command line, and by role where each part is.
fn of_image(image: &Image, server: &str) -> serde_json::Value {
    let mut seen = serde_json::json!({"cmdline": image.cmdline.as_str()});
    for part in &image.parts {
        seen[part.role.as_str()] = format!("{server}/blobs/{}", part.sha256).into();
    }
    seen
}

/// What facts leave out because it is not known is there as "", 0, false or an empty list.
fn complete(value: &mut serde_json::Value, kind: &Kind) {
    use serde_json::{Value, json};
    match (kind, value) {
        (Kind::Object(_), Value::Object(map)) => {
            for field in kind.fields() {
                let inner = map.entry(field.name).or_insert_with(|| match field.kind {
                    Kind::Bool => json!(false),
                    Kind::Int => json!(0),
                    Kind::Text => json!(""),
                    Kind::List(..) => json!([]),
                    Kind::Object(_) => json!({}),
                });
                complete(inner, &field.kind);
            }
        }
        (Kind::List(of, _), Value::Array(items)) => items.iter_mut().for_each(|item| complete(item, of)),
        _ => {}
    }
}

impl Spec {
    /// Does it come to something else for each node?
    pub fn is_of_node(&self) -> bool {
        self.has_templates() || self.has_network()
    }

    /// Is a network said, and does it reach a node in this mode?
    pub fn has_network(&self) -> bool {
        !self.network.is_empty() && matches!(self.mode, None | Some(Mode::Diskless | Mode::Initramfs))
    }

    /// Is any text a template?
    pub fn has_templates(&self) -> bool {
        self.texts().any(|(_, text)| has_mark(&text))
    }

    /// Texts that are templates, with their places.
    fn texts(&self) -> impl Iterator<Item = (String, Cow<'_, str>)> {
        let line =
            [("cmdline", &self.cmdline.as_str()), ("script", &self.script.as_str()), ("answer", &self.answer.as_str())]
                .map(|(place, text)| (place.to_owned(), *text));
        let files = self.files.iter().filter(|f| f.template);
        let units = self.units.iter().filter(|(_, u)| u.template);
        line.into_iter()
            .chain(files.map(|f| (format!("files.{}", f.path), f.content.as_str())))
            .chain(units.map(|(name, u)| (format!("units.{name}"), u.content.as_str())))
            .chain(self.cloud_init.templates())
            .map(|(place, text)| (place, Cow::Borrowed(text)))
            .chain(self.network.texts().into_iter().map(|(place, text)| (place, Cow::Owned(text))))
    }

    /// Can all templates be read? Errors: the first that cannot.
    pub fn check_templates(&self) -> Result<(), Failed> {
        let env = environment();
        self.texts().try_for_each(|(place, text)| compile(&env, &place, &text).map(drop))
    }

    /// With all templates rendered. Errors: the first that does not fit the node.
    pub fn render(&self, context: &Context) -> Result<Spec, Failed> {
        let env = environment();
        let mut left = NODE_MAX;
        let mut text = |place: String, source: &str| {
            let text = render(&env, &place, source, context, left.min(TEXT_MAX))?;
            left -= text.len();
            Ok(text)
        };
        let mut spec = self.clone();
        let cmdline = text("cmdline".to_owned(), self.cmdline.as_str())?;
        spec.cmdline = cmdline.parse().map_err(|e: crate::domain::Invalid| Failed {
            place: "cmdline".to_owned(),
            line: 1,
            problem: e.to_string(),
        })?;
        spec.script = text("script".to_owned(), &self.script)?;
        spec.answer = text("answer".to_owned(), &self.answer)?;
        for File { path, content, template, .. } in spec.files.iter_mut().filter(|f| f.template) {
            *content = text(format!("files.{path}"), content)?;
            *template = false;
        }
        for (name, Unit { content, template, .. }) in spec.units.iter_mut().filter(|(_, u)| u.template) {
            *content = text(format!("units.{name}"), content)?;
            *template = false;
        }
        let CloudInit { user_data, network_config, template } = &mut spec.cloud_init;
        if std::mem::take(template) {
            *user_data = text("cloud_init.user_data".to_owned(), user_data)?;
            *network_config = text("cloud_init.network_config".to_owned(), network_config)?;
        }
        for (place, value) in spec.network.texts_mut() {
            *value = text(place, value)?;
        }
        Ok(spec)
    }
}

/// Does a text begin anything that is rendered?
pub(super) fn has_mark(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark))
}

fn compile<'e>(env: &'e Environment<'e>, place: &str, source: &'e str) -> Result<minijinja::Template<'e, 'e>, Failed> {
    guard(source).map_err(|(line, problem)| Failed { place: place.to_owned(), line, problem })?;
    env.template_from_str(source).map_err(|e| failed(place, source, &e))
}

fn render(env: &Environment<'_>, place: &str, source: &str, context: &Context, most: usize) -> Result<String, Failed> {
    let template = compile(env, place, source)?;
    let mut out = Bounded { bytes: Vec::new(), most };
    let outcome = template.render_captured_to(context.0.clone(), &mut out).map(drop);
    match outcome {
        Ok(()) => {}
        Err(e) if e.kind() == ErrorKind::WriteFailure => {
            let line = e.line().unwrap_or(1);
            let problem = format!("over {most} bytes come of it (1 MiB is the limit of a text, 4 MiB of a node)");
            return Err(Failed { place: place.to_owned(), line, problem });
        }
        Err(e) => return Err(failed(place, source, &e)),
    }
    // Only texts were written.
    Ok(String::from_utf8_lossy(&out.bytes).into_owned())
}

fn failed(place: &str, source: &str, error: &Error) -> Failed {
    // The range of `a.b.c` may be `.c` alone: the whole path says more.
    let path = |range: &std::ops::Range<usize>| {
        let before = source.get(..range.start)?;
        Some(before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '[' | ']')).len())
    };
    let what = error.range().and_then(|range| source.get(path(&range)?..range.end)).unwrap_or_default().trim();
    let what: String = what.chars().take(100).collect();
    let problem = match (error.kind(), error.detail()) {
        (ErrorKind::UndefinedError, _) => format!("{what} is not defined"),
        (ErrorKind::OutOfFuel, _) => format!("over {FUEL} steps"),
        (kind, None) => format!("{kind}: {what}"),
        (kind, Some(detail)) => format!("{kind}: {detail}: {what}"),
    };
    Failed { place: place.to_owned(), line: error.line().unwrap_or(1), problem }
}

/// Takes so many bytes and no more.
struct Bounded {
    bytes: Vec<u8>,
    most: usize,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.most - self.bytes.len() {
            return Err(io::Error::other("too much"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Only what neither reads anything nor makes more than it takes.
fn environment() -> Environment<'static> {
    let mut env = Environment::empty();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(FUEL));
    env.set_recursion_limit(32);
    env.set_debug(true);
    env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    // As people know it from Ansible: a line with a tag alone leaves no empty line.
    if let Ok(syntax) =
        SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build()
    {
        env.set_syntax(syntax);
    }
    env.add_function("range", functions::range);
    env.add_filter("abs", filters::abs);
    env.add_filter("capitalize", filters::capitalize);
    env.add_filter("default", filters::default);
    env.add_filter("first", filters::first);
    env.add_filter("int", filters::int);
    env.add_filter("items", filters::items);
    env.add_filter("join", join);
    env.add_filter("last", filters::last);
    env.add_filter("length", filters::length);
    env.add_filter("lower", filters::lower);
    env.add_filter("map", filters::map);
    env.add_filter("max", filters::max);
    env.add_filter("min", filters::min);
    env.add_filter("reject", filters::reject);
    env.add_filter("rejectattr", filters::rejectattr);
    env.add_filter("replace", replace);
    env.add_filter("select", filters::select);
    env.add_filter("selectattr", filters::selectattr);
    env.add_filter("sort", filters::sort);
    env.add_filter("split", filters::split);
    env.add_filter("tojson", filters::tojson);
    env.add_filter("trim", filters::trim);
    env.add_filter("unique", filters::unique);
    env.add_filter("upper", filters::upper);
    env.add_test("defined", tests::is_defined);
    env.add_test("undefined", tests::is_undefined);
    env.add_test("startingwith", tests::is_startingwith);
    env.add_test("endingwith", tests::is_endingwith);
    env.add_test("in", tests::is_in);
    for (name, test) in [
        ("eq", tests::is_eq as fn(&Value, &Value) -> bool),
        ("ne", tests::is_ne),
        ("lt", tests::is_lt),
        ("le", tests::is_le),
        ("gt", tests::is_gt),
        ("ge", tests::is_ge),
    ] {
        env.add_test(name, test);
    }
    env
}

fn too_much() -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("over {FILTERED_MAX} bytes come of this filter"))
}

/// A list of texts and numbers as one text: lists in lists would be printed whole.
fn join(list: Value, between: Option<String>) -> Result<String, Error> {
    let between = between.unwrap_or_default();
    let mut out = String::new();
    for (n, item) in list.try_iter()?.enumerate() {
        if item.is_undefined() || item.try_iter().is_ok() && item.as_str().is_none() {
            return Err(Error::new(ErrorKind::InvalidOperation, "join takes a list of texts or numbers"));
        }
        let item = item.to_string();
        if out.len() + between.len() + item.len() > FILTERED_MAX {
            return Err(too_much());
        }
        if n > 0 {
            out.push_str(&between);
        }
        out.push_str(&item);
    }
    Ok(out)
}

fn replace(text: String, from: String, to: String) -> Result<String, Error> {
    let times = text.matches(&from).count();
    if text.len().saturating_add(times.saturating_mul(to.len())) > FILTERED_MAX {
        return Err(too_much());
    }
    Ok(text.replace(&from, &to))
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod template_tests;
