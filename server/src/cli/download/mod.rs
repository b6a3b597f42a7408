//! Files from the web for the command line: fetched into the person's cache, gone on with after a broken connection or
//! an interrupted command, checked against their SHA-256. A file under its final name is whole. Secrets of an address
//! are never shown. Not for the API and not for registries: those have clients of their own; what comes of layers is kept in
//! the same folder, though.

mod address;
mod folder;
mod request;
#[cfg(test)]
mod tests;

pub use address::{Address, hash};
pub use folder::Folder;

use super::error::{Failure, Result};
use super::progress::Progress;
use super::{interrupt, output, upload};
use folder::{Marks, Place};
use request::{Asking, Ended, unavailable};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

/// So many bytes more make a connection a good one, whatever came before.
const GOOD: u64 = 1 << 20;
/// Fewer bytes than this within the time of one wait are none.
const STALLED: u64 = 64 << 10;
/// Whatever a server says.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How patient a download is.
#[derive(Debug, Clone)]
pub struct Limits {
    /// So often without getting further.
    pub tries: u32,
    /// Before the second try; doubles each time.
    pub pause: Duration,
    /// For the next bytes.
    pub read: Duration,
    /// For another command that downloads the same.
    pub wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { tries: 6, pause: Duration::from_secs(1), read: Duration::from_secs(60), wait: Duration::from_secs(3600) }
    }
}

/// A file in the cache, that no one changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Where it is.
    pub path: PathBuf,
    /// Of its content.
    pub sha256: String,
}

/// Fetch a file, unless the folder has it and it is still what the server has.
///
/// # Errors
/// The server refuses, breaks off again and again, or sends something else; there is no room.
pub fn fetch(address: &Address, folder: &Folder, limits: &Limits, progress: &Progress) -> Result<Fetched> {
    folder.tidy(std::time::SystemTime::now());
    let place = folder.place(&address.key(), limits.wait, || {
        progress.line(&format!("waiting for another command that downloads {address}"));
    })?;
    let there = |sha256: &str| Some(Fetched { path: place.whole(sha256)?, sha256: sha256.to_owned() });
    if let Some(fetched) = address.sha256.as_deref().and_then(there) {
        progress.line(&format!("{address} was downloaded before"));
        return Ok(fetched);
    }
    let marks = place.marks();
    let known = match (&address.sha256, &marks.sha256) {
        (None, Some(sha256)) => there(sha256),
        _ => None,
    };
    let agent = agent(address, limits)?;
    let asking = Asking { agent: &agent, address, folder, place: &place, limits, progress };
    let mut resumed = place.part_size() > 0;
    // Once: a hash that is wrong is not made right by asking for ever.
    let mut again = false;
    loop {
        if let (Ended::Same, Some(known)) = (whole(&asking, known.as_ref().map(|_| &marks), &mut resumed)?, &known) {
            progress.line(&format!("{address} was downloaded before, and is the same: sha256 {}", known.sha256));
            return Ok(known.clone());
        }
        match finish(address, &place, resumed && !again, progress)? {
            Some(fetched) => return Ok(fetched),
            None => {
                progress.line(&format!("{address}: what was there is of another file; all of it again"));
                (resumed, again) = (false, true);
            }
        }
    }
}

/// Until it is whole.
fn whole(asking: &Asking, known: Option<&Marks>, resumed: &mut bool) -> Result<Ended> {
    let Asking { address, place, limits, progress, .. } = asking;
    progress.line(&format!("downloading {address}"));
    let mut tried = 0;
    // The most that was ever there: beginning again and again is no getting further.
    let mut furthest = place.part_size();
    loop {
        let (why, after) = match asking.run(known)? {
            Ended::Again(why, after) => (why, after),
            ended => return Ok(ended),
        };
        let now = place.part_size();
        *resumed |= now > 0;
        if now >= furthest.saturating_add(GOOD) {
            (tried, furthest) = (1, now);
        } else {
            tried += 1;
        }
        if tried >= limits.tries {
            return Err(unavailable(format!(
                "could not download {address}: {why}, {tried} times without getting further; what came is kept: run it again"
            )));
        }
        let pause = limits.pause.saturating_mul(1 << (tried - 1).min(16));
        let pause = after.unwrap_or(pause).min(LONGEST_PAUSE);
        progress.line(&format!("{address}: {why}; again in {:.1} s", pause.as_secs_f64()));
        rest(pause)?;
    }
}

/// None: it began with bytes of another file.
fn finish(address: &Address, place: &Place, resumed: bool, progress: &Progress) -> Result<Option<Fetched>> {
    let (sha256, size) = upload::hash(&place.part())?;
    if let Some(expected) = address.sha256.as_ref().filter(|expected| **expected != sha256) {
        place.forget_part();
        if resumed {
            return Ok(None);
        }
        return Err(Failure::usage(format!(
            "expected sha256 {expected} from {address}, what came ({}) has {sha256}: is the SHA-256 of this file, or was it changed?",
            output::size(size)
        )));
    }
    let path = place.finish(&place.part_marks(), &sha256)?;
    progress.line(&format!("{address}: {}, sha256 {sha256}", output::size(size)));
    Ok(Some(Fetched { path, sha256 }))
}

fn rest(pause: Duration) -> Result<()> {
    let started = Instant::now();
    while started.elapsed() < pause {
        if interrupt::requested() {
            return Err(Failure::failed("interrupted"));
        }
        std::thread::sleep(Duration::from_millis(100).min(pause.saturating_sub(started.elapsed())));
    }
    Ok(())
}

/// Trusts what this machine trusts, through the proxy of its environment (`https_proxy`).
fn agent(address: &Address, limits: &Limits) -> Result<ureq::Agent> {
    let trusted = match higuma_oci::trusted_certificates() {
        Ok(trusted) => trusted,
        // It may never be needed.
        Err(_) if address.is_plain() => Vec::new(),
        Err(error) => return Err(Failure::usage(error.to_string())),
    };
    let trusted: Vec<Certificate<'static>> = trusted.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::new_with_certs(&trusted))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .user_agent(concat!("higuma/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(Some(limits.read))
        .timeout_connect(Some(limits.read))
        .timeout_per_read(Some(limits.read))
        .timeout_per_write(Some(limits.read))
        .timeout_recv_response(Some(limits.read))
        .tls_config(tls)
        .build();
    Ok(config.into())
}
