//! Kernel command lines: printable ASCII of one line, bounded, so that one can stand in a script and be loaded.

use super::ids::Invalid;
use std::fmt;
use std::str::FromStr;

/// A part of a kernel command line. Linux takes 2,047 bytes on x86; 1,800 leaves room for what Higuma adds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cmdline(String);

const MAX: usize = 1800;

impl Cmdline {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// This, then `more`.
    pub fn join(&self, more: &Cmdline) -> Cmdline {
        match (self.0.is_empty(), more.0.is_empty()) {
            (true, _) => more.clone(),
            (_, true) => self.clone(),
            _ => Cmdline(format!("{} {}", self.0, more.0)),
        }
    }
}

impl fmt::Display for Cmdline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Cmdline {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let text = text.trim_matches(' ');
        if text.len() > MAX {
            return Err(Invalid::new("kernel command line", "at most 1,800 bytes", text));
        }
        if !text.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
            return Err(Invalid::new("kernel command line", "one line of printable ASCII", text));
        }
        if text.contains("${") {
            return Err(Invalid::new("kernel command line", "no ${...}, which iPXE would expand", text));
        }
        if text.split(' ').any(|word| word.starts_with("higuma.")) {
            return Err(Invalid::new(
                "kernel command line",
                "no parameter named higuma.*: these are Higuma's own",
                text,
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_printable_line() {
        let a: Cmdline = " console=ttyS0 quiet ".parse().unwrap();
        assert_eq!(a.join(&"x=1".parse().unwrap()).as_str(), "console=ttyS0 quiet x=1");
        for bad in ["a\nb", "a\tb", "ü", "a ${uuid}", "higuma.nonce=1", &"x".repeat(1801)] {
            assert!(bad.parse::<Cmdline>().is_err(), "{bad:?}");
        }
    }
}
