//! One upload into the store: hashed as it comes, in parts as it comes, so that it needs no disk and memory stays bounded. The
//! object appears when all parts are together, which is said only when the bytes have the right sha256.

use super::S3;
use super::failure::failure;
use crate::domain::Sha256;
use crate::error::{Error, Result};
use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt};
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload, PutPayloadMut, WriteMultipart};
use sha2::Digest;
use std::time::Duration;
use tokio::time::timeout;

/// Bytes of a part: S3 takes 5 MiB to 5 GiB, and 10,000 parts (S3 User Guide, multipart upload limits).
const PART: u64 = 8 << 20;
const PARTS: u64 = 9_000;
/// Parts on their way, besides the one that is filled.
const UNDER_WAY: usize = 3;
/// An upload waits so long for others.
const TURN: Duration = Duration::from_secs(30);
/// For what is on its way when all came.
const FINISH: Duration = Duration::from_secs(120);
/// A part may take this.
const STEP: Duration = Duration::from_secs(300);
const ABORT: Duration = Duration::from_secs(30);

impl S3 {
    /// Store a stream that must have this hash and at most `limit` bytes; returns its size. In the store when this returns; when
    /// it fails or is dropped before all came, no object is there. `length`: how many bytes are announced.
    ///
    /// # Errors
    /// `BadRequest` for other bytes, `TooLarge` over the limit, `Unavailable` when the store fails, with what it says.
    pub async fn put<E: std::fmt::Display>(
        &self,
        stream: impl Stream<Item = std::result::Result<Bytes, E>> + Unpin,
        expected: &Sha256,
        limit: u64,
        length: Option<u64>,
    ) -> Result<u64> {
        let turn = timeout(TURN, self.uploads.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            let message = "other uploads are under way, all that there is room for: send it again in a minute";
            return Err(Error::Unavailable(message.to_owned()));
        };
        let part = PART.max(length.unwrap_or(limit).min(limit).div_ceil(PARTS));
        let mut sending = Sending {
            s3: self,
            path: self.path(expected),
            what: format!("store blob {expected}"),
            part: usize::try_from(part).unwrap_or(usize::MAX),
            parts: Open(None),
        };
        let outcome = sending.all(stream, expected, limit).await;
        if outcome.is_err() {
            sending.parts.abort().await;
        }
        outcome
    }
}

/// The parts of an upload that is not over; dropping it tells the store to forget them.
struct Open(Option<WriteMultipart>);

impl Open {
    async fn abort(&mut self) {
        if let Some(parts) = self.0.take() {
            forget(parts).await;
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let (Some(parts), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(forget(parts));
        }
    }
}

/// Parts of an upload that failed. Those that stay go by the bucket's own rule for such (docs/src/s3.md).
async fn forget(parts: WriteMultipart) {
    match timeout(ABORT, parts.abort()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!("the parts of a failed upload stay in the S3 store: {error}"),
        Err(_) => tracing::warn!("the parts of a failed upload stay in the S3 store: no answer"),
    }
}

struct Sending<'a> {
    s3: &'a S3,
    path: Path,
    what: String,
    /// Bytes.
    part: usize,
    parts: Open,
}

impl Sending<'_> {
    async fn all<E: std::fmt::Display>(
        &mut self,
        mut stream: impl Stream<Item = std::result::Result<Bytes, E>> + Unpin,
        expected: &Sha256,
        limit: u64,
    ) -> Result<u64> {
        let (mut hash, mut size) = (sha2::Sha256::new(), 0_u64);
        let mut waiting = PutPayloadMut::new();
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|e| Error::BadRequest(format!("the upload broke off: {e}; send it again")))?;
            size = size.saturating_add(piece.len() as u64);
            if size > limit {
                return Err(Error::TooLarge(format!(
                    "a blob may have {limit} bytes (the setting upload-limit), this one has more"
                )));
            }
            hash.update(&piece);
            if let Some(parts) = &mut self.parts.0 {
                let room = timeout(STEP, parts.wait_for_capacity(UNDER_WAY)).await;
                room.map_err(|_| self.s3.silent(&self.what, STEP))?
                    .map_err(|error| failure(&self.s3.name, &self.what, &error))?;
                parts.put(piece);
                continue;
            }
            waiting.push(piece);
            if waiting.content_length() >= self.part {
                self.begin(std::mem::take(&mut waiting).into()).await?;
            }
        }
        let digest: [u8; 32] = hash.finalize().into();
        let got = Sha256::from_digest(&digest);
        if got != *expected {
            return Err(Error::BadRequest(format!(
                "the blob was announced with sha256 {expected}, but its {size} bytes have {got}: nothing was stored, send it again"
            )));
        }
        let (what, path) = (self.what.clone(), self.path.clone());
        let ended = match self.parts.0.take() {
            None => timeout(FINISH, self.s3.writer.put(&path, waiting.into())).await.map(|put| put.map(drop)),
            // To its end, whoever leaves; it forgets the parts by itself when that fails.
            Some(parts) => match timeout(FINISH, tokio::spawn(parts.finish())).await {
                Ok(ended) => Ok(ended.map_err(Error::internal)?.map(drop)),
                Err(late) => Err(late),
            },
        };
        match ended {
            Ok(Ok(())) => Ok(size),
            Ok(Err(error)) => Err(failure(&self.s3.name, &what, &error).into()),
            Err(_) => Err(self.s3.silent(&what, FINISH).into()),
        }
    }

    /// An upload in parts, with what came so far.
    async fn begin(&mut self, first: PutPayload) -> Result<()> {
        let begun = timeout(STEP, self.s3.writer.put_multipart(&self.path)).await;
        let begun = begun
            .map_err(|_| self.s3.silent(&self.what, STEP))?
            .map_err(|error| failure(&self.s3.name, &self.what, &error))?;
        let mut parts = WriteMultipart::new_with_chunk_size(begun, self.part);
        first.into_iter().for_each(|piece| parts.put(piece));
        self.parts.0 = Some(parts);
        Ok(())
    }
}
