//! The serial console of a node through its BMC (Serial over LAN). Bytes are base64 (RFC 4648, section 4): a serial line is not text.

use serde::{Deserialize, Serialize};

/// How a console is opened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OpenConsole {
    /// From another program that has it; without it that is a conflict.
    pub take: bool,
}

/// How it is with a console.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleState {
    /// The node.
    pub node: String,
    /// opening, open, waiting (for a BMC that was lost) or closed.
    pub state: String,
    /// Why it is waiting or closed; empty otherwise.
    pub reason: String,
    /// Who opened it.
    pub opened_by: String,
    /// When.
    pub opened_us: i64,
}

/// The screen, as a terminal of so many columns shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleScreen {
    /// How it is with it.
    #[serde(flatten)]
    pub console: ConsoleState,
    /// Grows with each change; pass it as `version` to wait for the next.
    pub version: u64,
    /// Lines from the top, without blanks at their ends.
    pub lines: Vec<String>,
    /// Width.
    pub columns: u16,
    /// Line of the cursor, from 0.
    pub row: u16,
    /// Column of the cursor, from 0.
    pub column: u16,
}

/// A piece of what the node wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleOutput {
    /// How it is with it.
    #[serde(flatten)]
    pub console: ConsoleState,
    /// The first byte of `data`, counted from when the console was opened.
    pub from: u64,
    /// Pass as `from` for what follows.
    pub next: u64,
    /// Bytes between the `from` that was asked for and this piece, which are kept no more.
    pub missed: u64,
    /// The bytes, base64.
    pub data: String,
}

/// What is typed.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConsoleInput {
    /// A name that whoever types makes up, at most 64 characters; with `sequence` it makes a request safe to repeat.
    pub writer: String,
    /// From 1, one more for each request of this writer; one that came before is not typed again.
    pub sequence: u64,
    /// The bytes, base64; at most 4,096.
    pub data: String,
    /// A break after the bytes (the line held low).
    #[serde(rename = "break")]
    pub break_after: bool,
}

impl std::fmt::Debug for ConsoleInput {
    /// Without what is typed: it may be a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ConsoleInput({:?} {})", self.writer, self.sequence)
    }
}
