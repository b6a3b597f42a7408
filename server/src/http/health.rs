//! Alive, ready (with reasons), status, and metrics.

use super::State;
use super::failure::Answer;
use crate::error::Result;
use crate::{service, telemetry};
use actix_web::HttpResponse;
use actix_web::web::Data;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// The process answers.
pub async fn live() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "live": true }))
}

/// What only this process can see of why it is not ready.
pub async fn own_reasons(state: &State) -> Vec<String> {
    let mut reasons = Vec::new();
    if let Err(error) = state.blobs.check_writable().await {
        super::failure::log_internal(&error);
        reasons.push("the blob folder cannot be written: check the disk of the data folder".to_owned());
    }
    match state.blobs.open_blob(&state.site).await {
        Ok(Some(_)) => {}
        _ => reasons.push("the blob of the site part is gone: restart the server, which makes it anew".to_owned()),
    }
    reasons
}

/// What is worse than it should be, while nodes can be booted: places of blobs (an upstream, an S3 store) that are not reachable,
/// damaged blobs.
pub fn degraded(state: &State) -> Vec<String> {
    let trouble = state.cache.iter().flat_map(|cache| cache.trouble());
    let places = trouble
        .map(|why| format!("blobs cannot be had where they are kept, only cached ones are served from here: {why}"));
    places.chain(state.app.scrub.trouble()).collect()
}

/// The last answer of `/readyz`, which everybody may ask: at most one check a second, one at a time, for a check
/// writes to the disk.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    last: Arc<Mutex<Option<Checked>>>,
}

/// When, and the reasons.
type Checked = (Instant, Vec<String>);

/// An answer is good for so long.
const FRESH: Duration = Duration::from_secs(1);

impl Readiness {
    /// The reasons, from `check` when there is no fresh answer.
    async fn reasons(&self, check: impl Future<Output = Vec<String>>) -> Vec<String> {
        let mut last = self.last.lock().await;
        if let Some((_, reasons)) = last.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return reasons.clone();
        }
        let reasons = check.await;
        *last = Some((Instant::now(), reasons.clone()));
        reasons
    }

    /// Something changed: the next question is checked.
    pub async fn forget(&self) {
        *self.last.lock().await = None;
    }
}

/// Ready to boot nodes: 200, or 503 with the reasons.
pub async fn ready(state: Data<State>) -> HttpResponse {
    let check = async {
        let mut reasons = service::status::not_ready(&state.app).await;
        reasons.extend(own_reasons(&state).await);
        reasons
    };
    let reasons = state.readiness.reasons(check).await;
    let mut answer = if reasons.is_empty() { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    answer.json(serde_json::json!({ "ready": reasons.is_empty(), "reasons": reasons, "degraded": degraded(&state) }))
}

/// GET /api/v1/status.
pub async fn status(state: Data<State>) -> Answer {
    let more = own_reasons(&state).await;
    Ok(HttpResponse::Ok().json(service::status::status(&state.app, more, degraded(&state)).await?))
}

/// GET /metrics, for Prometheus.
pub async fn metrics(state: Data<State>) -> Answer {
    publish_gauges(&state.app).await?;
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(state.metrics.render()))
}

/// Set the gauges that are counted when they are asked for.
///
/// # Errors
/// The database.
pub async fn publish_gauges(app: &service::App) -> Result<()> {
    for (lifecycle, count) in service::status::fleet(app).await? {
        metrics::gauge!("higuma_nodes", "lifecycle" => lifecycle).set(count as f64);
    }
    for open in service::node_events::counts(app).await? {
        let labels = [("kind", open.kind.as_str()), ("severity", open.severity.as_str())];
        metrics::gauge!("higuma_node_events_open", &labels).set(open.count as f64);
    }
    for (state, count) in service::firmware::compliance(app).await?.nodes {
        metrics::gauge!("higuma_firmware_nodes", "state" => state).set(count as f64);
    }
    for (drift, count) in service::drift::counts(app).await? {
        metrics::gauge!("higuma_nodes_drift", "drift" => drift).set(count as f64);
    }
    metrics::gauge!("higuma_nodes_fallback").set(service::fallback::count(app).await? as f64);
    let (open, down) = service::rollouts::gauges(app).await?;
    metrics::gauge!("higuma_rollouts_open").set(open as f64);
    metrics::gauge!("higuma_rollout_nodes_down").set(down as f64);
    if let Some(bytes) = telemetry::resident_bytes() {
        metrics::gauge!("process_resident_memory_bytes").set(bytes as f64);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn many_questions_are_one_check() {
        let (readiness, checks) = (Readiness::default(), AtomicUsize::new(0));
        let ask = || {
            readiness.reasons(async {
                tokio::time::sleep(Duration::from_millis(10)).await;
                vec![checks.fetch_add(1, Ordering::Relaxed).to_string()]
            })
        };
        let answers = futures_util::future::join_all((0..50).map(|_| ask())).await;
        assert!(answers.iter().all(|a| a == &["0"]), "{answers:?}");
        readiness.forget().await;
        assert_eq!(ask().await, ["1"]);
    }
}
