//! Blobs in a bucket of an S3 store (Ceph RGW, MinIO, AWS and others), which several servers may share: an upstream of the cache,
//! and where uploads go. A blob's object is `PREFIX/ab/abcdef...`, as in a folder. An object is written whole, of bytes with the right
//! sha256, or not at all. What comes from the store is verified by the cache; who may remove what is the caller's to know.

mod connect;
mod credentials;
mod failure;
mod put;

pub use credentials::Credentials;

use super::cache::{Body, Failure, Reason, Upstream};
use crate::domain::Sha256;
use crate::error::{Error, Result};
use failure::failure;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{BackoffConfig, GetOptions, GetRange, ObjectStore, ObjectStoreExt, RetryConfig};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Answers about one object: its removal, a page of the list.
const ANSWER: Duration = Duration::from_secs(60);
/// Uploads at the same time: each holds some parts in memory.
const UPLOADS: usize = 4;
/// Objects that are looked at for one list of old ones.
const LISTED: usize = 100_000;

/// Where blobs are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `http://HOST:PORT` or `https://HOST:PORT`.
    pub endpoint: String,
    /// Name of the bucket, which is part of the path, not of the host.
    pub bucket: String,
    /// Folders before the blobs, without slashes at both ends; empty: none.
    pub prefix: String,
    /// For signatures.
    pub region: String,
}

/// A handle on the bucket; cheap to clone.
#[derive(Debug, Clone)]
pub struct S3 {
    /// Tried once: the cache tries again by itself, from where it was.
    reader: Arc<AmazonS3>,
    /// Tries again.
    writer: Arc<AmazonS3>,
    name: Arc<str>,
    prefix: Arc<str>,
    uploads: Arc<Semaphore>,
}

impl S3 {
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// When this machine trusts no certificates, or the place is none.
    pub fn open(place: &Place, credentials: Credentials) -> Result<Self> {
        let (credentials, plain) = (Arc::new(credentials), place.endpoint.starts_with("http://"));
        let connector = connect::Connector::new(plain)?;
        let open = |retries| {
            AmazonS3Builder::new()
                .with_endpoint(&place.endpoint)
                .with_bucket_name(&place.bucket)
                .with_region(&place.region)
                .with_virtual_hosted_style_request(false)
                .with_allow_http(plain)
                .with_credentials(credentials.clone())
                .with_http_connector(connector.clone())
                .with_retry(RetryConfig {
                    backoff: BackoffConfig {
                        init_backoff: Duration::from_millis(200),
                        max_backoff: Duration::from_secs(5),
                        base: 2.0,
                    },
                    max_retries: retries,
                    retry_timeout: Duration::from_secs(120),
                })
                .build()
                .map(Arc::new)
                .map_err(Error::internal)
        };
        let Place { endpoint, bucket, prefix, .. } = place;
        let name = [endpoint.as_str(), bucket, prefix].into_iter().filter(|part| !part.is_empty());
        Ok(Self {
            reader: open(0)?,
            writer: open(8)?,
            name: name.collect::<Vec<_>>().join("/").into(),
            prefix: prefix.as_str().into(),
            uploads: Arc::new(Semaphore::new(UPLOADS)),
        })
    }

    /// Where it is, for messages.
    pub fn address(&self) -> &str {
        &self.name
    }

    fn path(&self, sha256: &Sha256) -> Path {
        let sha256 = sha256.as_str();
        Path::from_iter(self.prefix.split('/').filter(|part| !part.is_empty()).chain([&sha256[..2], sha256]))
    }

    fn silent(&self, what: &str, limit: Duration) -> Failure {
        Failure::new(Reason::Silent, format!("{}: could not {what}: no answer for {} s", self.name, limit.as_secs()))
    }

    /// Remove a blob's object; that there is none is no error.
    ///
    /// # Errors
    /// What the store says; only after [`Reason::Refused`] it is sure that it stays.
    pub async fn remove(&self, sha256: &Sha256) -> std::result::Result<(), Failure> {
        let (what, path) = (format!("remove blob {sha256}"), self.path(sha256));
        match timeout(ANSWER, self.writer.delete(&path)).await {
            Ok(Ok(()) | Err(object_store::Error::NotFound { .. })) => Ok(()),
            Ok(Err(error)) => Err(failure(&self.name, &what, &error)),
            Err(_) => Err(self.silent(&what, ANSWER)),
        }
    }

    /// Blobs whose objects were written longer than `age` ago; of a very large bucket not all.
    ///
    /// # Errors
    /// `Unavailable`, with what the store says.
    pub async fn older(&self, age: Duration) -> Result<Vec<Sha256>> {
        let before = SystemTime::now().checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH);
        let prefix = Path::from(self.prefix.as_ref());
        let mut listed = self.writer.list((!self.prefix.is_empty()).then_some(&prefix)).take(LISTED);
        let mut found = Vec::new();
        loop {
            let object = match timeout(ANSWER, listed.next()).await {
                Ok(None) => return Ok(found),
                Ok(Some(Ok(object))) => object,
                Ok(Some(Err(error))) => return Err(failure(&self.name, "list the bucket", &error).into()),
                Err(_) => return Err(self.silent("list the bucket", ANSWER).into()),
            };
            let sha256 = object.location.filename().and_then(|name| name.parse::<Sha256>().ok());
            // Others may keep things there that are no blobs.
            let Some(sha256) = sha256.filter(|sha256| self.path(sha256) == object.location) else { continue };
            if SystemTime::from(object.last_modified) < before {
                found.push(sha256);
            }
        }
    }
}

impl Upstream for S3 {
    fn name(&self) -> &str {
        &self.name
    }

    fn size<'a>(&'a self, sha256: &'a Sha256) -> BoxFuture<'a, std::result::Result<u64, Failure>> {
        Box::pin(async move {
            let found = self.reader.head(&self.path(sha256)).await;
            found
                .map(|meta| meta.size)
                .map_err(|error| failure(&self.name, &format!("ask for the size of blob {sha256}"), &error))
        })
    }

    fn read<'a>(&'a self, sha256: &'a Sha256, from: u64) -> BoxFuture<'a, std::result::Result<Body, Failure>> {
        Box::pin(async move {
            let what = format!("read blob {sha256}");
            let range = (from > 0).then_some(GetRange::Offset(from));
            let options = GetOptions { range, ..GetOptions::default() };
            let got = self.reader.get_opts(&self.path(sha256), options).await;
            let got = got.map_err(|error| failure(&self.name, &what, &error))?;
            if got.range.start != from {
                let (name, start) = (&self.name, got.range.start);
                let message = format!("{name}: expected blob {sha256} from byte {from}, got it from byte {start}");
                return Err(Failure::new(Reason::Refused, message));
            }
            let (size, name) = (got.meta.size, self.name.clone());
            let bytes = got.into_stream().map(move |piece| {
                piece.map_err(|error| Failure::new(Reason::BrokeOff, failure(&name, &what, &error).message))
            });
            Ok(Body { size, bytes: bytes.boxed() })
        })
    }

    /// Asks for an object that is not there: so the answer also tells of the bucket and of the keys.
    fn check(&self) -> BoxFuture<'_, std::result::Result<(), Failure>> {
        Box::pin(async move {
            let nothing = Sha256::of("higuma: is the store there?");
            let Err(error) = self.reader.get_opts(&self.path(&nothing), GetOptions::default()).await else {
                return Ok(());
            };
            let failure = failure(&self.name, "reach the store", &error);
            if failure.reason == Reason::NotFound { Ok(()) } else { Err(failure) }
        })
    }
}

/// An error of ours, in words for the log: those of its cause too.
fn words(error: &Error) -> String {
    match error {
        Error::Internal(source) => source.to_string(),
        other => other.to_string(),
    }
}
