//! Why a command failed, and the exit code that says so to scripts. Messages say what was expected, what came and what
//! to do. No secret is ever put into one.

use std::fmt;

/// Exit codes of `higuma`, documented in docs/src/cli.md; scripts rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Anything that has no code of its own.
    Failed = 1,
    /// Arguments or input that cannot be used (also what the server refused as bad input).
    Usage = 2,
    /// There is no such thing.
    NotFound = 3,
    /// It clashes with what is there; nothing was changed.
    Conflict = 4,
    /// No token, or one that the server does not take.
    Unauthorised = 5,
    /// The server could not be reached, or says "not now".
    Unavailable = 6,
    /// Ended by SIGINT, SIGTERM or SIGHUP.
    Interrupted = 130,
}

/// A failed command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For scripts.
    pub exit: Exit,
    /// For people.
    pub message: String,
}

/// Result of a command or a part of it.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// Anything that has no code of its own.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { exit: Exit::Failed, message: message.into() }
    }

    /// Input that cannot be used.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into() }
    }

    /// There is no such thing.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self { exit: Exit::NotFound, message: message.into() }
    }

    /// A failure from an error and its causes: "`doing`: error: cause: cause".
    pub fn because(doing: impl fmt::Display, error: &dyn std::error::Error) -> Self {
        Self::failed(format!("{doing}: {}", chain(error)))
    }

    /// For `map_err` on file operations: "could not `what` `path`: ...".
    pub fn io<'a>(what: &'a str, path: &'a std::path::Path) -> impl FnOnce(std::io::Error) -> Self + 'a {
        move |error| Self::failed(format!("could not {what} {}: {error}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// An error and its causes in one line; a cause whose text its parent already shows is left out.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let line = error.to_string();
        if !text.contains(&line) {
            text.push_str(": ");
            text.push_str(&line);
        }
        cause = error.source();
    }
    text
}
