//! TFTP as a part of the server: on which addresses, with which files; what became of each request goes to the log and to the
//! metrics.

use super::listen::interface_addresses;
use crate::config::{Config, Place};
use crate::error::{Error, Result};
use crate::ipxe_files::{self, AUTOEXEC, IpxeFiles};
use crate::service::exchanges::Who;
use crate::service::{App, exchanges};
use crate::tftp::{self, Files, Outcome, Report, Settings};
use higuma_proto::api::Exchange;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

/// TFTP's own (RFC 1350).
const PORT: u16 = 69;
/// One address that is served.
pub struct Part {
    socket: UdpSocket,
    address: SocketAddr,
    served: Served,
    settings: Settings,
}

/// What is served on one address.
struct Served {
    files: Arc<IpxeFiles>,
    autoexec: Arc<[u8]>,
}

impl Files for Served {
    fn file(&self, _: IpAddr, name: &str) -> Option<Arc<[u8]>> {
        // Beside whatever folder the firmware thinks that it is in.
        let name = name.strip_prefix("ipxe/").unwrap_or(name);
        if name == AUTOEXEC {
            return Some(self.autoexec.clone());
        }
        self.files.get(name).map(|(_, bytes)| bytes)
    }
}

/// Opens all that the settings name. Errors: a place that is none, an address that is taken, missing files.
pub async fn open(config: &Config, files: &Arc<IpxeFiles>, http_port: u16) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    for place in &config.tftp_listen {
        let found = addresses(place)?;
        files.complete("tftp-listen")?;
        for address in found {
            let socket = UdpSocket::bind(address).await.map_err(|error| {
                Error::Conflict(format!(
                    "cannot serve TFTP on {address}: {error}; see setting tftp-listen (ports below 1024 need root or \
                     CAP_NET_BIND_SERVICE; another TFTP server may run)"
                ))
            })?;
            let address = socket.local_addr().map_err(Error::internal)?;
            let script = match &config.settings.advertise_http {
                Some(url) => format!("{url}/boot.ipxe"),
                None => format!("http://{}/boot.ipxe", SocketAddr::new(address.ip(), http_port)),
            };
            let served = Served { files: files.clone(), autoexec: ipxe_files::autoexec(&script) };
            let settings = Settings { single_port: config.tftp_single_port, ..Settings::default() };
            parts.push(Part { socket, address, served, settings });
        }
    }
    Ok(parts)
}

fn addresses(place: &Place) -> Result<Vec<SocketAddr>> {
    match place {
        Place::Address(ip, port) => Ok(vec![SocketAddr::new(*ip, port.unwrap_or(PORT))]),
        Place::Interface(name, port) => {
            let found: Vec<IpAddr> = interface_addresses(name)?.into_iter().filter(IpAddr::is_ipv4).collect();
            if found.is_empty() {
                return Err(Error::Conflict(format!(
                    "tftp-listen: this machine has no interface {name:?} with an IPv4 address: see `ip addr`"
                )));
            }
            Ok(found.into_iter().map(|ip| SocketAddr::new(ip, port.unwrap_or(PORT))).collect())
        }
    }
}

impl Part {
    /// Where.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is stopped.
    pub async fn serve(self, app: App, stop: CancellationToken) -> Result<()> {
        let Self { socket, address, served, settings } = self;
        tracing::info!("TFTP on {address}: {}", served.files.names().join(", "));
        tftp::serve(socket, Arc::new(served), settings, move |report| tell(&app, report), stop)
            .await
            .map_err(Error::internal)
    }
}

fn tell(app: &App, report: Report) {
    let Report { client, file, outcome, bytes, resent, took } = report;
    let (result, how) = match &outcome {
        None => ("not_found", "there is no such file".to_owned()),
        Some(Outcome::Complete) => ("complete", "complete".to_owned()),
        Some(Outcome::Ended(code, message)) => ("ended", format!("the client ended it with {code} {message:?}")),
        Some(Outcome::Silent) => ("silent", "the client fell silent".to_owned()),
    };
    // Names are those of our list, or one word for all others: a client must not make metrics.
    let known = ipxe_files::NAMES.iter().find(|name| file.ends_with(**name)).copied();
    let label = if outcome.is_some() { known.unwrap_or(AUTOEXEC) } else { "other" };
    metrics::counter!("higuma_tftp_transfers_total", "file" => label, "result" => result).increment(1);
    metrics::counter!("higuma_tftp_bytes_total").increment(bytes);
    metrics::counter!("higuma_tftp_resent_total").increment(resent);
    let ms = took.as_millis();
    let Who { mac, uuid, node } = app.exchanges.who_has(client.ip()).unwrap_or_default();
    app.exchanges.write(Exchange {
        result: result.to_owned(),
        detail: how.clone(),
        mac,
        uuid,
        node,
        client: client.ip().to_string(),
        address: client.ip().to_string(),
        bytes,
        took_us: i64::try_from(took.as_micros()).unwrap_or(i64::MAX),
        ..exchanges::exchange(app.now(), "tftp", &file)
    });
    tracing::info!(%client, file, bytes, resent, ms, result, "TFTP {client}: {file:?}: {how}, {bytes} bytes in {ms} ms");
}
