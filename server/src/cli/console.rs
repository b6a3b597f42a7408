//! `higuma console`: the serial console of a node on this terminal. What is typed goes to the node as it is, but for the escape
//! `~` at the beginning of a line; what the node writes goes to the terminal as it is, as on a serial line. The terminal is
//! put back as it was, however this ends.

use super::Global;
use super::client::{Client, encode};
use super::error::{Exit, Failure, Result};
use super::node::resolve;
use super::output::{self, Format, answer, typed};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use higuma_proto::api::{ConsoleInput, ConsoleOutput, ConsoleScreen, ConsoleState, OpenConsole};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use std::io::{IsTerminal, Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use ureq::http::Method;

/// The serial console of a node, through its BMC
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  higuma console web-17\n  higuma console web-17 --watch --for 120 > boot.log\n  printf 'root\\r' | higuma console web-17 --for 10\n  higuma console web-17 --screen\n\nOn a terminal, at the beginning of a line: ~. leaves, ~B sends a break, ~? helps, ~~ is one ~.\nA console that nobody looks at for a minute is given back to the BMC."
)]
pub struct Console {
    /// UUID, a unique beginning of it, or host name
    node: String,
    /// Only look: nothing is typed
    #[arg(long)]
    watch: bool,
    /// Leave after so many seconds
    #[arg(long = "for", value_name = "SECONDS")]
    seconds: Option<u64>,
    /// Take it from another program that has it open
    #[arg(long)]
    take: bool,
    /// Show the screen once, as text
    #[arg(long, conflicts_with_all = ["watch", "seconds", "close"])]
    screen: bool,
    /// Close it for all who look at it
    #[arg(long, conflicts_with_all = ["watch", "seconds", "take"])]
    close: bool,
}

/// The server answers an idle wait after so long, in seconds.
const WAIT: &str = "10";
/// A server that is not reached is asked again for so long.
const AGAIN: Duration = Duration::from_secs(15);
/// After the end of what is piped in, output is shown until it is quiet for so long.
const QUIET: Duration = Duration::from_secs(2);

/// What ends it.
enum End {
    Left,
    Over(Failure),
    InputEnded,
    Wrote,
}

/// Run it.
pub fn run(global: &Global, asked: &Console) -> Result<()> {
    let client = Arc::new(Client::new(global)?);
    let path = format!("/api/v1/nodes/{}/bmc/console", encode(&resolve(&client, &asked.node)?));
    if asked.close {
        let closed = client.call(Method::DELETE, &path, None::<&()>)?;
        return answer(global.format, closed, |_: ConsoleState| "closed\n".to_owned());
    }
    let opened: ConsoleState = typed(client.call(Method::POST, &path, Some(&OpenConsole { take: asked.take }))?)?;
    if asked.screen || global.format == Format::Json {
        return answer(global.format, client.get(&path)?, screen);
    }
    let stdin = std::io::stdin();
    let types = !asked.watch;
    let raw = if types && stdin.is_terminal() { Some(Raw::enter()?) } else { None };
    note(&match (&raw, types) {
        (Some(_), _) => format!("console of node {}: ~. leaves, ~? helps", opened.node),
        (None, true) => format!("console of node {}", opened.node),
        (None, false) => format!("console of node {}: only looking; Ctrl-C leaves", opened.node),
    });
    let (ends, ended) = channel();
    if types {
        let (client, path, ends, escapes) = (client.clone(), path.clone(), ends.clone(), raw.is_some());
        std::thread::spawn(move || drop(ends.send(type_all(&client, &path, escapes))));
    }
    std::thread::spawn(move || {
        let over = show_all(&client, &path, &ends);
        drop(ends.send(End::Over(over)));
    });
    let until = asked.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut quiet: Option<Instant> = None;
    let outcome = loop {
        let next = [until, quiet].into_iter().flatten().min();
        let wait = next.map_or(Duration::from_secs(3600), |at| at.saturating_duration_since(Instant::now()));
        match ended.recv_timeout(wait) {
            Ok(End::Left) => break Ok(()),
            Ok(End::Over(failure)) => break Err(failure),
            Ok(End::InputEnded) if until.is_none() => quiet = Some(Instant::now() + QUIET),
            Ok(End::Wrote) if quiet.is_some() => quiet = Some(Instant::now() + QUIET),
            Ok(End::InputEnded | End::Wrote) => {}
            Err(RecvTimeoutError::Timeout) if next.is_some_and(|at| at <= Instant::now()) => break Ok(()),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break Err(Failure::failed("the console ended")),
        }
    };
    let was_raw = raw.is_some();
    drop(raw);
    if was_raw {
        eprintln!();
    }
    outcome
}

fn screen(screen: ConsoleScreen) -> String {
    let used = screen.lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
    let mut text = String::new();
    for line in screen.lines.iter().take(used) {
        text.push_str(&output::clean(line));
        text.push('\n');
    }
    if screen.console.state != "open" {
        text.push_str(&format!("({}: {})\n", screen.console.state, output::clean(&screen.console.reason)));
    }
    text
}

/// For people, beside what the node writes; right on a raw terminal too.
fn note(words: &str) {
    eprint!("[higuma: {}]\r\n", output::clean(words));
}

/// Standard input to the node, until it ends or the person leaves.
fn type_all(client: &Client, path: &str, escapes: bool) -> End {
    let writer = uuid::Uuid::new_v4().to_string();
    let mut escape = Escape::default();
    let mut buffer = [0; 1024];
    let mut sequence = 0;
    loop {
        let length = match std::io::stdin().read(&mut buffer) {
            Ok(0) => return End::InputEnded,
            Ok(length) => length,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return End::Over(Failure::because("could not read what is typed", &error)),
        };
        let read = buffer.get(..length).unwrap_or_default();
        let parts = if escapes { escape.feed(read) } else { vec![Part::Bytes(read.to_vec())] };
        for part in parts {
            let (bytes, break_after) = match part {
                Part::Bytes(bytes) => (bytes, false),
                Part::Break => (Vec::new(), true),
                Part::Help => {
                    note("~. leaves, ~B sends a break, ~~ is one ~, all at the beginning of a line");
                    continue;
                }
                Part::Leave => return End::Left,
            };
            sequence += 1;
            let input = ConsoleInput { writer: writer.clone(), sequence, data: STANDARD.encode(bytes), break_after };
            if let Err(failure) = patient(|| client.call(Method::POST, &format!("{path}/input"), Some(&input))) {
                match failure.exit {
                    // It waits for its BMC: what is typed meanwhile is not kept.
                    Exit::Conflict => note(&failure.message),
                    _ => return End::Over(failure),
                }
            }
        }
    }
}

/// What the node writes, to standard output, until the console is over.
fn show_all(client: &Client, path: &str, ends: &Sender<End>) -> Failure {
    let mut from: Option<u64> = None;
    let mut state = "open".to_owned();
    loop {
        let query = from.map_or_else(|| format!("?wait={WAIT}"), |from| format!("?from={from}&wait={WAIT}"));
        let piece: ConsoleOutput = match patient(|| client.get(&format!("{path}/output{query}"))).and_then(typed) {
            Ok(piece) => piece,
            Err(failure) => return failure,
        };
        if piece.missed > 0 {
            note(&format!("{} bytes were written faster than they were read, and are lost", piece.missed));
        }
        let Ok(bytes) = STANDARD.decode(&piece.data) else {
            return Failure::failed("the server's answer is not what this release expects: use a matching release");
        };
        let mut out = std::io::stdout().lock();
        if let Err(error) = out.write_all(&bytes).and_then(|()| out.flush()) {
            return Failure::because("could not print", &error);
        }
        if !bytes.is_empty() {
            let _ = ends.send(End::Wrote);
        }
        let console = piece.console;
        if console.state != state {
            match console.state.as_str() {
                "closed" if bytes.is_empty() => {
                    return Failure::failed(format!("the console is closed: {}", console.reason));
                }
                "waiting" => note(&format!("waiting for the BMC: {}", console.reason)),
                "open" => note("the console is open again"),
                _ => {}
            }
            if console.state != "closed" {
                state = console.state;
            }
        }
        from = Some(piece.next);
    }
}

/// A server that is not there for a moment is asked again; each request here is safe to repeat.
fn patient<T>(ask: impl Fn() -> Result<T>) -> Result<T> {
    let began = Instant::now();
    loop {
        match ask() {
            Err(failure) if failure.exit == Exit::Unavailable && began.elapsed() < AGAIN => {
                std::thread::sleep(Duration::from_millis(500));
            }
            other => return other,
        }
    }
}

/// The terminal gives each key as it is pressed.
struct Raw(Termios);

impl Raw {
    fn enter() -> Result<Self> {
        let failed = |error: nix::Error| Failure::because("could not set up the terminal", &error);
        let before = tcgetattr(std::io::stdin()).map_err(failed)?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(std::io::stdin(), SetArg::TCSANOW, &raw).map_err(failed)?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin(), SetArg::TCSANOW, &self.0);
    }
}

/// What a piece of typing means.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Bytes(Vec<u8>),
    Break,
    Help,
    Leave,
}

/// `~` at the beginning of a line.
#[derive(Debug)]
struct Escape {
    line_begins: bool,
    tilde: bool,
}

impl Default for Escape {
    fn default() -> Self {
        Self { line_begins: true, tilde: false }
    }
}

impl Escape {
    fn feed(&mut self, typed: &[u8]) -> Vec<Part> {
        let mut parts = Vec::new();
        let mut bytes = Vec::new();
        for byte in typed {
            if self.tilde {
                self.tilde = false;
                let part = match byte {
                    b'.' => Part::Leave,
                    b'B' => Part::Break,
                    b'?' => Part::Help,
                    b'~' => Part::Bytes(b"~".to_vec()),
                    other => Part::Bytes(vec![b'~', *other]),
                };
                self.line_begins = matches!(part, Part::Break | Part::Help) || matches!(byte, b'\r' | b'\n');
                match part {
                    Part::Bytes(more) => bytes.extend(more),
                    other => {
                        if !bytes.is_empty() {
                            parts.push(Part::Bytes(std::mem::take(&mut bytes)));
                        }
                        parts.push(other);
                    }
                }
            } else if *byte == b'~' && self.line_begins {
                self.tilde = true;
            } else {
                self.line_begins = matches!(byte, b'\r' | b'\n');
                bytes.push(*byte);
            }
        }
        if !bytes.is_empty() {
            parts.push(Part::Bytes(bytes));
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_counts_at_the_beginning_of_a_line_only() {
        let bytes = |text: &str| Part::Bytes(text.as_bytes().to_vec());
        let feed = |text: &str| Escape::default().feed(text.as_bytes());
        assert_eq!(feed("~."), [Part::Leave]);
        assert_eq!(feed("ls ~.\r"), [bytes("ls ~.\r")]);
        assert_eq!(feed("ls\r~B~?~~x~."), [bytes("ls\r"), Part::Break, Part::Help, bytes("~x~.")]);
        assert_eq!(feed("~/bin\r~."), [bytes("~/bin\r"), Part::Leave]);
        let mut escape = Escape::default();
        assert_eq!(escape.feed(b"~"), []);
        assert_eq!(escape.feed(b"."), [Part::Leave]);
    }

    #[test]
    fn a_screen_is_text_that_steers_no_terminal() {
        let mut shown =
            ConsoleScreen { lines: vec!["a\u{1b}[2J".into(), "b".into(), String::new()], ..Default::default() };
        shown.console.state = "closed".into();
        shown.console.reason = "it was closed".into();
        assert_eq!(screen(shown), "a?[2J\nb\n(closed: it was closed)\n");
    }
}
