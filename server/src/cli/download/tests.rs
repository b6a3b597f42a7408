//! Downloads from a server in the test, that drops, lies, changes its mind and refuses. What it answers is a function of
//! the request and its number; it never waits for time to pass.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::cli::Exit;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;

type Headers = BTreeMap<String, String>;

struct Answer {
    head: String,
    body: Vec<u8>,
    /// Do not close after it: the reader must give up.
    hang: bool,
}

fn answer(status: u16, headers: &str, body: &[u8]) -> Answer {
    Answer { head: format!("HTTP/1.1 {status} X\r\n{headers}"), body: body.to_vec(), hang: false }
}

fn ok(etag: &str, body: &[u8]) -> Answer {
    answer(200, &format!("ETag: \"{etag}\"\r\nContent-Length: {}\r\n", body.len()), body)
}

fn rest(etag: &str, body: &[u8], from: usize) -> Answer {
    let range = format!("bytes {from}-{}/{}", body.len() - 1, body.len());
    let length = body.len() - from;
    let headers = format!("ETag: \"{etag}\"\r\nContent-Range: {range}\r\nContent-Length: {length}\r\n");
    answer(206, &headers, &body[from..])
}

impl Answer {
    /// Breaks off after so many bytes.
    fn cut(mut self, at: usize) -> Self {
        self.body.truncate(at);
        self
    }
}

struct Server {
    address: String,
    seen: Arc<Mutex<Vec<Headers>>>,
}

impl Server {
    fn start(handler: impl Fn(&Headers, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/file", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, handler) = (seen.clone(), Arc::new(handler));
        // They end with the process: nextest has one for each test.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, handler) = (log.clone(), handler.clone());
                std::thread::spawn(move || serve(&stream, &log, &*handler));
            }
        });
        Self { address, seen }
    }

    fn seen(&self, name: &str) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|h| h.get(name).cloned().unwrap_or_default()).collect()
    }
}

fn serve(mut stream: &TcpStream, log: &Mutex<Vec<Headers>>, handler: &dyn Fn(&Headers, usize) -> Answer) -> Option<()> {
    let mut headers = Headers::new();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
    headers.insert("path".into(), line.split(' ').nth(1)?.to_owned());
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let number = {
        let mut log = log.lock().unwrap();
        log.push(headers.clone());
        log.len() - 1
    };
    let answer = handler(&headers, number);
    stream.write_all(format!("{}Connection: close\r\n\r\n", answer.head).as_bytes()).ok()?;
    stream.write_all(&answer.body).ok()?;
    if answer.hang {
        // Until the other side ends it.
        let _ = reader.read_line(&mut String::new());
    }
    Some(())
}

fn content(seed: u8) -> Vec<u8> {
    (0..40_000u32).map(|n| (n % 251) as u8 ^ seed).collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

struct Cache {
    dir: tempfile::TempDir,
}

impl Cache {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn fetch(&self, server: &Server, sha256: &str) -> Result<Fetched> {
        let limits = Limits {
            tries: 4,
            pause: Duration::from_millis(1),
            read: Duration::from_secs(5),
            wait: Duration::from_secs(60),
        };
        self.fetch_by(server, sha256, &limits)
    }

    fn fetch_by(&self, server: &Server, sha256: &str, limits: &Limits) -> Result<Fetched> {
        let address = Address::parse(&server.address, Some(sha256))?;
        fetch(&address, &Folder::at(self.dir.path())?, limits, &Progress::quiet())
    }

    /// Files that are not locks, without their keys.
    fn files(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|n| !n.ends_with(".lock")).map(|n| n[32..].to_owned()).collect();
        names.sort();
        names
    }

    fn is(&self, fetched: Result<Fetched>, content: &[u8]) {
        let fetched = fetched.unwrap();
        assert!(std::fs::read(&fetched.path).unwrap() == content, "other bytes");
        assert_eq!(fetched.sha256, sha256(content));
        let name = format!("-{}", fetched.sha256);
        assert_eq!(self.files(), [name, ".json".to_owned()]);
    }
}

#[test]
fn a_connection_that_drops_is_gone_on_with() {
    let file = content(0);
    let server = Server::start({
        let file = file.clone();
        move |_, number| match number {
            0 => ok("a", &file).cut(10_000),
            1 => rest("a", &file, 10_000).cut(5_000),
            _ => rest("a", &file, 15_000),
        }
    });
    let cache = Cache::new();
    cache.is(cache.fetch(&server, &sha256(&file)), &file);
    assert_eq!(server.seen("range"), ["", "bytes=10000-", "bytes=15000-"]);
    assert_eq!(server.seen("if-range"), ["", "\"a\"", "\"a\""]);
    // It is there now.
    cache.is(cache.fetch(&server, &sha256(&file)), &file);
    assert_eq!(server.seen("path").len(), 3);
}

#[test]
fn what_was_interrupted_is_gone_on_with() {
    let file = content(0);
    let server = Server::start({
        let file = file.clone();
        move |headers, number| match headers.get("range") {
            None => ok("a", &file).cut(10_000),
            Some(_) if number < 4 => answer(503, "Retry-After: 0\r\nContent-Length: 0\r\n", b""),
            Some(_) => rest("a", &file, 10_000),
        }
    });
    let cache = Cache::new();
    let failed = cache.fetch(&server, &sha256(&file)).unwrap_err();
    assert_eq!(failed.exit, Exit::Unavailable);
    assert!(failed.message.contains("503") && failed.message.contains("run it again"), "{failed}");
    assert_eq!(cache.files(), [".part", ".part.json"], "nothing under the final name");
    cache.is(cache.fetch(&server, &sha256(&file)), &file);
}

/// Each of these answers to a range is no rest of what is there.
#[test]
fn a_file_that_changes_on_the_way_is_begun_again() {
    let (old, new) = (content(0), content(9));
    let changed: [fn(&[u8]) -> Answer; 6] = [
        |new| ok("b", new),
        |new| rest("b", new, 10_000),
        |new| rest("a", &new[..30_000], 10_000),
        |new| rest("a", new, 9_999),
        |_| answer(416, "Content-Length: 0\r\n", b""),
        |new| answer(206, &format!("Content-Length: {}\r\n", new.len() - 10_000), &new[10_000..]),
    ];
    for (which, change) in changed.into_iter().enumerate() {
        let server = Server::start({
            let (old, new) = (old.clone(), new.clone());
            move |_, number| match number {
                0 => ok("a", &old).cut(10_000),
                1 => change(&new),
                _ => ok("b", &new),
            }
        });
        let cache = Cache::new();
        cache.is(cache.fetch(&server, &sha256(&new)), &new);
        assert_eq!(server.seen("path").len(), if which == 0 { 2 } else { 3 }, "{which}");
    }
}

/// The same ETag, other bytes: only the hash tells.
#[test]
fn a_rest_of_another_file_is_found_out_once() {
    let (old, new) = (content(0), content(9));
    let server = Server::start({
        let (old, new) = (old.clone(), new.clone());
        move |_, number| match number {
            0 => ok("a", &old).cut(10_000),
            1 => rest("a", &new, 10_000),
            _ => ok("a", &new),
        }
    });
    let cache = Cache::new();
    cache.is(cache.fetch(&server, &sha256(&new)), &new);
    assert_eq!(server.seen("range"), ["", "bytes=10000-", ""]);
    let failed = Cache::new().fetch(&server, &sha256(&old)).unwrap_err();
    assert_eq!(failed.exit, Exit::Usage);
    assert!(failed.message.contains(&sha256(&old)) && failed.message.contains(&sha256(&new)), "{failed}");
}

#[test]
fn lies_about_the_length_leave_nothing_whole() {
    let file = content(0);
    for length in [39_999usize, 50_000] {
        let server = Server::start({
            let file = file.clone();
            move |_, _| answer(200, &format!("Content-Length: {length}\r\n"), &file)
        });
        let cache = Cache::new();
        cache.fetch(&server, &sha256(&file)).unwrap_err();
        assert!(!cache.files().iter().any(|name| name.starts_with('-')), "{length}: {:?}", cache.files());
    }
    let server = Server::start(|_, _| answer(200, &format!("Content-Length: {}\r\n", 1u64 << 41), b""));
    let failed = Cache::new().fetch(&server, &sha256(b"")).unwrap_err();
    assert!(failed.message.contains("1.0 TiB"), "{failed}");
    // More than there is room for, told before the first byte is written.
    let server = Server::start(|_, _| answer(200, &format!("Content-Length: {}\r\n", 1u64 << 40), b""));
    let cache = Cache::new();
    let failed = cache.fetch(&server, &sha256(b"")).unwrap_err();
    assert!(failed.message.contains("no room") && failed.message.contains("it has 1.0 TiB"), "{failed}");
    assert_eq!(cache.files(), [""; 0]);
}

#[test]
fn a_server_that_stops_sending_is_given_up() {
    let file = content(0);
    let server = Server::start({
        let file = file.clone();
        move |_, number| Answer { hang: true, ..ok("a", &file).cut(100 * (number + 1)) }
    });
    let limits =
        Limits { tries: 2, pause: Duration::ZERO, read: Duration::from_millis(200), wait: Duration::from_secs(60) };
    let failed = Cache::new().fetch_by(&server, &sha256(&file), &limits).unwrap_err();
    assert_eq!(failed.exit, Exit::Unavailable, "{failed}");
    assert_eq!(server.seen("path").len(), 2);
}

#[test]
fn refusals_are_told_and_not_tried_again() {
    for (status, exit) in
        [(401, Exit::Unauthorised), (403, Exit::Unauthorised), (404, Exit::NotFound), (400, Exit::Failed)]
    {
        let server = Server::start(move |_, _| answer(status, "Content-Length: 0\r\n", b""));
        let failed = Cache::new().fetch(&server, &sha256(b"")).unwrap_err();
        assert_eq!((failed.exit, server.seen("path").len()), (exit, 1), "{failed}");
    }
    let server = Server::start(|_, number| answer(302, &format!("Location: /{number}\r\nContent-Length: 0\r\n"), b""));
    let failed = Cache::new().fetch(&server, &sha256(b"")).unwrap_err();
    assert!(failed.message.contains("more than 10 times"), "{failed}");
    assert_eq!(server.seen("path").len(), 11, "the first, and ten more");
}

#[test]
fn redirects_are_followed() {
    let file = content(0);
    let server = Server::start({
        let file = file.clone();
        move |headers, _| match &*headers["path"] {
            "/file" => answer(302, "Location: /there?signature=x\r\nContent-Length: 0\r\n", b""),
            _ => ok("a", &file),
        }
    });
    let cache = Cache::new();
    cache.is(cache.fetch(&server, &sha256(&file)), &file);
    assert_eq!(server.seen("path"), ["/file", "/there?signature=x"]);
}

#[test]
fn two_at_once_download_once() {
    let file = content(0);
    let cache = Cache::new();
    let server = Server::start({
        let file = file.clone();
        move |_, _| ok("a", &file)
    });
    std::thread::scope(|scope| {
        let both = [(); 2].map(|()| scope.spawn(|| cache.fetch(&server, &sha256(&file)).unwrap()));
        let both = both.map(|one| one.join().unwrap());
        assert_eq!(both[0], both[1]);
    });
    assert_eq!(server.seen("path").len(), 1);
}
