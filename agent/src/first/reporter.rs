//! Sends the journal to the server in the background, in order, until everything is there. Starts when the boot is
//! registered; a server that is away costs nothing but time.

use std::time::{Duration, Instant};

use crate::client::Client;
use crate::console::say;
use crate::explain;
use crate::journal::Journal;
use crate::steps::{backoff, jittered, register::is_refusal};

/// Events in one message.
const BATCH: usize = 200;

/// Sends events; a clone shares the journal and the connection.
#[derive(Clone)]
pub struct Reporter {
    /// To the server, with the session credential.
    pub client: Client,
    /// What is sent.
    pub journal: Journal,
}

impl Reporter {
    /// Sends for ever in a task of its own.
    pub fn start(&self) {
        let me = self.clone();
        tokio::spawn(async move {
            let mut failures = 0u32;
            loop {
                match me.send_batch().await {
                    Ok(true) => failures = 0,
                    Ok(false) => {
                        failures = 0;
                        let _ = tokio::time::timeout(Duration::from_secs(30), me.journal.news()).await;
                    }
                    Err(status) => {
                        failures = failures.saturating_add(1);
                        if failures == 1 {
                            say("report", &format!("events wait for the server: {}", explain::status(&status)));
                        }
                        // A refusal (this session is over) will not change soon; the boot goes on without reports.
                        let first = if is_refusal(status.code()) { 60 } else { 1 };
                        tokio::time::sleep(jittered(backoff(Duration::from_secs(first), failures))).await;
                    }
                }
            }
        });
    }

    /// Sends what waits now, within `budget`; gives up silently.
    pub async fn flush(&self, budget: Duration) {
        let end = Instant::now() + budget;
        while !self.journal.is_empty() && Instant::now() < end {
            let left = end.saturating_duration_since(Instant::now());
            match tokio::time::timeout(left, self.send_batch()).await {
                Ok(Ok(_)) => {}
                Ok(Err(_)) => tokio::time::sleep(Duration::from_millis(300)).await,
                Err(_) => return,
            }
        }
    }

    /// Whether there was something to send. The server keeps each event once, so a lost answer costs nothing.
    async fn send_batch(&self) -> Result<bool, tonic::Status> {
        let batch = self.journal.batch(BATCH);
        if batch.is_empty() {
            return Ok(false);
        }
        self.client.report(batch.clone(), None).await?;
        self.journal.sent(&batch);
        Ok(true)
    }
}
