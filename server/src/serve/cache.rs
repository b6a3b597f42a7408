//! The cache of blobs that are elsewhere, when the settings name an upstream: opened, and its upstreams watched. It asks
//! nobody else.

use crate::blob::cache::{Cache, Http, Upstream};
use crate::config::Config;
use crate::error::{Error, Result};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often upstreams are asked whether they are there.
const WATCH: Duration = Duration::from_secs(5);

/// None: this server keeps its blobs itself.
pub async fn open(config: &Config, stop: CancellationToken) -> Result<Option<Cache>> {
    if config.blob_upstream.is_empty() {
        return Ok(None);
    }
    let mut upstreams: Vec<Arc<dyn Upstream>> = Vec::new();
    for url in &config.blob_upstream {
        upstreams.push(Arc::new(Http::new(url)?));
    }
    let (dir, limit) = (config.data_dir.join("blob-cache"), config.blob_cache_size);
    let opened = tokio::task::spawn_blocking(move || Cache::open(&dir, limit, upstreams, stop)).await;
    let cache = opened.map_err(Error::internal)??;
    tracing::info!(bytes = limit, "blobs come from {}, by a cache of {limit} bytes", config.blob_upstream.join(" or "));
    Ok(Some(cache))
}

/// Until the server stops.
pub async fn watch(cache: Cache, stop: CancellationToken) -> Result<()> {
    loop {
        tokio::select! {
            () = cache.check_upstreams() => {}
            () = stop.cancelled() => return Ok(()),
        }
        if tokio::time::timeout(WATCH, stop.cancelled()).await.is_ok() {
            return Ok(());
        }
    }
}
