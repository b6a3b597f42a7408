//! Downloads in pieces over several connections, from servers of which some are dead, slow, busy or lie.
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use higuma_agent::fetch::{FetchError, Limits, Progress, fetch};
use higuma_proto::agent::Part;
use sha2::{Digest, Sha256};

const PIECE: usize = 64 * 1024;
const SIZE: usize = 40 * PIECE + 123;

/// How one server answers the n-th request, of all its connections.
type Manner = dyn Fn(usize, (usize, usize)) -> Act + Send + Sync;

#[derive(Clone)]
enum Act {
    Good,
    /// The byte at this offset is another one.
    Flip(usize),
    /// So many bytes of the range, then the connection ends.
    CutAfter(usize),
    /// So many bytes of the range, then nothing more comes, and the connection stays.
    HangAfter(usize),
    /// So many bytes every few milliseconds.
    Trickle(usize),
    /// This status and these header lines.
    Status(u16, &'static str),
    /// 200 with everything.
    Whole,
}

#[derive(Default)]
struct Seen {
    /// Ranges in the order they were asked, and how long after the first request.
    asked: Mutex<Vec<((usize, usize), Instant)>>,
    connections: AtomicUsize,
    sent: AtomicUsize,
}

struct Server {
    url: String,
    seen: Arc<Seen>,
}

impl Server {
    fn asked(&self) -> Vec<(usize, usize)> {
        self.seen.asked.lock().unwrap().iter().map(|(range, _)| *range).collect()
    }
}

fn serve(manner: impl Fn(usize, (usize, usize)) -> Act + Send + Sync + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/blobs/x", listener.local_addr().unwrap());
    let seen: Arc<Seen> = Arc::default();
    let (told, manner): (_, Arc<Manner>) = (seen.clone(), Arc::new(manner));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(stream), seen, manner) = (stream, told.clone(), manner.clone()) else { return };
            std::thread::spawn(move || connection(stream, &seen, &*manner));
        }
    });
    Server { url, seen }
}

fn connection(stream: TcpStream, seen: &Seen, manner: &Manner) {
    seen.connections.fetch_add(1, Ordering::SeqCst);
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(range) = request(&mut reader) {
        let n = {
            let mut asked = seen.asked.lock().unwrap();
            asked.push((range, Instant::now()));
            asked.len() - 1
        };
        let goes_on = answer(&stream, range, &manner(n, range), seen);
        if !matches!(goes_on, Ok(true)) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
            return;
        }
    }
}

/// Range asked for, as from and behind the last.
fn request(reader: &mut impl BufRead) -> Option<(usize, usize)> {
    let (mut range, mut lines) = ((0, SIZE), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        lines += 1;
        let line = line.trim().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("range: bytes=") {
            let (from, last) = value.split_once('-')?;
            range = (from.parse().ok()?, last.parse().map_or(SIZE, |last: usize| last + 1));
        }
        if line.is_empty() {
            return (lines > 1).then_some(range);
        }
    }
}

fn answer(mut stream: &TcpStream, (from, to): (usize, usize), act: &Act, seen: &Seen) -> std::io::Result<bool> {
    let mut bytes = content();
    if let Act::Flip(at) = act {
        bytes[*at] ^= 0x40;
    }
    let (status, from, to) = match act {
        Act::Whole => ("200 OK".to_owned(), 0, SIZE),
        Act::Status(code, headers) => {
            write!(stream, "HTTP/1.1 {code} Whatever\r\n{headers}content-length: 0\r\n\r\n")?;
            return Ok(true);
        }
        _ => (format!("206 Partial Content\r\ncontent-range: bytes {from}-{}/{SIZE}", to - 1), from, to),
    };
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", to - from)?;
    let body = &bytes[from..to];
    match act {
        Act::CutAfter(count) => stream.write_all(&body[..(*count).min(body.len())])?,
        Act::HangAfter(count) => {
            stream.write_all(&body[..(*count).min(body.len())])?;
            let _ = stream.read(&mut [0]);
        }
        Act::Trickle(count) => {
            for some in body.chunks(*count) {
                stream.write_all(some)?;
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        _ => stream.write_all(body)?,
    }
    seen.sent.fetch_add(body.len(), Ordering::SeqCst);
    Ok(!matches!(act, Act::CutAfter(_) | Act::HangAfter(_)))
}

fn content() -> Vec<u8> {
    static CONTENT: LazyLock<Vec<u8>> = LazyLock::new(|| {
        (0..u32::try_from(SIZE).unwrap()).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
    });
    CONTENT.clone()
}

fn limits() -> Limits {
    Limits {
        stall: Duration::from_secs(5),
        pause: Duration::from_millis(5),
        read: Duration::from_millis(700),
        piece: PIECE as u64,
        ..Limits::default()
    }
}

struct Got {
    outcome: Result<(), FetchError>,
    bytes: Vec<u8>,
    troubles: Vec<String>,
}

fn get(servers: &[&Server], limits: &Limits) -> Got {
    let part = Part {
        role: "rootfs".to_owned(),
        sha256: hex::encode(Sha256::digest(content())),
        size: SIZE as u64,
        urls: servers.iter().map(|s| s.url.clone()).collect(),
    };
    let mut file = tempfile::tempfile().unwrap();
    let mut troubles = Vec::new();
    let outcome = fetch(&part, &mut file, limits, |progress| {
        match progress {
            Progress::Trouble(why) => troubles.push(why.to_owned()),
            Progress::Bytes(bytes) => assert!(bytes <= SIZE as u64),
        }
        true
    });
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    Got { outcome, bytes, troubles }
}

/// It came, whole and right.
fn good(servers: &[&Server]) -> Vec<String> {
    let got = get(servers, &limits());
    got.outcome.unwrap();
    assert!(got.bytes == content());
    got.troubles
}

#[test]
fn pieces_come_from_all_servers_at_once_and_each_byte_once() {
    let (a, b) = (serve(|_, _| Act::Good), serve(|_, _| Act::Good));
    assert_eq!(good(&[&a, &b]), Vec::<String>::new());
    let mut all = [a.asked(), b.asked()].concat();
    all.sort_unstable();
    assert_eq!(all.len(), 41);
    assert_eq!(all.iter().map(|(from, to)| to - from).sum::<usize>(), SIZE, "{all:?}");
    for server in [&a, &b] {
        assert!(!server.asked().is_empty());
        let connections = server.seen.connections.load(Ordering::SeqCst);
        assert!((1..=4).contains(&connections), "kept from piece to piece: {connections}");
    }
}

#[test]
fn a_small_part_is_one_request_over_one_connection() {
    let server = serve(|_, _| Act::Good);
    let got = get(&[&server], &Limits { piece: SIZE as u64, ..limits() });
    got.outcome.unwrap();
    assert_eq!(server.asked(), [(0, SIZE)]);
}

#[test]
fn a_server_that_is_not_there_costs_nothing_but_a_line() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = Server { url: format!("http://{}/blobs/x", closed.local_addr().unwrap()), seen: Arc::default() };
    drop(closed);
    let alive = serve(|_, _| Act::Good);
    let troubles = good(&[&dead, &alive]);
    assert!(troubles.iter().all(|t| t.starts_with(&dead.url)) && !troubles.is_empty(), "{troubles:?}");
    assert_eq!(alive.seen.sent.load(Ordering::SeqCst), SIZE);
}

#[test]
fn a_lost_link_is_gone_on_from_where_it_was_lost() {
    // Each answer but some ends early, by a closed connection or by silence.
    let server = serve(|n, _| match n {
        0..4 => Act::HangAfter(1_000 * n),
        4..30 if n % 3 == 0 => Act::CutAfter(20_000),
        _ => Act::Good,
    });
    let troubles = good(&[&server]);
    for how in ["timeout", "disconnected"] {
        assert!(troubles.iter().any(|t| t.contains(" at byte ") && t.contains(how)), "{troubles:?}");
    }
    let asked: usize = server.asked().iter().map(|(from, to)| to - from).sum();
    let lost: usize = (4..30).filter(|n| n % 3 == 0).count() * PIECE + 4 * PIECE;
    assert!(asked <= SIZE + lost, "what was there is not asked for again: {asked}");
}

#[test]
fn a_silent_server_is_left_for_another() {
    let (silent, alive) = (serve(|_, _| Act::HangAfter(10)), serve(|_, _| Act::Good));
    let troubles = good(&[&silent, &alive]);
    assert!(troubles.iter().all(|t| t.starts_with(&silent.url)), "{troubles:?}");
}

#[test]
fn a_slow_server_does_not_hold_up_the_end() {
    // 2 KB/s: the piece alone would take half a minute.
    let (slow, quick) = (serve(|_, _| Act::Trickle(100)), serve(|_, _| Act::Good));
    let began = Instant::now();
    let troubles = good(&[&slow, &quick]);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(troubles.iter().any(|t| t.contains(&slow.url) && t.contains("slower")), "{troubles:?}");
}

#[test]
fn the_server_that_lies_is_found_told_and_left_out() {
    for liar_first in [true, false] {
        let (liar, honest) = (serve(|_, (from, _)| Act::Flip(from + 5)), serve(|_, _| Act::Good));
        let servers = if liar_first { [&liar, &honest] } else { [&honest, &liar] };
        let troubles = good(&servers);
        let discarded: Vec<&String> = troubles.iter().filter(|t| t.starts_with("discarded wrong bytes from")).collect();
        assert!(!discarded.is_empty(), "{troubles:?}");
        assert!(discarded.iter().all(|t| t.contains(&liar.url) && !t.contains(&honest.url)), "{troubles:?}");
    }
}

#[test]
fn of_three_servers_two_that_lie_everywhere_are_found() {
    let lie = |_: usize, (from, _): (usize, usize)| Act::Flip(from);
    let (first, second, honest) = (serve(lie), serve(lie), serve(|_, _| Act::Good));
    let troubles = good(&[&first, &second, &honest]);
    for liar in [&first, &second] {
        let named = |t: &String| t.starts_with(&format!("discarded wrong bytes from {}", liar.url));
        assert!(troubles.iter().any(named), "{troubles:?}");
    }
    let wrongly = format!("discarded wrong bytes from {}", honest.url);
    assert!(!troubles.iter().any(|t| t.contains(&wrongly)), "{troubles:?}");
}

#[test]
fn a_comparison_goes_on_when_the_server_that_is_compared_with_dies() {
    // The liar has the most bytes; once it is asked for the others' too, it is away.
    let lie = serve(|n, (from, _)| if n > 20 { Act::CutAfter(0) } else { Act::Flip(from) });
    let honest = serve(|_, _| Act::Good);
    let troubles = good(&[&lie, &honest]);
    assert!(
        troubles.iter().all(|t| !t.contains(&format!("discarded wrong bytes from {}", honest.url))),
        "{troubles:?}"
    );
}

#[test]
fn a_server_with_something_else_by_that_name_is_left_out_at_once() {
    let other = serve(|_, _| Act::Status(416, "content-range: bytes */7\r\n"));
    let honest = serve(|_, _| Act::Good);
    let troubles = good(&[&other, &honest]);
    assert!(troubles.iter().any(|t| t.contains(&other.url) && t.contains("left out")), "{troubles:?}");
    assert!(other.asked().len() <= 2, "not again: {:?}", other.asked());
}

#[test]
fn when_all_lie_nothing_is_left_of_it() {
    let (a, b) = (serve(|_, (from, _)| Act::Flip(from)), serve(|_, (from, _)| Act::Flip(from)));
    let got = get(&[&a, &b], &limits());
    assert!(matches!(got.outcome, Err(FetchError::Wrong { .. })), "{:?}", got.outcome);
    assert!(got.bytes.is_empty());
}

#[test]
fn a_busy_server_is_asked_again_when_it_says() {
    let server = serve(|n, _| if n < 3 { Act::Status(503, "retry-after: 1\r\n") } else { Act::Good });
    // Shorter than what the server says: it is alive, and waited for.
    let got = get(&[&server], &Limits { stall: Duration::from_millis(100), parallel: 1, ..limits() });
    got.outcome.unwrap();
    assert!(got.bytes == content());
    let asked = server.seen.asked.lock().unwrap();
    for pair in asked[..4].windows(2) {
        let waited = pair[1].1 - pair[0].1;
        assert!(waited >= Duration::from_secs(1), "{waited:?}");
    }
    assert!(got.troubles.iter().all(|t| t.contains("busy, asked again in 1.")), "{:?}", got.troubles);
}

#[test]
fn a_server_that_is_busy_for_ever_is_given_up() {
    let server = serve(|_, _| Act::Status(429, "retry-after: 1\r\n"));
    let short = Duration::from_millis(200);
    let got = get(&[&server], &Limits { stall: short, busy: short, parallel: 1, ..limits() });
    let Err(FetchError::Stalled { last, .. }) = got.outcome else { panic!("{:?}", got.outcome) };
    assert!(last.contains("429"), "{last}");
    assert!(server.asked().len() <= 2);
}

#[test]
fn a_second_connection_that_is_refused_does_not_stop_the_first() {
    let busy = Arc::new(AtomicUsize::new(0));
    let told = busy.clone();
    // One download at a time.
    let server = serve(move |n, _| match n {
        1 => {
            told.fetch_add(1, Ordering::SeqCst);
            Act::Status(503, "retry-after: 60\r\n")
        }
        0 => Act::Trickle(16 * 1024),
        _ => Act::Good,
    });
    let began = Instant::now();
    good(&[&server]);
    assert_eq!(busy.load(Ordering::SeqCst), 1);
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[test]
fn servers_without_ranges_are_read_in_one() {
    let server = serve(|_, _| Act::Whole);
    good(&[&server]);
    assert!(server.asked().len() <= 4, "{:?}", server.asked());
}

#[test]
fn what_a_stalled_download_leaves_is_a_beginning_without_gaps() {
    let server = serve(|n, _| if n < 9 { Act::Good } else { Act::Status(500, "") });
    let got = get(&[&server], &Limits { stall: Duration::from_millis(300), ..limits() });
    assert!(matches!(got.outcome, Err(FetchError::Stalled { .. })), "{:?}", got.outcome);
    assert!(got.bytes.len() >= PIECE && got.bytes.len() < SIZE, "{}", got.bytes.len());
    assert!(got.bytes == content()[..got.bytes.len()]);
}
