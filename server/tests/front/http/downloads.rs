//! Downloads on connections as clients really use them: several on one, other requests in between, slow and vanishing readers.

use super::fixture::{NODE_A, Server};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

struct Connection(BufReader<TcpStream>);

impl Connection {
    fn open(server: &Server) -> Self {
        let stream = TcpStream::connect(server.client.plain.trim_start_matches("http://")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self(BufReader::new(stream))
    }

    fn say(&mut self, bytes: &str) {
        self.0.get_mut().write_all(bytes.as_bytes()).unwrap();
    }

    fn ask(&mut self, method: &str, path: &str, headers: &str) {
        self.say(&format!("{method} {path} HTTP/1.1\r\nHost: h\r\n{headers}\r\n"));
    }

    /// Status and body of the next answer; `empty`: one to HEAD.
    fn answer(&mut self, empty: bool) -> (u16, Vec<u8>) {
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "the connection ended within a head");
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                status = rest[..3].parse().unwrap();
            }
            if let Some(rest) = line.strip_prefix("content-length: ") {
                length = rest.parse().unwrap();
            }
        }
        let mut body = vec![0; if empty { 0 } else { length }];
        self.0.read_exact(&mut body).unwrap();
        (status, body)
    }

    fn ended(&mut self) -> bool {
        self.0.read(&mut [0]).unwrap() == 0
    }
}

#[test]
fn one_connection_serves_blobs_and_everything_else() {
    let server = Server::start(&[]);
    let bytes: Vec<u8> = (0..3_000_000u32).map(|n| n.to_le_bytes()[n as usize % 3]).collect();
    let path = format!("/blobs/{}", server.client.blob(&bytes));
    let nothing = format!("/blobs/{}", "0".repeat(64));
    let mut c = Connection::open(&server);
    // Asked for one after the other without waiting: answered in order, the middle one by the full server.
    c.ask("GET", &path, "");
    c.ask("HEAD", &path, "");
    c.ask("GET", &path, "Range: bytes=5-9\r\n");
    assert_eq!(c.answer(false), (200, bytes.clone()));
    assert_eq!(c.answer(true), (200, Vec::new()));
    assert_eq!(c.answer(false), (206, bytes[5..10].to_vec()));
    // A head that comes in pieces.
    c.say(&format!("GET {path} HTTP/1.1\r\nHost: h\r\nRange: by"));
    std::thread::sleep(Duration::from_millis(100));
    c.say("tes=-3\r\n\r\n");
    assert_eq!(c.answer(false), (206, bytes[2_999_997..].to_vec()));
    c.ask("GET", &nothing, "");
    assert_eq!(c.answer(false).0, 404);
    c.ask("GET", "/healthz", "");
    assert_eq!(c.answer(false).0, 200);
    c.ask("GET", &path, "Connection: close\r\n");
    assert_eq!(c.answer(false), (200, bytes.clone()));
    assert!(c.ended());

    let mut c = Connection::open(&server);
    c.ask("GET", &path, "Connection: close\r\n");
    assert_eq!(c.answer(false), (200, bytes));
    assert!(c.ended());
    // Counted as all other requests are.
    let metrics = server.client.admin("GET", "/metrics", None).expect(200).text();
    let line = |what: &str| metrics.lines().any(|line| what.split(' ').all(|word| line.contains(word)));
    assert!(line("higuma_http_requests_total /blobs/{sha256} status=\"206\""), "{metrics}");
    assert!(line("higuma_blob_bytes_total"), "{metrics}");
}

#[test]
fn who_takes_nothing_or_goes_away_disturbs_nobody() {
    let mut server = Server::start(&[]);
    let bytes = vec![7; 40_000_000];
    let path = format!("/blobs/{}", server.client.blob(&bytes));
    let mut slow: Vec<Connection> = (0..50).map(|_| Connection::open(&server)).collect();
    slow.iter_mut().for_each(|c| c.ask("GET", &path, ""));
    let mut gone = Connection::open(&server);
    gone.ask("GET", &path, "");
    gone.0.read_exact(&mut [0; 1000]).unwrap();
    drop(gone);
    let mut idle = Connection::open(&server);
    idle.ask("GET", &path, "Range: bytes=0-0\r\n");
    assert_eq!(idle.answer(false), (206, vec![7]));
    assert_eq!(server.client.get(&path, &[]).expect(200).body.len(), bytes.len());
    // The slow ones get theirs when they take it.
    let mut last = slow.pop().unwrap();
    assert_eq!(last.answer(false), (200, bytes));
    drop(slow);
    // Connections that are only kept do not hold a stop up.
    let begun = std::time::Instant::now();
    server.restart();
    assert!(idle.ended() && begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
}

#[test]
fn a_client_gets_its_rate_over_all_its_connections_and_no_more() {
    let server = Server::start(&[("blob-rate-node", "4MiB"), ("blob-rate-total", "1GiB")]);
    let bytes = vec![7; 3_000_000];
    let path = format!("/blobs/{}", server.client.blob(&bytes));
    // With a query the full server answers: the other way that blobs are sent.
    for path in [path.clone(), format!("{path}?full")] {
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| assert!(server.client.get(&path, &[]).expect(200).body == bytes));
            }
        });
        // 6 MB at 4 MiB/s, a quarter of a second ahead.
        assert!(begun.elapsed() >= Duration::from_millis(1_100), "{path}: {:?}", begun.elapsed());
        assert!(begun.elapsed() < Duration::from_secs(15), "{path}: {:?}", begun.elapsed());
    }
}

#[test]
fn more_downloads_than_allowed_are_told_when_to_ask_again() {
    let server = Server::start(&[("blob-downloads", "1")]);
    let bytes = vec![7; 40_000_000];
    let path = format!("/blobs/{}", server.client.blob(&bytes));
    let mut slow = Connection::open(&server);
    slow.ask("GET", &path, "");
    slow.0.read_exact(&mut [0; 1000]).unwrap();
    for path in [path.clone(), format!("{path}?full")] {
        let refused = server.client.get(&path, &[]).expect(503);
        let after: u64 = refused.header("retry-after").parse().unwrap();
        assert!((2..=62).contains(&after), "{after}");
        assert_eq!(refused.header("cache-control"), "no-store");
    }
    // What has no bytes needs no place, and the connection that was refused goes on.
    let mut other = Connection::open(&server);
    other.ask("GET", &path, "");
    other.ask("HEAD", &path, "");
    assert_eq!((other.answer(false).0, other.answer(true).0), (503, 200));
    drop(slow);
    let begun = Instant::now();
    let mut last = 503;
    while last == 503 && begun.elapsed() < Duration::from_secs(20) {
        other.ask("GET", &path, "Range: bytes=0-9\r\n");
        last = other.answer(false).0;
    }
    assert_eq!(last, 206);
    let metrics = server.client.admin("GET", "/metrics", None).expect(200).text();
    assert!(metrics.contains("higuma_blob_downloads_refused_total"), "{metrics}");
}

#[test]
fn what_a_node_took_is_on_its_timeline() {
    let server = Server::start(&[]);
    let c = &server.client;
    c.seed();
    // From here on this address is the node's.
    c.nonce(NODE_A);
    let bytes = vec![7; 3_000_000];
    let blob = c.blob(&bytes);
    for (path, range) in [("", "bytes=0-999999"), ("?full", "bytes=1000000-2499999"), ("", "bytes=2500000-")] {
        c.get(&format!("/blobs/{blob}{path}"), &[("range", range)]).expect(206);
    }
    let begun = Instant::now();
    let found = loop {
        let all = c.admin("GET", "/api/v1/boot-exchanges", None).expect(200).json();
        let items = all["items"].as_array().unwrap();
        let found: Vec<_> = items.iter().filter(|e| e["service"] == "blob").cloned().collect();
        if !found.is_empty() || begun.elapsed() > Duration::from_secs(20) {
            break found;
        }
    };
    let [line] = &found[..] else { panic!("one line: {found:?}") };
    assert_eq!((line["result"].as_str(), line["bytes"].as_u64()), (Some("complete"), Some(3_000_000)), "{line}");
    assert!(line["detail"].as_str().unwrap().ends_with(" in 3 requests"), "{line}");
    assert!(line["took_us"].as_i64().unwrap() > 0 && blob.starts_with(line["what"].as_str().unwrap()), "{line}");
    assert_eq!(line["uuid"].as_str().or(line["node"].as_str()), Some(NODE_A), "{line}");
    let metrics = c.admin("GET", "/metrics", None).expect(200).text();
    assert!(metrics.contains("higuma_blob_transfers_total{result=\"complete\"} 1"), "{metrics}");
}

#[test]
fn several_ranges_come_in_one_answer() {
    let server = Server::start(&[]);
    let bytes: Vec<u8> = (0..3_000_000u32).map(|n| n.to_le_bytes()[n as usize % 3]).collect();
    let blob = server.client.blob(&bytes);
    let boundary = format!("higuma-{}", &blob[..32]);
    let mut wanted = Vec::new();
    for (from, to, before) in [(2_000_000, 3_000_000, ""), (5, 10, "\r\n"), (100, 300_100, "\r\n")] {
        let range = format!("content-range: bytes {from}-{}/3000000", to - 1);
        let part = format!("{before}--{boundary}\r\ncontent-type: application/octet-stream\r\n{range}\r\n\r\n");
        wanted.extend_from_slice(part.as_bytes());
        wanted.extend_from_slice(&bytes[from..to]);
    }
    wanted.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    let ranges = "bytes=-1000000,5-9,100-200000,200001-300099";
    let etag = format!("\"{blob}\"");
    for path in [format!("/blobs/{blob}"), format!("/blobs/{blob}?full")] {
        let got = server.client.get(&path, &[("range", ranges), ("if-range", &etag)]).expect(206);
        assert_eq!(got.header("content-type"), format!("multipart/byteranges; boundary={boundary}"));
        assert!(got.body == wanted, "{path}");
        let other = server.client.get(&path, &[("range", ranges), ("if-range", "\"y\"")]).expect(200);
        assert_eq!((other.body.len(), other.header("content-type")), (3_000_000, "application/octet-stream"));
        // The connection goes on behind it, and HEAD knows no ranges.
        let mut c = Connection::open(&server);
        c.ask("GET", &path, &format!("Range: {ranges}\r\n"));
        assert!(c.answer(false) == (206, wanted.clone()));
        c.ask("HEAD", &path, &format!("Range: {ranges}\r\n"));
        assert_eq!(c.answer(true).0, 200);
        c.ask("GET", &path, "Range: bytes=0-0\r\n");
        assert_eq!(c.answer(false), (206, bytes[..1].to_vec()));
        let many = (0..17).map(|n| format!("{}-{}", n * 9, n * 9)).collect::<Vec<_>>().join(",");
        let whole = server.client.get(&path, &[("range", &format!("bytes={many}"))]).expect(200);
        assert_eq!(whole.body.len(), bytes.len(), "more than sixteen: the whole");
    }
}
