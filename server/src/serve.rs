//! `higuma serve`: puts the parts together, says where they are, and stops them in order. It touches no network service
//! but its own ports.

mod cache;
mod data;
mod dhcp;
mod listen;
mod quiet;
mod rivals;
mod store;
mod tasks;
mod tftp;

use crate::blob::{Blobs, Home};
use crate::config::{Config, Flags};
use crate::error::{Error, Result};
use crate::http::routes::Listener;
use crate::http::{self, State};
use crate::ipxe_files::IpxeFiles;
use crate::pci_names::PciNames;
use crate::service::bmc::Hands;
use crate::service::delivery::Deliveries;
use crate::service::exchanges::{Journal, kept as exchanges};
use crate::service::jobs::Perform;
use crate::service::{App, firmware, scrub, vault};
use crate::store::Store;
use crate::tls::{self, Authority, Current};
use crate::{grpc, telemetry};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A stop takes no longer.
const STOP: Duration = Duration::from_secs(9);
/// What was heard last is stored within that, behind all else.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A server that runs.
pub struct Running {
    /// Plain HTTP, with the port that was chosen.
    pub http: SocketAddr,
    /// HTTPS.
    pub https: SocketAddr,
    /// gRPC.
    pub grpc: SocketAddr,
    /// TFTP, where it is switched on.
    pub tftp: Vec<SocketAddr>,
    /// DHCP, where it is switched on: the interface, and what we are on it.
    pub dhcp: Vec<String>,
    /// Fixed TLS name.
    pub server_name: String,
    /// Where the admin token is; none: another server of this database made it.
    pub token_file: Option<PathBuf>,
    app: App,
    parts: JoinSet<Result<()>>,
    stop: CancellationToken,
    _lock: std::fs::File,
}

/// The process: logs, signals, until the end. The exit code says how it ended.
pub fn main(flags: &Flags) -> std::process::ExitCode {
    let config = match Config::from_process(flags) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("higuma serve: {}", explain(&error));
            return std::process::ExitCode::from(2);
        }
    };
    telemetry::start_logs(config.log_format);
    listen::allow_many_files();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("higuma serve: cannot start threads: {error}");
            return std::process::ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(run(config));
    // Threads that wait for a slow disk do not hold the process up.
    runtime.shutdown_timeout(Duration::from_secs(1));
    match ended {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("higuma serve: {}", explain(&error));
            std::process::ExitCode::FAILURE
        }
    }
}

/// An error with its causes, for whoever runs the server.
fn explain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = match error.downcast_ref::<Error>() {
        Some(Error::Internal(source)) => source.to_string(),
        _ => error.to_string(),
    };
    let mut next = error.source();
    while let Some(cause) = next {
        let why = cause.to_string();
        if !text.contains(&why) {
            text = format!("{text}: {why}");
        }
        next = cause.source();
    }
    text
}

async fn run(config: Config) -> Result<()> {
    let stop = CancellationToken::new();
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate()).map_err(Error::internal)?,
        signal(SignalKind::interrupt()).map_err(Error::internal)?,
    );
    let running = start(config.clone(), stop.clone()).await?;
    print_for_people(&config, &running);
    let asked = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
            _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
        }
        asked.cancel();
    });
    running.wait().await
}

fn print_for_people(config: &Config, running: &Running) {
    let host = nix::unistd::gethostname().ok().and_then(|h| h.into_string().ok()).unwrap_or_else(|| "localhost".into());
    let shown = |address: SocketAddr| match address.ip().is_unspecified() {
        true => format!("{host}:{}", address.port()),
        false => address.to_string(),
    };
    let http = config.settings.advertise_http.clone().unwrap_or_else(|| format!("http://{}", shown(running.http)));
    println!("Higuma {} serves from {}", env!("CARGO_PKG_VERSION"), config.data_dir.display());
    println!("  open           https://{}/", shown(running.https));
    match &running.token_file {
        Some(file) => println!("  admin token    in the file {}", file.display()),
        None => println!("  admin token    with the server that made this database"),
    }
    println!("  authority      {}", tls::ca_file(&config.data_dir).display());
    println!("  point iPXE to  {http}/boot.ipxe");
    for address in &running.tftp {
        println!("  TFTP           {address} (BIOS: undionly.kpxe, UEFI: snponly.efi)");
    }
    for interface in &running.dhcp {
        println!("  DHCP           {interface}");
    }
    println!("  agents use     {} (gRPC, TLS name {})", shown(running.grpc), running.server_name);
}

/// Start everything; returns when all listeners accept.
///
/// # Errors
/// What cannot be opened, with what to do.
pub async fn start(config: Config, stop: CancellationToken) -> Result<Running> {
    start_with(config, None, stop).await
}

/// As [`start`]. `perform`: what carries out the work of jobs; none: BMCs over the LAN.
///
/// # Errors
/// As [`start`].
pub async fn start_with(config: Config, perform: Option<Arc<dyn Perform>>, stop: CancellationToken) -> Result<Running> {
    // The first call of the process installs it; all TLS of ours is by ring.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let metrics = telemetry::metrics()?;
    let lock = data::lock(&config.data_dir)?;
    let authority = Arc::new(Authority::load_or_create(&config.data_dir)?);
    let blobs = Blobs::open(&config.data_dir.join("blobs"))?;
    let (home, cache) = cache::open(&config, stop.clone()).await?;
    let url = config.database_url.clone();
    let store = tokio::task::spawn_blocking(move || Store::open(&url)).await.map_err(Error::internal)??;

    let http_socket = listen::bind(config.http_listen, "http-listen")?;
    let https_socket = listen::bind(config.https_listen, "https-listen")?;
    let grpc_socket = listen::bind(config.grpc_listen, "grpc-listen")?;
    let address = |socket: &tokio::net::TcpListener| socket.local_addr().map_err(Error::internal);
    let (http_at, https_at, grpc_at) = (address(&http_socket)?, address(&https_socket)?, address(&grpc_socket)?);

    let folder = config.ipxe_dir.clone();
    let ipxe = tokio::task::spawn_blocking(move || IpxeFiles::open(&folder)).await;
    let ipxe = Arc::new(ipxe.map_err(Error::internal)?);
    let tftp = tftp::open(&config, &ipxe, http_at.port()).await?;

    let mut settings = config.settings.clone();
    settings.grpc_port = grpc_at.port();
    let pci_ids = config.pci_ids.clone();
    let names = tokio::task::spawn_blocking(move || PciNames::open(pci_ids.as_deref()));
    settings.pci_names = names.await.map_err(Error::internal)?;
    let vault = data::vault(&config.data_dir, config.master_key_file.clone()).await?;
    let server_id = data::server_id(&config.data_dir)?;
    let mut app = App::new(store, settings).with_vault(vault);
    app.exchanges = Journal::of(&server_id);
    app.prober = config.address_probe.then(|| Arc::new(crate::arp::Kernel) as _);
    vault::start(&app).await?;
    let token_file = data::admin_token(&app, &config.data_dir).await?;

    let not_before = i64::try_from(authority.not_before).unwrap_or_default();
    let site = higuma_initramfs::site::build(&authority.ca_pem, &authority.server_name, not_before);
    let (site, _) = blobs.put_bytes(site.map_err(Error::internal)?).await?;
    let dhcp = dhcp::open(&config, &app, &ipxe, http_at.port(), &authority.server_name)?;
    let state = State {
        app: app.clone(),
        blobs: blobs.clone(),
        cache: cache.clone(),
        home: home.clone(),
        deliveries: Deliveries::new(config.blob_caps, app.exchanges.clone()),
        site: site.clone(),
        ipxe: ipxe.clone(),
        http_port: http_at.port(),
        upload_limit: config.upload_limit,
        readiness: http::Readiness::default(),
        metrics: metrics.clone(),
    };

    let advertised = [&config.settings.advertise_http, &config.settings.advertise_grpc];
    let advertised: Vec<String> =
        advertised.into_iter().flatten().map(|a| a.trim_start_matches("http://").to_owned()).collect();
    let current = Current::new(&authority, &tls::local_names(&advertised))?;

    let std_socket = |socket: tokio::net::TcpListener| socket.into_std().map_err(Error::internal);
    let plain = http::serve(Listener::Plain, std_socket(http_socket)?, state.clone(), None)?;
    let https_tls = tls::server_config(current.clone(), &[])?;
    let https = http::serve(Listener::Https, std_socket(https_socket)?, state, Some(https_tls))?;
    let grpc_tls = tls::server_config(current.clone(), &["h2"])?;

    data::write_url(&config.data_dir, https_at)?;
    let mut parts = JoinSet::new();
    for server in [plain, https] {
        let (handle, stop) = (server.handle(), stop.clone());
        tokio::spawn(async move {
            stop.cancelled().await;
            handle.stop(true).await;
        });
        parts.spawn(async move { server.await.map_err(Error::internal) });
    }
    if cache.is_none() {
        scrub::remember(&app, &blobs).await?;
    }
    parts.spawn(grpc::serve(app.clone(), grpc_socket, grpc_tls, stop.clone()));
    // What a stop or a crash cut off.
    firmware::start_reassessing(&app);
    let perform = perform.unwrap_or_else(|| Arc::new(Hands { app: app.clone() }));
    parts.spawn(tasks::jobs(app.clone(), perform, server_id, stop.clone()));
    parts.spawn(tasks::bmcs(app.clone(), stop.clone()));
    parts.spawn(tasks::rules(app.clone(), stop.clone()));
    parts.spawn(tasks::drift(app.clone(), stop.clone()));
    parts.spawn(tasks::rollouts(app.clone(), Arc::new(crate::hooks::Outside::new()?), stop.clone()));
    let tftp_at: Vec<SocketAddr> = tftp.iter().map(tftp::Part::address).collect();
    for part in tftp {
        parts.spawn(part.serve(app.clone(), stop.clone()));
    }
    let dhcp_on: Vec<String> = dhcp.iter().map(|part| format!("{} ({})", part.name, part.mode)).collect();
    for part in dhcp {
        parts.spawn(part.serve(stop.clone()));
    }
    parts.spawn(tasks::refresh(ipxe, stop.clone()));
    parts.spawn(tasks::addresses(app.clone(), stop.clone()));
    parts.spawn(tasks::enrolments(app.clone(), stop.clone()));
    parts.spawn(tasks::sweep(app.clone(), metrics, stop.clone()));
    parts.spawn(tasks::exchanges(app.clone(), stop.clone()));
    // What is used is for the server to say that has the blobs.
    let own = matches!(home, Home::Here);
    if let Some(shared) = home.store() {
        parts.spawn(store::collect(app.clone(), shared.clone(), stop.clone()));
        parts.spawn(store::move_in(app.clone(), blobs.clone(), site.clone(), shared.clone(), stop.clone()));
    }
    parts.spawn(tasks::collect_blobs(app.clone(), blobs, site, own, stop.clone()));
    if let Some(cache) = cache {
        parts.spawn(cache::watch(cache, stop.clone()));
    }
    parts.spawn(tasks::renew(current, authority.clone(), advertised, stop.clone()));
    tracing::info!(http = %http_at, https = %https_at, grpc = %grpc_at, "serving HTTP {http_at}, HTTPS {https_at}, gRPC {grpc_at}");
    Ok(Running {
        http: http_at,
        https: https_at,
        grpc: grpc_at,
        tftp: tftp_at,
        dhcp: dhcp_on,
        server_name: authority.server_name.clone(),
        token_file,
        app,
        parts,
        stop,
        _lock: lock,
    })
}

impl Running {
    /// Until it is stopped by its token, or a part fails (then the others are stopped).
    ///
    /// # Errors
    /// The part that failed.
    pub async fn wait(mut self) -> Result<()> {
        let mut outcome = Ok(());
        let first = self.parts.join_next().await;
        keep(&mut outcome, first);
        self.stop.cancel();
        let rest = async {
            while let Some(ended) = self.parts.join_next().await {
                keep(&mut outcome, Some(ended));
            }
        };
        if tokio::time::timeout(STOP, rest).await.is_err() {
            tracing::warn!("requests were cut off: they took longer than {} s", STOP.as_secs());
        }
        match tokio::time::timeout(LAST_WORDS, exchanges::store_waiting(&self.app)).await {
            Ok(Err(error)) => http::failure::log_internal(&error),
            Ok(Ok(_)) => {}
            Err(_) => tracing::warn!("the last exchanges of boot services were not stored: the database is too slow"),
        }
        tracing::info!("stopped");
        outcome
    }
}

type Ended = std::result::Result<Result<()>, tokio::task::JoinError>;

fn keep(outcome: &mut Result<()>, ended: Option<Ended>) {
    let error = match ended {
        Some(Ok(Err(error))) => error,
        Some(Err(error)) => Error::internal(error),
        _ => return,
    };
    tracing::error!(cause = explain(&error), "a part of the server failed: {}", explain(&error));
    if outcome.is_ok() {
        *outcome = Err(error);
    }
}
