//! Where blobs are kept, by the settings, and the cache of those that are elsewhere: opened, and its upstreams watched. It asks
//! nobody else.

use crate::blob::Home;
use crate::blob::cache::{Cache, Http, Upstream};
use crate::blob::s3::{self, Credentials, S3};
use crate::config::{Bucket, Config};
use crate::error::{Error, Result};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often upstreams are asked whether they are there.
const WATCH: Duration = Duration::from_secs(5);

/// Where blobs are kept, and the cache, when that is not here.
pub async fn open(config: &Config, stop: CancellationToken) -> Result<(Home, Option<Cache>)> {
    let mut upstreams: Vec<Arc<dyn Upstream>> = Vec::new();
    let home = match &config.blob_s3 {
        Some(bucket) => {
            let store = store(config, bucket).await?;
            upstreams.push(Arc::new(store.clone()));
            Home::Store(store)
        }
        None if config.blob_upstream.is_empty() => return Ok((Home::Here, None)),
        None => {
            for url in &config.blob_upstream {
                upstreams.push(Arc::new(Http::new(url)?));
            }
            Home::Servers(config.blob_upstream.clone())
        }
    };
    let names = upstreams.iter().map(|upstream| upstream.name().to_owned()).collect::<Vec<_>>().join(" or ");
    let (dir, limit) = (config.data_dir.join("blob-cache"), config.blob_cache_size);
    let opened = tokio::task::spawn_blocking(move || Cache::open(&dir, limit, upstreams, stop)).await;
    let cache = opened.map_err(Error::internal)??;
    tracing::info!(bytes = limit, "blobs come from {names}, by a cache of {limit} bytes");
    Ok((home, Some(cache)))
}

async fn store(config: &Config, bucket: &Bucket) -> Result<S3> {
    let (file, Bucket { endpoint, name, prefix }) = (config.blob_s3_credentials.clone(), bucket.clone());
    let place = s3::Place { endpoint, bucket: name, prefix, region: config.blob_s3_region.clone() };
    let opened = tokio::task::spawn_blocking(move || {
        let credentials = Credentials::open(file.as_deref(), &|key| std::env::var(key).ok())?;
        S3::open(&place, credentials)
    });
    opened.await.map_err(Error::internal)?
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
