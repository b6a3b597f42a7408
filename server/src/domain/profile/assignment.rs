//! Which profile a node has, and which revision of it: words of people, never a decision about what boots.

use crate::domain::ids::{Invalid, Name};
use std::fmt;
use std::str::FromStr;

/// `NAME`, or `NAME@REVISION`: pinned to that revision, whichever is active.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Its name.
    pub profile: Name,
    /// The pin.
    pub revision: Option<u32>,
}

/// Which revision somebody wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revision {
    /// This one.
    Number(u32),
    /// The newest, active or draft.
    Newest,
}

impl FromStr for Assignment {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let Some((profile, revision)) = text.split_once('@') else {
            return Ok(Self { profile: text.parse()?, revision: None });
        };
        let revision = number(revision)
            .ok_or_else(|| Invalid::new("assignment", "NAME or NAME@REVISION, revisions counting from 1", text))?;
        Ok(Self { profile: profile.parse()?, revision: Some(revision) })
    }
}

impl fmt::Display for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.revision {
            None => write!(f, "{}", self.profile),
            Some(revision) => write!(f, "{}@{revision}", self.profile),
        }
    }
}

impl FromStr for Revision {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "newest" => Ok(Self::Newest),
            _ => number(text)
                .map(Self::Number)
                .ok_or_else(|| Invalid::new("revision", "a number from 1, or `newest`", text)),
        }
    }
}

/// From 1; the database counts in 64 bits, and no profile comes near 32.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten().filter(|n| *n > 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_assignment_is_a_name_with_a_revision_or_without() {
        for (text, revision) in [("web", None), ("web@3", Some(3)), ("web@4294967295", Some(u32::MAX))] {
            let assigned: Assignment = text.parse().unwrap();
            assert_eq!((assigned.profile.as_str(), assigned.revision), ("web", revision));
            assert_eq!(assigned.to_string(), text);
        }
        for bad in ["", "@3", "web@", "web@0", "web@+3", "web@-1", "web@3@4", "web@4294967296", "we b@3", "web@newest"]
        {
            assert!(bad.parse::<Assignment>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_revision_is_a_number_or_the_newest() {
        assert_eq!("newest".parse::<Revision>().unwrap(), Revision::Newest);
        assert_eq!("12".parse::<Revision>().unwrap(), Revision::Number(12));
        for bad in ["", "0", "-1", "oldest", "1.0"] {
            assert!(bad.parse::<Revision>().is_err(), "{bad:?}");
        }
    }
}
