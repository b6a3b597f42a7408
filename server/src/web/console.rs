//! `/nodes/{uuid}/console`: the serial console of a node as its screen, read and typed to with forms alone; a small script keeps
//! the screen fresh and takes keys. What is typed is never in an address, and no page shows it but as the node echoes it.

use super::{PageError, Shell, assets, html, see_other};
use crate::domain::NodeUuid;
use crate::error::Error;
use crate::http::State;
use crate::http::failure::Failure;
use crate::service::auth::Person;
use crate::service::bmc::{self as bmcs, console as cases};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use higuma_proto::api::{ConsoleInput, ConsoleScreen, OpenConsole};
use serde::Deserialize;

type Page = std::result::Result<HttpResponse, PageError>;

/// Keys that a line of text has not: word of the form, label, bytes (as xterm sends them).
const KEYS: [(&str, &str, &str); 12] = [
    ("enter", "Enter", "\r"),
    ("escape", "Esc", "\x1b"),
    ("tab", "Tab", "\t"),
    ("up", "↑", "\x1b[A"),
    ("down", "↓", "\x1b[B"),
    ("left", "←", "\x1b[D"),
    ("right", "→", "\x1b[C"),
    ("delete", "Del", "\x1b[3~"),
    ("f2", "F2", "\x1bOQ"),
    ("f12", "F12", "\x1b[24~"),
    ("ctrl-c", "Ctrl-C", "\x03"),
    ("ctrl-d", "Ctrl-D", "\x04"),
];

/// What a form says.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ConsoleForm {
    action: String,
    /// Names the request of this page: sent twice, it is typed once.
    request: String,
    text: String,
    /// A word of [`KEYS`].
    key: String,
}

/// The handler.
pub(super) async fn page(state: web::Data<State>, path: web::Path<String>, req: HttpRequest) -> Page {
    show(&state, path.parse()?, &req, None).await
}

/// The forms.
pub(super) async fn submit(
    state: web::Data<State>,
    path: web::Path<String>,
    form: web::Form<ConsoleForm>,
    req: HttpRequest,
    person: web::ReqData<Person>,
) -> Page {
    let (app, uuid): (_, NodeUuid) = (&state.app, path.parse()?);
    let outcome = match form.action.as_str() {
        "open" | "take" => {
            let how = OpenConsole { take: form.action == "take" };
            cases::open(app, uuid.clone(), how, &person.name).await.map(drop)
        }
        "close" => cases::close(app, uuid.clone(), &person.name).await.map(drop),
        _ => match form.input() {
            Ok(input) => cases::input(app, uuid.clone(), input, &person.name).await.map(drop),
            Err(error) => Err(error),
        },
    };
    match outcome {
        Ok(()) => Ok(see_other(&format!("/nodes/{uuid}/console#screen"))),
        Err(error @ Error::Internal(_)) => Err(error.into()),
        Err(error) => show(&state, uuid, &req, Some(Failure(error))).await,
    }
}

impl ConsoleForm {
    fn input(&self) -> crate::error::Result<ConsoleInput> {
        let (bytes, break_after) = match self.action.as_str() {
            "type" => (format!("{}\r", self.text).into_bytes(), false),
            "break" => (Vec::new(), true),
            "key" => match KEYS.iter().find(|(word, ..)| *word == self.key) {
                Some((.., bytes)) => (bytes.as_bytes().to_vec(), false),
                None => return Err(Error::BadRequest("expected a key of this page".to_owned())),
            },
            _ => return Err(Error::BadRequest("expected a button of this page".to_owned())),
        };
        let data = STANDARD.encode(bytes);
        Ok(ConsoleInput { writer: self.request.clone(), sequence: 1, data, break_after })
    }
}

async fn show(state: &State, uuid: NodeUuid, req: &HttpRequest, error: Option<Failure>) -> Page {
    let app = &state.app;
    // Without a BMC there is a page of its own kind: not found.
    let bmc = bmcs::show(app, uuid.clone()).await?.summary;
    let screen = match cases::screen(app, uuid, None, None).await {
        Ok(screen) => Some(screen),
        Err(Error::NotFound(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let hostname = if bmc.hostname.is_empty() { bmc.node.clone() } else { bmc.hostname };
    let shell = Shell::new(format!("Console of {hostname}"), req, None);
    let status = error.as_ref().map_or(StatusCode::OK, ResponseError::status_code);
    let error = error.as_ref().map(|failure| &failure.0);
    Ok(html(status, &ConsolePage::new(shell, bmc.node, hostname, screen, error)))
}

#[derive(Template)]
#[template(path = "console.html")]
struct ConsolePage {
    shell: Shell,
    script: &'static str,
    uuid: String,
    hostname: String,
    error: Option<String>,
    /// The way out of the error: it is open elsewhere.
    may_take: bool,
    state: String,
    reason: String,
    opened: String,
    open: bool,
    shown: bool,
    before: String,
    cursor: String,
    after: String,
    version: u64,
    request: String,
    keys: &'static [(&'static str, &'static str, &'static str)],
}

impl ConsolePage {
    fn new(shell: Shell, uuid: String, hostname: String, screen: Option<ConsoleScreen>, error: Option<&Error>) -> Self {
        let shown = screen.is_some();
        let screen = screen.unwrap_or_default();
        let [before, cursor, after] = split(&screen);
        let console = screen.console;
        Self {
            shell,
            script: assets::console_script(),
            uuid,
            hostname,
            may_take: matches!(error, Some(Error::Conflict(_))),
            error: error.map(ToString::to_string),
            open: matches!(console.state.as_str(), "open" | "waiting" | "opening"),
            opened: if shown {
                format!("Opened by {} {}", console.opened_by, super::human::absolute(console.opened_us))
            } else {
                String::new()
            },
            state: if shown { console.state } else { "not open".to_owned() },
            reason: console.reason,
            shown,
            before,
            cursor,
            after,
            version: screen.version,
            request: uuid::Uuid::new_v4().to_string(),
            keys: &KEYS,
        }
    }
}

/// The text before the cursor, under it and after it.
fn split(screen: &ConsoleScreen) -> [String; 3] {
    let (row, column) = (usize::from(screen.row), usize::from(screen.column));
    let text = |lines: &[String]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let line = screen.lines.get(row).map(String::as_str).unwrap_or_default();
    let head: String = line.chars().chain(std::iter::repeat(' ')).take(column).collect();
    let mut tail = line.chars().skip(column);
    let under = tail.next().unwrap_or(' ').to_string();
    let before = text(screen.lines.get(..row).unwrap_or_default()) + &head;
    let after = format!("{}\n{}", tail.collect::<String>(), text(screen.lines.get(row + 1..).unwrap_or_default()));
    [before, under, after.trim_end().to_owned() + "\n"]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn screen() -> ConsoleScreen {
        let mut screen = ConsoleScreen { version: 7, row: 1, column: 3, columns: 100, ..ConsoleScreen::default() };
        screen.lines = vec!["<b>GRUB</b>".into(), "lo".into(), String::new()];
        screen.console.state = "open".into();
        screen.console.opened_by = "ann".into();
        screen
    }

    fn page(screen: Option<ConsoleScreen>, error: Option<&Error>) -> String {
        ConsolePage::new(Shell::bare("c"), "u-1".into(), "hv-1".into(), screen, error).render().unwrap()
    }

    #[test]
    fn the_cursor_stands_where_it_is() {
        assert_eq!(split(&screen()), ["<b>GRUB</b>\nlo ", " ", "\n"]);
        let at_start = ConsoleScreen { row: 0, column: 0, ..screen() };
        assert_eq!(split(&at_start), ["", "<", "b>GRUB</b>\nlo\n"]);
        let beyond = ConsoleScreen { row: 9, column: 1, ..screen() };
        assert_eq!(split(&beyond)[1], " ");
    }

    #[test]
    fn what_the_node_writes_is_text() {
        let html = page(Some(screen()), None);
        assert!(html.contains("&#60;b&#62;GRUB") && !html.contains("<b>GRUB"), "{html}");
        assert!(html.contains("Opened by ann") && html.contains("value=\"close\""));
        assert!(!html.contains("value=\"open\""));
    }

    #[test]
    fn one_that_is_open_elsewhere_can_be_taken() {
        let html = page(None, Some(&Error::Conflict("somebody else has it".into())));
        assert!(html.contains("value=\"take\"") && html.contains("somebody else has it"));
        assert!(!page(None, None).contains("value=\"take\""));
    }

    #[test]
    fn every_button_types_what_it_says() {
        for (word, _, bytes) in KEYS {
            let form =
                ConsoleForm { action: "key".into(), key: word.into(), request: "r".into(), ..Default::default() };
            assert_eq!(STANDARD.decode(form.input().unwrap().data).unwrap(), bytes.as_bytes());
        }
        let form = ConsoleForm { action: "type".into(), text: "root".into(), ..Default::default() };
        assert_eq!(STANDARD.decode(form.input().unwrap().data).unwrap(), b"root\r");
        assert!(ConsoleForm { action: "x".into(), ..Default::default() }.input().is_err());
        assert!(ConsoleForm { action: "break".into(), ..Default::default() }.input().unwrap().break_after);
    }
}
