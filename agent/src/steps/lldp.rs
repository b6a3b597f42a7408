//! Listens for LLDP neighbours on every port. The boot waits for them no longer than the server allows; who speaks later
//! is reported later, in the background, up to the jump.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use higuma_proto::agent::Neighbour;
use higuma_proto::steps::LLDP;
use tokio::sync::Mutex;

use crate::client::Client;
use crate::explain;
use crate::journal::{Journal, State};
use crate::neighbours::{Listener, Options, Snapshot, firmware_agent};
use crate::net;
use crate::steps::jittered;

/// How often the background looks for news, and how often the wait does.
const WATCH: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(100);
/// For asking the drivers about LLDP agents in firmware.
const TURN_OFF: Duration = Duration::from_secs(10);
/// However long the server allows: no boot waits longer.
const LONGEST: Duration = Duration::from_secs(60);
/// For one report while the boot waits for it.
const REPORT: Duration = Duration::from_secs(3);

/// A listener that runs beside the other steps.
pub struct Listening {
    listener: Option<Arc<Listener>>,
    began: Instant,
}

impl Listening {
    /// Starts at once; without it the boot goes on.
    pub async fn start(journal: &Journal) -> Listening {
        journal.record(LLDP, State::Started, "");
        let told = journal.clone();
        let off = tokio::task::spawn_blocking(move || {
            firmware_agent::turn_off(&net::list(Path::new("/")), &|line| told.info(LLDP, line));
        });
        // A driver may keep us waiting in the kernel.
        if tokio::time::timeout(TURN_OFF, off).await.is_err() {
            let text = format!("a NIC did not answer within {} s: its firmware may swallow LLDP", TURN_OFF.as_secs());
            journal.info(LLDP, &text);
        }
        let listener = match Listener::start(Options::default()) {
            Ok(listener) => Some(Arc::new(listener)),
            Err(e) => {
                journal.record(LLDP, State::Failed, &format!("cannot listen: {e}"));
                None
            }
        };
        Listening { listener, began: Instant::now() }
    }

    /// Who was heard up to now, and the number of that state: waits for nobody.
    pub fn heard_so_far(&self) -> (Vec<Neighbour>, u64) {
        let snapshot = self.listener.as_ref().map(|listener| listener.snapshot()).unwrap_or_default();
        (snapshot.neighbours, snapshot.generation)
    }

    /// Waits until every port with link has heard somebody, at most `allowed` from when the first link was seen, and
    /// reports each change at once; `told` is the state that Register told.
    pub async fn wait(self, allowed: Duration, told: u64, client: Client, journal: &Journal) -> Later {
        let later = Later { listener: self.listener, told: Arc::new(Mutex::new(told)), client };
        let Some(listener) = later.listener.clone() else { return later };
        let (allowed, started) = (allowed.min(LONGEST), Instant::now());
        loop {
            let since = listener.snapshot().since.unwrap_or(self.began);
            if listener.all_heard() || since.elapsed() >= allowed {
                break;
            }
            later.flush(REPORT).await;
            tokio::time::sleep(LOOK).await;
        }
        let waited = started.elapsed();
        later.flush(REPORT).await;
        let snapshot = listener.snapshot();
        let wait = match allowed {
            Duration::ZERO => "no wait asked for".to_owned(),
            most => format!("waited {:.1} s of {:.1} s", waited.as_secs_f32(), most.as_secs_f32()),
        };
        journal.record(LLDP, State::Ok, &format!("{}; {wait}", describe(&snapshot)));
        for port in &snapshot.ports {
            if let Some(error) = &port.error {
                journal.info(LLDP, &format!("{}: {error}", port.interface));
            }
        }
        later
    }
}

/// News after the wait; a clone shares what was told.
#[derive(Clone)]
pub struct Later {
    listener: Option<Arc<Listener>>,
    told: Arc<Mutex<u64>>,
    client: Client,
}

impl Later {
    /// Tells the server about changes for as long as the stage runs.
    pub fn watch(&self, journal: Journal) {
        let me = self.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(jittered(WATCH)).await;
                match me.tell().await {
                    Ok(Some(snapshot)) => journal.info(LLDP, &describe(&snapshot)),
                    Ok(None) => {}
                    // The next look finds the same change again.
                    Err(status) => {
                        crate::console::say(LLDP, &format!("news wait for the server: {}", explain::status(&status)));
                        tokio::time::sleep(jittered(Duration::from_secs(30))).await;
                    }
                }
            }
        });
    }

    /// Tells what is new, within `budget`; gives up silently. Also just before the jump.
    pub async fn flush(&self, budget: Duration) {
        let _ = tokio::time::timeout(budget, self.tell()).await;
    }

    /// One report at a time; what it told, if anything was new.
    async fn tell(&self) -> Result<Option<Snapshot>, tonic::Status> {
        let Some(listener) = &self.listener else { return Ok(None) };
        let mut told = self.told.lock().await;
        let Some(snapshot) = listener.changed_since(*told) else { return Ok(None) };
        self.client.report(Vec::new(), Some(snapshot.neighbours.clone())).await?;
        *told = snapshot.generation;
        Ok(Some(snapshot))
    }
}

fn describe(snapshot: &Snapshot) -> String {
    let after = |interface: &str| {
        let port = snapshot.ports.iter().find(|port| port.interface == interface)?;
        Some(format!(" ({:.1} s after link)", port.heard_after?.as_secs_f32()))
    };
    let each: Vec<String> = snapshot
        .neighbours
        .iter()
        .take(16)
        .map(|n| {
            let who = if n.system_name.is_empty() { &n.chassis_id } else { &n.system_name };
            format!("{} at {who} port {}{}", n.interface, n.port_id, after(&n.interface).unwrap_or_default())
        })
        .collect();
    match each.as_slice() {
        [] => format!("nobody heard yet on {} port(s)", snapshot.ports.iter().filter(|p| p.link).count()),
        each => each.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neighbours::PortStatus;

    #[test]
    fn the_line_says_who_was_heard_and_how_soon() {
        let port = |name: &str, heard_after| PortStatus {
            interface: name.to_owned(),
            link: true,
            heard_after,
            ..PortStatus::default()
        };
        let neighbour = |interface: &str, system_name: &str| Neighbour {
            interface: interface.to_owned(),
            chassis_id: "02:00:00:00:00:01".to_owned(),
            port_id: "swp7".to_owned(),
            system_name: system_name.to_owned(),
            ..Neighbour::default()
        };
        let mut snapshot = Snapshot {
            ports: vec![port("eth0", Some(Duration::from_millis(640))), port("eth1", None)],
            neighbours: vec![neighbour("eth0", "tor-1"), neighbour("eth1", "")],
            ..Snapshot::default()
        };
        assert_eq!(
            describe(&snapshot),
            "eth0 at tor-1 port swp7 (0.6 s after link), eth1 at 02:00:00:00:00:01 port swp7"
        );
        snapshot.neighbours.clear();
        assert_eq!(describe(&snapshot), "nobody heard yet on 2 port(s)");
    }
}
