//! Waiting with a deadline: the only way in which the lab waits for anything.

use crate::{LabError, LabResult};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// `HIGUMA_LAB_PATIENCE=3` waits three times as long for everything: for a machine that does other work besides.
pub fn patient(timeout: Duration) -> Duration {
    let factor = std::env::var("HIGUMA_LAB_PATIENCE").ok().and_then(|value| value.parse::<u32>().ok());
    timeout * factor.unwrap_or(1).clamp(1, 20)
}

/// Calls `look` until it gives a value. An error of `look` ends the wait at once; `what` names it when time runs out.
pub fn until<T>(what: &str, timeout: Duration, mut look: impl FnMut() -> LabResult<Option<T>>) -> LabResult<T> {
    let (start, timeout) = (Instant::now(), patient(timeout));
    loop {
        if let Some(value) = look()? {
            return Ok(value);
        }
        if start.elapsed() >= timeout {
            return Err(LabError::new(format!("waited {} s in vain for {what}", timeout.as_secs())));
        }
        sleep(PAUSE);
    }
}
