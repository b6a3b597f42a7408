//! One request for some bytes of a part, into their place in the file. Nothing is held but one buffer.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use super::BUFFER;
use super::board::{Board, Ended, Go, Task};

/// Makes the requests that the board deals out, until it is over.
pub fn work(agent: &ureq::Agent, board: &Board, file: &File, size: u64) {
    let mut buffer = vec![0u8; BUFFER];
    while let Some(task) = board.next() {
        let how = run(agent, board, file, size, &task, &mut buffer).unwrap_or_else(|ended| ended);
        board.ended(&task, how);
    }
}

fn run(
    agent: &ureq::Agent,
    board: &Board,
    file: &File,
    size: u64,
    task: &Task,
    buffer: &mut [u8],
) -> Result<Ended, Ended> {
    let mut request = agent.get(&task.url).header("accept-encoding", "identity");
    if task.to < size {
        request = request.header("range", format!("bytes={}-{}", task.from, task.to - 1));
    } else if task.from > 0 {
        request = request.header("range", format!("bytes={}-", task.from));
    }
    let request = request.config().timeout_per_read(Some(task.read)).build();
    let mut answer = request.call().map_err(|e| Ended::Broken(crate::explain::chain(&e)))?;
    let headers = answer.headers();
    let is_range = answer.status() == 206;
    let skip = match answer.status().as_u16() {
        206 if range(headers).is_some_and(|(first, whole)| first == task.from && whole.is_none_or(|w| w == size)) => 0,
        // The server does not do ranges: what is before ours is passed over.
        200 => match number(headers, "content-length") {
            Some(length) if length != size => return Err(Ended::Lying(format!("{length} bytes instead of {size}"))),
            _ => {
                if task.from > 0 || task.to < size {
                    board.whole_only(task);
                }
                task.from
            }
        },
        206 | 416 => return Err(Ended::Lying("an answer for another range".to_owned())),
        code @ (429 | 503) => return Err(Ended::Busy(code, number(headers, "retry-after").map(Duration::from_secs))),
        code => return Err(Ended::Broken(format!("HTTP status {code}"))),
    };
    let mut body = answer.body_mut().as_reader();
    pass_over(&mut body, skip, buffer)?;
    let mut at = task.from;
    while at < task.to {
        let n = read(&mut body, buffer)?;
        if n == 0 {
            let (got, of) = (at - task.from, task.to - task.from);
            return Err(Ended::Broken(format!("the answer ended after {got} of {of} bytes")));
        }
        let mine = usize::try_from(task.to - at).unwrap_or(usize::MAX).min(n);
        let bytes = buffer.get(..mine).unwrap_or_default();
        compare(board, file, at, bytes, task.server).map_err(Ended::Write)?;
        file.write_all_at(bytes, at).map_err(Ended::Write)?;
        let go = board.wrote(task, at, mine as u64);
        at += mine as u64;
        if mine < n && task.to == size {
            return Err(Ended::Lying(format!("more than {size} bytes")));
        }
        match go {
            Go::On => {}
            Go::Slow if at < task.to => return Err(Ended::Slow),
            Go::Slow => {}
            Go::Stop => return Err(Ended::Dropped),
        }
    }
    // To its end, so that the connection serves the next request too; of a whole that goes on behind the range it does not.
    let ends_here = is_range || task.to == size;
    if ends_here && read(&mut body, buffer).is_ok_and(|n| n > 0) {
        return Err(Ended::Lying(format!("more bytes than {} from {} on", task.to - task.from, task.from)));
    }
    Ok(Ended::Whole)
}

fn read(body: &mut impl Read, buffer: &mut [u8]) -> Result<usize, Ended> {
    loop {
        match body.read(buffer) {
            Ok(n) => return Ok(n),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Ended::Broken(e.to_string())),
        }
    }
}

fn pass_over(body: &mut impl Read, count: u64, buffer: &mut [u8]) -> Result<(), Ended> {
    let mut left = count;
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        match read(body, buffer.get_mut(..most).unwrap_or_default())? {
            0 => return Err(Ended::Broken(format!("the answer ended {left} bytes before the range"))),
            n => left -= n as u64,
        }
    }
    Ok(())
}

/// With what other servers gave for the same place, before it is written over.
fn compare(board: &Board, file: &File, at: u64, bytes: &[u8], server: usize) -> std::io::Result<()> {
    for span in board.older(at, at + bytes.len() as u64) {
        let Some(source) = span.source.filter(|source| *source != server) else { continue };
        let begin = usize::try_from(span.from - at).unwrap_or(0);
        let mut before = vec![0; usize::try_from(span.to - span.from).unwrap_or(0)];
        file.read_exact_at(&mut before, span.from)?;
        let differs = before.iter().zip(bytes.get(begin..).unwrap_or_default()).position(|(a, b)| a != b);
        if let Some(place) = differs {
            board.differs(source, span.from + place as u64);
        }
    }
    Ok(())
}

/// First byte and size of the whole of `content-range: bytes FIRST-LAST/SIZE`.
fn range(headers: &ureq::http::HeaderMap) -> Option<(u64, Option<u64>)> {
    let value = headers.get("content-range")?.to_str().ok()?;
    let (bytes, whole) = value.strip_prefix("bytes ")?.split_once('/')?;
    Some((bytes.split('-').next()?.parse().ok()?, whole.parse().ok()))
}

fn number(headers: &ureq::http::HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}
