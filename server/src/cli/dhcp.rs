//! `higuma dhcp explain`: what the server would answer to captured packets, and why. It asks no server and sends nothing: the
//! decision is the same code that the server runs.

use super::error::{Failure, Result};
use super::output::{self, Format};
use super::{Global, dhcp_leases, dhcp_options};
use crate::config::{Config, Flags};
use crate::dhcp::capture::{self, Capture};
use crate::dhcp::explain::{self, Explained, Setup};
use crate::domain::dhcp::{BootSettings, Build, Mode, Subnet, SubnetOptions};
use crate::domain::ipam::Range;
use crate::domain::select::Which;
use crate::ipxe_files::IpxeFiles;
use ipnet::Ipv4Net;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

/// Bytes of a capture at most.
const LARGEST: u64 = 64 << 20;
/// Seconds of a lease, in an explanation.
const LEASE_SECONDS: u32 = 3600;
/// What Debian's package `ipxe` has.
const FILES: &[&str] = &["undionly.kpxe", "ipxe.pxe", "snponly.efi", "ipxe.efi"];

/// DHCP
#[derive(Debug, clap::Subcommand)]
pub enum Dhcp {
    /// What the server would answer to captured packets, and why
    ///
    /// FILE is a pcap file (`tcpdump -w`), or packets as hexadecimal text (xxd, hexdump -C, tcpdump -xx, Wireshark), whole
    /// frames or DHCP's bytes alone. No server is asked and nothing is sent; addresses are given as if nothing but these packets
    /// had ever come.
    #[command(after_help = "Example:\n  tcpdump -i eth1 -w /tmp/dhcp.pcap 'port 67 or port 68 or port 4011'\n  \
                            higuma dhcp explain /tmp/dhcp.pcap --address 10.0.0.1/24\n  \
                            higuma dhcp explain packet.hex --mode server --subnet 10.0.0.0/24=10.0.0.100-10.0.0.199 -o json")]
    Explain(Box<Explain>),
    /// Show or set what one node is told instead of what its subnet says
    #[command(
        after_help = "Examples:\n  higuma dhcp options web-17\n  higuma dhcp options web-17 --mtu 9000 --dns 10.0.0.53 --option 150=0a000001\n  higuma dhcp options web-17 --clear"
    )]
    Options(dhcp_options::Options),
    /// See [`dhcp_leases`].
    #[command(flatten)]
    Leases(dhcp_leases::LeaseCommand),
}

/// See [`Dhcp::Explain`].
#[derive(Debug, clap::Args)]
pub struct Explain {
    /// The capture; `-`: standard input
    file: PathBuf,
    /// The server's configuration file: mode, authoritative, URL and iPXE's files are as in there, where no flag says otherwise
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Which interface of the configuration file it came by [default: the only one]
    #[arg(long, value_name = "NAME", requires = "config")]
    interface: Option<String>,
    /// What the server is: proxy (beside another DHCP server), server or off [default: proxy]
    #[arg(long, value_name = "MODE")]
    mode: Option<String>,
    /// Address and network of the server on the interface
    #[arg(long, default_value = "10.0.0.1/24", value_name = "ADDRESS/BITS")]
    address: Ipv4Net,
    /// A network to give addresses of, and which of them; may be repeated [default: all of --address's network]
    #[arg(long, value_name = "NETWORK=FIRST-LAST")]
    subnet: Vec<String>,
    /// Refuse addresses that this server has not given
    #[arg(long)]
    authoritative: bool,
    /// Base URL of the server's plain HTTP listener [default: http://ADDRESS:8080]
    #[arg(long, value_name = "URL")]
    http: Option<String>,
    /// A file of iPXE's that the server has; may be repeated [default: those of Debian's package ipxe]
    #[arg(long, value_name = "NAME")]
    ipxe: Vec<String>,
    /// Begin with iPXE's full build, not with snponly
    #[arg(long)]
    full_build: bool,
    /// Let iPXE of others load the server's own first
    #[arg(long)]
    own_ipxe: bool,
    /// ... which it has done already
    #[arg(long, requires = "own_ipxe")]
    fetched: bool,
    /// Port that packets without a UDP header came to: 67 or 4011
    #[arg(long, default_value = "67", value_name = "PORT", value_parser = clap::value_parser!(u16))]
    port: u16,
}

pub(super) fn run(global: &Global, command: Dhcp) -> Result<()> {
    let arguments = match command {
        Dhcp::Explain(arguments) => arguments,
        Dhcp::Options(options) => return dhcp_options::run(global, &options),
        Dhcp::Leases(command) => return dhcp_leases::run(global, command),
    };
    let setup = arguments.setup()?;
    let file = arguments.file.display();
    let capture = capture::read(&read(&arguments.file)?).map_err(|e| Failure::usage(format!("{file}: {e}")))?;
    let explained = explain::explain(&capture, &setup);
    match global.format {
        Format::Table => output::print(&output::clean_lines(&text(&capture, &explained))),
        Format::Json => {
            let value = serde_json::json!({ "items": explained, "others": capture.others, "cut": capture.cut });
            let text = serde_json::to_string_pretty(&value).map_err(|e| Failure::because("JSON", &e))?;
            output::print(&(text + "\n"))
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>> {
    let open = || -> std::io::Result<Box<dyn Read>> {
        if file == Path::new("-") { Ok(Box::new(std::io::stdin())) } else { Ok(Box::new(std::fs::File::open(file)?)) }
    };
    let mut bytes = Vec::new();
    let read = open().and_then(|from| from.take(LARGEST + 1).read_to_end(&mut bytes));
    read.map_err(|e| Failure::usage(format!("cannot read {}: {e}", file.display())))?;
    if bytes.len() as u64 > LARGEST {
        let most = LARGEST >> 20;
        return Err(Failure::usage(format!(
            "{}: expected at most {most} MiB: capture 'port 67 or port 68 or port 4011' alone",
            file.display()
        )));
    }
    Ok(bytes)
}

fn text(capture: &Capture, explained: &[Explained]) -> String {
    let mut text = explain::text(explained);
    if capture.others > 0 {
        text += &format!("\n{} other packet(s) in the file\n", capture.others);
    }
    if let Some(cut) = &capture.cut {
        text += &format!("\n{cut}\n");
    }
    text
}

impl Explain {
    fn setup(&self) -> Result<Setup> {
        let config = self.config.as_deref().map(|file| Known::read(file, self.interface.as_deref())).transpose()?;
        let mode = match (&self.mode, &config) {
            (Some(text), _) => text.parse().map_err(|e| Failure::usage(format!("--mode: {e}")))?,
            (None, Some(config)) => config.mode,
            (None, None) => Mode::Proxy,
        };
        let told = config.unwrap_or_default();
        if !matches!(self.port, 67 | 4011) {
            return Err(Failure::usage(format!("--port: expected 67 or 4011, got {}", self.port)));
        }
        let here = self.address.addr();
        let mut subnets = self.subnet.iter().map(|text| subnet(text)).collect::<Result<Vec<_>>>()?;
        if subnets.is_empty() {
            let net = self.address.trunc();
            subnets.push(Subnet {
                net,
                spans: vec![(net.network(), net.broadcast())],
                options: SubnetOptions::default(),
                lease_seconds: LEASE_SECONDS,
            });
        }
        let http = match &self.http {
            Some(url) if url.starts_with("http://") => url.trim_end_matches('/').to_owned(),
            Some(url) => return Err(Failure::usage(format!("--http: expected http://HOST:PORT, got {url:?}"))),
            None => told.http.unwrap_or_else(|| format!("http://{here}:8080")),
        };
        let names = match (self.ipxe.is_empty(), told.files) {
            (false, _) => self.ipxe.clone(),
            (true, Some(files)) => files,
            (true, None) => FILES.iter().map(|n| (*n).to_owned()).collect(),
        };
        Ok(Setup {
            mode,
            here: self.address,
            subnets,
            authoritative: self.authoritative || told.authoritative,
            boot: BootSettings {
                boots: true,
                build: if self.full_build || told.full { Build::Full } else { Build::Snponly },
                own_ipxe: self.own_ipxe || told.chain,
                fetched: self.fetched,
                tftp: here,
                http,
                files: names,
            },
            reservation: None,
            port: self.port,
        })
    }
}

/// What a configuration file says.
#[derive(Debug, Default)]
struct Known {
    mode: Mode,
    authoritative: bool,
    http: Option<String>,
    files: Option<Vec<String>>,
    /// For all nodes; an expression over a node says nothing of a packet alone.
    full: bool,
    chain: bool,
}

impl Known {
    fn read(file: &Path, interface: Option<&str>) -> Result<Self> {
        let values = [("config".to_owned(), file.to_string_lossy().into_owned())].into();
        let config = Config::load(&Flags { values }, &|_| None, nix::unistd::geteuid().is_root());
        let config = config.map_err(|e| Failure::usage(format!("--config: {e}")))?;
        let mode = match (interface, config.dhcp.as_slice()) {
            (None, [(_, mode)]) => *mode,
            (None, []) => Mode::Off,
            (Some(name), all) if let Some((_, mode)) = all.iter().find(|(known, _)| known == name) => *mode,
            (_, all) => {
                let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
                return Err(Failure::usage(format!(
                    "--interface: expected one of the setting dhcp of {}: {}",
                    file.display(),
                    if names.is_empty() { "it names none".to_owned() } else { names.join(", ") }
                )));
            }
        };
        let files = IpxeFiles::open(&config.ipxe_dir).names();
        Ok(Self {
            mode,
            authoritative: config.dhcp_authoritative,
            http: config.settings.advertise_http,
            files: Some(files.into_iter().map(str::to_owned).collect()),
            full: matches!(config.settings.ipxe_full, Which::All),
            chain: matches!(config.settings.ipxe_chain, Which::All),
        })
    }
}

/// `10.0.0.0/24=10.0.0.100-10.0.0.199`; without a span: reserved addresses only.
fn subnet(text: &str) -> Result<Subnet> {
    let bad = || {
        Failure::usage(format!(
            "--subnet: expected NETWORK=FIRST-LAST, e.g. 10.0.0.0/24=10.0.0.100-10.0.0.199, got {text:?}"
        ))
    };
    let (net, span) = text.split_once('=').map_or((text, None), |(net, span)| (net, Some(span)));
    let net: Ipv4Net = net.parse().map_err(|_| bad())?;
    let v4 = |address: IpAddr| match address {
        IpAddr::V4(v4) if net.contains(&v4) => Ok::<Ipv4Addr, Failure>(v4),
        _ => Err(bad()),
    };
    let spans = match span.map(str::parse::<Range>) {
        None => Vec::new(),
        Some(Err(_)) => return Err(bad()),
        Some(Ok(range)) => vec![(v4(range.first)?, v4(range.last)?)],
    };
    Ok(Subnet { net: net.trunc(), spans, options: SubnetOptions::default(), lease_seconds: LEASE_SECONDS })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::super::Exit;
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        command: Dhcp,
    }

    fn arguments(line: &str) -> Explain {
        let words = ["higuma", "explain"].into_iter().chain(line.split(' '));
        let Dhcp::Explain(explain) = Line::try_parse_from(words).unwrap().command else { panic!("another command") };
        *explain
    }

    #[test]
    fn a_configuration_file_stands_behind_the_flags() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("higuma.toml");
        let text = "dhcp = \"eth1=server,eth2=proxy\"\ndhcp-authoritative = \"on\"\nipxe-chain = \"all\"\nadvertise-http = \"http://10.9.9.9:80\"\n";
        std::fs::write(&file, format!("{text}ipxe-dir = \"{}\"\n", dir.path().display())).unwrap();
        std::fs::write(dir.path().join("snponly.efi"), "x").unwrap();
        let of = |more: &str| arguments(&format!("f --config {} {more}", file.display())).setup();
        let setup = of("--interface eth1").unwrap();
        assert_eq!((setup.mode, setup.authoritative, setup.boot.own_ipxe), (Mode::Server, true, true));
        assert_eq!(
            (setup.boot.http.as_str(), setup.boot.files),
            ("http://10.9.9.9:80", vec!["snponly.efi".to_owned()])
        );
        assert_eq!(of("--interface eth2 --http http://10.0.0.7:80").unwrap().boot.http, "http://10.0.0.7:80");
        for bad in ["--mode proxy", "--interface eth3"] {
            let refused = of(bad).err().unwrap();
            assert!(refused.message.contains("eth1, eth2"), "{refused:?}");
        }
    }

    #[test]
    fn what_is_set_and_what_is_not() {
        let setup = arguments("f --address 10.1.2.3/20").setup().unwrap();
        assert_eq!((setup.mode, setup.boot.http.as_str()), (Mode::Proxy, "http://10.1.2.3:8080"));
        assert_eq!(setup.subnets[0].net.to_string(), "10.1.0.0/20");
        assert!(setup.subnets[0].gives("10.1.15.9".parse().unwrap()));
        let line =
            "f --mode server --subnet 10.0.0.0/24=10.0.0.9 --subnet 10.1.0.0/16 --http http://b:80/ --full-build";
        let setup = arguments(line).setup().unwrap();
        assert_eq!(
            (setup.mode, setup.boot.http.as_str(), setup.boot.build),
            (Mode::Server, "http://b:80", Build::Full)
        );
        let last = "10.0.0.9".parse().unwrap();
        assert_eq!((setup.subnets[0].spans.as_slice(), setup.subnets[1].spans.len()), (&[(last, last)][..], 0));
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        for (line, says) in [
            ("f --mode on", "off, proxy or server"),
            ("f --port 68", "67 or 4011, got 68"),
            ("f --http b:80", "http://HOST:PORT"),
            ("f --subnet 10.0.0.0/24=10.1.0.1-10.1.0.9", "NETWORK=FIRST-LAST"),
            ("f --subnet 10.0.0.0/24=9-1", "NETWORK=FIRST-LAST"),
            ("f --subnet fd00::/64", "NETWORK=FIRST-LAST"),
        ] {
            let failure = arguments(line).setup().unwrap_err();
            assert!(failure.exit == Exit::Usage && failure.message.contains(says), "{line}: {failure}");
        }
        assert_eq!(read(Path::new("/nonexistent/x")).unwrap_err().exit, Exit::Usage);
    }
}
