//! `higuma bmc`: BMCs, what they say, what is set of them by hand. A password is read from a file or the terminal's pipe, never
//! from an argument.

use super::client::{Client, encode};
use super::error::{Failure, Result};
use super::job::submit_and_watch;
use super::node::resolve;
use super::output::{self, answer};
use super::power::Which;
use super::{Global, bmc_redfish};
use higuma_proto::api::{AttachMedia, BmcDetail, BmcInfo, BmcReading, BmcSummary, Page, SetBmc};
use std::io::Read;
use std::path::{Path, PathBuf};
use ureq::http::Method;

/// BMCs: state, sensors, event log, passwords
#[derive(Debug, clap::Subcommand)]
pub enum Bmc {
    /// All BMCs, with the power of their nodes
    #[command(after_help = "Example:\n  higuma bmc list --state unreachable -o json")]
    List {
        /// Only this state: absent, silent, refused, found, configured, managed, unreachable or login-refused
        #[arg(long, value_name = "STATE")]
        state: Option<String>,
    },
    /// One BMC: what was found in it, what was changed, how it is reached
    #[command(after_help = "Example:\n  higuma bmc show web-17")]
    Show {
        /// UUID, a unique beginning of it, or host name
        node: String,
    },
    /// Log in now and show how that went
    #[command(after_help = "Example:\n  higuma bmc check web-17")]
    Check {
        /// UUID, a unique beginning of it, or host name
        node: String,
    },
    /// Set address, protocol or an account that the BMC has already
    #[command(
        after_help = "Examples:\n  higuma bmc set web-17 --address 10.0.8.17 --user ADMIN --password-file factory.txt\n  higuma bmc set web-17 --protocol redfish --forget-certificate"
    )]
    #[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
    Set(Set),
    /// What a BMC says of itself, asked now
    #[command(after_help = "Example:\n  higuma bmc info web-17")]
    Info {
        /// UUID, a unique beginning of it, or host name
        node: String,
    },
    /// Temperatures, fans, voltages, read now
    #[command(after_help = "Example:\n  higuma bmc sensors web-17")]
    Sensors {
        /// UUID, a unique beginning of it, or host name
        node: String,
    },
    /// The BMC's event log, newest first, read now
    #[command(after_help = "Example:\n  higuma bmc log web-17")]
    Log {
        /// UUID, a unique beginning of it, or host name
        node: String,
    },
    /// The hardware as the BMC sees it, read now (Redfish)
    #[command(after_help = "Example:\n  higuma bmc hardware web-17 -o json")]
    Hardware {
        /// UUID, a unique beginning of it, or host name
        node: String,
    },
    /// Firmware versions that the BMC knows, read now (Redfish)
    #[command(after_help = "Example:\n  higuma bmc firmware web-17")]
    Firmware {
        /// UUID, a unique beginning of it, or host name
        node: String,
    },
    /// Virtual drives and what is in them, read now (Redfish)
    #[command(after_help = "Example:\n  higuma bmc media web-17")]
    Media {
        /// UUID, a unique beginning of it, or host name
        node: String,
    },
    /// Put an image into a virtual drive, read-only; the BMC fetches it itself (Redfish)
    #[command(
        after_help = "Example:\n  higuma bmc attach web-17 http://10.0.0.1/rescue.iso\n  higuma power boot cd web-17 && higuma power cycle web-17"
    )]
    Attach {
        /// UUID, a unique beginning of it, or host name
        node: String,
        /// http, https, nfs or cifs URL, without user and password
        url: String,
        /// Which drive, as `bmc media` shows it [default: the first that takes a CD]
        #[arg(long)]
        slot: Option<String>,
    },
    /// Empty virtual drives (Redfish)
    #[command(after_help = "Example:\n  higuma bmc detach web-17")]
    Detach {
        /// UUID, a unique beginning of it, or host name
        node: String,
        /// Which drive [default: all]
        #[arg(long)]
        slot: Option<String>,
    },
    /// Passwords of BMCs
    #[command(subcommand)]
    Password(super::vault::Password),
    /// Empty event logs
    #[command(after_help = "Example:\n  higuma bmc clear-log web-17")]
    ClearLog(Which),
    /// The identify LED: which server is meant
    #[command(after_help = "Examples:\n  higuma bmc identify web-17\n  higuma bmc identify web-17 --seconds 0")]
    Identify {
        /// Which nodes, and how
        #[command(flatten)]
        which: Which,
        /// On for so long; 0: off; 255: until it is told otherwise
        #[arg(long, default_value_t = 15)]
        seconds: u8,
    },
    /// Restart BMCs themselves; nodes keep running
    #[command(after_help = "Example:\n  higuma bmc reset web-17")]
    Reset(Which),
    /// Give BMCs new passwords; the old one holds until the new one has logged in
    #[command(after_help = "Example:\n  higuma bmc rotate --where 'node.product == \"R650\"'")]
    Rotate(Which),
}

/// What is set.
#[derive(Debug, clap::Args)]
pub struct Set {
    /// UUID, a unique beginning of it, or host name
    pub node: String,
    /// IP address; empty: none
    #[arg(long, group = "change")]
    pub address: Option<String>,
    /// Port; 0: the protocol's own
    #[arg(long, group = "change")]
    pub port: Option<u16>,
    /// auto, ipmi or redfish
    #[arg(long, group = "change")]
    pub protocol: Option<String>,
    /// An account that is there already
    #[arg(long, group = "change", requires = "password_file")]
    pub user: Option<String>,
    /// File with its password, `-` for standard input
    #[arg(long, value_name = "FILE", requires = "user")]
    pub password_file: Option<PathBuf>,
    /// Take the certificate that the BMC shows next
    #[arg(long, group = "change")]
    pub forget_certificate: bool,
}

pub(super) fn run(global: &Global, command: Bmc) -> Result<()> {
    let client = Client::new(global)?;
    let path = |node: &str, what: &str| {
        Ok::<_, Failure>(format!("/api/v1/nodes/{}/bmc{what}", encode(&resolve(&client, node)?)))
    };
    let job =
        |which: &Which, action: &str| submit_and_watch(global, &client, which.job(&client, action)?, which.detach);
    let shown = |bmc: BmcDetail| show(&bmc, output::now_us());
    match command {
        Bmc::List { state } => {
            let query: Vec<(&str, &str)> = state.iter().map(|state| ("state", state.as_str())).collect();
            let value = client.list("/api/v1/bmcs", &query)?;
            answer(global.format, value, |page: Page<BmcSummary>| table(&page.items, output::now_us()))
        }
        Bmc::Show { node } => answer(global.format, client.get(&path(&node, "")?)?, shown),
        Bmc::Check { node } => {
            answer(global.format, client.call(Method::POST, &path(&node, "/check")?, None::<&()>)?, shown)
        }
        Bmc::Set(set) => {
            let password = set.password_file.as_deref().map(read_password).transpose()?;
            let given = SetBmc {
                address: set.address,
                port: set.port,
                protocol: set.protocol,
                user: set.user,
                password,
                forget_certificate: set.forget_certificate,
            };
            answer(global.format, client.call(Method::PUT, &path(&set.node, "")?, Some(&given))?, shown)
        }
        Bmc::Info { node } => answer(global.format, client.get(&path(&node, "/info")?)?, |info: BmcInfo| {
            output::fields(&[
                ("protocol", info.driver),
                ("firmware", info.firmware),
                ("power", info.power),
                ("system UUID", info.system_uuids.join(" or ")),
                ("notes", info.notes.join("; ")),
            ])
        }),
        Bmc::Sensors { node } => {
            answer(global.format, client.get(&path(&node, "/sensors")?)?, |page: Page<BmcReading>| {
                let value = |r: &BmcReading| r.value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
                let row = |r: &BmcReading| [r.name.clone(), value(r), r.unit.clone(), r.state.clone()];
                output::table(["SENSOR", "VALUE", "UNIT", "STATE"], &page.items.iter().map(row).collect::<Vec<_>>())
            })
        }
        Bmc::Log { node } => answer(global.format, client.get(&path(&node, "/log")?)?, bmc_redfish::log),
        Bmc::Hardware { node } => answer(global.format, client.get(&path(&node, "/hardware")?)?, bmc_redfish::hardware),
        Bmc::Firmware { node } => answer(global.format, client.get(&path(&node, "/firmware")?)?, bmc_redfish::firmware),
        Bmc::Media { node } => answer(global.format, client.get(&path(&node, "/media")?)?, bmc_redfish::media),
        Bmc::Attach { node, url, slot } => {
            let drives = client.call(Method::PUT, &path(&node, "/media")?, Some(&AttachMedia { url, slot }))?;
            answer(global.format, drives, bmc_redfish::media)
        }
        Bmc::Detach { node, slot } => {
            let query = slot.map(|slot| format!("?slot={}", encode(&slot))).unwrap_or_default();
            let drives = client.call(Method::DELETE, &path(&node, &format!("/media{query}"))?, None::<&()>)?;
            answer(global.format, drives, bmc_redfish::media)
        }
        Bmc::Password(command) => super::vault::password(global, &client, command),
        Bmc::ClearLog(which) => job(&which, "clear-log"),
        Bmc::Identify { which, seconds } => job(&which, &format!("identify {seconds}")),
        Bmc::Reset(which) => job(&which, "bmc-reset"),
        Bmc::Rotate(which) => job(&which, "rotate-password"),
    }
}

/// The first line of a file or of standard input.
fn read_password(file: &Path) -> Result<String> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(4_096).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(4_096).read_to_string(&mut text))
    };
    read.map_err(|error| Failure::usage(format!("cannot read the password from {}: {error}", file.display())))?;
    match text.lines().next().filter(|line| !line.is_empty()) {
        Some(line) => Ok(line.to_owned()),
        None => Err(Failure::usage(format!("{} holds no password: expected it on the first line", file.display()))),
    }
}

fn name(bmc: &BmcSummary) -> String {
    if bmc.hostname.is_empty() { bmc.node.clone() } else { bmc.hostname.clone() }
}

fn table(bmcs: &[BmcSummary], now: i64) -> String {
    let age = |at: Option<i64>| at.map_or_else(|| "-".to_owned(), |at| output::ago(at, now));
    let row = |b: &BmcSummary| {
        let by = b.driver.clone().unwrap_or_else(|| b.protocol.clone());
        let address = b.address.clone().unwrap_or_default();
        [name(b), b.state.clone(), address, by, b.power.clone(), age(b.power_us), b.reason.clone()]
    };
    let head = ["NODE", "STATE", "ADDRESS", "BY", "POWER", "TOLD", "WHY"];
    output::table(head, &bmcs.iter().map(row).collect::<Vec<_>>())
}

fn show(bmc: &BmcDetail, now: i64) -> String {
    let s = &bmc.summary;
    let at = |at: Option<i64>| at.map_or_else(|| "never".to_owned(), |at| output::time_ago(at, now));
    let mut text = output::fields(&[
        ("node", name(s)),
        ("state", s.state.clone()),
        ("why", s.reason.clone()),
        ("protocol", s.driver.clone().unwrap_or_else(|| s.protocol.clone())),
        ("address", s.address.clone().unwrap_or_default()),
        ("MAC", s.mac.clone()),
        ("firmware", s.firmware.clone()),
        ("power", s.power.clone()),
        ("power told", at(s.power_us)),
        ("logged in", at(s.proven_us)),
        ("read in-band", at(bmc.found_us)),
        ("certificate", bmc.certificate.clone().unwrap_or_default()),
    ]);
    if !bmc.changes.is_empty() {
        let row = |c: &higuma_proto::agent::BmcChange| {
            let outcome = match (c.error.is_empty(), c.optional) {
                (true, _) => "ok".to_owned(),
                (false, true) => format!("optional, failed: {}", c.error),
                (false, false) => format!("failed: {}", c.error),
            };
            [c.what.clone(), c.before.clone(), c.after.clone(), outcome]
        };
        let rows: Vec<_> = bmc.changes.iter().map(row).collect();
        text.push_str(&format!("\nchanged in-band {}:\n", at(bmc.reported_us)));
        text.push_str(&output::table(["WHAT", "BEFORE", "AFTER", "OUTCOME"], &rows));
    }
    text
}
