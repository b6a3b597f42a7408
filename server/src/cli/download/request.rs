//! One request for a file or the rest of it, into the part that is there. Decides from the answer whether it is whole,
//! the same as before, or to be asked for again; never takes bytes of one version behind those of another.

use super::address::Address;
use super::folder::{Folder, Marks, Place};
use super::{Limits, STALLED};
use crate::cli::error::{Exit, Failure, Result, chain};
use crate::cli::interrupt;
use crate::cli::output;
use crate::cli::progress::Progress;
use std::fs::File;
use std::io::{Read, Write};
use std::time::{Duration, Instant};
use ureq::http::{HeaderMap, Response};

const MOST_REDIRECTS: usize = 10;
/// Nothing that is booted from memory is larger, bytes.
const LARGEST: u64 = 1 << 40;
const BUFFER: usize = 256 << 10;

/// How a request ended that may be made again.
#[derive(Debug)]
pub enum Ended {
    /// The part is the whole.
    Whole,
    /// It is what the last whole file is.
    Same,
    /// Why, and when the server says so after what time.
    Again(String, Option<Duration>),
}

fn again<T>(why: impl Into<String>) -> std::result::Result<T, Ended> {
    Err(Ended::Again(why.into(), None))
}

/// See the module.
pub struct Asking<'a> {
    pub agent: &'a ureq::Agent,
    pub address: &'a Address,
    pub folder: &'a Folder,
    pub place: &'a Place,
    pub limits: &'a Limits,
    pub progress: &'a Progress,
}

/// Failures end it for good.
enum Stop {
    Failure(Failure),
    Ended(Ended),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Ended> for Stop {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}

impl Asking<'_> {
    /// Ask. `known`: of the last whole file, which need not be sent again.
    ///
    /// # Errors
    /// What does not get better by asking again.
    pub fn run(&self, known: Option<&Marks>) -> Result<Ended> {
        match self.ask(known) {
            Ok(()) => Ok(Ended::Whole),
            Err(Stop::Ended(ended)) => Ok(ended),
            Err(Stop::Failure(failure)) => Err(failure),
        }
    }

    fn ask(&self, known: Option<&Marks>) -> std::result::Result<(), Stop> {
        let mut marks = self.place.part_marks();
        // Without a mark of its version, a part is only safe when the whole is checked.
        let safe = marks.validator().is_some() || self.address.sha256.is_some();
        let mut have = self.place.part_size();
        if have > 0 && !safe {
            self.place.forget_part();
            (have, marks) = (0, Marks::default());
        }
        if have > 0 && marks.size == Some(have) {
            return Ok(());
        }
        let mut answer = self.follow(have, &marks, known.filter(|_| have == 0))?;
        let total = match answer.status().as_u16() {
            206 if have > 0 => match self.goes_on(answer.headers(), have, &marks) {
                Ok(total) => total,
                Err(why) => {
                    self.place.forget_part();
                    return Ok(again(why)?);
                }
            },
            206 | 416 if have > 0 => {
                self.place.forget_part();
                return Ok(again("the server has no such rest of the file")?);
            }
            200 => {
                if have > 0 {
                    self.progress.line(&format!("{} is another file now, or comes as a whole only", self.address));
                }
                if have > 0 {
                    // Before the new marks are written: bytes of one file never stand under the marks of another.
                    self.place.forget_part();
                    have = 0;
                }
                let total = number(answer.headers(), "content-length");
                marks = Marks { size: total, ..marks_of(answer.headers()) };
                total
            }
            304 if known.is_some() => return Err(Ended::Same.into()),
            code => return Err(self.refused(code, answer.headers())),
        };
        self.fits(total, have)?;
        let chunked = answer.headers().get("transfer-encoding").is_some();
        if total.is_none() && !chunked && self.address.sha256.is_none() {
            return Err(Failure::failed(format!(
                "expected {} with its length, the server does not tell it, so its end cannot be told: give its SHA-256 as #sha256=HEX",
                self.address
            ))
            .into());
        }
        self.place.mark_part(&Marks { size: total, ..marks })?;
        self.take(answer.body_mut().as_reader(), have, total)
    }

    /// Sends it, and again to where it leads.
    fn follow(
        &self,
        have: u64,
        marks: &Marks,
        known: Option<&Marks>,
    ) -> std::result::Result<Response<ureq::Body>, Stop> {
        let mut to = self.address.clone();
        for _ in 0..=MOST_REDIRECTS {
            // Compression on the way would make ranges and lengths those of something else.
            let mut request = self.agent.get(to.url()).header("accept-encoding", "identity");
            if let Some(authorization) = to.authorization() {
                request = request.header("authorization", authorization);
            }
            if have > 0 {
                request = request.header("range", format!("bytes={have}-"));
                if let Some(validator) = marks.validator() {
                    request = request.header("if-range", validator);
                }
            }
            if let Some(known) = known {
                let condition = known.etag.as_ref().map(|etag| ("if-none-match", etag));
                let condition = condition.or(known.modified.as_ref().map(|at| ("if-modified-since", at)));
                if let Some((name, value)) = condition {
                    request = request.header(name, value);
                }
            }
            let answer = request.call().map_err(|e| self.broken(&to, &e))?;
            if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            let location = answer.headers().get("location").and_then(|l| l.to_str().ok());
            let location = location.ok_or_else(|| {
                Failure::failed(format!("expected an address from {to}, its answer {} has none", answer.status()))
            })?;
            to = to.redirected(location)?;
        }
        Err(Failure::failed(format!(
            "{} leads from one address to the next, more than {MOST_REDIRECTS} times",
            self.address
        ))
        .into())
    }

    /// The size of the whole, when an answer to a range is what comes after what we have.
    fn goes_on(&self, headers: &HeaderMap, have: u64, marks: &Marks) -> std::result::Result<Option<u64>, String> {
        let (first, whole) = range(headers).ok_or("the server does not tell which range it sends")?;
        if first != have {
            return Err(format!("the server sends from byte {first} on, asked for from {have} on"));
        }
        let whole = whole.or_else(|| number(headers, "content-length")?.checked_add(have));
        let now = marks_of(headers);
        let other = |old: &Option<String>, now: &Option<String>| old.is_some() && now.is_some() && old != now;
        let other = other(&marks.etag, &now.etag) || other(&marks.modified, &now.modified);
        match other || (marks.size.is_some() && marks.size != whole) {
            true => Err("the file has changed".to_owned()),
            false => Ok(whole),
        }
    }

    fn fits(&self, total: Option<u64>, have: u64) -> Result<()> {
        let Some(total) = total else { return Ok(()) };
        if total > LARGEST {
            return Err(Failure::usage(format!(
                "expected at most {}, {} has {}",
                output::size(LARGEST),
                self.address,
                output::size(total)
            )));
        }
        match self.folder.room() {
            Some(room) if room < total.saturating_sub(have) => Err(self.no_room(Some(total), have, room)),
            _ => Ok(()),
        }
    }

    fn no_room(&self, total: Option<u64>, have: u64, room: u64) -> Failure {
        self.place.forget_part();
        let of =
            total.map_or_else(|| "its length is not known".into(), |total| format!("it has {}", output::size(total)));
        Failure::failed(format!(
            "no room for {} in {}: {of}, {} of it were there and {} were free; make room, or set XDG_CACHE_HOME to a \
             folder on a larger disk",
            self.address,
            self.folder.path().display(),
            output::size(have),
            output::size(room)
        ))
    }

    /// The bytes of an answer behind the first `have`.
    fn take(&self, mut body: impl Read, mut have: u64, total: Option<u64>) -> std::result::Result<(), Stop> {
        let path = self.place.part();
        let mut file =
            File::options().create(true).truncate(false).write(true).open(&path).map_err(Failure::io("open", &path))?;
        file.set_len(have).map_err(Failure::io("shorten", &path))?;
        std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0)).map_err(Failure::io("write", &path))?;
        let mut bytes = self.progress.bytes("downloading", total.unwrap_or(0)).from(have);
        let mut buffer = vec![0; BUFFER];
        let (mut since, mut moved) = (Instant::now(), 0);
        loop {
            let n = match body.read(&mut buffer) {
                Ok(n) => n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Ok(again(format!("broke off after {have} bytes: {e}"))?),
            };
            if n == 0 {
                break;
            }
            if have.saturating_add(n as u64) > LARGEST {
                self.place.forget_part();
                return Err(
                    Failure::usage(format!("{} does not end within {}", self.address, output::size(LARGEST))).into()
                );
            }
            file.write_all(buffer.get(..n).unwrap_or_default()).map_err(|e| match e.kind() {
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => self.no_room(total, have, 0),
                _ => Failure::io("write", &path)(e),
            })?;
            have += n as u64;
            bytes.add(n as u64);
            moved += n as u64;
            if interrupt::requested() {
                return Err(Failure::failed("interrupted").into());
            }
            if since.elapsed() > self.limits.read {
                if moved < STALLED {
                    return Ok(again(format!("only {moved} bytes came in {} s", since.elapsed().as_secs()))?);
                }
                (since, moved) = (Instant::now(), 0);
            }
        }
        match total {
            Some(total) if have < total => Ok(again(format!("ended after {have} of {total} bytes"))?),
            _ => {
                bytes.end();
                Ok(())
            }
        }
    }

    fn broken(&self, to: &Address, error: &ureq::Error) -> Stop {
        let text = chain(error);
        let unsure = match error {
            ureq::Error::Tls(_) | ureq::Error::Rustls(_) => true,
            ureq::Error::Io(e) => e.kind() == std::io::ErrorKind::InvalidData,
            _ => false,
        };
        let why = match unsure {
            true => "; is its certificate of an authority that this machine trusts? SSL_CERT_FILE names others",
            false => "",
        };
        let lasting = unsure || matches!(error, ureq::Error::HostNotFound | ureq::Error::BadUri(_));
        match lasting && self.place.part_size() == 0 {
            true => unavailable(format!("could not talk to {to}: {text}{why}")).into(),
            false => Ended::Again(text, None).into(),
        }
    }

    fn refused(&self, code: u16, headers: &HeaderMap) -> Stop {
        let told = format!("{} answers with HTTP status {code}", self.address);
        match code {
            401 | 403 | 407 => Failure {
                exit: Exit::Unauthorised,
                message: format!("{told}: give a name and a password as https://NAME:PASSWORD@HOST/PATH"),
            }
            .into(),
            404 | 410 => Failure::not_found(format!("{told}: there is no such file")).into(),
            408 | 425 | 429 | 500..=599 => {
                let after = number(headers, "retry-after").map(Duration::from_secs);
                Ended::Again(format!("HTTP status {code}"), after).into()
            }
            _ => Failure::failed(told).into(),
        }
    }
}

pub fn unavailable(message: String) -> Failure {
    Failure { exit: Exit::Unavailable, message }
}

fn marks_of(headers: &HeaderMap) -> Marks {
    let text = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned()).filter(|value| value.len() < 1024);
    Marks { etag: text("etag"), modified: text("last-modified"), size: None, sha256: None }
}

/// First byte and size of the whole of `content-range: bytes FIRST-LAST/SIZE`.
fn range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let value = headers.get("content-range")?.to_str().ok()?;
    let (bytes, whole) = value.strip_prefix("bytes ")?.split_once('/')?;
    Some((bytes.split('-').next()?.parse().ok()?, whole.parse().ok()))
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}
