//! The two HTTP listeners: plain (scripts and public boot artefacts only) and HTTPS (people, JSON agents, pages).
//! Handlers parse, call the service and render; they decide nothing. What exists is in [`routes`].

mod agent;
mod api;
mod blob_answer;
mod blobs;
mod bmc;
mod bounds;
mod cabling;
mod console;
mod dhcp;
pub mod enrol;
mod exchanges;
pub mod failure;
mod firmware;
mod front;
mod guard;
mod health;
pub mod identity;
mod images;
mod installs;
mod inventory;
mod ipam;
mod ipxe_files;
mod jobs;
mod observe;
mod profiles;
mod range;
mod rollouts;
pub mod routes;
mod scripts;
mod secrets;
mod vault;

pub(crate) use guard::same_origin;
pub use health::{Readiness, publish_gauges};
pub(crate) use health::{degraded, own_reasons};

use crate::blob::cache::Cache;
use crate::blob::{Blobs, Home};
use crate::domain::Sha256;
use crate::error::{Error, Result};
use crate::ipxe_files::IpxeFiles;
use crate::service::App;
use crate::service::delivery::Deliveries;
use actix_http::HttpService;
use actix_service::map_config;
use actix_web::dev::{AppConfig, Server};
use actix_web::middleware::from_fn;
use actix_web::web;
use actix_web::{App as Actix, HttpRequest, HttpServer};
use front::{Crew, Desk, Fronts};
use metrics_exporter_prometheus::PrometheusHandle;
use routes::{Listener, Table};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

/// What handlers share; cheap to clone.
#[derive(Clone)]
pub struct State {
    /// The use cases.
    pub app: App,
    /// Bytes of blobs.
    pub blobs: Blobs,
    /// Of blobs that are elsewhere.
    pub cache: Option<Cache>,
    /// Where blobs are kept.
    pub home: Home,
    /// Downloads under way.
    pub deliveries: Deliveries,
    /// Blob of the first stage's site part.
    pub site: Sha256,
    /// iPXE's programs, for HTTP boot.
    pub ipxe: Arc<IpxeFiles>,
    /// Port of the plain listener, for previews asked over HTTPS.
    pub http_port: u16,
    /// Largest blob, bytes.
    pub upload_limit: u64,
    /// The last answer of `/readyz`.
    pub readiness: Readiness,
    /// What `/metrics` shows.
    pub metrics: PrometheusHandle,
}

/// A client that has not sent its request's head after this long is slow on purpose.
const REQUEST_HEAD: Duration = Duration::from_secs(15);
const KEEP_ALIVE: Duration = Duration::from_secs(75);
const DISCONNECT: Duration = Duration::from_secs(5);
const TLS_HANDSHAKE: Duration = Duration::from_secs(10);
/// Open connections of one worker thread.
const CONNECTIONS: usize = 12_000;
/// Seconds for requests under way when the server stops.
const STOP_SECONDS: u64 = 8;

/// The listener as a future that serves until it is stopped through its handle.
///
/// # Errors
/// When the socket cannot be used.
pub fn serve(
    listener: Listener,
    socket: TcpListener,
    state: State,
    tls: Option<rustls::ServerConfig>,
) -> Result<Server> {
    let table = Arc::new(Table::new(listener));
    let shared = state.clone();
    let app = move || {
        let table = table.clone();
        Actix::new()
            .app_data(web::Data::new(shared.clone()))
            .app_data(web::Data::from(table.clone()))
            .configure(|config| routes::mount(&table, config))
            .wrap(from_fn(guard::guard))
            .wrap(from_fn(observe::observe))
            .wrap(tracing_actix_web::TracingLogger::<observe::Spans>::new())
    };
    let workers = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 16);
    let Some(tls) = tls else {
        let builder = Server::build()
            .workers(workers)
            .max_concurrent_connections(CONNECTIONS)
            .shutdown_timeout(STOP_SECONDS)
            .disable_signals();
        let (stop, at) = (builder.graceful_shutdown_signal(), socket.local_addr().map_err(Error::internal)?);
        let desk = Desk {
            blobs: state.blobs.clone(),
            cache: state.cache.clone(),
            deliveries: state.deliveries.clone(),
            stop: stop.clone(),
            first: REQUEST_HEAD,
            keep_alive: KEEP_ALIVE,
        };
        let crew = Crew::start(&desk, workers).map_err(Error::internal)?;
        let services = move || {
            let signal = stop.clone();
            let behind = HttpService::build()
                .graceful_shutdown_signal(move || {
                    let signal = signal.clone();
                    async move { signal.notified().await }
                })
                .keep_alive(KEEP_ALIVE)
                .client_request_timeout(REQUEST_HEAD)
                .client_disconnect_timeout(DISCONNECT)
                .local_addr(at)
                .finish(map_config(app(), |()| AppConfig::default()))
                .tcp();
            Fronts { desk: desk.clone(), crew: crew.clone(), behind }
        };
        return Ok(builder.listen(listener.as_str(), socket, services).map_err(Error::internal)?.run());
    };
    let server = HttpServer::new(app)
        .workers(workers)
        .max_connections(CONNECTIONS)
        .client_request_timeout(REQUEST_HEAD)
        .client_disconnect_timeout(DISCONNECT)
        .tls_handshake_timeout(TLS_HANDSHAKE)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(STOP_SECONDS)
        .disable_signals();
    Ok(server.listen_rustls_0_23(socket, tls).map_err(Error::internal)?.run())
}

/// The authority that the client asked: of the request itself, never of a forwarded header.
pub(crate) fn host(request: &HttpRequest) -> Result<&str> {
    let header = request.headers().get(actix_web::http::header::HOST).and_then(|h| h.to_str().ok());
    let host = request.uri().authority().map(|a| a.as_str()).or(header);
    host.ok_or_else(|| Error::BadRequest("expected a Host header".to_owned()))
}
