//! Other DHCP servers on a wire that we serve: looked for when the service starts, now and then, and when a client speaks of one.
//! What is found is told loudly, and stops nothing.

use crate::dhcp::probe;
use crate::domain::dhcp::Mode;
use crate::domain::dhcp::rival::{Gravity, Rival, Verdict, verdict};
use crate::service::{App, exchanges};
use higuma_proto::api::Exchange;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Between two looks.
const AGAIN: Duration = Duration::from_secs(600);
/// Never sooner, whatever clients say.
const SOONEST: Duration = Duration::from_secs(60);

/// One interface's.
pub struct Watch {
    pub app: App,
    pub interface: String,
    pub mode: Mode,
    /// Whose servers are no strangers.
    pub installation: String,
    /// A client spoke of another server.
    pub hint: Arc<Notify>,
}

impl Watch {
    /// Until it is stopped.
    pub async fn run(self, stop: CancellationToken) {
        let mut before = None;
        loop {
            let found = tokio::select! {
                () = stop.cancelled() => return,
                found = probe::others(&self.interface, &self.installation) => found,
            };
            match found {
                Ok(rivals) => {
                    let verdict = verdict(self.mode, &rivals);
                    self.tell(&verdict, &rivals, before.as_ref() == Some(&verdict));
                    before = Some(verdict);
                }
                Err(error) => {
                    let name = &self.interface;
                    tracing::warn!(
                        interface = name,
                        "DHCP on {name}: cannot ask whether another DHCP server answers: {error}"
                    );
                }
            }
            let pause = async {
                sleep(SOONEST).await;
                let _ = timeout(AGAIN - SOONEST, self.hint.notified()).await;
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = pause => {}
            }
        }
    }

    fn tell(&self, verdict: &Verdict, rivals: &[Rival], told: bool) {
        let (name, word, detail) = (&self.interface, verdict.word, &verdict.detail);
        match verdict.gravity {
            // Again and again, while it lasts.
            Gravity::Error => tracing::error!(interface = name, result = word, "DHCP on {name}: {detail}"),
            Gravity::Warning => tracing::warn!(interface = name, result = word, "DHCP on {name}: {detail}"),
            Gravity::Fine if told => tracing::debug!(interface = name, result = word, "DHCP on {name}: {detail}"),
            Gravity::Fine => tracing::info!(interface = name, result = word, "DHCP on {name}: {detail}"),
        }
        let count = |takes: &dyn Fn(&Rival) -> bool| rivals.iter().filter(|rival| takes(rival)).count() as f64;
        let of = |kind: &'static str| [("interface", name.clone()), ("gives", kind.to_owned())];
        metrics::gauge!("higuma_dhcp_other_servers", &of("addresses")).set(count(&|rival| rival.offers.is_some()));
        metrics::gauge!("higuma_dhcp_other_servers", &of("boot")).set(count(&|rival| rival.boots));
        self.app.exchanges.write(Exchange {
            result: word.to_owned(),
            detail: detail.clone(),
            interface: name.clone(),
            client: rivals.first().map(|rival| rival.server.to_string()).unwrap_or_default(),
            ..exchanges::exchange(self.app.now(), "dhcp", "PROBE")
        });
    }
}
