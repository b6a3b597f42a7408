//! One question and its answer, asked again while the BMC says that it is busy. Bounded by a patience for each command and
//! a deadline for all.

use std::time::Duration;

use higuma_ipmi::command::codes;
use higuma_ipmi::{Command, Completion, Malformed, NetFn, Request};

/// A BMC may be busy for half a minute, and that is normal.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// For one answer. The kernel's drivers give up earlier and say so with a completion code.
const ANSWER: Duration = Duration::from_secs(10);
/// Times that a request is sent to a BMC that says nothing, or nonsense.
const TRIES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// Unspecified error: the kernel's word too for an interface that stumbled.
const UNSPECIFIED: Completion = Completion(0xff);

/// Carries requests to the BMC, and the time by which to wait for it.
pub trait Carrier {
    /// Sends a request and waits for its answer: the completion code, then data.
    ///
    /// # Errors
    /// [`NoAnswer`]: nothing came `within` the time, or the device failed.
    fn call(&mut self, request: &Request, within: Duration) -> Result<Vec<u8>, NoAnswer>;

    /// Time since any fixed instant.
    fn now(&self) -> Duration;

    /// Waits.
    fn pause(&mut self, time: Duration);
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// Nothing came in time.
    #[error("no answer within {} s", .0.as_secs())]
    Silent(Duration),
    /// The kernel's device failed.
    #[error("the kernel's device failed: {0}")]
    Device(String),
}

/// Why a command did not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The BMC says nothing.
    #[error("{0}: {1}")]
    NoAnswer(&'static str, NoAnswer),
    /// The BMC says no.
    #[error("{}: {}", .command, codes::in_words(*.netfn, *.cmd, *.code))]
    Refused {
        /// Name of the command.
        command: &'static str,
        /// Its network function.
        netfn: NetFn,
        /// Its number.
        cmd: u8,
        /// What the BMC says.
        code: Completion,
    },
    /// The BMC says nonsense.
    #[error(transparent)]
    Malformed(Malformed),
    /// The deadline for all has passed.
    #[error("{0}: not asked, the time for the BMC is over")]
    OutOfTime(&'static str),
}

impl CallError {
    /// The completion code of a refusal.
    pub fn code(&self) -> Option<Completion> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether the BMC does not answer at all: then the next command will not work either.
    pub fn is_silence(&self) -> bool {
        match self {
            Self::NoAnswer(..) | Self::OutOfTime(_) => true,
            Self::Refused { code, .. } => *code == Completion::TIMEOUT,
            Self::Malformed(_) => false,
        }
    }
}

/// A conversation that must end.
pub struct Talk<'a> {
    carrier: &'a mut dyn Carrier,
    until: Duration,
    patience: Duration,
}

impl<'a> Talk<'a> {
    /// At most so long from now; each command at most [`PATIENCE`].
    pub fn new(carrier: &'a mut dyn Carrier, within: Duration) -> Self {
        let until = carrier.now().saturating_add(within);
        Self { carrier, until, patience: PATIENCE }
    }

    /// The same with another patience for each command.
    pub fn patient(&mut self, patience: Duration) -> Talk<'_> {
        Talk { carrier: &mut *self.carrier, until: self.until, patience }
    }

    /// The same with at least so much time from now, for what must be said even when the deadline has passed.
    pub fn at_least(&mut self, time: Duration) -> Talk<'_> {
        let until = self.until.max(self.now().saturating_add(time));
        Talk { carrier: &mut *self.carrier, until, patience: self.patience }
    }

    /// What is left of the time.
    pub fn left(&self) -> Duration {
        self.until.saturating_sub(self.carrier.now())
    }

    /// By the carrier's clock.
    pub fn now(&self) -> Duration {
        self.carrier.now()
    }

    /// Waits, at most until the deadline.
    pub fn pause(&mut self, time: Duration) {
        let time = time.min(self.left());
        self.carrier.pause(time);
    }

    /// Asks until there is an answer that is not "later".
    ///
    /// # Errors
    /// [`CallError`], the last one.
    pub fn ask<C: Command>(&mut self, command: &C) -> Result<C::Answer, CallError> {
        let request = command.request();
        let until = self.until.min(self.now().saturating_add(self.patience));
        let mut pause = FIRST_PAUSE;
        let mut tries = 0;
        loop {
            let left = until.saturating_sub(self.now());
            if left.is_zero() {
                return Err(CallError::OutOfTime(C::NAME));
            }
            let error = match self.once(command, &request, left.min(ANSWER)) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            tries += 1;
            let again = match &error {
                CallError::Refused { code, .. } => code.is_transient() || (*code == UNSPECIFIED && tries < TRIES),
                CallError::NoAnswer(_, NoAnswer::Silent(_)) | CallError::Malformed(_) => tries < TRIES,
                _ => false,
            };
            if !again || until.saturating_sub(self.now()) <= pause {
                return Err(error);
            }
            self.carrier.pause(pause);
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }

    fn once<C: Command>(&mut self, command: &C, request: &Request, within: Duration) -> Result<C::Answer, CallError> {
        let answer = self.carrier.call(request, within).map_err(|why| CallError::NoAnswer(C::NAME, why))?;
        let Some((code, data)) = answer.split_first() else {
            return Err(CallError::Malformed(Malformed::short(C::NAME, "a completion code", &answer)));
        };
        let code = Completion(*code);
        if !code.is_ok() {
            return Err(CallError::Refused { command: C::NAME, netfn: C::NETFN, cmd: C::CMD, code });
        }
        command.answer(data).map_err(CallError::Malformed)
    }
}
