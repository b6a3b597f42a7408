//! Blobs: public to read on the plain listener (agents verify the hash), uploaded over HTTPS. Memory is bounded: a
//! piece at a time, both ways.

use super::State;
use super::blob_answer::{self, ALWAYS, Asked, BlobAnswer, Piece};
use super::failure::{Answer, Failure};
use crate::blob::cache::Upstream;
use crate::blob::{Home, Reader};
use crate::domain::Sha256;
use crate::error::Error;
use crate::service;
use crate::service::delivery::{Busy, Download};
use actix_web::body::{BodySize, MessageBody, SizedStream};
use actix_web::http::{Method, StatusCode, header};
use actix_web::web::{Bytes, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError};
use futures_util::future::Either;
use futures_util::stream;
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio_stream::StreamExt;

/// Seconds, for what is not there now.
const RETRY_AFTER: &str = "2";
/// An upload that sends nothing for so long has broken off.
const SILENCE: Duration = Duration::from_secs(60);

/// GET and HEAD of the bytes.
pub async fn get(state: Data<State>, path: Path<String>, request: HttpRequest) -> Answer {
    serve(&state, &request, path.parse()?).await
}

/// A blob that is known to be meant.
pub(super) async fn serve(state: &Data<State>, request: &HttpRequest, sha256: Sha256) -> Answer {
    let (app, cache) = (&state.app, state.cache.as_ref());
    if request.method() == Method::HEAD {
        return match service::blobs::look(app, &state.blobs, cache, &sha256).await {
            Ok(size) => Ok(head(request, &sha256, size)),
            Err(error) => again(error),
        };
    }
    match service::blobs::open(app, &state.blobs, cache, &sha256).await {
        Ok(reader) => Ok(download(state, request, &sha256, reader)),
        Err(error) => again(error),
    }
}

/// What is not there now may be there in a moment.
fn again(error: Error) -> Answer {
    let failure = Failure(error);
    if !matches!(failure.0, Error::Unavailable(_)) {
        return Err(failure);
    }
    let mut answer = failure.error_response();
    answer.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static(RETRY_AFTER));
    Ok(answer)
}

/// HEAD of a blob that the server has (or its upstream) and knows: uploading it is not necessary.
pub async fn recorded(state: Data<State>, path: Path<String>, request: HttpRequest) -> Answer {
    let sha256: Sha256 = path.parse()?;
    let missing = || Failure(Error::NotFound(format!("there is no blob {sha256}: upload it")));
    let known = service::blobs::wanted(&state.app, sha256.clone()).await?.ok_or_else(missing)?;
    // What only this server's cache has is lost to the others.
    let shared = matches!(state.home, Home::Store(_)) && state.blobs.open_blob(&sha256).await?.is_none();
    let looked = match state.cache.as_ref().filter(|_| shared) {
        Some(cache) => cache.check(&sha256, known).await.map(|()| known),
        None => service::blobs::look(&state.app, &state.blobs, state.cache.as_ref(), &sha256).await,
    };
    let looked = match (looked, &state.home) {
        // One of another size there is sent again, and whole then.
        (Err(Error::Unavailable(_)), Home::Store(store)) if shared => store.size(&sha256).await.map_err(Error::from),
        (looked, _) => looked,
    };
    match looked {
        Ok(size) if size == known => Ok(head(&request, &sha256, size)),
        Ok(_) | Err(Error::NotFound(_)) => Err(missing()),
        Err(error) => Err(Failure(error)),
    }
}

/// PUT: streamed, idempotent, all or nothing.
pub async fn put(state: Data<State>, path: Path<String>, request: HttpRequest, body: Payload) -> Answer {
    let sha256: Sha256 = path.parse()?;
    if let Home::Servers(upstreams) = &state.home {
        let upstreams = upstreams.join(" or ");
        return Err(Failure(Error::Conflict(format!(
            "this server keeps no blobs (its setting blob-upstream is {upstreams}): upload to the server there"
        ))));
    }
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
    if let Home::Store(store) = &state.home {
        let limit = state.upload_limit;
        let blob = service::shared_blobs::store(&state.app, store, &mut pieces, &sha256, limit, length).await;
        return Ok(HttpResponse::Ok().json(blob?));
    }
    // Until the record is there, the collector of unused blobs waits.
    let size = state.blobs.put(&mut pieces, &sha256, state.upload_limit).await?;
    let _arriving = state.blobs.arriving().await;
    // It may have been collected between the two lines above, when an older record of it was just forgotten.
    if state.blobs.open_blob(&sha256).await?.is_none() {
        return Err(Failure(Error::Unavailable("the blob was removed as unused meanwhile: send it again".to_owned())));
    }
    Ok(HttpResponse::Ok().json(service::blobs::record(&state.app, sha256, size).await?))
}

/// An answer, and what it begins with.
fn begin(request: &HttpRequest, sha256: &Sha256, size: u64) -> (HttpResponseBuilder, BlobAnswer) {
    let text = |name| request.headers().get(name).and_then(|v| v.to_str().ok());
    let asked = Asked {
        is_head: request.method() == Method::HEAD,
        range: text(header::RANGE),
        if_range: text(header::IF_RANGE),
        if_none_match: text(header::IF_NONE_MATCH),
    };
    let whole = blob_answer::answer(&asked, sha256, size);
    let status = StatusCode::from_u16(whole.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = HttpResponse::build(status);
    for (name, value) in ALWAYS {
        answer.insert_header((name, value));
    }
    for (name, value) in &whole.headers {
        answer.insert_header((*name, value.as_str()));
    }
    (answer, whole)
}

fn busy(retry_after: u64) -> HttpResponse {
    let mut answer = HttpResponse::ServiceUnavailable();
    for (name, value) in blob_answer::busy(retry_after).headers {
        answer.insert_header((name, value));
    }
    answer.finish()
}

fn head(request: &HttpRequest, sha256: &Sha256, size: u64) -> HttpResponse {
    match begin(request, sha256, size) {
        (mut answer, BlobAnswer { length: Some(length), status: 200 | 206, .. }) => answer.body(OnlySize(length)),
        (mut answer, _) => answer.finish(),
    }
}

fn download(state: &State, request: &HttpRequest, sha256: &Sha256, reader: Reader) -> HttpResponse {
    let (mut answer, whole) = begin(request, sha256, reader.size());
    let (true, Some(length)) = (whole.has_body, whole.length) else { return answer.finish() };
    let client = request.peer_addr().map_or(IpAddr::from([0; 4]), |peer| peer.ip());
    let download = match state.deliveries.begin(client, sha256, reader.size(), whole.blob_bytes()) {
        Ok(download) => Arc::new(download),
        Err(Busy { retry_after }) => return busy(retry_after),
    };
    let pieces = stream::iter(whole.pieces);
    let body = futures_util::StreamExt::flat_map(pieces, move |piece| match piece {
        Piece::Text(text) => Either::Left(stream::iter([Ok(Bytes::from(text))])),
        Piece::Blob(from, length) => {
            let download = download.clone();
            Either::Right(reader.clone().pieces(from, length).then(move |piece| paced(download.clone(), piece)))
        }
    });
    // An error cuts the connection: fewer bytes than were announced.
    answer.body(SizedStream::new(length, body))
}

/// Some bytes, when it is their turn.
async fn paced(download: Arc<Download>, piece: Result<Bytes, Error>) -> std::io::Result<Bytes> {
    let bytes = piece.map_err(|error| {
        super::failure::log_internal(&error);
        std::io::Error::other(error)
    })?;
    download.take(bytes.len() as u64).await?;
    download.sent(bytes.len() as u64);
    Ok(bytes)
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
