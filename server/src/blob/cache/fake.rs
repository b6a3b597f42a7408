#![allow(clippy::unwrap_used)]
//! An upstream of the tests: it has blobs, answers as it is told to, and counts what it is asked.

use super::{Body, Cache, Failure, Reason, Upstream};
use crate::blob::Reader;
use crate::domain::Sha256;
use crate::error::Result;
use actix_web::web::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt};
use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

type Told<T> = std::result::Result<T, Failure>;

/// How one question is answered; in order.
#[derive(Debug, Clone)]
pub enum Act {
    Fail(Reason),
    /// Says this size, sends what it has.
    Size(u64),
    /// Other bytes.
    Bytes(Vec<u8>),
    /// The connection breaks before this byte.
    CutAt(usize),
    /// It ends without a word before this byte.
    EndAt(usize),
    /// No byte from this one on.
    SilentAt(usize),
}

#[derive(Debug, Default)]
pub struct Fake {
    name: String,
    blobs: Mutex<HashMap<Sha256, Vec<u8>>>,
    acts: Mutex<VecDeque<Act>>,
    /// From which byte it was asked, each time.
    pub asked: Mutex<Vec<u64>>,
    /// When it is there, each chunk takes a permit.
    pub gate: Option<Arc<Semaphore>>,
}

/// Bytes of one chunk.
pub const CHUNK: usize = 64 * 1024;

impl Fake {
    pub fn new(name: &str, blobs: &[&[u8]], acts: &[Act]) -> Self {
        let blobs = blobs.iter().map(|bytes| (Sha256::of(bytes), bytes.to_vec())).collect();
        let (blobs, acts) = (Mutex::new(blobs), Mutex::new(acts.iter().cloned().collect()));
        Self { name: name.to_owned(), blobs, acts, ..Self::default() }
    }

    pub fn asked(&self) -> Vec<u64> {
        self.asked.lock().unwrap().clone()
    }
}

impl Upstream for Fake {
    fn name(&self) -> &str {
        &self.name
    }

    fn size<'a>(&'a self, sha256: &'a Sha256) -> BoxFuture<'a, Told<u64>> {
        let size = self.blobs.lock().unwrap().get(sha256).map(|bytes| bytes.len() as u64);
        let acted = self.acts.lock().unwrap().pop_front();
        Box::pin(async move {
            match acted {
                Some(Act::Fail(reason)) => Err(Failure::new(reason, format!("{}: failed", self.name))),
                Some(Act::Size(size)) => Ok(size),
                _ => size.ok_or_else(|| Failure::new(Reason::NotFound, format!("{} has no such blob", self.name))),
            }
        })
    }

    fn read<'a>(&'a self, sha256: &'a Sha256, from: u64) -> BoxFuture<'a, Told<Body>> {
        self.asked.lock().unwrap().push(from);
        let mut bytes = self.blobs.lock().unwrap().get(sha256).cloned().unwrap_or_default();
        let missing = !self.blobs.lock().unwrap().contains_key(sha256);
        let act = self.acts.lock().unwrap().pop_front();
        let mut size = bytes.len() as u64;
        let mut last: Option<Told<Bytes>> = None;
        let mut silent = false;
        match act {
            _ if missing => {
                let failure = Failure::new(Reason::NotFound, format!("{} has no such blob", self.name));
                return Box::pin(async { Err(failure) });
            }
            Some(Act::Fail(reason)) => {
                let failure = Failure::new(reason, format!("{}: failed", self.name));
                return Box::pin(async { Err(failure) });
            }
            Some(Act::Size(told)) => size = told,
            Some(Act::Bytes(other)) => bytes = other,
            Some(Act::CutAt(at)) => {
                bytes.truncate(at);
                last = Some(Err(Failure::new(Reason::BrokeOff, format!("{}: connection reset", self.name))));
            }
            Some(Act::EndAt(at)) => bytes.truncate(at),
            Some(Act::SilentAt(at)) => {
                bytes.truncate(at);
                silent = true;
            }
            None => {}
        }
        let rest = bytes.get(usize::try_from(from).unwrap()..).unwrap_or_default().to_vec();
        let chunks: Vec<Told<Bytes>> =
            rest.chunks(CHUNK).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).chain(last).collect();
        let gate = self.gate.clone();
        let chunks = futures_util::stream::iter(chunks).then(move |chunk| {
            let gate = gate.clone();
            async move {
                if let Some(gate) = gate {
                    gate.acquire().await.unwrap().forget();
                }
                chunk
            }
        });
        let bytes = match silent {
            true => chunks.chain(futures_util::stream::pending()).boxed(),
            false => chunks.boxed(),
        };
        Box::pin(async move { Ok(Body { size, bytes }) })
    }

    fn check(&self) -> BoxFuture<'_, Told<()>> {
        let acted = self.acts.lock().unwrap().pop_front();
        Box::pin(async move {
            match acted {
                Some(Act::Fail(reason)) => Err(Failure::new(reason, format!("{}: failed", self.name))),
                _ => Ok(()),
            }
        })
    }
}

/// A cache over these.
pub fn cache(dir: &Path, limit: u64, upstreams: &[&Arc<Fake>]) -> Cache {
    let upstreams = upstreams.iter().map(|fake| Arc::clone(fake) as Arc<dyn Upstream>).collect();
    Cache::open(dir, limit, upstreams, CancellationToken::new()).unwrap()
}

/// Bytes that differ from piece to piece.
pub fn blob(seed: u8, size: usize) -> Vec<u8> {
    (0..size).map(|n| (n as u32).wrapping_mul(2_654_435_761).to_le_bytes()[3] ^ seed).collect()
}

/// All of these bytes, or the error; never more memory than them.
pub async fn bytes(reader: Reader, from: u64, length: u64) -> Result<Vec<u8>> {
    let pieces = reader.pieces(from, length);
    pieces
        .try_fold(Vec::new(), |mut all, piece| async move {
            all.extend_from_slice(&piece);
            Ok(all)
        })
        .await
}

/// How a fetch ended; ended already counts.
pub async fn ended(cache: &Cache, sha256: &Sha256) -> Told<()> {
    let arriving = cache.0.index().arriving(sha256);
    match arriving {
        Some(arriving) => arriving.end().await,
        None => Ok(()),
    }
}

/// Files under a folder.
pub fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path.file_name().unwrap().to_string_lossy().into_owned()),
        }
    }
    found.sort();
    found
}
