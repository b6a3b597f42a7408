//! Waves: how many members may have been begun before the next look at how it goes. Counted from the first member, so that
//! `1,5%,25%,100%` of 200 nodes is 1, 10, 50 and 200 nodes in all.

use super::super::ids::Invalid;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Waves of one rollout, at most.
pub const WAVES_MAX: usize = 20;

/// Up to how many members, since the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wave {
    /// So many.
    Count(u32),
    /// So many of a hundred, rounded up.
    Percent(u32),
}

/// In their order; the last one is always everybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Waves(Vec<Wave>);

impl Default for Waves {
    fn default() -> Self {
        Self(vec![Wave::Count(1), Wave::Percent(5), Wave::Percent(25), Wave::Percent(100)])
    }
}

impl Waves {
    /// Ends of the waves of `total` members, each above the one before; the last one is `total`. Waves that add nobody are
    /// left out.
    pub fn ends(&self, total: u32) -> Vec<u32> {
        let mut ends = Vec::new();
        for wave in &self.0 {
            let end = match *wave {
                Wave::Count(count) => count,
                Wave::Percent(percent) => {
                    let members = (u64::from(total) * u64::from(percent)).div_ceil(100);
                    u32::try_from(members).unwrap_or(total)
                }
            };
            let end = end.min(total);
            if ends.last().is_none_or(|last| *last < end) {
                ends.push(end);
            }
        }
        if ends.last().is_none_or(|last| *last < total) {
            ends.push(total);
        }
        ends
    }
}

impl fmt::Display for Waves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, wave) in self.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            match wave {
                Wave::Count(count) => write!(f, "{comma}{count}")?,
                Wave::Percent(percent) => write!(f, "{comma}{percent}%")?,
            }
        }
        Ok(())
    }
}

impl FromStr for Waves {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bad = || Invalid::new("waves", "at most 20 numbers or percentages of nodes, e.g. 1,5%,25%,100%", text);
        let number = |text: &str| text.parse::<u32>().ok().filter(|n| *n > 0).ok_or_else(bad);
        let wave = |part: &str| match part.trim().strip_suffix('%') {
            Some(percent) => number(percent).and_then(|n| if n <= 100 { Ok(Wave::Percent(n)) } else { Err(bad()) }),
            None => number(part.trim()).map(Wave::Count),
        };
        let waves: Vec<Wave> = text.split(',').map(wave).collect::<Result<_, _>>()?;
        if waves.len() > WAVES_MAX {
            return Err(bad());
        }
        Ok(Self(waves))
    }
}

impl TryFrom<String> for Waves {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<Waves> for String {
    fn from(waves: Waves) -> String {
        waves.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ends_rise_and_end_with_everybody() {
        let waves = Waves::default();
        assert_eq!(waves.ends(200), [1, 10, 50, 200]);
        assert_eq!(waves.ends(4), [1, 4], "5 % and 25 % of 4 are the canary again");
        assert_eq!(waves.ends(1), [1]);
        assert_eq!(waves.ends(0), [0], "nobody is one wave of nobody");
        assert_eq!("3,2,10".parse::<Waves>().unwrap().ends(20), [3, 10, 20], "the last one is added");
        assert_eq!("100%".parse::<Waves>().unwrap().ends(u32::MAX), [u32::MAX]);
    }

    #[test]
    fn words_come_back_and_nonsense_does_not() {
        for text in ["1,5%,25%,100%", "7", "50%"] {
            assert_eq!(text.parse::<Waves>().unwrap().to_string(), text);
        }
        for bad in ["", "0", "0%", "101%", "1,,2", "x", "-1", "1 %", &["1"; 21].join(",")] {
            assert!(bad.parse::<Waves>().is_err(), "{bad:?}");
        }
    }
}
