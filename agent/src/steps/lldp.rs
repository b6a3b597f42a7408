//! Listens for LLDP neighbours on every port. It never delays the boot by more than its budget: who speaks later is
//! reported later, in the background.

use std::sync::Arc;
use std::time::{Duration, Instant};

use higuma_proto::agent::Neighbour;
use higuma_proto::steps::LLDP;

use crate::client::Client;
use crate::explain;
use crate::journal::{Journal, State};
use crate::neighbours::{Listener, Options, Snapshot};
use crate::steps::jittered;

/// What the boot waits for neighbours at most, counted from when the links came up.
const BUDGET: Duration = Duration::from_secs(3);
/// How often the background looks for news.
const WATCH: Duration = Duration::from_secs(2);

/// A listener that runs beside the other steps.
pub struct Listening {
    listener: Option<Arc<Listener>>,
    began: Instant,
}

/// What the registration told the server already.
pub struct Told(u64);

impl Listening {
    /// Starts at once; without it the boot goes on.
    pub fn start(journal: &Journal) -> Listening {
        journal.record(LLDP, State::Started, "");
        let listener = match Listener::start(Options::default()) {
            Ok(listener) => Some(Arc::new(listener)),
            Err(e) => {
                journal.record(LLDP, State::Failed, &format!("cannot listen: {e}"));
                None
            }
        };
        Listening { listener, began: Instant::now() }
    }

    /// Who was heard; waits for what is left of the budget at most.
    pub async fn within_budget(&self, journal: &Journal) -> (Vec<Neighbour>, Told) {
        let Some(listener) = self.listener.clone() else { return (Vec::new(), Told(0)) };
        let end = self.began + BUDGET;
        let wait = move || loop {
            let snapshot = listener.wait_first(end.saturating_duration_since(Instant::now()));
            // The listener may not have seen yet that a link came up: without ports there is nobody it waits for.
            if snapshot.ports.iter().any(|port| port.link) || Instant::now() >= end {
                return snapshot;
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        let waited = tokio::task::spawn_blocking(wait).await;
        let snapshot = waited.unwrap_or_default();
        journal.record(
            LLDP,
            State::Ok,
            &format!("{} ({:.1} s)", describe(&snapshot), self.began.elapsed().as_secs_f32()),
        );
        for port in &snapshot.ports {
            if let Some(error) = &port.error {
                journal.info(LLDP, &format!("{}: {error}", port.interface));
            }
        }
        (snapshot.neighbours, Told(snapshot.generation))
    }

    /// Tells the server about changes for as long as the stage runs.
    pub fn report_later(self, client: Client, told: Told, journal: Journal) {
        let Some(listener) = self.listener else { return };
        tokio::spawn(async move {
            let mut generation = told.0;
            loop {
                tokio::time::sleep(jittered(WATCH)).await;
                let Some(snapshot) = listener.changed_since(generation) else { continue };
                match client.report(Vec::new(), Some(snapshot.neighbours.clone())).await {
                    Ok(_) => {
                        generation = snapshot.generation;
                        journal.info(LLDP, &describe(&snapshot));
                    }
                    // The next look finds the same change again.
                    Err(status) => {
                        crate::console::say(LLDP, &format!("news wait for the server: {}", explain::status(&status)));
                        tokio::time::sleep(jittered(Duration::from_secs(30))).await;
                    }
                }
            }
        });
    }
}

fn describe(snapshot: &Snapshot) -> String {
    let each: Vec<String> = snapshot
        .neighbours
        .iter()
        .take(16)
        .map(|n| {
            let who = if n.system_name.is_empty() { &n.chassis_id } else { &n.system_name };
            format!("{} at {who} port {}", n.interface, n.port_id)
        })
        .collect();
    match each.as_slice() {
        [] => format!("nobody heard yet on {} port(s)", snapshot.ports.iter().filter(|p| p.link).count()),
        each => each.join(", "),
    }
}
