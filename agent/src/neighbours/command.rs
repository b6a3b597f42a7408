//! `higuma-agent neighbours`: what is at the other end of this machine's cables, for a person. Must only read and
//! announce: no link is set up, nothing is stored.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use higuma_proto::agent::Neighbour;
use serde::Serialize;

use super::{Listener, Options, PortStatus, Snapshot};

/// Shows the LLDP neighbours of this machine's Ethernet ports.
///
/// Needs root (CAP_NET_RAW). Exit code: 0 when a neighbour was heard, 1 when none was, 2 when no port could be
/// listened on.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Wait at most this long for ports that have heard nobody yet (like 5s, 500ms, 1m)
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    pub wait: Duration,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub output: Format,
    /// Only this interface, of any kind; may be given several times [default: all physical Ethernet ports;
    /// where there is none, as in a container, all veth]
    #[arg(long, value_name = "NAME")]
    pub interface: Vec<String>,
    /// Send nothing: only listen (switches speak every 30 s as a rule)
    #[arg(long)]
    pub listen_only: bool,
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// For programs: a list of neighbours.
    Json,
}

/// Listens, prints, and tells the exit code.
#[must_use]
pub fn run(args: Args) -> ExitCode {
    let options = Options {
        interfaces: (!args.interface.is_empty()).then_some(args.interface),
        fast_start: !args.listen_only,
        ..Options::default()
    };
    let listener = match Listener::start(options) {
        Ok(listener) => listener,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "higuma-agent: cannot start listening: {error}");
            return ExitCode::from(2);
        }
    };
    let seen = listener.wait_first(args.wait);
    let text = match args.output {
        Format::Table if seen.neighbours.is_empty() => String::new(),
        Format::Table => table(&seen) + "\n",
        Format::Json => json(&seen) + "\n",
    };
    // A closed pipe (`| head`) is not worth a message.
    let _ = std::io::stdout().write_all(text.as_bytes());
    for note in notes(&seen, args.wait) {
        let _ = writeln!(std::io::stderr(), "{note}");
    }
    let heard = !seen.neighbours.is_empty();
    let listened = seen.ports.iter().any(|port| port.link && port.error.is_none());
    match (heard, listened) {
        (true, _) => ExitCode::SUCCESS,
        (false, true) => ExitCode::from(1),
        (false, false) => ExitCode::from(2),
    }
}

/// A number with `ms`, `s`, `m` or `h`; at most a day.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let explained = || format!("expected a time like 5s, 500ms or 1m (at most 24h), found {text:?}");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| explained())?;
    let unit = match unit {
        "ms" => 1,
        "s" | "" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(explained()),
    };
    let time = number.checked_mul(unit).filter(|ms| *ms <= 86_400_000).ok_or_else(explained)?;
    Ok(Duration::from_millis(time))
}

/// The shape of `-o json`: a field is added when there is more to tell, never renamed.
#[derive(Serialize)]
struct Report<'a> {
    interface: &'a str,
    mac: &'a str,
    system_name: &'a str,
    chassis_id: &'a str,
    chassis_id_type: &'a str,
    port_id: &'a str,
    port_id_type: &'a str,
    port_description: &'a str,
    system_description: &'a str,
    management_addresses: &'a [String],
    /// `null`: not told.
    pvid: Option<u32>,
    ttl: u32,
}

impl<'a> From<&'a Neighbour> for Report<'a> {
    fn from(it: &'a Neighbour) -> Self {
        Self {
            interface: &it.interface,
            mac: &it.mac,
            system_name: &it.system_name,
            chassis_id: &it.chassis_id,
            chassis_id_type: &it.chassis_id_type,
            port_id: &it.port_id,
            port_id_type: &it.port_id_type,
            port_description: &it.port_description,
            system_description: &it.system_description,
            management_addresses: &it.management_addresses,
            pvid: (it.pvid != 0).then_some(it.pvid),
            ttl: it.ttl,
        }
    }
}

fn json(seen: &Snapshot) -> String {
    let list: Vec<Report<'_>> = seen.neighbours.iter().map(Report::from).collect();
    serde_json::to_string_pretty(&list).unwrap_or_else(|error| error.to_string())
}

/// What is to say about ports without a neighbour, one line each.
fn notes(seen: &Snapshot, waited: Duration) -> Vec<String> {
    let note = |port: &PortStatus| {
        let name = &port.interface;
        match &port.error {
            Some(error) if name.is_empty() => Some(error.clone()),
            Some(error) => Some(format!("{name}: {error}")),
            None if !port.link => Some(format!("{name}: no link, or the interface is down")),
            None if !seen.neighbours.iter().any(|it| it.interface == *name) => {
                Some(format!("{name}: nobody was heard within {waited:?}"))
            }
            None => None,
        }
    };
    let mut notes: Vec<String> = seen.ports.iter().filter_map(note).collect();
    if seen.ports.is_empty() {
        notes.push("no Ethernet port found; name one with --interface".to_owned());
    }
    notes
}

const HEADER: [&str; 7] = ["INTERFACE", "NEIGHBOUR", "CHASSIS", "PORT", "DESCRIPTION", "VLAN", "MANAGEMENT"];

fn table(seen: &Snapshot) -> String {
    let mut rows = vec![HEADER.map(str::to_owned)];
    rows.extend(seen.neighbours.iter().map(row));
    align(&rows).join("\n")
}

fn row(it: &Neighbour) -> [String; 7] {
    let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    [
        it.interface.clone(),
        or_dash(&it.system_name),
        it.chassis_id.clone(),
        it.port_id.clone(),
        or_dash(&it.port_description),
        if it.pvid == 0 { "-".to_owned() } else { it.pvid.to_string() },
        or_dash(&it.management_addresses.join(", ")),
    ]
}

fn align(rows: &[[String; 7]]) -> Vec<String> {
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..HEADER.len()).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &[String; 7]| {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn seen() -> Snapshot {
        let neighbour = Neighbour {
            interface: "eth0".into(),
            mac: "02:00:00:00:00:01".into(),
            chassis_id: "02:5a:00:00:00:01".into(),
            chassis_id_type: "mac_address".into(),
            port_id: "Ethernet1/7".into(),
            port_id_type: "local".into(),
            ttl: 120,
            system_name: "leaf-07".into(),
            management_addresses: vec!["192.0.2.1".into(), "2001:db8::1".into()],
            pvid: 10,
            ..Neighbour::default()
        };
        let port = |interface: &str, link, error: Option<&str>| PortStatus {
            interface: interface.into(),
            mac: "02:00:00:00:00:01".into(),
            link,
            error: error.map(str::to_owned),
            heard_after: None,
        };
        Snapshot {
            generation: 1,
            neighbours: vec![neighbour],
            ports: vec![
                port("eth0", true, None),
                port("eth1", false, None),
                port("eth2", true, Some("broken")),
                port("eth3", true, None),
            ],
            since: None,
        }
    }

    #[test]
    fn a_table_for_people() {
        let expected = "\
INTERFACE  NEIGHBOUR  CHASSIS            PORT         DESCRIPTION  VLAN  MANAGEMENT
eth0       leaf-07    02:5a:00:00:00:01  Ethernet1/7  -            10    192.0.2.1, 2001:db8::1";
        assert_eq!(table(&seen()), expected);
    }

    #[test]
    fn ports_without_neighbours_are_explained() {
        let waited = Duration::from_secs(5);
        let expected = ["eth1: no link, or the interface is down", "eth2: broken", "eth3: nobody was heard within 5s"];
        assert_eq!(notes(&seen(), waited), expected);
        assert_eq!(notes(&Snapshot::default(), waited).len(), 1);
    }

    #[test]
    fn json_for_programs() {
        let list: serde_json::Value = serde_json::from_str(&json(&seen())).unwrap();
        assert_eq!(list.as_array().unwrap().len(), 1);
        assert_eq!(list[0]["interface"], "eth0");
        assert_eq!(list[0]["port_id"], "Ethernet1/7");
        assert_eq!(list[0]["pvid"], 10);
        assert_eq!(json(&Snapshot::default()), "[]");
    }

    #[test]
    fn times_are_read() {
        let ms = |text| parse_duration(text).map(|time| time.as_millis());
        assert_eq!(ms("5s"), Ok(5_000));
        assert_eq!(ms("250ms"), Ok(250));
        assert_eq!(ms("2m"), Ok(120_000));
        for bad in ["", "s", "-1s", "5x", "25h", "99999999999999999999s", "18446744073709551615h"] {
            assert!(ms(bad).is_err(), "{bad}");
        }
    }
}
