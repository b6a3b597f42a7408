//! Downloads the parts of a plan in parallel into memory files, each verified before it counts. Parts that an earlier
//! attempt verified are kept.

use std::collections::HashMap;
use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use higuma_proto::agent::Part;

use super::{Done, Policy, Step, StepError};
use crate::fetch::{self, FetchError, Limits, Progress};
use crate::journal::{Journal, State};
use crate::memory::mib;

const STEP: &str = higuma_proto::steps::DOWNLOAD;

/// The download step.
pub struct Download {
    /// What to fetch.
    pub parts: Vec<Part>,
    /// For all of it.
    pub deadline: Duration,
    /// Verified parts by sha256: of earlier attempts, and of this one when it is done.
    pub have: HashMap<String, File>,
    /// Told each tenth and each trouble.
    pub journal: Journal,
}

impl Step for Download {
    type Output = ();

    fn policy(&self) -> Policy {
        Policy { step: STEP, deadline: self.deadline, attempts: 1, pause: Duration::from_secs(2) }
    }

    async fn attempt(&mut self) -> Result<Done<()>, StepError> {
        let missing: Vec<Part> = self.parts.iter().filter(|p| !self.have.contains_key(&p.sha256)).cloned().collect();
        let total: u64 = missing.iter().map(|p| p.size).sum();
        let tally = Tally::new(total, missing.len(), self.journal.clone());
        // Dropped at the deadline with this future: the threads see it and stop.
        let _stop = StopOnDrop(tally.stop.clone());
        let mut tasks = tokio::task::JoinSet::new();
        for (place, part) in missing.into_iter().enumerate() {
            let tally = tally.clone();
            tasks.spawn_blocking(move || {
                let outcome = one(&part, place, &tally);
                (part, outcome)
            });
        }
        let mut failed = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            match ended {
                Ok((part, Ok(file))) => {
                    self.have.insert(part.sha256, file);
                }
                Ok((part, Err(e))) => failed.push(format!("{} ({}): {e}", part.role, mib(part.size))),
                Err(_) => failed.push("a download broke off".to_owned()),
            }
        }
        if !failed.is_empty() {
            return Err(StepError::last(failed.join("; ")));
        }
        Ok(Done { value: (), message: format!("{} part(s), {}, sha256 verified", self.parts.len(), mib(total)) })
    }
}

fn one(part: &Part, place: usize, tally: &Tally) -> Result<File, FetchError> {
    let mut file = kexec_rs::memfd(c"part").map_err(|e| FetchError::Write(std::io::Error::other(e.to_string())))?;
    fetch::fetch(part, &mut file, &Limits::default(), |progress| tally.hear(&part.role, place, &progress))?;
    Ok(file)
}

struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How much of all parts together is there.
#[derive(Clone)]
struct Tally {
    total: u64,
    each: Arc<Mutex<Vec<u64>>>,
    tenths_told: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    journal: Journal,
}

impl Tally {
    fn new(total: u64, parts: usize, journal: Journal) -> Tally {
        Tally {
            total,
            each: Arc::new(Mutex::new(vec![0; parts])),
            tenths_told: Arc::default(),
            stop: Arc::default(),
            journal,
        }
    }

    fn hear(&self, role: &str, place: usize, progress: &Progress<'_>) -> bool {
        match progress {
            Progress::Trouble(why) => self.journal.record(STEP, State::Retry, &format!("{role}: {why}")),
            Progress::Bytes(bytes) => {
                let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(slot) = each.get_mut(place) {
                    *slot = *bytes;
                }
                let sum: u64 = each.iter().sum();
                drop(each);
                let tenth = sum.saturating_mul(10) / self.total.max(1);
                if tenth > self.tenths_told.fetch_max(tenth, Ordering::Relaxed) && tenth < 10 {
                    self.journal.info(STEP, &format!("{} % of {}", tenth * 10, mib(self.total)));
                }
            }
        }
        !self.stop.load(Ordering::Relaxed)
    }
}
