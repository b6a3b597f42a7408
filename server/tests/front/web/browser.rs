//! A browser without JavaScript, and what it sees.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use ureq::http::Response;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

/// A browser without JavaScript.
pub struct Browser {
    agent: ureq::Agent,
    base: String,
    pub cookie: Option<String>,
}

/// What came.
pub struct Seen {
    pub status: u16,
    pub location: String,
    pub cookie: Option<String>,
    pub headers: ureq::http::HeaderMap,
    pub body: String,
}

impl Browser {
    pub fn new(data: &Path, https: SocketAddr) -> Self {
        let pem = std::fs::read(data.join("ca.pem")).unwrap();
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(RootCerts::new_with_certs(&[Certificate::from_pem(&pem).unwrap()]))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).tls_config(tls).build();
        Self { agent: config.into(), base: format!("https://127.0.0.1:{}", https.port()), cookie: None }
    }

    pub fn get(&self, path: &str) -> Seen {
        let mut request = self.agent.get(format!("{}{path}", self.base)).header("accept", "text/html");
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        Seen::of(request.call().unwrap())
    }

    pub fn post(&self, path: &str, site: &str, form: &[(&str, &str)]) -> Seen {
        let request = self.agent.post(format!("{}{path}", self.base));
        let mut request = request.header("accept", "text/html").header("sec-fetch-site", site);
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        Seen::of(request.send_form(form.iter().copied()).unwrap())
    }
}

impl Browser {
    /// What a program does with the administrator's token.
    pub fn api_put(&self, data: &Path, path: &str, body: &serde_json::Value) -> Seen {
        let token = std::fs::read_to_string(data.join("admin.token")).unwrap();
        let request = self.agent.put(format!("{}{path}", self.base));
        Seen::of(request.header("authorization", format!("Bearer {}", token.trim())).send_json(body).unwrap())
    }
}

impl Seen {
    fn of(mut response: Response<ureq::Body>) -> Self {
        let text = |name: &str| response.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
        Self {
            status: response.status().as_u16(),
            location: text("location").unwrap_or_default(),
            cookie: text("set-cookie"),
            headers: response.headers().clone(),
            body: response.body_mut().read_to_string().unwrap(),
        }
    }
}
