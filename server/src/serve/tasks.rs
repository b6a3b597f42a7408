//! What happens without being asked for: deadlines, expired offers, unused blobs, a fresh certificate.

use crate::blob::Blobs;
use crate::error::Result;
use crate::http::publish_gauges;
use crate::service::{App, blobs as records, sweep as sweeping};
use crate::tls::{Authority, Current, RENEW_EVERY, local_names};
use metrics_exporter_prometheus::PrometheusHandle;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const SWEEP: Duration = Duration::from_secs(5);
const COLLECT: Duration = Duration::from_secs(60);

/// False when the server stops.
async fn pause(time: Duration, stop: &CancellationToken) -> bool {
    tokio::time::timeout(time, stop.cancelled()).await.is_err()
}

/// Boots past their deadline fail; offers expire.
pub async fn sweep(app: App, metrics: PrometheusHandle, stop: CancellationToken) -> Result<()> {
    while pause(SWEEP, &stop).await {
        if let Err(error) = sweeping::run_once(&app).await {
            crate::http::failure::log_internal(&error);
        }
        if let Err(error) = publish_gauges(&app).await {
            crate::http::failure::log_internal(&error);
        }
        metrics.run_upkeep();
    }
    Ok(())
}

/// Blobs that nothing uses go after their time of grace.
pub async fn collect_blobs(app: App, blobs: Blobs, stop: CancellationToken) -> Result<()> {
    while pause(COLLECT, &stop).await {
        if let Err(error) = collect(&app, &blobs).await {
            crate::http::failure::log_internal(&error);
        }
    }
    Ok(())
}

async fn collect(app: &App, blobs: &Blobs) -> Result<()> {
    let _removing = blobs.removing().await;
    for sha256 in records::forget_unused(app).await? {
        // Another server over the same database may have recorded it again.
        if records::size(app, sha256.clone()).await?.is_none() {
            blobs.remove(&sha256).await?;
            tracing::info!(%sha256, "blob {sha256} was removed: nothing used it");
        }
    }
    Ok(())
}

/// A fresh certificate long before the old one ends, with the addresses that the machine has then.
pub async fn renew(
    current: Arc<Current>,
    authority: Arc<Authority>,
    advertised: Vec<String>,
    stop: CancellationToken,
) -> Result<()> {
    while pause(RENEW_EVERY, &stop).await {
        match current.renew(&authority, &local_names(&advertised)) {
            Ok(()) => tracing::info!("the server has a fresh certificate"),
            Err(error) => crate::http::failure::log_internal(&error),
        }
    }
    Ok(())
}
