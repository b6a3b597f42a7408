//! A boot server near the racks: a second server over the same PostgreSQL, set up as docs/src/boot-services.md says, whose
//! blobs are at the first.

use super::fixture::{NODE_A, Server};
use crate::pg;
use higuma::domain::Sha256;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Between the two servers: counts the blobs that are asked for, and can be cut.
struct Wire {
    url: String,
    gets: Arc<AtomicUsize>,
    cut: Arc<AtomicBool>,
}

impl Wire {
    fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (gets, cut) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let wire = Self { url, gets: gets.clone(), cut: cut.clone() };
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if cut.load(Ordering::SeqCst) {
                    continue;
                }
                let client = client.unwrap();
                let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let (gets, cut) = (gets.clone(), cut.clone());
                    std::thread::spawn(move || copy(from, to, &gets, &cut));
                }
            }
        });
        wire
    }

    fn gets(&self) -> usize {
        self.gets.load(Ordering::SeqCst)
    }
}

/// A request's head comes in one piece from our client.
fn copy(mut from: TcpStream, mut to: TcpStream, gets: &AtomicUsize, cut: &AtomicBool) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(n @ 1..) = from.read(&mut bytes) {
        gets.fetch_add(usize::from(bytes.starts_with(b"GET /blobs/")), Ordering::SeqCst);
        if cut.load(Ordering::SeqCst) || to.write_all(&bytes[..n]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(std::net::Shutdown::Both), to.shutdown(std::net::Shutdown::Both));
}

/// As the book says: the files that both servers must have, with their times.
fn prepared(control: &Server) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in ["ca.pem", "ca.key", "server-name", "master.key", "admin.token"] {
        let copied = Command::new("cp").arg("-p").arg(control.dir.path().join(file)).arg(dir.path()).status().unwrap();
        assert!(copied.success(), "{file}");
    }
    dir
}

#[test]
fn boots_nodes_from_its_cache() {
    let postgres = pg::Server::start();
    let url = postgres.url("postgres");
    let control = Server::start(&[("database-url", &url)]);
    control.client.seed();
    let port = control.client.plain.rsplit(':').next().unwrap().parse().unwrap();
    let wire = Wire::to(port);
    let settings = [("database-url", url.as_str()), ("blob-upstream", &wire.url)];
    let boot = Server::start_in(prepared(&control), &settings, None);
    let (c, at_control) = (&boot.client, &control.client);

    // One GET of a cold kernel, for all.
    let kernel: Vec<u8> = (0..900_000u32).map(|n| n.to_le_bytes()[n as usize % 3]).collect();
    let sha = at_control.blob(&kernel);
    let path = format!("/blobs/{sha}");
    let head = c.send("HEAD", &format!("{}{path}", c.plain), &[], None).expect(200);
    assert_eq!((head.header("content-length"), wire.gets()), ("900000", 0));
    std::thread::scope(|scope| {
        for n in 0..24 {
            let (kernel, path) = (&kernel, &path);
            scope.spawn(move || match n % 2 {
                0 => assert!(c.get(path, &[]).expect(200).body == *kernel),
                _ => assert_eq!(c.get(path, &[("range", "bytes=-7")]).expect(206).body, kernel[899_993..]),
            });
        }
    });
    assert_eq!(wire.gets(), 1);
    assert_eq!(c.get(&path, &[("range", "bytes=100-300099")]).expect(206).body, kernel[100..300_100]);

    // A node's script names this server, and both have one site part.
    let script =
        c.get(&format!("/ipxe/{NODE_A}?mac=52-54-00-12-34-56&arch=x86_64&platform=pcbios"), &[]).expect(200).text();
    let blobs = |text: &str| -> Vec<String> {
        let after = text.split("/blobs/").skip(1);
        after.map(|rest| rest.chars().take(64).collect()).collect()
    };
    let named = blobs(&script);
    assert!(named.len() >= 3 && script.contains(&c.plain), "{script}");
    assert_eq!(
        named,
        blobs(
            &at_control.get(&format!("/ipxe/{NODE_A}?mac=52-54-00-12-34-56&arch=x86_64&platform=pcbios"), &[]).text()
        )
    );
    for sha in &named {
        assert_eq!(Sha256::of(c.get(&format!("/blobs/{sha}"), &[]).expect(200).body).as_str(), sha);
    }

    // Only what the database knows is fetched.
    let stray = Sha256::of("stray").to_string();
    let folder = control.dir.path().join("blobs").join(&stray[..2]);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(&stray), "stray").unwrap();
    at_control.get(&format!("/blobs/{stray}"), &[]).expect(200);
    let before = wire.gets();
    c.get(&format!("/blobs/{stray}"), &[]).expect(404);
    assert_eq!(wire.gets(), before);

    // Uploads go elsewhere; what is there need not be sent.
    let bearer = format!("Bearer {}", c.token);
    let api = |sha: &str| format!("{}/api/v1/blobs/{sha}", c.https);
    let refused = c.send("PUT", &api(&stray), &[("authorization", &bearer)], Some(b"stray".to_vec())).expect(409);
    assert!(refused.text().contains(&wire.url), "{}", refused.text());
    c.send("HEAD", &api(&sha), &[("authorization", &bearer)], None).expect(200);
    c.send("HEAD", &api(&stray), &[("authorization", &bearer)], None).expect(404);

    // The upstream is away: what is held is served, what is not is told; the server is ready, and says so.
    let cold = at_control.blob(b"never asked for");
    assert_eq!(c.get("/readyz", &[]).expect(200).json()["degraded"], serde_json::json!([]));
    wire.cut.store(true, Ordering::SeqCst);
    assert!(c.get(&path, &[]).expect(200).body == kernel);
    let away = c.get(&format!("/blobs/{cold}"), &[]).expect(503);
    assert!(away.text().contains(&wire.url) && away.header("retry-after") == "2", "{}", away.text());
    let begun = Instant::now();
    loop {
        let ready = c.get("/readyz", &[]).expect(200).json();
        let told = ready["degraded"].to_string();
        if told.contains(&wire.url) {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{ready}");
        std::thread::sleep(Duration::from_millis(50));
    }
    let status = c.admin("GET", "/api/v1/status", None).expect(200).json();
    assert!(status["ready"] == true && status["degraded"].to_string().contains(&wire.url), "{status}");
    wire.cut.store(false, Ordering::SeqCst);
    let metrics = c.admin("GET", "/metrics", None).expect(200).text();
    for line in [
        "higuma_blob_cache_requests_total{result=\"miss\"}",
        "higuma_blob_cache_bytes ",
        "higuma_blob_cache_failures_total{",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    // Back again: the failure is remembered for a moment only.
    let begun = Instant::now();
    while c.get(&format!("/blobs/{cold}"), &[]).status != 200 {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(50));
    }
}
