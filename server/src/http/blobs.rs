//! Blobs: public to read on the plain listener (agents verify the hash), uploaded over HTTPS. Memory is bounded: a
//! piece at a time, both ways.

use super::State;
use super::blob_answer::{self, ALWAYS, Asked, BlobAnswer};
use super::failure::{Answer, Failure};
use crate::domain::Sha256;
use crate::error::Error;
use crate::service;
use actix_web::body::{BodySize, MessageBody, SizedStream};
use actix_web::http::{Method, StatusCode, header};
use actix_web::web::{Bytes, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use std::convert::Infallible;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio_stream::StreamExt;

/// Bytes read at once.
const PIECE: u64 = 256 * 1024;
/// An upload that sends nothing for so long has broken off.
const SILENCE: Duration = Duration::from_secs(60);

/// GET and HEAD of the bytes.
pub async fn get(state: Data<State>, path: Path<String>, request: HttpRequest) -> Answer {
    let sha256: Sha256 = path.parse()?;
    let Some((file, size)) = state.blobs.open_blob(&sha256).await? else {
        return Err(Failure(Error::NotFound(format!("there is no blob {sha256}"))));
    };
    Ok(download(&request, &sha256, file, size))
}

/// HEAD of a blob that the server has and knows: uploading it is not necessary.
pub async fn recorded(state: Data<State>, path: Path<String>, request: HttpRequest) -> Answer {
    let sha256: Sha256 = path.parse()?;
    let known = service::blobs::size(&state.app, sha256.clone()).await?;
    match (known, state.blobs.open_blob(&sha256).await?) {
        (Some(known), Some((file, size))) if known == size => Ok(download(&request, &sha256, file, size)),
        _ => Err(Failure(Error::NotFound(format!("there is no blob {sha256}: upload it")))),
    }
}

/// PUT: streamed, idempotent, all or nothing.
pub async fn put(state: Data<State>, path: Path<String>, request: HttpRequest, body: Payload) -> Answer {
    let sha256: Sha256 = path.parse()?;
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|l| l.to_str().ok()?.parse::<u64>().ok());
    if let Some(length) = length.filter(|l| *l > state.upload_limit) {
        let limit = state.upload_limit;
        return Err(Failure(Error::TooLarge(format!(
            "a blob may have {limit} bytes (the setting upload-limit), this one has {length}"
        ))));
    }
    let pieces = body.timeout(SILENCE).map(|piece| match piece {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("nothing came for {} s", SILENCE.as_secs())),
    });
    let mut pieces = std::pin::pin!(pieces);
    // Until the record is there, the collector of unused blobs waits.
    let size = state.blobs.put(&mut pieces, &sha256, state.upload_limit).await?;
    let _arriving = state.blobs.arriving().await;
    // It may have been collected between the two lines above, when an older record of it was just forgotten.
    if state.blobs.open_blob(&sha256).await?.is_none() {
        return Err(Failure(Error::Unavailable("the blob was removed as unused meanwhile: send it again".to_owned())));
    }
    Ok(HttpResponse::Ok().json(service::blobs::record(&state.app, sha256, size).await?))
}

fn download(request: &HttpRequest, sha256: &Sha256, file: File, size: u64) -> HttpResponse {
    let text = |name| request.headers().get(name).and_then(|v| v.to_str().ok());
    let asked = Asked {
        is_head: request.method() == Method::HEAD,
        range: text(header::RANGE),
        if_range: text(header::IF_RANGE),
        if_none_match: text(header::IF_NONE_MATCH),
    };
    let BlobAnswer { status, headers, from, length, has_body } = blob_answer::answer(&asked, sha256, size);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = HttpResponse::build(status);
    for (name, value) in ALWAYS {
        answer.insert_header((name, value));
    }
    for (name, value) in headers {
        answer.insert_header((name, value));
    }
    match length {
        Some(length) if has_body => answer.body(SizedStream::new(length, read(file, from, length))),
        Some(length) => answer.body(OnlySize(length)),
        None => answer.finish(),
    }
}

/// A file's bytes, a piece at a time, read on threads that may block.
fn read(file: File, from: u64, length: u64) -> impl futures_util::Stream<Item = std::io::Result<Bytes>> {
    let start = (Arc::new(file), from, length);
    futures_util::stream::unfold(start, |(file, at, left)| async move {
        if left == 0 {
            return None;
        }
        let piece = left.min(PIECE);
        let source = file.clone();
        let bytes = crate::blob::blocking(move || {
            let mut bytes = vec![0; usize::try_from(piece).unwrap_or(0)];
            source.read_exact_at(&mut bytes, at)?;
            Ok(Bytes::from(bytes))
        });
        match bytes.await {
            Ok(bytes) => Some((Ok(bytes), (file, at + piece, left - piece))),
            Err(error) => {
                super::failure::log_internal(&error);
                Some((Err(std::io::Error::other(error)), (file, at, 0)))
            }
        }
    })
}

/// The answer to HEAD: the length of a body that does not come.
pub(super) struct OnlySize(pub u64);

impl MessageBody for OnlySize {
    type Error = Infallible;
    fn size(&self) -> BodySize {
        BodySize::Sized(self.0)
    }
    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(None)
    }
}
