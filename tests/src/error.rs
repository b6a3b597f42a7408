//! One error for the whole lab: text for the person who reads a failed test, with what was being done around it. It must
//! never be matched on: a test that expects a refusal looks at an HTTP status or at a stored state instead.

use std::fmt::{Debug, Display, Formatter, Result as FmtResult};

/// What went wrong, outermost first. `Debug` prints as `Display`, so that a test that returns it is readable.
pub struct LabError {
    message: String,
}

/// Short for every fallible function of the lab and for the tests themselves.
pub type LabResult<T = ()> = Result<T, LabError>;

impl LabError {
    /// An error from a sentence.
    pub fn new(message: impl Into<String>) -> LabError {
        LabError { message: message.into() }
    }
}

impl Display for LabError {
    fn fmt(&self, f: &mut Formatter<'_>) -> FmtResult {
        f.write_str(&self.message)
    }
}

impl Debug for LabError {
    fn fmt(&self, f: &mut Formatter<'_>) -> FmtResult {
        f.write_str(&self.message)
    }
}

impl std::error::Error for LabError {}

impl From<String> for LabError {
    fn from(message: String) -> LabError {
        LabError { message }
    }
}

impl From<&str> for LabError {
    fn from(message: &str) -> LabError {
        LabError { message: message.to_owned() }
    }
}

impl From<std::io::Error> for LabError {
    fn from(error: std::io::Error) -> LabError {
        LabError { message: error.to_string() }
    }
}

/// Puts what was being done in front of an error.
pub trait Context<T> {
    /// `what` is a phrase such as "reading /etc/passwd".
    fn context(self, what: impl Display) -> LabResult<T>;
}

impl<T, E: Display> Context<T> for Result<T, E> {
    fn context(self, what: impl Display) -> LabResult<T> {
        self.map_err(|error| LabError::new(format!("{what}: {error}")))
    }
}

impl<T> Context<T> for Option<T> {
    fn context(self, what: impl Display) -> LabResult<T> {
        self.ok_or_else(|| LabError::new(what.to_string()))
    }
}

/// Fails the test with a sentence when a fact does not hold.
pub fn ensure(holds: bool, otherwise: impl Display) -> LabResult {
    if holds { Ok(()) } else { Err(LabError::new(otherwise.to_string())) }
}
