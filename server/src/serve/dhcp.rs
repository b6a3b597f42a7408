//! DHCP as a part of the server: on which interfaces, as what; what became of each packet goes to the log, the metrics and the
//! journal of boot services.

use super::quiet::{Line, Quiet};
use super::rivals::Watch;
use crate::config::Config;
use crate::dhcp::serve::{Answer, Answerer, Heard, Listener};
use crate::dhcp::{packet, words};
use crate::domain::dhcp::{self as domain, Decision, MessageType, Mode, Op, Port, Request, Silence, rival};
use crate::error::{Error, Result};
use crate::ipxe_files::IpxeFiles;
use crate::service::dhcp::{self as cases, Interface, Outcome};
use crate::service::exchanges::Who;
use crate::service::{App, exchanges};
use higuma_proto::api::Exchange;
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// A packet is answered within this, or not at all: its client asks again.
const PATIENCE: Duration = Duration::from_secs(8);
/// Characters of a stranger's words in a line of the log.
const WHO: usize = 300;
/// Addresses of the interface are looked at so often.
const LOOK: Duration = Duration::from_secs(15);

/// An interface that is served.
pub struct Part {
    sockets: Vec<Listener>,
    desk: Arc<Desk>,
    /// For people.
    pub name: String,
    /// What we are on it.
    pub mode: Mode,
    watch: Watch,
}

/// What is asked of one interface, answered.
struct Desk {
    app: App,
    files: Arc<IpxeFiles>,
    http: Option<String>,
    http_port: u16,
    interface: RwLock<Interface>,
    quiet: Quiet,
    /// A client spoke of another server.
    rival: Arc<Notify>,
}

/// Opens all that the settings name. `installation`: what all servers of ours have in common. Errors: no such interface, one
/// without an IPv4 address, a port that is taken, missing files.
pub fn open(
    config: &Config,
    app: &App,
    files: &Arc<IpxeFiles>,
    http_port: u16,
    installation: &str,
) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    if !config.dhcp.is_empty() {
        files.complete("dhcp")?;
    }
    for (name, mode) in &config.dhcp {
        let interface = Interface {
            name: name.clone(),
            mode: *mode,
            authoritative: config.dhcp_authoritative,
            nets: Vec::new(),
            own: Vec::new(),
            probe: rival::mark(installation),
            http: String::new(),
            files: Vec::new(),
        };
        let http = config.settings.advertise_http.clone();
        let (app, files) = (app.clone(), files.clone());
        let watch = Watch {
            app: app.clone(),
            interface: name.clone(),
            mode: *mode,
            installation: installation.to_owned(),
            hint: Arc::default(),
        };
        let (quiet, rival) = (Quiet::default(), watch.hint.clone());
        let desk = Desk { app, files, http, http_port, interface: RwLock::new(interface), quiet, rival };
        desk.look()?;
        let mut sockets = Vec::new();
        for port in [Port::Dhcp, Port::Pxe] {
            let opened = Listener::open(name, port).map_err(|error| {
                let number = if port == Port::Dhcp { domain::reply::SERVER_PORT } else { domain::reply::PXE_PORT };
                Error::Conflict(format!(
                    "cannot serve DHCP on port {number} of interface {name}: {error}; see setting dhcp (ports below 1024 need \
                     root or CAP_NET_BIND_SERVICE and CAP_NET_RAW; another DHCP server may run on this machine)"
                ))
            })?;
            sockets.push(opened);
        }
        parts.push(Part { sockets, desk: Arc::new(desk), name: name.clone(), mode: *mode, watch });
    }
    Ok(parts)
}

impl Part {
    /// Serves until it is stopped.
    pub async fn serve(self, stop: CancellationToken) -> Result<()> {
        let Self { sockets, desk, name, mode, watch } = self;
        tracing::info!(interface = name, "DHCP on {name}: {mode}");
        let mut tasks = tokio::task::JoinSet::new();
        for socket in sockets {
            tasks.spawn(socket.serve(desk.clone(), stop.clone()));
        }
        tasks.spawn(watch.run(stop.clone()));
        while tokio::time::timeout(LOOK, stop.cancelled()).await.is_err() {
            if let Err(error) = desk.look() {
                tracing::warn!(interface = name, "DHCP on {name}: {error}");
            }
        }
        while tasks.join_next().await.is_some() {}
        Ok(())
    }
}

impl Desk {
    fn interface(&self) -> Interface {
        self.interface.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The addresses as they are now; those known before stay when there are none.
    fn look(&self) -> Result<()> {
        let all = nix::ifaddrs::getifaddrs().map_err(Error::internal)?;
        let (mut nets, mut own) = (Vec::new(), Vec::new());
        let mut interface = self.interface();
        for one in all {
            let Some(address) = one.address.and_then(|a| a.as_sockaddr_in().map(|a| a.ip())) else { continue };
            own.push(address);
            if one.interface_name != interface.name {
                continue;
            }
            let mask = one.netmask.and_then(|a| a.as_sockaddr_in().map(|a| a.ip())).unwrap_or(Ipv4Addr::BROADCAST);
            nets.extend(Ipv4Net::with_netmask(address, mask));
        }
        let Some(first) = nets.first() else {
            return Err(Error::Conflict(format!(
                "setting dhcp: this machine has no interface {:?} with an IPv4 address: see `ip addr`",
                interface.name
            )));
        };
        interface.http = self.http.clone().unwrap_or_else(|| format!("http://{}:{}", first.addr(), self.http_port));
        interface.files = self.files.names().into_iter().map(str::to_owned).collect();
        (interface.nets, interface.own) = (nets, own);
        *self.interface.write().unwrap_or_else(PoisonError::into_inner) = interface;
        Ok(())
    }

    async fn work(&self, heard: Heard) -> Answer {
        let began = Instant::now();
        let interface = self.interface();
        let request = match packet::parse(&heard.bytes) {
            Ok(request) => request,
            Err(why) => {
                count(&interface.name, "unusable", "unusable");
                tracing::debug!(interface = interface.name, source = %heard.source, "DHCP: a packet is not used: {why}");
                return None;
            }
        };
        // Answers of others on the same wire.
        if request.op == Op::Reply {
            return None;
        }
        let Heard { port, source, unicast, .. } = heard;
        let asked = cases::Heard { request, port, source, unicast };
        let outcome = match tokio::time::timeout(PATIENCE, cases::decide(&self.app, &interface, &asked)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => {
                crate::http::failure::log_internal(&error);
                count(&interface.name, "error", "error");
                return None;
            }
            Err(_) => {
                count(&interface.name, "late", "error");
                return None;
            }
        };
        let took = i64::try_from(began.elapsed().as_micros()).unwrap_or(i64::MAX);
        self.tell(&interface, &asked, &outcome, took);
        match outcome.decision {
            Decision::Answer(answer) => Some((answer.to, packet::emit(&answer.reply).bytes)),
            _ => None,
        }
    }

    fn tell(&self, interface: &Interface, asked: &cases::Heard, outcome: &Outcome, took_us: i64) {
        let request = &asked.request;
        let kind = request.kind.map_or_else(|| "BOOTP".to_owned(), |kind| kind.to_string());
        let (result, detail, given) = match &outcome.decision {
            Decision::Answer(answer) => {
                let boot = match &answer.boot {
                    Some(Ok(file)) => format!("; boots {file}"),
                    Some(Err(why)) => format!("; boots nothing of ours: {why}"),
                    None => String::new(),
                };
                let given = Some(answer.reply.yiaddr).filter(|a| !a.is_unspecified());
                (answer.reply.kind.to_string().to_ascii_lowercase(), format!("{}{boot}", answer.why), given)
            }
            Decision::Silence(why, _) => (format!("silence:{}", why.word()), why.to_string(), None),
            Decision::Need(need) => ("silence:undecided".to_owned(), format!("{need:?}"), None),
        };
        // A number of a stranger's choice is one word.
        let label = match request.kind {
            Some(MessageType::Other(_)) => "other".to_owned(),
            _ => kind.to_ascii_lowercase(),
        };
        count(&interface.name, &label, &result);
        let now = Instant::now();
        let trouble = match &outcome.decision {
            Decision::Silence(why, _) if why.is_trouble() => {
                let relay = Some(request.giaddr).filter(|_| request.relayed()).map(|relay| relay.to_string());
                self.quiet.is_news(&format!("{} {}", why.word(), relay.unwrap_or_default()), now)
            }
            _ => false,
        };
        if matches!(&outcome.decision, Decision::Silence(Silence::OtherServer(_), _)) {
            self.rival.notify_one();
        }
        let who: String = words::summary(request).chars().take(WHO).collect();
        let name = &interface.name;
        match (&outcome.decision, trouble) {
            (Decision::Answer(_), _) => {
                let line = if outcome.node.is_some() { Line::Yes } else { self.quiet.stranger(now) };
                if let Line::After(count) = line {
                    tracing::info!(interface = name, "DHCP on {name}: {count} answers to strangers were no lines here");
                }
                match line {
                    Line::No => tracing::debug!(interface = name, result, "DHCP on {name}: {who}: {result}: {detail}"),
                    _ => tracing::info!(interface = name, result, "DHCP on {name}: {who}: {result}: {detail}"),
                }
            }
            (_, true) => tracing::warn!(interface = name, result, "DHCP on {name}: {who}: {detail}"),
            _ => tracing::debug!(interface = name, result, "DHCP on {name}: {who}: {detail}"),
        }
        let known = |address: Ipv4Addr| (!address.is_unspecified()).then_some(address);
        let who = Who {
            mac: request.hardware.mac().map(|mac| mac.to_string()).unwrap_or_default(),
            uuid: request.uuid.as_ref().map(ToString::to_string).unwrap_or_default(),
            node: outcome.node.as_ref().map(ToString::to_string).unwrap_or_default(),
        };
        let address = given.or(known(request.ciaddr)).or_else(|| chosen(interface.mode, request));
        let refused = result == "nak" || matches!(request.kind, Some(MessageType::Release | MessageType::Decline));
        if let Some(address) = address.filter(|_| !refused) {
            self.app.exchanges.holds(address.into(), who.clone());
        }
        let exchange = Exchange {
            result,
            detail,
            mac: who.mac,
            uuid: who.uuid,
            node: who.node,
            client: asked.source.ip().to_string(),
            address: address.map(|a| a.to_string()).unwrap_or_default(),
            interface: name.clone(),
            relay: known(request.giaddr).map(|a| a.to_string()).unwrap_or_default(),
            took_us,
            ..exchanges::exchange(self.app.now(), "dhcp", &kind)
        };
        self.app.exchanges.write(exchange);
    }
}

/// The address that a machine takes of another server, beside which we are a proxy: it names that server. A mere wish (option 50
/// alone) is nobody's address.
fn chosen(mode: Mode, request: &Request) -> Option<Ipv4Addr> {
    let of_another = mode == Mode::Proxy && request.kind == Some(MessageType::Request) && request.server_id.is_some();
    request.requested.filter(|_| of_another)
}

/// Values of both are words of ours: a client must not make metrics.
fn count(interface: &str, kind: &str, result: &str) {
    let labels = [("interface", interface.to_owned()), ("kind", kind.to_owned()), ("result", result.to_owned())];
    metrics::counter!("higuma_dhcp_packets_total", &labels).increment(1);
}

impl Answerer for Desk {
    fn answer(&self, heard: Heard) -> Pin<Box<dyn Future<Output = Answer> + Send + '_>> {
        Box::pin(self.work(heard))
    }
}
