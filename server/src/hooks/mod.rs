//! How operators' hooks and checks are asked: over HTTP (the certificates that this machine trusts, no proxy, no redirect,
//! one deadline), or as programs of the operator. It decides nothing, and of an answer only the status is read.

mod program;

use crate::domain::rollout::PROGRAMS_MAX;
use crate::error::{Error, Result};
use crate::service::rollouts::{Asked, Caller, Ran};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::time::Duration;
use tokio::sync::Semaphore;

const CONNECT: Duration = Duration::from_secs(3);
/// From the connect to the status.
const WHOLE: Duration = Duration::from_secs(10);

/// All that is outside of this server.
#[derive(Debug)]
pub struct Outside {
    http: reqwest::Client,
    programs: Semaphore,
}

impl Outside {
    /// Nothing is sent or run yet.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn new() -> Result<Self> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .user_agent(concat!("higuma/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .timeout(WHOLE)
            .tls_backend_preconfigured(higuma_oci::trusted_tls(false).map_err(Error::internal)?)
            .build()
            .map_err(Error::internal)?;
        Ok(Self { http: client, programs: Semaphore::new(PROGRAMS_MAX as usize) })
    }
}

impl Caller for Outside {
    fn ask(&self, asked: Asked) -> BoxFuture<'_, std::result::Result<u16, String>> {
        async move {
            let mut request = match asked.body {
                Some(body) => self.http.post(&asked.url).body(body),
                None => self.http.get(&asked.url),
            };
            for (name, value) in asked.headers {
                request = request.header(name, value);
            }
            match request.send().await {
                Ok(answer) => Ok(answer.status().as_u16()),
                // Without the address, which may have a token in it.
                Err(error) => Err(cause(&error.without_url())),
            }
        }
        .boxed()
    }

    fn run(&self, ran: Ran) -> BoxFuture<'_, std::result::Result<bool, String>> {
        async move {
            // One that waits here would hold a place of those that are asked over HTTP.
            match self.programs.try_acquire() {
                Ok(_place) => program::run(ran).await,
                Err(_) => Err(format!("{PROGRAMS_MAX} programs run on this server: it waits for one to end")),
            }
        }
        .boxed()
    }
}

/// The innermost reason.
fn cause(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(inner) = error.source() {
        error = inner;
    }
    error.to_string()
}
