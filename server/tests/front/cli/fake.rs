//! A small HTTPS server that answers what a test tells it to, and remembers what it was asked. Not the real server: it
//! is there to make answers that the real one gives seldom, and uploads that stop in the middle.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const NAME: &str = "0123abcd.higuma.internal";
pub const TOKEN: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub authorization: String,
    pub host: String,
    pub body: Vec<u8>,
}

pub type Answer = (u16, String);
type Handler = dyn Fn(&Request) -> Answer + Send + Sync;

pub struct Fake {
    pub port: u16,
    pub ca_pem: String,
    seen: Arc<Mutex<Vec<Request>>>,
    /// Uploads are read to the half and then left so.
    pub stalled: Arc<Mutex<bool>>,
    /// Bytes by path; a GET of one of these never reaches the handler.
    pub files: Files,
}

type Files = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

impl Fake {
    pub fn start(handler: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Fake {
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![NAME.to_owned(), "localhost".to_owned()]).unwrap();
        let cert = params.signed_by(&key, &Issuer::from_params(&ca, &ca_key)).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let stalled = Arc::new(Mutex::new(false));
        let files = Files::default();
        let (config, handler): (Arc<rustls::ServerConfig>, Arc<Handler>) = (Arc::new(config), Arc::new(handler));
        let (log, stall, held) = (seen.clone(), stalled.clone(), files.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, handler, log, stall) = (config.clone(), handler.clone(), log.clone(), stall.clone());
                let held = held.clone();
                std::thread::spawn(move || {
                    let _ = serve(stream, config, &handler, &log, &stall, &held);
                });
            }
        });
        Fake { port, ca_pem, seen, stalled, files }
    }

    pub fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// "METHOD path", in order.
    pub fn lines(&self) -> Vec<String> {
        self.requests().iter().map(|r| format!("{} {}", r.method, r.path)).collect()
    }

    /// What a server leaves in its data folder.
    pub fn write_data(&self, dir: &Path) {
        std::fs::write(dir.join("ca.pem"), &self.ca_pem).unwrap();
        std::fs::write(dir.join("server-name"), format!("{NAME}\n")).unwrap();
        std::fs::write(dir.join("admin.token"), format!("{TOKEN}\n")).unwrap();
        std::fs::write(dir.join("url"), format!("https://127.0.0.1:{}\n", self.port)).unwrap();
    }
}

fn serve(
    stream: TcpStream,
    config: Arc<rustls::ServerConfig>,
    handler: &Arc<Handler>,
    log: &Mutex<Vec<Request>>,
    stall: &Mutex<bool>,
    files: &Files,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let connection = rustls::ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut reader = BufReader::new(rustls::StreamOwned::new(connection, stream));
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let mut words = first.split(' ');
        let (method, path) = (words.next().unwrap_or("").to_owned(), words.next().unwrap_or("").to_owned());
        let (mut length, mut expects, mut authorization, mut host) = (0usize, false, String::new(), String::new());
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap(),
                "expect" => expects = value == "100-continue",
                "host" => host = value.to_owned(),
                "authorization" => authorization = value.to_owned(),
                _ => {}
            }
        }
        if expects {
            reader.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            reader.get_mut().flush()?;
        }
        let stalls = *stall.lock().unwrap() && method == "PUT";
        let mut body = vec![0; if stalls { length / 2 } else { length }];
        reader.read_exact(&mut body)?;
        let request = Request { method, path, authorization, host, body };
        log.lock().unwrap().push(request.clone());
        if stalls {
            std::thread::sleep(Duration::from_secs(60));
            return Ok(());
        }
        let held = files.lock().unwrap().get(&request.path).filter(|_| request.method == "GET").cloned();
        let (status, body) = match held {
            Some(bytes) => (200, bytes),
            None => {
                let (status, body) = handler(&request);
                (status, body.into_bytes())
            }
        };
        let body = if request.method == "HEAD" { Vec::new() } else { body };
        let length = if status == 204 { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{length}\r\n");
        reader.get_mut().write_all(head.as_bytes())?;
        reader.get_mut().write_all(&body)?;
        reader.get_mut().flush()?;
    }
}
