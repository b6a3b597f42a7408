//! Maintenance windows: days of the week and times of the day, in UTC. One that ends before it begins goes on past
//! midnight and belongs to the day on which it began.

use super::super::ids::{Invalid, Micros};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Windows of one rollout, at most.
pub const WINDOWS_MAX: usize = 20;
const DAY: u32 = 24 * 60;
const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// `mon-fri 22:00-06:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Window {
    /// Bit 0: Monday.
    days: u8,
    /// Minutes of the day.
    from: u32,
    /// Minutes of the day; 24:00 is its end.
    to: u32,
}

impl Window {
    /// Is it open at `now`? The minute of its end is outside.
    pub fn is_open(&self, now: Micros) -> bool {
        let minutes = now.div_euclid(60_000_000);
        let day = minutes.div_euclid(i64::from(DAY));
        let minute = u32::try_from(minutes.rem_euclid(i64::from(DAY))).unwrap_or_default();
        // 1970-01-01 was a Thursday.
        let on = |day: i64| self.days & (1 << (day + 3).rem_euclid(7)) != 0;
        match self.from < self.to {
            true => on(day) && (self.from..self.to).contains(&minute),
            false => (on(day) && minute >= self.from) || (on(day - 1) && minute < self.to),
        }
    }

    /// Is one of them open? None at all: always.
    pub fn any_open(windows: &[Self], now: Micros) -> bool {
        windows.is_empty() || windows.iter().any(|window| window.is_open(now))
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days: Vec<&str> =
            NAMES.iter().enumerate().filter(|(n, _)| self.days & (1 << n) != 0).map(|d| *d.1).collect();
        let days = if days.len() == 7 { "daily".to_owned() } else { days.join(",") };
        let (from, to) = (self.from, self.to);
        write!(f, "{days} {:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}

impl FromStr for Window {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let form = "days and times in UTC, e.g. `mon-fri 22:00-06:00`, `sat,sun 00:00-24:00` or `daily 01:00-05:00`";
        let bad = || Invalid::new("maintenance window", form, text);
        let (days, times) = text.trim().split_once(' ').ok_or_else(bad)?;
        let (from, to) = times.trim().split_once('-').ok_or_else(bad)?;
        let window = Self {
            days: parse_days(days).ok_or_else(bad)?,
            from: parse_time(from).filter(|m| *m < DAY).ok_or_else(bad)?,
            to: parse_time(to).ok_or_else(bad)?,
        };
        if window.from == window.to { Err(bad()) } else { Ok(window) }
    }
}

fn parse_days(text: &str) -> Option<u8> {
    if text == "daily" {
        return Some(0x7f);
    }
    let number = |name: &str| NAMES.iter().position(|known| *known == name);
    let mut days = 0;
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut day, last) = (number(first)?, number(last)?);
        // From Friday to Monday is over the end of the week.
        loop {
            days |= 1 << day;
            if day == last {
                break;
            }
            day = (day + 1) % 7;
        }
    }
    Some(days)
}

/// `HH:MM`, 24:00 at most.
fn parse_time(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |text: &str| Some(text).filter(|t| t.len() == 2 && t.bytes().all(|b| b.is_ascii_digit()))?.parse().ok();
    let (hours, minutes): (u32, u32) = (two(hours)?, two(minutes)?);
    let all = hours * 60 + minutes;
    (minutes < 60 && all <= DAY).then_some(all)
}

impl TryFrom<String> for Window {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<Window> for String {
    fn from(window: Window) -> String {
        window.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(text: &str) -> Micros {
        text.parse::<jiff::Timestamp>().unwrap().as_microsecond()
    }

    #[test]
    fn windows_open_and_close() {
        let night: Window = "mon-fri 22:00-06:00".parse().unwrap();
        // 2026-11-27 is a Friday.
        for (time, open) in [
            ("2026-11-27T21:59:59Z", false),
            ("2026-11-27T22:00:00Z", true),
            ("2026-11-28T05:59:59Z", true),
            ("2026-11-28T06:00:00Z", false),
            ("2026-11-28T23:00:00Z", false),
            ("2026-11-30T03:00:00Z", false),
            ("2026-12-01T03:00:00Z", true),
        ] {
            assert_eq!(night.is_open(at(time)), open, "{time}");
        }
        let whole: Window = "sat,sun 00:00-24:00".parse().unwrap();
        assert!(whole.is_open(at("2026-11-28T00:00:00Z")) && whole.is_open(at("2026-11-29T23:59:59Z")));
        assert!(!whole.is_open(at("2026-11-30T00:00:00Z")));
        assert!(Window::any_open(&[], 0) && !Window::any_open(&[whole], at("2026-11-27T12:00:00Z")));
    }

    #[test]
    fn words_come_back_and_nonsense_does_not() {
        for text in ["mon,tue,wed,thu,fri 22:00-06:00", "daily 01:30-05:00", "sat,sun 00:00-24:00"] {
            assert_eq!(text.parse::<Window>().unwrap().to_string(), text);
        }
        assert_eq!("fri-mon 01:00-02:00".parse::<Window>().unwrap().to_string(), "mon,fri,sat,sun 01:00-02:00");
        for bad in
            ["", "mon", "mon 1:00-2:00", "mon 01:00-01:00", "moon 01:00-02:00", "mon 24:00-01:00", "mon 01:60-02:00"]
        {
            assert!(bad.parse::<Window>().is_err(), "{bad:?}");
        }
    }
}
