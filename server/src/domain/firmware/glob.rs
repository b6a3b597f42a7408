//! Names with `*` (any text) and `?` (any one character), without regard to case. No regular expressions: a pattern
//! takes time in proportion to its length times the text's, whatever it is.

use crate::domain::ids::Invalid;
use std::fmt;
use std::str::FromStr;

/// A pattern for the whole of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(String);

/// Bytes of a pattern.
const MAX: usize = 200;

impl FromStr for Glob {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.trim().is_empty() || text.len() > MAX || text.chars().any(char::is_control) {
            let form = "1 to 200 bytes, with * for any text and ? for any one character, e.g. PowerEdge R6?0*";
            return Err(Invalid::new("pattern", form, text));
        }
        Ok(Self(text.trim().to_owned()))
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Glob {
    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether any text fits.
    pub fn is_any(&self) -> bool {
        self.0.bytes().all(|b| b == b'*')
    }

    /// Whether the whole of `text` fits.
    pub fn matches(&self, text: &str) -> bool {
        let pattern: Vec<char> = self.0.chars().flat_map(char::to_lowercase).collect();
        let text: Vec<char> = text.trim().chars().flat_map(char::to_lowercase).collect();
        let (mut p, mut t) = (0, 0);
        // Where the last star stands, and how much of the text it has taken: the place to come back to.
        let mut star: Option<(usize, usize)> = None;
        while let Some(c) = text.get(t) {
            match pattern.get(p) {
                Some('*') => {
                    star = Some((p, t));
                    p += 1;
                }
                Some(want) if *want == '?' || want == c => {
                    p += 1;
                    t += 1;
                }
                _ => match star {
                    Some((at, taken)) => {
                        star = Some((at, taken + 1));
                        p = at + 1;
                        t = taken + 1;
                    }
                    None => return false,
                },
            }
        }
        pattern.iter().skip(p).all(|c| *c == '*')
    }
}
