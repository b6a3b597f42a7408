//! `higuma dhcp leases` and `higuma dhcp release`: who has which address, and taking one back.

use super::Global;
use super::client::{Client, encode};
use super::error::Result;
use super::node::resolve;
use super::output::{self, answer};
use higuma_proto::api::{DhcpLease, Page};
use ureq::http::Method;

const LEASES: &str = "/api/v1/dhcp/leases";

/// Leases of DHCP
#[derive(Debug, clap::Subcommand)]
pub enum LeaseCommand {
    /// Who has which address, or had it last
    #[command(
        after_help = "Examples:\n  higuma dhcp leases --subnet 10.0.0.0/24 --state bound\n  higuma dhcp leases --node web-17"
    )]
    Leases {
        /// Only of this subnet
        #[arg(long, value_name = "NETWORK/BITS")]
        subnet: Option<String>,
        /// Only of this node: UUID, a unique beginning of it, or host name
        #[arg(long, value_name = "NODE")]
        node: Option<String>,
        /// Only in this state: offered, bound, declined, released or expired
        #[arg(long, value_name = "STATE")]
        state: Option<String>,
    },
    /// Make a leased address free for the next that needs it; a client that renews before that keeps it
    #[command(after_help = "Example:\n  higuma dhcp release 10.0.0.117")]
    Release {
        /// Address
        address: String,
    },
}

pub(super) fn run(global: &Global, command: LeaseCommand) -> Result<()> {
    let client = Client::new(global)?;
    match command {
        LeaseCommand::Leases { subnet, node, state } => {
            let node = node.map(|name| resolve(&client, &name)).transpose()?;
            let query = [("subnet", subnet.as_deref()), ("node", node.as_deref()), ("state", state.as_deref())];
            let query: Vec<(&str, &str)> = query.into_iter().filter_map(|(k, v)| Some((k, v?))).collect();
            let value = client.list(LEASES, &query)?;
            answer(global.format, value, |page: Page<DhcpLease>| table(&page.items, output::now_us()))
        }
        LeaseCommand::Release { address } => {
            client.call(Method::DELETE, &format!("{LEASES}/{}", encode(&address)), None::<&()>)?;
            Ok(())
        }
    }
}

fn table(leases: &[DhcpLease], now: i64) -> String {
    let rows: Vec<[String; 8]> = leases
        .iter()
        .map(|lease| {
            let name = lease.node_hostname.as_ref().or(lease.node.as_ref());
            let until = match lease.expires_us > now {
                true => output::time(lease.expires_us),
                false => output::ago(lease.expires_us, now),
            };
            [
                lease.address.clone(),
                lease.state.clone(),
                until,
                lease.hardware.clone(),
                name.cloned().unwrap_or_default(),
                lease.hostname.clone(),
                relay(lease),
                output::ago(lease.seen_us, now),
            ]
        })
        .collect();
    output::table(["ADDRESS", "STATE", "UNTIL", "PORT", "NODE", "CALLS ITSELF", "RELAY", "SEEN"], &rows)
}

/// The relay, and the port of it where it tells one.
fn relay(lease: &DhcpLease) -> String {
    let circuit = lease.circuit_id.as_deref().map(|id| format!(" {}", words(id))).unwrap_or_default();
    lease.relay.as_ref().map(|relay| format!("{relay}{circuit}")).unwrap_or_default()
}

/// Bytes as the text that they are, else as they are.
fn words(hexadecimal: &str) -> String {
    let text = hex::decode(hexadecimal).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let printable = |text: &String| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    text.filter(printable).unwrap_or_else(|| hexadecimal.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list() {
        let lease = DhcpLease {
            address: "10.0.0.17".into(),
            subnet: "10.0.0.0/24".into(),
            state: "expired".into(),
            client: "id:01".into(),
            hardware: "52:54:00:00:00:01".into(),
            uuid: None,
            node: Some("n1".into()),
            node_hostname: Some("web".into()),
            hostname: "kitchen".into(),
            expires_us: 0,
            seen_us: 0,
            relay: Some("10.0.0.1".into()),
            circuit_id: Some(hex::encode("Eth1/7")),
            remote_id: None,
        };
        let bytes = DhcpLease { circuit_id: Some("0001".into()), node_hostname: None, ..lease.clone() };
        let text = table(&[lease, bytes], 300_000_000);
        let expected = "\
            ADDRESS    STATE    UNTIL      PORT               NODE  CALLS ITSELF  RELAY            SEEN\n\
            10.0.0.17  expired  5 min ago  52:54:00:00:00:01  web   kitchen       10.0.0.1 Eth1/7  5 min ago\n\
            10.0.0.17  expired  5 min ago  52:54:00:00:00:01  n1    kitchen       10.0.0.1 0001    5 min ago\n";
        assert_eq!(text, expected);
    }
}
