//! Pools and addresses as CSV: the whole file is checked before anything of it is used, and every error names its line.

use super::Pool;
use super::dhcp::{Dhcp, Texts};
use crate::domain::Invalid;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::net::IpAddr;
use std::str::FromStr;

/// Rows of one file at most.
pub const ROWS_MAX: usize = 100_000;
/// Bytes of a file at most.
pub const BYTES_MAX: usize = 16 << 20;
/// Errors told at most.
const ERRORS_MAX: usize = 50;
/// Columns of a file of pools.
pub const POOL_COLUMNS: [&str; 15] = [
    "name",
    "kind",
    "cluster",
    "cidr",
    "gateway",
    "vlan",
    "ranges",
    "exclusions",
    "source",
    "dns",
    "ntp",
    "domain",
    "mtu",
    "lease_seconds",
    "options",
];
/// Columns of a file of addresses; `kind` and `device` may be left out, and what else is there is not looked at.
pub const ADDRESS_COLUMNS: [&str; 4] = ["address", "node", "kind", "device"];

/// An address for a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressLine {
    /// Line of the file.
    pub line: u64,
    /// Address.
    pub address: IpAddr,
    /// UUID or host name, lower case.
    pub node: String,
    /// Of which kind of pool; none: the only one that has it.
    pub kind: Option<super::Kind>,
    /// Of its profile's network; empty: the node itself, or its BMC.
    pub device: String,
}

/// What is wrong with a file, a line each.
pub type Errors = Vec<String>;

/// The pools of a file, each with its line. That they fit the others is checked elsewhere.
///
/// # Errors
/// Every line that does not fit.
pub fn pools(text: &str) -> Result<Vec<(u64, Pool)>, Errors> {
    let mut names = HashMap::new();
    rows(text, &["name", "kind", "cidr"], &POOL_COLUMNS, |line, get| {
        let pool = pool(get)?;
        pool.check()?;
        match names.insert(pool.name.clone(), line) {
            Some(first) => Err(format!("pool {} is also in line {first}", pool.name)),
            None => Ok((line, pool)),
        }
    })
}

fn pool(get: &dyn Fn(&str) -> String) -> Result<Pool, String> {
    let list = |name: &str| get(name).split_whitespace().map(parse).collect::<Result<Vec<_>, String>>();
    let or = |text: String, other: &str| if text.is_empty() { other.to_owned() } else { text };
    Ok(Pool {
        name: parse(&get("name"))?,
        kind: parse(&get("kind"))?,
        cluster: get("cluster"),
        cidr: get("cidr").parse().map_err(|_| wrong("cidr", "a network, e.g. 10.0.0.0/24", &get("cidr")))?,
        gateway: Some(get("gateway")).filter(|g| !g.is_empty()).map(|g| ip("gateway", &g)).transpose()?,
        vlan: or(get("vlan"), "0").parse().map_err(|_| wrong("vlan", "0 to 4094", &get("vlan")))?,
        ranges: list("ranges")?,
        exclusions: list("exclusions")?,
        source: parse(&or(get("source"), "static"))?,
        dhcp: Dhcp::try_from(dhcp(get)?).map_err(|e| e.to_string())?,
    })
}

/// Lists are apart by spaces; options are `150=0a000001`.
fn dhcp(get: &dyn Fn(&str) -> String) -> Result<Texts, String> {
    let list = |name: &str| get(name).split_whitespace().map(str::to_owned).collect();
    let mut options = BTreeMap::new();
    for text in get("options").split_whitespace() {
        let bad = || wrong("options", "NUMBER=HEX apart by spaces, each number once", text);
        let (code, bytes) = text.split_once('=').ok_or_else(bad)?;
        if options.insert(code.to_owned(), bytes.to_owned()).is_some() {
            return Err(bad());
        }
    }
    Ok(Texts {
        dns: list("dns"),
        ntp: list("ntp"),
        domain: Some(get("domain")).filter(|domain| !domain.is_empty()),
        mtu: number(get, "mtu", "a number of bytes")?,
        lease_seconds: number(get, "lease_seconds", "a number of seconds")?,
        options,
    })
}

/// Nothing, or a number.
fn number<T: FromStr>(
    get: &dyn Fn(&str) -> String,
    name: &'static str,
    expected: &'static str,
) -> Result<Option<T>, String> {
    let text = get(name);
    match text.as_str() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| wrong(name, expected, text)),
    }
}

fn wrong(what: &'static str, expected: &'static str, got: &str) -> String {
    Invalid::new(what, expected, got).to_string()
}

fn ip(what: &'static str, text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| wrong(what, "an IP address", text))
}

fn parse<T: FromStr>(text: &str) -> Result<T, String>
where
    T::Err: Display,
{
    text.parse().map_err(|e: T::Err| e.to_string())
}

/// The addresses of a file.
///
/// # Errors
/// Every line that does not fit.
pub fn addresses(text: &str) -> Result<Vec<AddressLine>, Errors> {
    let mut seen = HashMap::new();
    rows(text, &["address", "node"], &[], |line, get| {
        let kind = Some(get("kind")).filter(|k| !k.is_empty()).map(|k| parse(&k)).transpose()?;
        let (address, node) = (ip("address", &get("address"))?, get("node").to_lowercase());
        let row = AddressLine { line, address, node, kind, device: get("device") };
        if row.node.is_empty() {
            return Err("node: expected a UUID or a host name, got nothing".to_owned());
        }
        match seen.insert((row.address, row.kind), line) {
            Some(first) => Err(format!("address {} is also in line {first}", row.address)),
            None => Ok(row),
        }
    })
}

/// `known`: no other columns; empty: any.
fn rows<T>(
    text: &str,
    needed: &[&str],
    known: &[&str],
    mut row: impl FnMut(u64, &dyn Fn(&str) -> String) -> Result<T, String>,
) -> Result<Vec<T>, Errors> {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|e| vec![format!("line 1: {e}")])?.clone();
    let at = |name: &str| header.iter().position(|cell| cell.eq_ignore_ascii_case(name));
    let strange = |cell: &str| !known.is_empty() && !known.iter().any(|name| cell.eq_ignore_ascii_case(name));
    if needed.iter().any(|name| at(name).is_none()) || header.iter().any(strange) {
        let names = if known.is_empty() { needed } else { known };
        let got: String = header.iter().collect::<Vec<_>>().join(",").chars().take(200).collect();
        return Err(vec![format!(
            "line 1: expected the columns {} ({} must be there), got {got:?}",
            names.join(", "),
            needed.join(", ")
        )]);
    }
    let (mut done, mut errors) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                errors
                    .push(format!("line {}: it is not CSV in UTF-8", error.position().map_or(0, csv::Position::line)));
                break;
            }
        };
        let line = record.position().map_or(0, |at| line_of(text, at));
        if record.iter().all(str::is_empty) {
            continue;
        }
        if done.len() >= ROWS_MAX {
            errors.push(format!("line {line}: expected at most {ROWS_MAX} rows"));
        } else if record.len() > header.len() {
            errors.push(format!("line {line}: expected {} values, got {}", header.len(), record.len()));
        } else {
            match row(line, &|name| at(name).and_then(|i| record.get(i)).unwrap_or_default().to_owned()) {
                Ok(one) => done.push(one),
                Err(problem) => errors.push(format!("line {line}: {problem}")),
            }
        }
        if errors.len() >= ERRORS_MAX {
            errors.push("and perhaps more".to_owned());
            break;
        }
    }
    if errors.is_empty() { Ok(done) } else { Err(errors) }
}

/// The line of a record. The reader's own position is before the empty lines that it skipped.
fn line_of(text: &str, at: &csv::Position) -> u64 {
    let from = usize::try_from(at.byte()).unwrap_or(usize::MAX);
    let rest = text.as_bytes().get(from..).unwrap_or_default();
    let skipped = rest.iter().take_while(|b| matches!(b, b'\r' | b'\n')).filter(|b| **b == b'\n').count();
    at.line().saturating_add(skipped as u64)
}

/// A file of these rows.
pub fn write<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut written = writer.write_record(head);
    for row in rows {
        written = written.and_then(|()| writer.write_record(row));
    }
    // Memory takes every byte.
    let bytes = written.ok().and_then(|()| writer.into_inner().ok()).unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}
