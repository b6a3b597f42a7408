//! `higuma switch` and `higuma cabling`: who is behind which switch port, and is it as it should be.

use super::Global;
use super::client::{Client, encode};
use super::error::{Exit, Failure, Result};
use super::node::resolve;
use super::output::{self, Format, answer, typed};
use crate::domain::cabling::expected::Row;
use crate::domain::cabling::import;
use higuma_proto::api::{
    CableLink, CablingFinding, ExpectedCable, Imported, NewExpected, Page, Switch as Told, SwitchPort,
};
use serde_json::Value;
use std::io::Read;
use std::path::PathBuf;
use ureq::http::Method;

/// Switches
#[derive(Debug, clap::Subcommand)]
pub enum Switch {
    /// List the switches that nodes have heard over LLDP
    #[command(after_help = "Example:\n  higuma switch list\n  higuma switch list -o json")]
    List,
    /// One switch's ports and the nodes behind them
    #[command(after_help = "Example:\n  higuma switch show tor-1\n  higuma switch show 02:00:00:aa:00:01 -o json")]
    Show {
        /// Name or chassis id
        name: String,
    },
}

/// Cables
#[derive(Debug, clap::Subcommand)]
pub enum Cabling {
    /// List cables as nodes hear them
    #[command(
        after_help = "Example:\n  higuma cabling list --switch tor-1\n  higuma cabling list --node web-17 --history"
    )]
    List {
        /// Only of this node: UUID, a unique beginning of it, or host name
        #[arg(long, value_name = "NODE")]
        node: Option<String>,
        /// Only of this switch: name or chassis id
        #[arg(long, value_name = "NAME")]
        switch: Option<String>,
        /// Also where cables were before
        #[arg(long)]
        history: bool,
    },
    /// Replace the expected cabling by a CSV file with the columns node (or serial), nic, switch, port
    #[command(after_help = "Example:\n  higuma cabling import --dry-run racks.csv\n  higuma cabling import racks.csv")]
    Import {
        /// The file; - is standard input
        file: PathBuf,
        /// Check the file and compare, but write nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Print the expected cabling as CSV
    #[command(after_help = "Example:\n  higuma cabling export > racks.csv")]
    Export,
    /// Compare the expected cabling with what nodes hear; ends with exit code 1 when something differs
    #[command(
        after_help = "Example:\n  higuma cabling check && echo as planned\n  higuma cabling check --node web-17 --all"
    )]
    Check {
        /// Only this node: UUID, a unique beginning of it, or host name
        #[arg(long, value_name = "NODE")]
        node: Option<String>,
        /// Also what is as expected
        #[arg(long)]
        all: bool,
    },
    /// Say that a node's cables are right as they are heard now; one that is held boots on
    #[command(after_help = "Example:\n  higuma cabling accept web-17")]
    Accept {
        /// UUID, a unique beginning of it, or host name
        node: String,
    },
}

pub(super) fn switch(global: &Global, command: Switch) -> Result<()> {
    let client = Client::new(global)?;
    match command {
        Switch::List => answer(global.format, client.list("/api/v1/switches", &[])?, |page: Page<Told>| {
            switches(&page.items, output::now_us())
        }),
        Switch::Show { name } => {
            let value = client.get(&format!("/api/v1/switches/{}/ports", encode(&name)))?;
            answer(global.format, value, |page: Page<SwitchPort>| ports(&page.items, output::now_us()))
        }
    }
}

pub(super) fn run(global: &Global, command: Cabling) -> Result<()> {
    let client = Client::new(global)?;
    match command {
        Cabling::List { node, switch, history } => {
            let node = node.map(|name| resolve(&client, &name)).transpose()?;
            let history = history.then_some("true");
            let all = [("node", node.as_deref()), ("switch", switch.as_deref()), ("history", history)];
            let query: Vec<(&str, &str)> = all.into_iter().filter_map(|(k, v)| Some((k, v?))).collect();
            let value = client.list("/api/v1/cabling/links", &query)?;
            answer(global.format, value, |page: Page<CableLink>| links(&page.items, output::now_us()))
        }
        Cabling::Import { file, dry_run } => {
            let new = NewExpected { csv: read(&file)?, dry_run };
            let value = client.call(Method::PUT, "/api/v1/cabling/expected", Some(&new))?;
            answer(global.format, value, |done: Imported| imported(&done))
        }
        Cabling::Export => {
            let value = client.list("/api/v1/cabling/expected", &[])?;
            if global.format == Format::Json {
                return answer(global.format, value, |_: Value| String::new());
            }
            let page: Page<ExpectedCable> = typed(value)?;
            let rows: Vec<Row> = page
                .items
                .into_iter()
                .map(|ExpectedCable { node, serial, nic, switch, port }| Row { node, serial, nic, switch, port })
                .collect();
            output::print(&import::write(&rows))
        }
        Cabling::Check { node, all } => {
            let node = node.map(|name| resolve(&client, &name)).transpose()?;
            let all = [("node", node.as_deref()), ("all", all.then_some("true"))];
            let query: Vec<(&str, &str)> = all.into_iter().filter_map(|(k, v)| Some((k, v?))).collect();
            let value = client.list("/api/v1/cabling/check", &query)?;
            let page: Page<CablingFinding> = typed(value.clone())?;
            let differ = page.items.iter().filter(|f| f.verdict != "ok").count();
            answer(global.format, value, |page: Page<CablingFinding>| findings(&page.items))?;
            match differ {
                0 => Ok(()),
                n => Err(Failure { exit: Exit::Failed, message: format!("{n} cable(s) differ from what is expected") }),
            }
        }
        Cabling::Accept { node } => {
            let uuid = resolve(&client, &node)?;
            let path = format!("/api/v1/nodes/{}/cabling/accept", encode(&uuid));
            let value = client.call(Method::POST, &path, None::<&()>)?;
            answer(global.format, value, |page: Page<CableLink>| links(&page.items, output::now_us()))
        }
    }
}

fn read(file: &std::path::Path) -> Result<String> {
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
    String::from_utf8(bytes).map_err(|e| {
        let line = e.as_bytes().iter().take(e.utf8_error().valid_up_to()).filter(|b| **b == b'\n').count() + 1;
        Failure::usage(format!("{}, line {line}: expected UTF-8 (save the file as CSV in UTF-8)", file.display()))
    })
}

fn imported(done: &Imported) -> String {
    let what = if done.written { "imported" } else { "dry run, nothing written" };
    let differ = match done.differ {
        0 => "all are as expected".to_owned(),
        n => format!("{n} finding(s) differ, see `higuma cabling check`"),
    };
    format!("{} row(s) {what}; {differ}\n", done.rows)
}

fn or_id<'a>(name: &'a str, id: &'a str) -> String {
    if name.is_empty() { id.to_owned() } else { name.to_owned() }
}

fn switches(list: &[Told], now: i64) -> String {
    let rows: Vec<[String; 5]> = list
        .iter()
        .map(|s| {
            let addresses = s.management_addresses.join(", ");
            [s.name.clone(), s.chassis_id.clone(), s.ports.to_string(), addresses, output::ago(s.last_seen_us, now)]
        })
        .collect();
    output::table(["NAME", "CHASSIS", "PORTS", "ADDRESS", "HEARD"], &rows)
}

fn ports(list: &[SwitchPort], now: i64) -> String {
    let mut rows = Vec::new();
    for port in list {
        let vlan = if port.pvid == 0 { String::new() } else { port.pvid.to_string() };
        let base = [port.port_id.clone(), port.description.clone(), vlan];
        let row = |node: String, nic: String, state: String, heard: i64| {
            let [id, description, vlan] = base.clone();
            [id, description, vlan, node, nic, state, output::ago(heard, now)]
        };
        match port.links.is_empty() {
            true => rows.push(row(String::new(), String::new(), String::new(), port.last_seen_us)),
            false => rows.extend(port.links.iter().map(|l| {
                let state = if l.accepted { l.lifecycle.clone() } else { format!("{} (moved, held)", l.lifecycle) };
                row(l.hostname.clone(), l.interface.clone(), state, l.last_seen_us)
            })),
        }
    }
    output::table(["PORT", "DESCRIPTION", "VLAN", "NODE", "NIC", "STATE", "HEARD"], &rows)
}

fn links(list: &[CableLink], now: i64) -> String {
    let rows: Vec<[String; 7]> = list
        .iter()
        .map(|l| {
            let state = match (l.ended_us, l.accepted) {
                (Some(ended), _) => format!("until {}", output::time(ended)),
                (None, true) => "there".to_owned(),
                (None, false) => "moved, held".to_owned(),
            };
            [
                l.hostname.clone(),
                l.interface.clone(),
                l.mac.clone(),
                or_id(&l.switch, &l.chassis_id),
                l.port_id.clone(),
                state,
                output::ago(l.last_seen_us, now),
            ]
        })
        .collect();
    output::table(["NODE", "NIC", "MAC", "SWITCH", "PORT", "STATE", "HEARD"], &rows)
}

fn findings(list: &[CablingFinding]) -> String {
    let rows: Vec<[String; 6]> = list
        .iter()
        .map(|f| {
            let node = match f.called.is_empty() {
                true => f.node.clone().unwrap_or_default(),
                false => f.called.clone(),
            };
            [f.verdict.clone(), node, f.nic.clone(), f.expected.clone(), f.found.clone(), f.with.clone()]
        })
        .collect();
    output::table(["VERDICT", "NODE", "NIC", "EXPECTED", "FOUND", "EXCHANGED WITH"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_without_a_node_is_a_row_too() {
        let port = SwitchPort {
            port_id: "swp1".into(),
            port_id_type: "interface_name".into(),
            description: String::new(),
            pvid: 0,
            last_seen_us: 0,
            links: vec![],
        };
        let text = ports(&[port], 5_000_000);
        assert!(text.contains("PORT  DESCRIPTION  VLAN") && text.contains("swp1  -"), "{text}");
    }

    #[test]
    fn what_an_import_did_is_one_line() {
        let done = Imported { rows: 2, differ: 1, written: false };
        assert_eq!(
            imported(&done),
            "2 row(s) dry run, nothing written; 1 finding(s) differ, see `higuma cabling check`\n"
        );
    }
}
