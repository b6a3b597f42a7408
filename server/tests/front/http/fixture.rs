//! A server in this process, and clients for it.

use higuma::config::{Config, Flags};
use higuma::domain::Sha256;
use higuma::serve;
use higuma::service::jobs::Perform;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

pub const NODE_A: &str = "4c4c4544-0046-3010-8052-b4c04f4a4d32";
pub const NODE_B: &str = "4c4c4544-0046-3010-8052-b4c04f4a4d33";

/// An answer.
#[derive(Debug)]
pub struct Got {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub body: Vec<u8>,
}

impl Got {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|v| v.to_str().unwrap()).unwrap_or_default()
    }
    /// Fails with the answer's text when it is another status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

/// A client that trusts one authority.
pub struct Client {
    agent: ureq::Agent,
    pub plain: String,
    pub https: String,
    pub token: String,
}

impl Client {
    pub fn new(data_dir: &Path, http: u16, https: u16) -> Self {
        let pem = std::fs::read(data_dir.join("ca.pem")).unwrap();
        let ca = ureq::tls::Certificate::from_pem(&pem).unwrap();
        let tls = ureq::tls::TlsConfig::builder()
            .root_certs(ureq::tls::RootCerts::new_with_certs(&[ca]))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_secs(20)))
            .tls_config(tls)
            .build()
            .into();
        let token = std::fs::read_to_string(data_dir.join("admin.token")).unwrap().trim().to_owned();
        let (plain, https) = (format!("http://127.0.0.1:{http}"), format!("https://localhost:{https}"));
        Self { agent, plain, https, token }
    }

    /// Any request; `None`: without a body.
    pub fn send(&self, method: &str, url: &str, headers: &[(&str, &str)], body: Option<Vec<u8>>) -> Got {
        let mut request = ureq::http::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = match body {
            Some(body) => self.agent.run(request.body(body).unwrap()),
            None => self.agent.run(request.body(()).unwrap()),
        };
        let mut answer = answer.unwrap_or_else(|e| panic!("{method} {url}: {e}"));
        let body = answer.body_mut().with_config().limit(64 << 20).read_to_vec().unwrap();
        Got { status: answer.status().as_u16(), headers: answer.headers().clone(), body }
    }

    /// GET on the plain listener.
    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> Got {
        self.send("GET", &format!("{}{path}", self.plain), headers, None)
    }

    /// HTTPS with a credential and JSON.
    pub fn call(&self, method: &str, path: &str, credential: &str, body: Option<Value>) -> Got {
        let bearer = format!("Bearer {credential}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        self.send(method, &format!("{}{path}", self.https), &headers, body.map(|b| b.to_string().into_bytes()))
    }

    /// As the administrator.
    pub fn admin(&self, method: &str, path: &str, body: Option<Value>) -> Got {
        self.call(method, path, &self.token, body)
    }

    /// Upload a blob.
    pub fn blob(&self, bytes: &[u8]) -> String {
        let sha256 = Sha256::of(bytes).to_string();
        let bearer = format!("Bearer {}", self.token);
        let url = format!("{}/api/v1/blobs/{sha256}", self.https);
        self.send("PUT", &url, &[("authorization", &bearer)], Some(bytes.to_vec())).expect(200);
        sha256
    }

    /// A first stage, an image and the profile "hv" that boots it.
    pub fn seed(&self) {
        let (kernel, initramfs) = (self.blob(b"first kernel"), self.blob(b"first initramfs"));
        let stage = json!({"arch": "x86_64", "kernel": kernel, "initramfs": initramfs,
            "kernel_package": "p", "agent_version": "1", "drivers": "lab"});
        self.admin("PUT", "/api/v1/first-stage", Some(stage)).expect(200);
        let (kernel, initrd) = (self.blob(b"image kernel"), self.blob(b"image initrd"));
        let image = json!({"name": "debian", "version": "12", "arch": "x86_64", "cmdline": "quiet", "parts": [
            {"role": "kernel", "sha256": kernel}, {"role": "initrd", "sha256": initrd}]});
        self.admin("POST", "/api/v1/images", Some(image)).expect(201);
        self.admin("POST", "/api/v1/profiles", Some(json!({"name": "hv", "image": "debian:12"}))).expect(201);
    }

    /// Fetch a node's script; gives the nonce in it.
    pub fn nonce(&self, uuid: &str) -> String {
        let path = format!("/ipxe/{uuid}?mac=52-54-00-12-34-56&serial=a%20b&arch=x86_64&platform=pcbios");
        let script = self.get(&path, &[]).expect(200).text();
        let nonce = script.split("higuma.nonce=").nth(1).unwrap_or_else(|| panic!("{script}"));
        nonce[..64].to_owned()
    }
}

/// A credential that only tests use.
pub fn credential(digit: char) -> String {
    std::iter::repeat_n(digit, 64).collect()
}

/// A server in this process.
pub struct Server {
    pub client: Client,
    pub grpc: u16,
    pub dir: tempfile::TempDir,
    pub server_name: String,
    pub runtime: tokio::runtime::Runtime,
    settings: Vec<(String, String)>,
    perform: Option<Arc<dyn Perform>>,
    running: Option<tokio::task::JoinHandle<higuma::error::Result<()>>>,
    stop: CancellationToken,
}

impl Server {
    pub fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_with(settings, None)
    }

    /// With hands of a test for the work of jobs.
    pub fn start_with(settings: &[(&str, &str)], perform: Option<Arc<dyn Perform>>) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), settings, perform)
    }

    /// In a data folder that holds something already.
    pub fn start_in(dir: tempfile::TempDir, settings: &[(&str, &str)], perform: Option<Arc<dyn Perform>>) -> Self {
        let fixed = [
            ("data-dir", dir.path().to_str().unwrap()),
            ("http-listen", "127.0.0.1:0"),
            ("https-listen", "127.0.0.1:0"),
            ("grpc-listen", "127.0.0.1:0"),
        ];
        let all = fixed.iter().chain(settings);
        let settings: Vec<_> = all.map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let stop = CancellationToken::new();
        let running = Self::begin(&runtime, &settings, &perform, &stop);
        let client = Client::new(dir.path(), running.http.port(), running.https.port());
        let (grpc, server_name) = (running.grpc.port(), running.server_name.clone());
        let running = Some(runtime.spawn(running.wait()));
        Self { client, grpc, dir, server_name, runtime, settings, perform, running, stop }
    }

    fn begin(
        runtime: &tokio::runtime::Runtime,
        settings: &[(String, String)],
        perform: &Option<Arc<dyn Perform>>,
        stop: &CancellationToken,
    ) -> serve::Running {
        let flags = Flags { values: settings.iter().cloned().collect() };
        let config = Config::load(&flags, &|_| None, false).unwrap();
        match perform {
            None => runtime.block_on(serve::start(config, stop.clone())).unwrap(),
            some => runtime.block_on(serve::start_with(config, some.clone(), stop.clone())).unwrap(),
        }
    }

    /// Stopped, and started again over the same data, on other ports.
    pub fn restart(&mut self) {
        self.stop.cancel();
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running).unwrap().unwrap();
        }
        self.stop = CancellationToken::new();
        let running = Self::begin(&self.runtime, &self.settings, &self.perform, &self.stop);
        self.client = Client::new(self.dir.path(), running.http.port(), running.https.port());
        self.grpc = running.grpc.port();
        self.running = Some(self.runtime.spawn(running.wait()));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
