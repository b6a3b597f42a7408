//! Alive, ready (with reasons), status, and metrics.

use super::State;
use super::failure::Answer;
use crate::error::Result;
use crate::{service, telemetry};
use actix_web::HttpResponse;
use actix_web::web::Data;

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

/// Ready to boot nodes: 200, or 503 with the reasons.
pub async fn ready(state: Data<State>) -> HttpResponse {
    let mut reasons = service::status::not_ready(&state.app).await;
    reasons.extend(own_reasons(&state).await);
    let mut answer = if reasons.is_empty() { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    answer.json(serde_json::json!({ "ready": reasons.is_empty(), "reasons": reasons }))
}

/// GET /api/v1/status.
pub async fn status(state: Data<State>) -> Answer {
    let more = own_reasons(&state).await;
    Ok(HttpResponse::Ok().json(service::status::status(&state.app, more).await?))
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
    if let Some(bytes) = telemetry::resident_bytes() {
        metrics::gauge!("process_resident_memory_bytes").set(bytes as f64);
    }
    Ok(())
}
