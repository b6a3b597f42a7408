//! Downloads against a small server that misbehaves on purpose: broken connections, wrong bytes, wrong ranges.
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use higuma_agent::fetch::{FetchError, Limits, Progress, fetch};
use higuma_proto::agent::Part;
use sha2::{Digest, Sha256};

/// What the server does with its n-th request.
#[derive(Clone)]
enum Act {
    /// Serves the (rest of the) bytes as asked.
    Good,
    /// Announces everything, sends so many bytes, closes.
    CutAfter(usize),
    /// Serves these bytes instead.
    Instead(Vec<u8>),
    /// Answers 200 with everything although a range was asked.
    IgnoreRange,
    /// Answers with this status.
    Status(u16),
    /// Closes without a word.
    Hang,
}

struct Server {
    url: String,
    ranges: Arc<Mutex<Vec<Option<u64>>>>,
}

fn serve(content: Vec<u8>, acts: Vec<Act>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/blobs/x", listener.local_addr().unwrap());
    let ranges: Arc<Mutex<Vec<Option<u64>>>> = Arc::default();
    let seen = ranges.clone();
    std::thread::spawn(move || {
        for (n, stream) in listener.incoming().enumerate() {
            let act = acts.get(n).or(acts.last()).unwrap().clone();
            let Ok(stream) = stream else { return };
            let start = read_request(&stream);
            seen.lock().unwrap().push(start);
            let _ = answer(stream, &content, start, &act);
        }
    });
    Server { url, ranges }
}

/// First byte of the range asked for.
fn read_request(stream: &TcpStream) -> Option<u64> {
    let mut range = None;
    for line in BufReader::new(stream).lines() {
        let line = line.unwrap().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("range: bytes=") {
            range = value.trim_end_matches('-').parse().ok();
        }
        if line.is_empty() {
            break;
        }
    }
    range
}

fn answer(mut stream: TcpStream, content: &[u8], start: Option<u64>, act: &Act) -> std::io::Result<()> {
    let from = usize::try_from(start.unwrap_or(0)).unwrap();
    let mut send = |status: &str, extra: &str, announced: usize, body: &[u8]| {
        write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {announced}\r\n{extra}connection: close\r\n\r\n")?;
        stream.write_all(body)
    };
    let range = format!("content-range: bytes {from}-{}/{}\r\n", content.len() - 1, content.len());
    let rest = &content[from.min(content.len())..];
    let (status, extra) = if start.is_some() { ("206 Partial Content", range.as_str()) } else { ("200 OK", "") };
    match act {
        Act::Good => send(status, extra, rest.len(), rest),
        Act::CutAfter(n) => send(status, extra, rest.len(), &rest[..*n]),
        Act::Instead(other) => send("200 OK", "", other.len(), other),
        Act::IgnoreRange => send("200 OK", "", content.len(), content),
        Act::Status(code) => send(&format!("{code} Whatever"), "", 0, b""),
        Act::Hang => Ok(()),
    }
}

fn content() -> Vec<u8> {
    (0..500_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn part(content: &[u8], urls: &[&str]) -> Part {
    Part {
        role: "rootfs".to_owned(),
        sha256: hex::encode(Sha256::digest(content)),
        size: content.len() as u64,
        urls: urls.iter().map(|u| (*u).to_owned()).collect(),
    }
}

fn quick() -> Limits {
    Limits {
        stall: Duration::from_millis(400),
        pause: Duration::from_millis(5),
        read: Duration::from_secs(2),
        ..Limits::default()
    }
}

fn get(part: &Part) -> (Result<(), FetchError>, Vec<u8>, Vec<String>) {
    let mut file = tempfile::tempfile().unwrap();
    let mut troubles = Vec::new();
    let outcome = fetch(part, &mut file, &quick(), |progress| {
        if let Progress::Trouble(why) = progress {
            troubles.push(why.to_owned());
        }
        true
    });
    let mut bytes = Vec::new();
    file.seek(std::io::SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    (outcome, bytes, troubles)
}

#[test]
fn a_broken_connection_is_resumed_where_it_broke() {
    let server = serve(content(), vec![Act::CutAfter(100_000), Act::Hang, Act::CutAfter(50_000), Act::Good]);
    let (outcome, bytes, troubles) = get(&part(&content(), &[&server.url]));
    outcome.unwrap();
    assert_eq!(bytes, content());
    assert_eq!(troubles.len(), 3, "{troubles:?}");
    let ranges = server.ranges.lock().unwrap().clone();
    assert_eq!(ranges, [None, Some(100_000), Some(100_000), Some(150_000)]);
}

#[test]
fn what_a_stalled_download_left_is_gone_on_from_and_verified() {
    let resume = |left: &[u8]| {
        let server = serve(content(), vec![Act::Good]);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(left).unwrap();
        fetch(&part(&content(), &[&server.url]), &mut file, &quick(), |_| true).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        assert!(bytes == content());
        server.ranges.lock().unwrap().clone()
    };
    assert_eq!(resume(&content()[..200_000]), [Some(200_000)]);
    assert_eq!(resume(&[7; 200_000]), [Some(200_000), None], "wrong bytes: all of it again");
    assert_eq!(resume(&[7; 600_000]), [None], "larger than the part");
}

#[test]
fn same_size_wrong_bytes_are_never_accepted() {
    let mut wrong = content();
    wrong[250_000] ^= 1;
    let server = serve(content(), vec![Act::Instead(wrong)]);
    let wanted = part(&content(), &[&server.url]);
    let (outcome, bytes, _) = get(&wanted);
    let Err(FetchError::Wrong { times, expected, got }) = outcome else { panic!("{outcome:?}") };
    assert_eq!((times, expected), (3, wanted.sha256));
    assert_eq!(got.len(), 64);
    assert!(bytes.is_empty(), "nothing of it is left");
}

#[test]
fn wrong_bytes_once_are_fetched_again_from_the_other_url() {
    let bad = serve(content(), vec![Act::Instead(vec![7; 500_000])]);
    let good = serve(content(), vec![Act::Good]);
    let (outcome, bytes, troubles) = get(&part(&content(), &[&bad.url, &good.url]));
    outcome.unwrap();
    assert_eq!(bytes, content());
    assert!(troubles[0].contains("discarded wrong bytes"), "{troubles:?}");
}

#[test]
fn a_truncated_blob_stalls_and_says_where() {
    let short = content()[..300_000].to_vec();
    let server = serve(short.clone(), vec![Act::Instead(short), Act::Status(416)]);
    let (outcome, _, _) = get(&part(&content(), &[&server.url]));
    let why = outcome.unwrap_err().to_string();
    assert!(why.contains("wrong bytes") || why.contains("no byte came"), "{why}");
}

#[test]
fn more_bytes_than_announced_are_refused() {
    let mut long = content();
    long.extend_from_slice(b"tail");
    let server = serve(content(), vec![Act::Instead(long)]);
    let (outcome, _, _) = get(&part(&content(), &[&server.url]));
    assert!(matches!(outcome, Err(FetchError::Wrong { .. })), "{outcome:?}");
}

#[test]
fn a_server_without_ranges_is_read_from_the_start_again() {
    let server = serve(content(), vec![Act::CutAfter(100_000), Act::IgnoreRange]);
    let (outcome, bytes, _) = get(&part(&content(), &[&server.url]));
    outcome.unwrap();
    assert_eq!(bytes, content());
}

#[test]
fn a_dead_server_is_given_up_after_the_stall() {
    let server = serve(content(), vec![Act::Status(503)]);
    let (outcome, _, _) = get(&part(&content(), &[&server.url, "https://ignored/", "file:///etc/passwd"]));
    let Err(FetchError::Stalled { last, .. }) = outcome else { panic!("{outcome:?}") };
    assert!(last.contains("503"), "{last}");
    assert!(matches!(get(&part(&content(), &["https://x/"])).0, Err(FetchError::NoUrl)));
}

#[test]
fn the_caller_can_stop_it() {
    let server = serve(content(), vec![Act::Good]);
    let mut file = tempfile::tempfile().unwrap();
    let outcome = fetch(&part(&content(), &[&server.url]), &mut file, &quick(), |_| false);
    assert!(matches!(outcome, Err(FetchError::Stopped)));
}
