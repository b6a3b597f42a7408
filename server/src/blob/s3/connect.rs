//! How S3 stores are spoken to: our own TLS (ring, the certificates that this machine trusts), no proxy, no redirect, and deadlines.

use crate::error::{Error, Result};
use object_store::ClientOptions;
use object_store::client::{HttpClient, HttpConnector};
use std::time::Duration;

const CONNECT: Duration = Duration::from_secs(5);
/// No byte of an answer for so long: the request has failed.
const SILENCE: Duration = Duration::from_secs(60);

/// Makes clients; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Connector(reqwest::Client);

impl Connector {
    /// `plain`: without TLS.
    pub fn new(plain: bool) -> Result<Self> {
        let client = reqwest::Client::builder()
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .user_agent(concat!("higuma/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .tls_backend_preconfigured(higuma_oci::trusted_tls(plain).map_err(Error::internal)?)
            .build()
            .map_err(Error::internal)?;
        Ok(Self(client))
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}
