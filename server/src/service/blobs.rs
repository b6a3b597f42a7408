//! Which blobs there are. The bytes are the blob store's; this keeps the record of those that are durable.

use super::App;
use crate::domain::Sha256;
use crate::error::Result;
use higuma_proto::api;

/// Record a blob whose bytes are durable. Again is no error.
pub async fn record(app: &App, sha256: Sha256, size: u64) -> Result<api::Blob> {
    let now = app.now();
    app.store
        .write(move |tx| {
            tx.put_blob(&sha256, size, now)?;
            Ok(api::Blob { sha256: sha256.to_string(), size })
        })
        .await
}

/// Size of a recorded blob.
pub async fn size(app: &App, sha256: Sha256) -> Result<Option<u64>> {
    app.store.read(move |tx| tx.blob(&sha256)).await
}

/// Forget blobs that nothing has referred to for the grace period. The caller removes their bytes, each only while
/// [`size`] still says that it is not recorded (it may have been uploaded again meanwhile).
pub async fn forget_unused(app: &App) -> Result<Vec<Sha256>> {
    let before = app.now() - app.settings.blob_grace;
    app.store.write(move |tx| tx.forget_unused_blobs(before, 100)).await
}
