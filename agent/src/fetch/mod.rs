//! Downloads one part over plain HTTP into a file. A large one comes in pieces over a few connections, from all servers of the plan at
//! once; each piece goes to its place in the file, so that no more than a buffer a connection is held. A broken connection is
//! gone on from where it broke, at another server when there is one; a busy server is asked again when it says; a slow one
//! is passed over. Nothing is called good before its SHA-256 and size agree with the plan: bytes that do not are discarded,
//! and the server that gave them is found out, told and left out. Blocking: call it from a thread of its own.

mod board;
mod request;
mod servers;
mod spans;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use board::{Board, Look};
use higuma_proto::agent::Part;
use sha2::{Digest, Sha256};

/// Wrong bytes are fetched again so often before the part is given up, when no server is left that gave none.
const WRONG_BYTES: u32 = 3;
const BUFFER: usize = 256 * 1024;
/// Servers of a plan that are used, the first ones.
const SERVERS: usize = 8;

/// Limits of a download.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Gives up when not a byte came for so long, over all retries.
    pub stall: Duration,
    /// First pause after a failed attempt.
    pub pause: Duration,
    /// For one read of the connection.
    pub read: Duration,
    /// A server that says when to ask again is waited for so long, whatever `stall` is.
    pub busy: Duration,
    /// Connections, of one download.
    pub parallel: u32,
    /// Of them to one server.
    pub per_server: u32,
    /// Bytes of one request; what is less than two of them comes in one request over one connection.
    pub piece: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            stall: Duration::from_secs(180),
            pause: Duration::from_millis(500),
            read: Duration::from_secs(20),
            busy: Duration::from_secs(30 * 60),
            parallel: 4,
            per_server: 2,
            piece: 16 << 20,
        }
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

/// Fetches `part` into `file`; on success the file holds exactly the part, rewound. What the file holds already is taken
/// for the beginning of the part (of a download that stalled) and verified with the rest. `progress` is told how it goes
/// and answers whether to go on.
pub fn fetch(
    part: &Part,
    file: &mut File,
    limits: &Limits,
    mut progress: impl FnMut(Progress<'_>) -> bool,
) -> Result<(), FetchError> {
    let urls: Vec<&str> =
        part.urls.iter().map(String::as_str).filter(|url| url.starts_with("http://")).take(SERVERS).collect();
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
    let mut have = file.metadata().map_err(FetchError::Write)?.len();
    if have > part.size {
        file.set_len(0).map_err(FetchError::Write)?;
        have = 0;
    }
    let in_one = part.size - have < limits.piece.saturating_mul(2);
    let (piece, connections) = if in_one { (u64::MAX, 1) } else { (limits.piece, limits.parallel.max(1)) };
    let board = Board::new(part, have, piece, &urls, limits);
    let target: &File = file;
    let outcome = std::thread::scope(|scope| {
        // However this ends, also by a panic of `progress`: the threads stop, or the scope would wait for them.
        let _over = Over(&board);
        for _ in 0..connections {
            std::thread::Builder::new()
                .name("fetch".to_owned())
                .spawn_scoped(scope, || request::work(&agent, &board, target, part.size))
                .map_err(FetchError::Write)?;
        }
        watch(part, target, &board, &mut progress)
    });
    // What is left for another try is a beginning without gaps.
    let left = match &outcome {
        Ok(()) => part.size,
        Err(FetchError::Wrong { .. }) => 0,
        Err(_) => board.look().prefix,
    };
    let trimmed = file.set_len(left).and_then(|()| file.seek(SeekFrom::Start(0)));
    outcome.and_then(|()| trimmed.map(|_| ()).map_err(FetchError::Write))
}

struct Over<'b>(&'b Board);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Tells how it goes, hashes what is there in order, and decides when it is over.
fn watch(
    part: &Part,
    file: &File,
    board: &Board,
    progress: &mut impl FnMut(Progress<'_>) -> bool,
) -> Result<(), FetchError> {
    let (mut hash, mut hashed, mut generation, mut told) = (Sha256::new(), 0, 0, None);
    loop {
        let Look { bytes, prefix, complete, generation: now, troubles, failed } = board.look();
        let mut goes_on = troubles.iter().all(|trouble| progress(Progress::Trouble(trouble)));
        if told != Some(bytes) {
            told = Some(bytes);
            goes_on = goes_on && progress(Progress::Bytes(bytes));
        }
        if !goes_on {
            return Err(FetchError::Stopped);
        }
        if let Some(error) = failed {
            return Err(error);
        }
        if generation != now {
            (hash, hashed, generation) = (Sha256::new(), 0, now);
        }
        hash_on(file, &mut hash, &mut hashed, prefix).map_err(FetchError::Write)?;
        if !complete {
            continue;
        }
        let got = hex::encode(hash.clone().finalize());
        if got == part.sha256 {
            for trouble in board.matches() {
                progress(Progress::Trouble(&trouble));
            }
            return Ok(());
        }
        board.mismatch(&got);
    }
}

/// Goes on with the hash up to `end`.
fn hash_on(file: &File, hash: &mut Sha256, hashed: &mut u64, end: u64) -> std::io::Result<()> {
    let mut buffer = vec![0u8; BUFFER];
    while *hashed < end {
        let most = usize::try_from(end - *hashed).unwrap_or(BUFFER).min(BUFFER);
        let some = buffer.get_mut(..most).unwrap_or_default();
        file.read_exact_at(some, *hashed)?;
        hash.update(some);
        *hashed += most as u64;
    }
    Ok(())
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
