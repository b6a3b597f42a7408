//! `higuma event`: what was noticed of nodes, and saying that a person has seen it.

use super::Global;
use super::client::{Client, encode};
use super::error::Result;
use super::output::{self, answer};
use higuma_proto::api::{AcknowledgeEvents, Acknowledged, NodeEvent, Page};
use ureq::http::Method;

/// What was noticed of nodes
#[derive(Debug, clap::Subcommand)]
pub enum Event {
    /// List events, newest first
    #[command(after_help = "Example:\n  higuma event list --open\n  higuma event list --node web-17 --kind hardware")]
    List {
        /// Only of this node: UUID, a unique beginning of it, or host name
        #[arg(long, value_name = "NODE")]
        node: Option<String>,
        /// Only this kind: hardware, cabling, identity, firmware, bmc, address, rollout or boot
        #[arg(long, value_name = "KIND")]
        kind: Option<String>,
        /// Only this severity: info, warning or alarm
        #[arg(long, value_name = "SEVERITY")]
        severity: Option<String>,
        /// Only those that are neither over nor acknowledged
        #[arg(long)]
        open: bool,
    },
    /// Say that you have seen an event, or all: they are open no more
    #[command(
        after_help = "Example:\n  higuma event ack 0198c2ab-5f0e-7cc2-8a30-1be0ffd4c1a3\n  higuma event ack --all --kind hardware --severity info"
    )]
    Ack {
        /// Event id, from `event list`
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        event: Option<String>,
        /// All open ones that the other options leave
        #[arg(long)]
        all: bool,
        /// Of this node: UUID, a unique beginning of it, or host name
        #[arg(long, value_name = "NODE", requires = "all")]
        node: Option<String>,
        /// Of this kind: hardware, cabling, identity, firmware, bmc, address, rollout or boot
        #[arg(long, value_name = "KIND", requires = "all")]
        kind: Option<String>,
        /// Of this severity: info, warning or alarm
        #[arg(long, value_name = "SEVERITY", requires = "all")]
        severity: Option<String>,
    },
}

pub(super) fn run(global: &Global, command: Event) -> Result<()> {
    let client = Client::new(global)?;
    match command {
        Event::List { node, kind, severity, open } => {
            let uuid = node.map(|node| super::node::resolve(&client, &node)).transpose()?;
            let open = open.then_some("true");
            let severity = severity.as_deref();
            let filters =
                [("node", uuid.as_deref()), ("kind", kind.as_deref()), ("severity", severity), ("open", open)];
            let query: Vec<(&str, &str)> = filters.into_iter().filter_map(|(k, v)| Some((k, v?))).collect();
            let value = client.list("/api/v1/events", &query)?;
            answer(global.format, value, |page: Page<NodeEvent>| table(&page.items))
        }
        Event::Ack { event: None, node, kind, severity, .. } => {
            let node = node.map(|node| super::node::resolve(&client, &node)).transpose()?;
            let which = AcknowledgeEvents { node, kind, severity };
            let value = client.call(Method::POST, "/api/v1/events/acknowledge", Some(&which))?;
            answer(global.format, value, |done: Acknowledged| match done.acknowledged {
                1 => "1 event is seen\n".to_owned(),
                n => format!("{n} events are seen\n"),
            })
        }
        Event::Ack { event: Some(event), .. } => {
            let path = format!("/api/v1/events/{}/acknowledge", encode(&event));
            let value = client.call(Method::POST, &path, None::<&()>)?;
            answer(global.format, value, |event: NodeEvent| table(&[event]))
        }
    }
}

fn state(event: &NodeEvent) -> String {
    match (event.cleared_us, &event.acknowledged_by) {
        (Some(_), _) => "over".to_owned(),
        (None, Some(by)) => format!("seen by {by}"),
        (None, None) => "open".to_owned(),
    }
}

fn table(events: &[NodeEvent]) -> String {
    let rows: Vec<[String; 6]> = events
        .iter()
        .map(|e| {
            let node = if e.hostname.is_empty() { &e.node } else { &e.hostname };
            [e.id.clone(), output::time(e.at_us), e.severity.clone(), state(e), node.clone(), e.message.clone()]
        })
        .collect();
    output::table(["ID", "TIME", "SEVERITY", "STATE", "NODE", "MESSAGE"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list() {
        let event = NodeEvent {
            id: "e1".into(),
            node: "n1".into(),
            hostname: "web".into(),
            kind: "hardware".into(),
            severity: "warning".into(),
            subject: "dimm:A1".into(),
            message: "DIMM A1 is gone".into(),
            at_us: 0,
            cleared_us: None,
            acknowledged_us: None,
            acknowledged_by: None,
        };
        let seen = NodeEvent { acknowledged_by: Some("ana".into()), hostname: String::new(), ..event.clone() };
        let over = NodeEvent { cleared_us: Some(1), ..event.clone() };
        assert_eq!(
            table(&[event, seen, over]),
            "ID  TIME                  SEVERITY  STATE        NODE  MESSAGE\n\
             e1  1970-01-01T00:00:00Z  warning   open         web   DIMM A1 is gone\n\
             e1  1970-01-01T00:00:00Z  warning   seen by ana  n1    DIMM A1 is gone\n\
             e1  1970-01-01T00:00:00Z  warning   over         web   DIMM A1 is gone\n"
        );
    }
}
