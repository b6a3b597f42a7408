//! TLS needs a clock that is not years behind (a dead battery gives 1970 or 2000). Steps it forward from the `Date` header of
//! the server's plain HTTP, only when it is certainly wrong, and never back.

use std::time::Duration;

use super::{Done, Policy, Step, StepError};
use crate::journal::{Journal, now_us};

/// The clock step.
pub struct Clock {
    /// `http://HOST:PORT` of the server.
    pub http: Option<String>,
    /// A clock before this is wrong, seconds since 1970 UTC.
    pub not_before: u64,
    /// Its waiting events move with the clock.
    pub journal: Journal,
}

impl Step for Clock {
    type Output = ();

    fn policy(&self) -> Policy {
        Policy {
            step: higuma_proto::steps::CLOCK,
            deadline: Duration::from_secs(15),
            attempts: 4,
            pause: Duration::from_secs(1),
        }
    }

    async fn attempt(&mut self) -> Result<Done<()>, StepError> {
        let bound = i64::try_from(self.not_before).unwrap_or(0);
        let now = now_us() / 1_000_000;
        if now >= bound {
            return Ok(Done { value: (), message: format!("{} is plausible", readable(now)) });
        }
        let Some(http) = self.http.clone() else {
            return Err(StepError::last("the clock is wrong and higuma.http is not on the kernel command line"));
        };
        let date = tokio::task::spawn_blocking(move || server_date(&http))
            .await
            .map_err(|_| StepError::again("asking for the date broke off"))?
            .map_err(StepError::again)?;
        // A server whose clock is behind its own certificates is no better than ours: its CA's creation is.
        let target = date.max(bound);
        set(target).map_err(StepError::last)?;
        self.journal.clock_stepped((target - now).saturating_mul(1_000_000));
        Ok(Done { value: (), message: format!("stepped from {} to {}", readable(now), readable(target)) })
    }
}

/// Steps the clock forward to `seconds` since 1970 UTC.
pub fn set(seconds: i64) -> Result<(), String> {
    let time = nix::sys::time::TimeSpec::new(seconds, 0);
    nix::time::clock_settime(nix::time::ClockId::CLOCK_REALTIME, time).map_err(|e| format!("cannot set the clock: {e}"))
}

fn server_date(http: &str) -> Result<i64, String> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .max_redirects(0)
        .timeout_global(Some(Duration::from_secs(10)))
        .build()
        .into();
    let answer =
        agent.get(format!("{http}/boot.ipxe")).call().map_err(|e| format!("{http}: {}", crate::explain::chain(&e)))?;
    let date = answer.headers().get("date").and_then(|v| v.to_str().ok()).ok_or(format!("{http} sent no Date"))?;
    parse_http_date(date).ok_or_else(|| format!("{http} sent a Date that is none: {date}"))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7) to seconds since 1970 UTC.
fn parse_http_date(text: &str) -> Option<i64> {
    jiff::fmt::rfc2822::parse(text).ok().map(|time| time.timestamp().as_second())
}

/// Seconds since 1970 UTC for people.
pub fn readable(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map(|t| t.to_string()).unwrap_or_else(|_| seconds.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_http() {
        assert_eq!(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(parse_http_date("yesterday"), None);
    }

    #[tokio::test]
    async fn a_plausible_clock_is_left_alone_without_asking_anybody() {
        let mut step = Clock { http: None, not_before: 1_000_000_000, journal: Journal::starting_at(0) };
        assert!(step.attempt().await.is_ok());
    }

    #[tokio::test]
    async fn a_wrong_clock_without_a_server_to_ask_is_said_so() {
        let mut step = Clock { http: None, not_before: 99_000_000_000, journal: Journal::starting_at(0) };
        assert!(step.attempt().await.is_err_and(|e| e.is_final && e.message.contains("higuma.http")));
    }
}
