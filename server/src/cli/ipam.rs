//! `higuma pool` and `higuma address`: which addresses there are, and who has them. The server checks; here flags are put
//! together and files are read.

use super::Global;
use super::client::{Client, encode};
use super::error::{Failure, Result};
use super::node::resolve;
use super::output::{self, Format, answer, typed};
use crate::domain::ipam::import;
use higuma_proto::api::{
    Address, AddressConflict, CsvImport, CsvImported, NewPool, Page, Pool, ReleaseAddress, Released, ReserveAddress,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use ureq::http::Method;

const POOLS: &str = "/api/v1/pools";
const ADDRESSES: &str = "/api/v1/addresses";

/// Pools of addresses
#[derive(Debug, clap::Subcommand)]
pub enum PoolCommand {
    /// All pools, and how full they are
    #[command(after_help = "Example:\n  higuma pool list")]
    List,
    /// One pool
    #[command(after_help = "Example:\n  higuma pool show bmc-east")]
    Show {
        /// Name
        name: String,
    },
    /// Make a pool
    #[command(
        after_help = "Examples:\n  higuma pool add bmc --kind bmc --cidr 10.9.0.0/24 --gateway 10.9.0.1 --range 10.9.0.10-10.9.0.250\n  higuma pool add nodes-east --kind node --cluster east --cidr fd00:1::/64 --vlan 120\n  higuma pool add guests --kind dhcp --cidr 10.0.0.0/24 --gateway 10.0.0.1 --range 10.0.0.100-10.0.0.199 --dns 10.0.0.2 --lease 12h --option 150=0a000001"
    )]
    Add(Spec),
    /// Replace a pool by what is given; addresses in use must fit
    #[command(after_help = "Example:\n  higuma pool edit bmc --kind bmc --cidr 10.9.0.0/23 --gateway 10.9.0.1")]
    Edit(Spec),
    /// Delete a pool
    #[command(
        name = "rm",
        after_help = "Example:\n  higuma pool rm bmc-east\n  higuma pool rm bmc-east --force bmc-east"
    )]
    Remove {
        /// Name
        name: String,
        /// Its name again: also with addresses in use, which are given back
        #[arg(long, value_name = "NAME")]
        force: Option<String>,
    },
    /// Make or change the pools of a CSV file; others stay
    #[command(after_help = "Example:\n  higuma pool import --dry-run pools.csv")]
    Import(File),
    /// Print all pools as CSV
    #[command(after_help = "Example:\n  higuma pool export > pools.csv")]
    Export,
}

/// Addresses of BMCs and nodes
#[derive(Debug, clap::Subcommand)]
pub enum AddressCommand {
    /// Who has which address
    #[command(after_help = "Example:\n  higuma address list --pool bmc\n  higuma address list --node web-17 --all")]
    List {
        /// Only of this pool
        #[arg(long, value_name = "POOL")]
        pool: Option<String>,
        /// Only of this node: UUID, a unique beginning of it, or host name
        #[arg(long, value_name = "NODE")]
        node: Option<String>,
        /// Also who had one before
        #[arg(long)]
        all: bool,
    },
    /// Give a node this address, in place of the one that it has
    #[command(
        after_help = "Examples:\n  higuma address reserve web-17 10.9.0.40\n  higuma address reserve web-17 10.20.0.7 --device storage"
    )]
    Reserve {
        /// UUID, a unique beginning of it, or host name
        node: String,
        /// Address
        address: String,
        /// bmc or node: needed when pools of both kinds have the address
        #[arg(long, value_name = "KIND")]
        kind: Option<String>,
        /// For this device of its profile's network, e.g. bond0; else for the node itself, or its BMC
        #[arg(long, value_name = "DEVICE")]
        device: Option<String>,
    },
    /// Give a node's addresses back
    #[command(after_help = "Example:\n  higuma address release web-17 --kind bmc")]
    Release {
        /// UUID, a unique beginning of it, or host name
        node: String,
        /// bmc or node; else both
        #[arg(long, value_name = "KIND")]
        kind: Option<String>,
        /// Of this device of its profile's network alone
        #[arg(long, value_name = "DEVICE")]
        device: Option<String>,
    },
    /// Addresses that two machines use
    #[command(after_help = "Example:\n  higuma address conflicts")]
    Conflicts,
    /// Reserve all addresses of a CSV file with the columns address, node and, where needed, kind and device
    #[command(after_help = "Example:\n  higuma address import --dry-run addresses.csv")]
    Import(File),
    /// Print the addresses in use as CSV
    #[command(after_help = "Example:\n  higuma address export > addresses.csv")]
    Export,
}

/// What a pool is.
#[derive(Debug, clap::Args)]
pub struct Spec {
    /// Name: a-z, 0-9, dot, dash, underscore
    pub name: String,
    /// bmc, node, or dhcp: addresses that the DHCP server gives to machines that nothing is reserved for
    #[arg(long, value_name = "KIND")]
    pub kind: String,
    /// Only for nodes of this cluster
    #[arg(long, value_name = "NAME", default_value = "")]
    pub cluster: String,
    /// The network
    #[arg(long, value_name = "NETWORK/BITS")]
    pub cidr: String,
    /// Gateway
    #[arg(long, value_name = "ADDRESS")]
    pub gateway: Option<String>,
    /// 802.1Q tag; 0: untagged
    #[arg(long, value_name = "1-4094", default_value_t = 0)]
    pub vlan: u16,
    /// Give only these; may be given several times
    #[arg(long = "range", value_name = "FIRST-LAST")]
    pub ranges: Vec<String>,
    /// Never give these; may be given several times
    #[arg(long = "exclude", value_name = "FIRST-LAST")]
    pub exclusions: Vec<String>,
    /// static or dhcp: how BMCs get their addresses
    #[arg(long, value_name = "SOURCE", default_value = "static")]
    pub source: String,
    /// DNS server that DHCP clients are told; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    pub dns: Vec<String>,
    /// NTP server that DHCP clients are told; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    pub ntp: Vec<String>,
    /// Domain that DHCP clients are told
    #[arg(long, value_name = "DOMAIN")]
    pub domain: Option<String>,
    /// MTU that DHCP clients are told
    #[arg(long, value_name = "BYTES")]
    pub mtu: Option<u16>,
    /// How long DHCP clients have an address [default: 12h]
    #[arg(long, value_name = "DURATION", value_parser = lease_seconds)]
    pub lease: Option<u32>,
    /// Any other DHCP option, its bytes in hexadecimal; may be given several times
    #[arg(long = "option", value_name = "NUMBER=HEX", value_parser = dhcp_option)]
    pub options: Vec<(String, String)>,
}

fn lease_seconds(text: &str) -> std::result::Result<u32, String> {
    let micros = crate::config::duration_or_zero(text).filter(|micros| micros % 1_000_000 == 0);
    let seconds = micros.and_then(|micros| u32::try_from(micros / 1_000_000).ok());
    seconds.ok_or_else(|| "expected a number with s, m, h or d, in whole seconds, e.g. 12h".to_owned())
}

fn dhcp_option(text: &str) -> std::result::Result<(String, String), String> {
    let (code, bytes) = text.split_once('=').ok_or_else(|| "expected NUMBER=HEX, e.g. 150=0a000001".to_owned())?;
    Ok((code.to_owned(), bytes.to_owned()))
}

impl TryFrom<Spec> for NewPool {
    type Error = Failure;

    fn try_from(s: Spec) -> Result<Self> {
        let Spec { name, kind, cluster, cidr, gateway, vlan, ranges, exclusions, source, .. } = s;
        let Spec { dns, ntp, domain, mtu, lease: lease_seconds, .. } = s;
        let mut options = BTreeMap::new();
        for (code, bytes) in s.options {
            if options.insert(code.clone(), bytes).is_some() {
                return Err(Failure::usage(format!("--option {code} is there twice: expected each number once")));
            }
        }
        Ok(Self {
            name,
            kind,
            cluster,
            cidr,
            gateway,
            vlan,
            ranges,
            exclusions,
            source,
            dns,
            ntp,
            domain,
            mtu,
            lease_seconds,
            options,
        })
    }
}

/// A file to import.
#[derive(Debug, clap::Args)]
pub struct File {
    /// The file; - is standard input
    pub file: PathBuf,
    /// Check the file, but write nothing
    #[arg(long)]
    pub dry_run: bool,
}

pub(super) fn pool(global: &Global, command: PoolCommand) -> Result<()> {
    let client = Client::new(global)?;
    let at = |name: &str| format!("{POOLS}/{}", encode(name));
    let one = |pool: Pool| pools(&[pool]);
    match command {
        PoolCommand::List => answer(global.format, client.list(POOLS, &[])?, |page: Page<Pool>| pools(&page.items)),
        PoolCommand::Show { name } => answer(global.format, client.get(&at(&name))?, |pool: Pool| shown(&pool)),
        PoolCommand::Add(spec) => {
            answer(global.format, client.call(Method::POST, POOLS, Some(&NewPool::try_from(spec)?))?, one)
        }
        PoolCommand::Edit(spec) => {
            let path = at(&spec.name);
            answer(global.format, client.call(Method::PUT, &path, Some(&NewPool::try_from(spec)?))?, one)
        }
        PoolCommand::Remove { name, force } => {
            let force = force.map(|name| format!("?force={}", encode(&name))).unwrap_or_default();
            client.call(Method::DELETE, &format!("{}{force}", at(&name)), None::<&()>)?;
            Ok(())
        }
        PoolCommand::Import(file) => import(global, &client, POOLS, &file),
        PoolCommand::Export => {
            let value = client.list(POOLS, &[])?;
            if global.format == Format::Json {
                return answer(global.format, value, |_: Value| String::new());
            }
            let page: Page<Pool> = typed(value)?;
            let rows: Vec<[String; 15]> = page.items.into_iter().map(|pool| row(pool.spec)).collect();
            output::print(&import::write(import::POOL_COLUMNS, &rows))
        }
    }
}

pub(super) fn address(global: &Global, command: AddressCommand) -> Result<()> {
    let client = Client::new(global)?;
    match command {
        AddressCommand::List { pool, node, all } => {
            let node = node.map(|name| resolve(&client, &name)).transpose()?;
            let live = (!all).then_some("true");
            let query = [("pool", pool.as_deref()), ("node", node.as_deref()), ("live", live)];
            let query: Vec<(&str, &str)> = query.into_iter().filter_map(|(k, v)| Some((k, v?))).collect();
            let value = client.list(ADDRESSES, &query)?;
            answer(global.format, value, |page: Page<Address>| addresses(&page.items, output::now_us()))
        }
        AddressCommand::Reserve { node, address, kind, device } => {
            let body = ReserveAddress { node: resolve(&client, &node)?, address, kind, device };
            let value = client.call(Method::POST, &format!("{ADDRESSES}/reserve"), Some(&body))?;
            answer(global.format, value, |page: Page<Address>| addresses(&page.items, output::now_us()))
        }
        AddressCommand::Release { node, kind, device } => {
            let body = ReleaseAddress { node: resolve(&client, &node)?, kind, device };
            let value = client.call(Method::POST, &format!("{ADDRESSES}/release"), Some(&body))?;
            answer(global.format, value, |done: Released| format!("{} address(es) released\n", done.released))
        }
        AddressCommand::Conflicts => {
            let value = client.list(&format!("{ADDRESSES}/conflicts"), &[])?;
            answer(global.format, value, |page: Page<AddressConflict>| conflicts(&page.items, output::now_us()))
        }
        AddressCommand::Import(file) => import(global, &client, ADDRESSES, &file),
        AddressCommand::Export => {
            let value = client.list(ADDRESSES, &[("live", "true")])?;
            if global.format == Format::Json {
                return answer(global.format, value, |_: Value| String::new());
            }
            let page: Page<Address> = typed(value)?;
            let rows: Vec<[String; 6]> =
                page.items.into_iter().map(|a| [a.address, a.node, a.kind, a.device, a.hostname, a.pool]).collect();
            output::print(&import::write(["address", "node", "kind", "device", "hostname", "pool"], &rows))
        }
    }
}

/// A pool as a row of [`import::POOL_COLUMNS`].
fn row(p: NewPool) -> [String; 15] {
    [
        p.name,
        p.kind,
        p.cluster,
        p.cidr,
        p.gateway.unwrap_or_default(),
        p.vlan.to_string(),
        p.ranges.join(" "),
        p.exclusions.join(" "),
        p.source,
        p.dns.join(" "),
        p.ntp.join(" "),
        p.domain.unwrap_or_default(),
        p.mtu.map(|mtu| mtu.to_string()).unwrap_or_default(),
        p.lease_seconds.map(|seconds| seconds.to_string()).unwrap_or_default(),
        options(&p.options, " "),
    ]
}

fn options(options: &BTreeMap<String, String>, apart: &str) -> String {
    options.iter().map(|(code, bytes)| format!("{code}={bytes}")).collect::<Vec<_>>().join(apart)
}

fn import(global: &Global, client: &Client, path: &str, file: &File) -> Result<()> {
    let body = CsvImport { csv: read(&file.file)?, dry_run: file.dry_run };
    let value = client.call(Method::PUT, path, Some(&body))?;
    answer(global.format, value, |done: CsvImported| {
        let what = if done.written { "imported" } else { "dry run, nothing written" };
        format!("{} row(s), {} change something; {what}\n", done.rows, done.changed)
    })
}

fn read(file: &Path) -> Result<String> {
    let limit = u64::try_from(import::BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let fail = Failure::io("read", file);
    match file.as_os_str() == "-" {
        true => std::io::stdin().lock().take(limit).read_to_end(&mut bytes).map_err(fail)?,
        false => std::fs::File::open(file).and_then(|f| f.take(limit).read_to_end(&mut bytes)).map_err(fail)?,
    };
    if bytes.len() > import::BYTES_MAX {
        return Err(Failure::usage(format!("expected a file of at most {} bytes", import::BYTES_MAX)));
    }
    let shown = file.display();
    String::from_utf8(bytes)
        .map_err(|_| Failure::usage(format!("{shown}: expected UTF-8 (save the file as CSV in UTF-8)")))
}

fn pools(list: &[Pool]) -> String {
    let rows: Vec<[String; 8]> = list
        .iter()
        .map(|pool| {
            let p = &pool.spec;
            let vlan = if p.vlan == 0 { String::new() } else { p.vlan.to_string() };
            let gateway = p.gateway.clone().unwrap_or_default();
            let used = format!("{} of {}", pool.used, pool.capacity);
            [p.name.clone(), p.kind.clone(), p.cluster.clone(), p.cidr.clone(), gateway, vlan, p.source.clone(), used]
        })
        .collect();
    output::table(["NAME", "KIND", "CLUSTER", "NETWORK", "GATEWAY", "VLAN", "SOURCE", "USED"], &rows)
}

fn shown(pool: &Pool) -> String {
    let p = &pool.spec;
    let mut lines = vec![
        ("Name", p.name.clone()),
        ("Kind", p.kind.clone()),
        ("Cluster", p.cluster.clone()),
        ("Network", p.cidr.clone()),
        ("Gateway", p.gateway.clone().unwrap_or_default()),
        ("VLAN", if p.vlan == 0 { String::new() } else { p.vlan.to_string() }),
        ("Ranges", p.ranges.join(", ")),
        ("Excluded", p.exclusions.join(", ")),
        ("Source", p.source.clone()),
    ];
    let told = [
        ("DNS", p.dns.join(", ")),
        ("NTP", p.ntp.join(", ")),
        ("Domain", p.domain.clone().unwrap_or_default()),
        ("MTU", p.mtu.map(|mtu| mtu.to_string()).unwrap_or_default()),
        ("Lease", p.lease_seconds.map(|seconds| format!("{seconds} s")).unwrap_or_default()),
        ("Options", options(&p.options, ", ")),
    ];
    // Most pools say nothing to DHCP.
    lines.extend(told.into_iter().filter(|(_, value)| !value.is_empty()));
    lines.push(("In use", format!("{} of {}", pool.used, pool.capacity)));
    lines.push(("Released", pool.released.to_string()));
    output::fields(&lines)
}

fn addresses(list: &[Address], now: i64) -> String {
    let rows: Vec<[String; 7]> = list
        .iter()
        .map(|a| {
            let state = a.released_us.map_or("in use".to_owned(), |at| format!("released {}", output::ago(at, now)));
            let Address { address, kind, hostname, device, pool, since_us, .. } = a.clone();
            [address, kind, hostname, device, pool, output::ago(since_us, now), state]
        })
        .collect();
    output::table(["ADDRESS", "KIND", "NODE", "DEVICE", "POOL", "SINCE", "STATE"], &rows)
}

fn conflicts(list: &[AddressConflict], now: i64) -> String {
    let rows: Vec<[String; 5]> = list
        .iter()
        .map(|c| {
            let (holder, user) = (c.holder.clone().unwrap_or_default(), c.node.clone().unwrap_or_default());
            [c.address.clone(), holder, user, c.mac.clone(), output::ago(c.at_us, now)]
        })
        .collect();
    output::table(["ADDRESS", "GIVEN TO", "USED BY", "MAC", "SEEN"], &rows)
}
