//! What of the same kind an operator is told, and how often: thousands of strangers must not fill the log.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The same trouble is a line once in so long, and so many answers to strangers are lines.
const SPELL: Duration = Duration::from_secs(10);
/// Troubles remembered, each by its words.
const MOST: usize = 1_024;
/// Answers to strangers in one spell that are lines of the log.
const STRANGERS: u32 = 50;

/// Of one interface.
#[derive(Default)]
pub struct Quiet(Mutex<Told>);

#[derive(Default)]
struct Told {
    troubles: HashMap<String, Instant>,
    strangers: Option<(Instant, u32)>,
}

/// What becomes of a line about a stranger.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// Written.
    Yes,
    /// Left out.
    No,
    /// Written, after so many that were left out before.
    After(u32),
}

impl Quiet {
    /// Whether this was not told lately.
    pub fn is_news(&self, trouble: &str, now: Instant) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lately = |at: &Instant| now.saturating_duration_since(*at) <= SPELL;
        if told.troubles.get(trouble).is_some_and(lately) {
            return false;
        }
        if told.troubles.len() >= MOST {
            told.troubles.retain(|_, at| lately(at));
            // All of them are of now: that is a flood, which has its lines.
            if told.troubles.len() >= MOST {
                return false;
            }
        }
        told.troubles.insert(trouble.to_owned(), now);
        true
    }

    /// For an answer to a machine that is no node of ours.
    pub fn stranger(&self, now: Instant) -> Line {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut told.strangers {
            Some((since, count)) if now.saturating_duration_since(*since) <= SPELL => {
                *count = count.saturating_add(1);
                if *count <= STRANGERS { Line::Yes } else { Line::No }
            }
            spell => {
                let left_out = spell.map_or(0, |(_, count)| count.saturating_sub(STRANGERS));
                *spell = Some((now, 1));
                if left_out > 0 { Line::After(left_out) } else { Line::Yes }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floods_are_a_few_lines() {
        let (quiet, start) = (Quiet::default(), Instant::now());
        let later = start + SPELL + Duration::from_millis(1);
        assert!(quiet.is_news("exhausted 10.0.0.0/24", start) && !quiet.is_news("exhausted 10.0.0.0/24", start));
        assert!(quiet.is_news("exhausted 10.0.1.0/24", start), "another subnet is another trouble");
        assert!(quiet.is_news("exhausted 10.0.0.0/24", later));
        let many = (0..5_000).filter(|n| quiet.is_news(&n.to_string(), later)).count();
        assert!(many < MOST + 1 && quiet.is_news("new", later + SPELL * 2), "{many}");

        let lines = (0..200).filter(|_| quiet.stranger(start) == Line::Yes).count();
        assert_eq!(lines, 50);
        assert_eq!((quiet.stranger(later), quiet.stranger(later)), (Line::After(150), Line::Yes));
    }
}
