//! A client of the HTTPS API as any program could be one: the installation's CA, its fixed name, and the admin token.
//! It must never read the server's database.

use crate::{Context, LabError, LabResult};
use higuma_proto::api::{BootDetail, BootSummary, Image, NodeDetail, NodePatch, NodeSummary, Page, Profile, Status};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

/// No answer of the API takes longer.
const DEADLINE: Duration = Duration::from_secs(30);
/// No upload takes longer.
const UPLOAD: Duration = Duration::from_secs(300);
/// No JSON answer is larger, bytes.
const MAX_BODY: u64 = 16 * 1024 * 1024;

/// Every name is one address: the fixed TLS name is in no DNS.
#[derive(Debug)]
struct Always(SocketAddr);

impl Resolver for Always {
    fn resolve(
        &self,
        _: &ureq::http::Uri,
        _: &ureq::config::Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut addresses = self.empty();
        addresses.push(self.0);
        Ok(addresses)
    }
}

/// An answer as it came.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Body as text.
    pub body: String,
}

/// A client for one server.
#[derive(Debug, Clone)]
pub struct Api {
    agent: ureq::Agent,
    base: String,
    token: String,
}

impl Api {
    /// A client for the server of a data folder, with the admin token in it.
    pub fn open(data_dir: &Path, https_port: u16) -> LabResult<Api> {
        let read = |name: &str| {
            let path = data_dir.join(name);
            std::fs::read_to_string(&path).context(format!("reading {}", path.display()))
        };
        let ca = Certificate::from_pem(read("ca.pem")?.as_bytes()).context("reading the CA certificate")?;
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&[ca]))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let config = ureq::Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .timeout_global(Some(DEADLINE))
            .build();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, https_port));
        let agent = ureq::Agent::with_parts(config, DefaultConnector::default(), Always(address));
        let base = format!("https://{}:{https_port}", read("server-name")?.trim());
        Ok(Api { agent, base, token: read("admin.token")?.trim().to_owned() })
    }

    /// The same with another bearer token (a node's credential, say).
    pub fn with_token(&self, token: &str) -> Api {
        Api { token: token.to_owned(), ..self.clone() }
    }

    /// Sends a request with a JSON body (or none) and gives the answer, whatever its status.
    pub fn send(&self, method: &str, path: &str, body: Option<&impl Serialize>) -> LabResult<Answer> {
        let body = match body {
            Some(value) => serde_json::to_string(value).context("writing JSON")?,
            None => String::new(),
        };
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.base));
        if !self.token.is_empty() {
            request = request.header("authorization", format!("Bearer {}", self.token));
        }
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        let request = request.body(body).context("making a request")?;
        let mut answer = self.agent.run(request).context(format!("{method} {path}"))?;
        let status = answer.status().as_u16();
        let body =
            answer.body_mut().with_config().limit(MAX_BODY).read_to_string().context(format!("{method} {path}"))?;
        Ok(Answer { status, body })
    }

    /// As [`Api::send`]; a status other than 2xx is an error, the body is read as `T`.
    pub fn call<T: DeserializeOwned>(&self, method: &str, path: &str, body: Option<&impl Serialize>) -> LabResult<T> {
        let answer = self.send(method, path, body)?;
        parse(method, path, &answer)
    }

    /// Uploads a file by PUT.
    pub fn put_file(&self, path: &str, file: &Path) -> LabResult {
        let body = std::fs::File::open(file).context(format!("opening {}", file.display()))?;
        let request = self.agent.put(format!("{}{path}", self.base)).config().timeout_global(Some(UPLOAD)).build();
        let request = request.header("authorization", format!("Bearer {}", self.token));
        let mut answer = request.content_type("application/octet-stream").send(body).context(format!("PUT {path}"))?;
        let status = answer.status().as_u16();
        let body = answer.body_mut().read_to_string().context(format!("PUT {path}"))?;
        if (200..300).contains(&status) { Ok(()) } else { Err(format!("PUT {path}: status {status}: {body}").into()) }
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> LabResult<T> {
        self.call("GET", path, None::<&()>)
    }

    /// The server's state.
    pub fn status(&self) -> LabResult<Status> {
        self.get("/api/v1/status")
    }

    /// The first page of nodes.
    pub fn nodes(&self) -> LabResult<Vec<NodeSummary>> {
        Ok(self.get::<Page<NodeSummary>>("/api/v1/nodes")?.items)
    }

    /// One node; none when the server does not know it.
    pub fn node(&self, uuid: &str) -> LabResult<Option<NodeDetail>> {
        let path = format!("/api/v1/nodes/{uuid}");
        let answer = self.send("GET", &path, None::<&()>)?;
        if answer.status == 404 { Ok(None) } else { parse("GET", &path, &answer).map(Some) }
    }

    /// Changes a node.
    pub fn patch_node(&self, uuid: &str, patch: &NodePatch) -> LabResult<NodeDetail> {
        self.call("PATCH", &format!("/api/v1/nodes/{uuid}"), Some(patch))
    }

    /// Assigns a profile, which admits the node.
    pub fn assign(&self, uuid: &str, profile: &str) -> LabResult<NodeDetail> {
        self.patch_node(uuid, &NodePatch { profile: Some(profile.to_owned()), ..NodePatch::default() })
    }

    /// The boots of a node, as the API orders them.
    pub fn boots(&self, uuid: &str) -> LabResult<Vec<BootSummary>> {
        Ok(self.get::<Page<BootSummary>>(&format!("/api/v1/nodes/{uuid}/boots"))?.items)
    }

    /// One boot with its events.
    pub fn boot(&self, id: &str) -> LabResult<BootDetail> {
        self.get(&format!("/api/v1/boots/{id}"))
    }

    /// The first page of images.
    pub fn images(&self) -> LabResult<Vec<Image>> {
        Ok(self.get::<Page<Image>>("/api/v1/images")?.items)
    }

    /// The first page of profiles.
    pub fn profiles(&self) -> LabResult<Vec<Profile>> {
        Ok(self.get::<Page<Profile>>("/api/v1/profiles")?.items)
    }
}

fn parse<T: DeserializeOwned>(method: &str, path: &str, answer: &Answer) -> LabResult<T> {
    if !(200..300).contains(&answer.status) {
        return Err(LabError::new(format!("{method} {path}: status {}: {}", answer.status, answer.body)));
    }
    // An empty answer (204) is the JSON null, which `()` reads.
    let body = if answer.body.is_empty() { "null" } else { &answer.body };
    serde_json::from_str(body).context(format!("{method} {path}: reading {body}"))
}

/// A node and the events of its boot, for a person who reads an error.
pub fn describe(detail: &NodeDetail) -> String {
    let node = &detail.summary;
    let mut text = format!(
        "lifecycle {}, reason {:?}, admission {}, profile {:?}, step {:?}",
        node.lifecycle, node.reason, node.admission, node.profile, node.step
    );
    if let Some(boot) = &detail.boot {
        let summary = &boot.summary;
        text.push_str(&format!(
            "\nboot {} {}, failed at {:?}: {:?}",
            summary.id, summary.phase, summary.failed_step, summary.failed_reason
        ));
        for event in &boot.events {
            let seconds = (event.at_us - summary.started_us) as f64 / 1e6;
            text.push_str(&format!(
                "\n  {:>7} {seconds:>7.1} s  {:<12} {:<8} {}",
                event.seq, event.step, event.state, event.message
            ));
        }
    }
    text
}
