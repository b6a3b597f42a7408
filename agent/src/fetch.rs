//! Downloads one part over plain HTTP into a file, hashing while it streams. A broken connection is resumed by Range, every
//! URL is tried, and nothing is called good before its SHA-256 and size agree with the plan: bytes that do not are
//! discarded. Blocking: call it from a thread of its own.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::time::{Duration, Instant};

use higuma_proto::agent::Part;
use sha2::{Digest, Sha256};

use crate::steps::{backoff, jittered};

/// Wrong bytes are fetched again so often before the part is given up.
const WRONG_BYTES: u32 = 3;
const BUFFER: usize = 256 * 1024;

/// Limits of a download.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Gives up when not a byte came for so long, over all retries.
    pub stall: Duration,
    /// First pause after a failed attempt.
    pub pause: Duration,
    /// For one read of the connection.
    pub read: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { stall: Duration::from_secs(180), pause: Duration::from_millis(500), read: Duration::from_secs(20) }
    }
}

/// What the caller is told while it runs.
pub enum Progress<'a> {
    /// So many bytes are there now.
    Bytes(u64),
    /// An attempt failed; it goes on.
    Trouble(&'a str),
}

/// Why a part could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The plan gives no usable URL.
    #[error("the plan gives no http:// URL for it")]
    NoUrl,
    /// Nothing came for too long.
    #[error("no byte came for {seconds} s; last: {last}")]
    Stalled {
        /// How long.
        seconds: u64,
        /// What the last attempt ended with.
        last: String,
    },
    /// The bytes are not those of the plan, each time.
    #[error("wrong bytes {times} times: expected sha256 {expected}, got {got}")]
    Wrong {
        /// How often.
        times: u32,
        /// From the plan.
        expected: String,
        /// Of the last attempt, or its size when that already disagrees.
        got: String,
    },
    /// The caller said so.
    #[error("stopped")]
    Stopped,
    /// The place to write to failed.
    #[error("cannot write what was downloaded (out of memory?): {0}")]
    Write(std::io::Error),
}

/// Outcome of one attempt that did not finish the part.
enum Attempt {
    /// Worth going on from where it is.
    Broken(String),
    /// The bytes cannot become right: from zero.
    WrongBytes(String),
    Write(std::io::Error),
    Stopped,
}

/// Fetches `part` into `file`; on success the file holds exactly the part, rewound. What the file holds already is taken
/// for the beginning of the part (of a download that stalled) and verified with the rest. `progress` is told how it goes
/// and answers whether to go on.
pub fn fetch(
    part: &Part,
    file: &mut File,
    limits: &Limits,
    mut progress: impl FnMut(Progress<'_>) -> bool,
) -> Result<(), FetchError> {
    let urls: Vec<&str> = part.urls.iter().map(String::as_str).filter(|url| url.starts_with("http://")).collect();
    if urls.is_empty() {
        return Err(FetchError::NoUrl);
    }
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .timeout_connect(Some(Duration::from_secs(10)))
        .timeout_recv_response(Some(limits.read))
        .timeout_per_read(Some(limits.read))
        .build()
        .into();
    let mut sink = Sink::resume(file, part.size).map_err(FetchError::Write)?;
    let mut last_byte = Instant::now();
    let mut wrong = 0;
    let mut failures = 0u32;
    for url in urls.iter().cycle() {
        let had = sink.have;
        let outcome = attempt(&agent, url, part, &mut sink, &mut progress);
        if sink.have > had {
            last_byte = Instant::now();
            failures = 0;
        }
        let trouble = match outcome {
            Ok(()) => {
                sink.file.seek(SeekFrom::Start(0)).map_err(FetchError::Write)?;
                return Ok(());
            }
            Err(Attempt::Write(e)) => return Err(FetchError::Write(e)),
            Err(Attempt::Stopped) => return Err(FetchError::Stopped),
            Err(Attempt::WrongBytes(got)) => {
                wrong += 1;
                sink.restart().map_err(FetchError::Write)?;
                if wrong >= WRONG_BYTES {
                    return Err(FetchError::Wrong { times: wrong, expected: part.sha256.clone(), got });
                }
                format!("discarded wrong bytes from {url}: expected sha256 {}, got {got}", part.sha256)
            }
            Err(Attempt::Broken(why)) => {
                if last_byte.elapsed() > limits.stall {
                    return Err(FetchError::Stalled { seconds: limits.stall.as_secs(), last: why });
                }
                format!("{url} at byte {}: {why}", sink.have)
            }
        };
        if !progress(Progress::Trouble(&trouble)) {
            return Err(FetchError::Stopped);
        }
        failures = failures.saturating_add(1);
        std::thread::sleep(jittered(backoff(limits.pause, failures)).min(Duration::from_secs(10)));
    }
    Err(FetchError::NoUrl)
}

fn attempt(
    agent: &ureq::Agent,
    url: &str,
    part: &Part,
    sink: &mut Sink<'_>,
    progress: &mut impl FnMut(Progress<'_>) -> bool,
) -> Result<(), Attempt> {
    // All bytes may already be there: a zero-size part, or a connection that broke after the last byte.
    if sink.have < part.size {
        let mut request = agent.get(url).header("accept-encoding", "identity");
        if sink.have > 0 {
            request = request.header("range", format!("bytes={}-", sink.have));
        }
        let mut answer = request.call().map_err(|e| Attempt::Broken(crate::explain::chain(&e)))?;
        match answer.status().as_u16() {
            206 if sink.have > 0 && range_start(answer.headers()) == Some(sink.have) => {}
            // The server does not do ranges, or what we have is of another file: take all of it.
            200 => sink.restart().map_err(Attempt::Write)?,
            206 | 416 => return Err(Attempt::WrongBytes("an answer for another range".to_owned())),
            code => return Err(Attempt::Broken(format!("HTTP status {code}"))),
        }
        copy(answer.body_mut().as_reader(), part, sink, progress)?;
    }
    if sink.have < part.size {
        return Err(Attempt::Broken(format!("the answer ended after {} of {} bytes", sink.have, part.size)));
    }
    let got = sink.digest();
    if got != part.sha256 {
        return Err(Attempt::WrongBytes(got));
    }
    Ok(())
}

fn copy(
    mut body: impl Read,
    part: &Part,
    sink: &mut Sink<'_>,
    progress: &mut impl FnMut(Progress<'_>) -> bool,
) -> Result<(), Attempt> {
    let mut buffer = vec![0u8; BUFFER];
    loop {
        let n = match body.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(Attempt::Broken(e.to_string())),
        };
        if sink.have + n as u64 > part.size {
            return Err(Attempt::WrongBytes(format!("more than {} bytes", part.size)));
        }
        sink.write(buffer.get(..n).unwrap_or_default()).map_err(Attempt::Write)?;
        if !progress(Progress::Bytes(sink.have)) {
            return Err(Attempt::Stopped);
        }
    }
}

/// SHA-256 and number of the bytes from here to the end of `file`.
pub fn hash_of(file: &mut File) -> std::io::Result<(Sha256, u64)> {
    let (mut hash, mut size) = (Sha256::new(), 0);
    let mut buffer = vec![0u8; BUFFER];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((hash, size)),
            Ok(n) => {
                hash.update(buffer.get(..n).unwrap_or_default());
                size += n as u64;
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// First byte of `content-range: bytes FIRST-LAST/SIZE`.
fn range_start(headers: &ureq::http::HeaderMap) -> Option<u64> {
    let value = headers.get("content-range")?.to_str().ok()?;
    value.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

/// The file, what is in it, and the hash of that.
struct Sink<'f> {
    file: &'f mut File,
    hash: Sha256,
    have: u64,
}

impl<'f> Sink<'f> {
    /// Behind what the file holds; a file larger than `limit` is emptied.
    fn resume(file: &'f mut File, limit: u64) -> std::io::Result<Sink<'f>> {
        file.seek(SeekFrom::Start(0))?;
        let mut sink = Sink { have: file.metadata()?.len(), hash: Sha256::new(), file };
        if sink.have > limit {
            sink.restart()?;
        } else {
            (sink.hash, sink.have) = hash_of(sink.file)?;
        }
        Ok(sink)
    }

    fn restart(&mut self) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.hash = Sha256::new();
        self.have = 0;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.have += bytes.len() as u64;
        Ok(())
    }

    fn digest(&self) -> String {
        hex::encode(self.hash.clone().finalize())
    }
}
