//! A boot is a list of steps. Each has a name, a deadline for one attempt, a number of attempts with a jittered pause
//! between them, and tells the journal how it went. A step never decides what comes after it.

pub mod bmc;
pub mod clock;
pub mod download;
pub mod firmware;
pub mod inventory;
pub mod kexec;
pub mod lldp;
pub mod load;
pub mod memory;
pub mod modules;
pub mod network;
pub mod pack;
pub mod plan;
pub mod register;

use std::future::Future;
use std::time::{Duration, Instant};

use crate::journal::{Journal, State};

/// How long and how often a step may try.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// One of [`higuma_proto::steps`].
    pub step: &'static str,
    /// For one attempt.
    pub deadline: Duration,
    /// At least one.
    pub attempts: u32,
    /// Pause before the second attempt; it doubles up to a minute, and varies by a quarter.
    pub pause: Duration,
}

/// What a step gives when it worked.
pub struct Done<T> {
    /// For the steps after it.
    pub value: T,
    /// For people.
    pub message: String,
}

/// Why an attempt did not work.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StepError {
    /// What was expected, what came, what to do.
    pub message: String,
    /// Trying again cannot help.
    pub is_final: bool,
}

impl StepError {
    /// Worth another attempt.
    pub fn again(message: impl Into<String>) -> StepError {
        StepError { message: message.into(), is_final: false }
    }

    /// Not worth another attempt.
    pub fn last(message: impl Into<String>) -> StepError {
        StepError { message: message.into(), is_final: true }
    }
}

/// One step.
pub trait Step {
    /// What it gives.
    type Output;
    /// Its limits.
    fn policy(&self) -> Policy;
    /// One attempt; it may be dropped at its deadline.
    fn attempt(&mut self) -> impl Future<Output = Result<Done<Self::Output>, StepError>>;
}

/// Runs a step by its policy; every attempt's outcome is in the journal afterwards.
pub async fn run<S: Step>(step: &mut S, journal: &Journal) -> Result<S::Output, StepError> {
    run_as(step, journal, State::Failed).await
}

/// The same for a step that the boot can do without: giving up is told as information, not as a failure of the boot.
pub async fn run_optional<S: Step>(step: &mut S, journal: &Journal) -> Option<S::Output> {
    run_as(step, journal, State::Info).await.ok()
}

async fn run_as<S: Step>(step: &mut S, journal: &Journal, given_up: State) -> Result<S::Output, StepError> {
    let policy = step.policy();
    let began = Instant::now();
    journal.record(policy.step, State::Started, "");
    let mut attempt = 1;
    loop {
        let error = match tokio::time::timeout(policy.deadline, step.attempt()).await {
            Ok(Ok(done)) => {
                let seconds = began.elapsed().as_secs_f32();
                journal.record(policy.step, State::Ok, format!("{} ({seconds:.1} s)", done.message).trim_start());
                return Ok(done.value);
            }
            Ok(Err(error)) => error,
            Err(_) => StepError::again(format!("not done within {} s", policy.deadline.as_secs())),
        };
        let seconds = began.elapsed().as_secs_f32();
        if error.is_final || attempt >= policy.attempts.max(1) {
            let goes_on = if given_up == State::Info { "going on without: " } else { "" };
            journal.record(policy.step, given_up, &format!("{goes_on}{error} ({seconds:.1} s, attempt {attempt})"));
            return Err(error);
        }
        let pause = jittered(backoff(policy.pause, attempt));
        journal.record(
            policy.step,
            State::Retry,
            &format!(
                "{error} (attempt {attempt} of {}, again in {:.0} s)",
                policy.attempts,
                pause.as_secs_f32().ceil()
            ),
        );
        tokio::time::sleep(pause).await;
        attempt += 1;
    }
}

/// `first` doubled for each attempt made, at most a minute.
pub fn backoff(first: Duration, attempts_made: u32) -> Duration {
    let factor = 2u32.saturating_pow(attempts_made.saturating_sub(1).min(10));
    first.saturating_mul(factor).min(Duration::from_secs(60))
}

/// Between three and five quarters of `pause`, so that a whole rack does not ask at the same instant.
pub fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.75..1.25))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Flaky {
        fails: u32,
        is_final: bool,
    }

    impl Step for Flaky {
        type Output = u32;
        fn policy(&self) -> Policy {
            Policy {
                step: higuma_proto::steps::NETWORK,
                deadline: Duration::from_millis(50),
                attempts: 3,
                pause: Duration::from_millis(1),
            }
        }
        async fn attempt(&mut self) -> Result<Done<u32>, StepError> {
            if self.fails == 0 {
                return Ok(Done { value: 7, message: "fine".to_owned() });
            }
            self.fails -= 1;
            if self.fails == 9 {
                std::future::pending::<()>().await;
            }
            Err(StepError { message: "no".to_owned(), is_final: self.is_final })
        }
    }

    fn states(journal: &Journal) -> Vec<String> {
        journal.batch(100).into_iter().map(|e| e.state).collect()
    }

    #[tokio::test]
    async fn a_step_is_tried_again_and_tells_each_outcome() {
        let journal = Journal::starting_at(0);
        assert!(matches!(run(&mut Flaky { fails: 2, is_final: false }, &journal).await, Ok(7)));
        assert_eq!(states(&journal), ["started", "retry", "retry", "ok"]);
    }

    #[tokio::test]
    async fn it_gives_up_after_its_attempts_or_at_once_when_final() {
        let journal = Journal::starting_at(0);
        assert!(run(&mut Flaky { fails: 5, is_final: false }, &journal).await.is_err());
        assert_eq!(states(&journal), ["started", "retry", "retry", "failed"]);
        let journal = Journal::starting_at(0);
        assert!(run(&mut Flaky { fails: 5, is_final: true }, &journal).await.is_err());
        assert_eq!(states(&journal), ["started", "failed"]);
    }

    #[tokio::test]
    async fn what_the_boot_can_do_without_is_no_failure() {
        let journal = Journal::starting_at(0);
        assert!(run_optional(&mut Flaky { fails: 5, is_final: true }, &journal).await.is_none());
        assert_eq!(states(&journal), ["started", "info"]);
    }

    #[tokio::test]
    async fn an_attempt_that_hangs_ends_at_its_deadline() {
        let journal = Journal::starting_at(0);
        assert!(run(&mut Flaky { fails: 10, is_final: false }, &journal).await.is_err());
        assert!(journal.batch(9).iter().any(|e| e.message.contains("not done within")));
    }

    #[test]
    fn pauses_grow_to_a_minute() {
        assert_eq!(backoff(Duration::from_secs(2), 1), Duration::from_secs(2));
        assert_eq!(backoff(Duration::from_secs(2), 3), Duration::from_secs(8));
        assert_eq!(backoff(Duration::from_secs(2), 60), Duration::from_secs(60));
    }
}
