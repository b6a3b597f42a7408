//! `higuma node`: list, show, approve, assign. A node may be named by its UUID, a unique beginning of it, or its host
//! name; the server's search finds it, and two that fit are never guessed between.

use super::Global;
use super::client::{Client, encode};
use super::error::{Failure, Result};
use super::inventory;
use super::output::{self, Format, answer, typed};
use crate::domain::identity::named_by;
use higuma_proto::api::{MergeInto, NodeDetail, NodePatch, NodeSummary, Page};
use serde_json::Value;
use std::fmt::Write as _;
use ureq::http::Method;

/// Servers
#[derive(Debug, clap::Subcommand)]
pub enum Node {
    /// List nodes
    #[command(
        after_help = "Example:\n  higuma node list --lifecycle failed\n  higuma node list --drift changed\n  higuma node list --search r740 -o json\n  higuma node list --where 'node.memory.total >= 512*GiB && node.nics.exists(n, n.driver == \"mlx5_core\")'"
    )]
    List {
        /// Only this state: discovered, ready, assigned, booting, running, failed, maintenance or retired
        #[arg(long, value_name = "STATE")]
        lifecycle: Option<String>,
        /// Only nodes to which a reboot would do this: none, same, changed, unplanned or unknown
        #[arg(long, value_name = "WORD")]
        drift: Option<String>,
        /// Only nodes with this text in UUID, host name, serial number, product or MAC
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
        /// Only nodes for which this expression holds (CEL; the fields are on the book's page "Search")
        #[arg(long = "where", value_name = "EXPR")]
        wanted: Option<String>,
    },
    /// One node with its hardware, neighbours and last boot
    #[command(
        after_help = "Example:\n  higuma node show 4c4c4544\n  higuma node show web-17 --inventory\n  higuma node show web-17 -o json"
    )]
    Show {
        /// UUID, a unique beginning of it, or host name
        node: String,
        /// The whole inventory instead of the last boot: every slot, device and version
        #[arg(long)]
        inventory: bool,
    },
    /// Versions of what a node is made of, newest first
    #[command(after_help = "Example:\n  higuma node history web-17")]
    History {
        /// UUID, a unique beginning of it, or host name
        node: String,
    },
    /// What differs between two versions of what a node is made of
    #[command(after_help = "Example:\n  higuma node diff web-17\n  higuma node diff web-17 --from 1 --to 4")]
    Diff {
        /// UUID, a unique beginning of it, or host name
        node: String,
        /// Version, from `node history` [default: the one before]
        #[arg(long, value_name = "N")]
        from: Option<u32>,
        /// Version [default: the newest]
        #[arg(long, value_name = "N")]
        to: Option<u32>,
    },
    /// Would a reboot change this node, and what of it?
    #[command(after_help = "Example:\n  higuma node drift web-17")]
    Drift {
        /// UUID, a unique beginning of it, or host name
        node: String,
    },
    /// Add a node before it is first powered on: it is admitted (needed with `admission = "known-only"`)
    #[command(
        after_help = "Example:\n  higuma node add 4c4c4544-0046-3010-8052-b4c04f4a4d32 --hostname hv-12 --profile hv"
    )]
    Add {
        /// SMBIOS system UUID
        uuid: String,
        /// Host name of its second stage
        #[arg(long, value_name = "NAME")]
        hostname: Option<String>,
        /// Profile to boot
        #[arg(long, value_name = "NAME")]
        profile: Option<String>,
        /// Cluster that it is in: decides which pools of addresses serve it
        #[arg(long, value_name = "NAME")]
        cluster: Option<String>,
    },
    /// Let a node in
    #[command(after_help = "Example:\n  higuma node approve 4c4c4544-0046-3010-8052-b4c04f4a4d32")]
    Approve {
        /// UUID, a unique beginning of it, or host name
        node: String,
    },
    /// Keep a node out: it gets nothing to boot
    #[command(after_help = "Example:\n  higuma node reject 4c4c4544")]
    Reject {
        /// UUID, a unique beginning of it, or host name
        node: String,
    },
    /// Say what a node boots from now on; this approves it, too
    #[command(after_help = "Example:\n  higuma node assign 4c4c4544 web\n  higuma node assign web-17 web@12")]
    Assign {
        /// UUID, a unique beginning of it, or host name
        node: String,
        /// Profile; with @REVISION the node is pinned to that revision, whichever is active
        profile: String,
    },
    /// Let the installer of the node's profile write its disk again, at its next boot: what is on it goes
    #[command(after_help = "Example:\n  higuma node reinstall web-17 && higuma power reset web-17")]
    Reinstall {
        /// UUID, a unique beginning of it, or host name
        node: String,
    },
    /// A node in fallback, whose revision failed to boot: try that again at its next boot
    #[command(after_help = "Example:\n  higuma node retry web-17 && higuma power reset web-17")]
    Retry {
        /// UUID, a unique beginning of it, or host name
        node: String,
    },
    /// Take the assignment away; what runs keeps running
    #[command(after_help = "Example:\n  higuma node unassign web-17")]
    Unassign {
        /// UUID, a unique beginning of it, or host name
        node: String,
    },
    /// A node whose board was replaced: merge the new one into the old one, which keeps its name, settings and history
    #[command(
        after_help = "Example:\n  higuma node merge 4c4c4544-0046-3010-8052-b4c04f4a4d32 web-17\n\nThe new UUID leads to the old node from now on."
    )]
    Merge {
        /// The new node, which goes: UUID, a unique beginning of it, or host name
        new: String,
        /// The old node, which stays
        old: String,
    },
    /// A node is not the one that it was offered to be merged into: offer it no more
    #[command(after_help = "Example:\n  higuma node not-same 4c4c4544")]
    NotSame {
        /// UUID, a unique beginning of it, or host name
        node: String,
    },
    /// Change host name, maintenance, retirement
    #[command(
        after_help = "Example:\n  higuma node set 4c4c4544 --hostname web-17\n  higuma node set web-17 --maintenance on"
    )]
    #[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
    Set {
        /// UUID, a unique beginning of it, or host name
        node: String,
        /// Host name, used from the next boot on
        #[arg(long, group = "change")]
        hostname: Option<String>,
        /// Cluster: decides which pools of addresses serve it; empty: none. Addresses that it has stay
        #[arg(long, group = "change", value_name = "NAME")]
        cluster: Option<String>,
        /// Tag of its own; may be given several times, and replaces those that it had ("" alone: none)
        #[arg(long = "tag", group = "change", value_name = "NAME")]
        tags: Vec<String>,
        /// Rules may say its profile, cluster and host name from now on
        #[arg(long, group = "change")]
        by_rules: bool,
        /// In maintenance a node boots nothing new
        #[arg(long, group = "change", value_name = "on|off")]
        maintenance: Option<Switch>,
        /// A retired node is refused
        #[arg(long, group = "change", value_name = "on|off")]
        retired: Option<Switch>,
    },
}

/// on or off
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Switch {
    /// Yes.
    On,
    /// No.
    Off,
}

impl Switch {
    fn is_on(self) -> bool {
        self == Self::On
    }
}

pub(super) fn run(global: &Global, command: Node) -> Result<()> {
    let client = Client::new(global)?;
    let admission = |word: &str| NodePatch { admission: Some(word.into()), ..NodePatch::default() };
    let assignment = |name: String| NodePatch { profile: Some(name), ..NodePatch::default() };
    let (node, patch) = match command {
        Node::Add { uuid, hostname, profile, cluster } => {
            let patch = NodePatch { hostname, profile, cluster, ..NodePatch::default() };
            let value = client.call(Method::PUT, &format!("/api/v1/nodes/{}", encode(&uuid)), Some(&patch))?;
            return answer(global.format, value, |node: NodeDetail| line(&node.summary));
        }
        Node::List { lifecycle, drift, search, wanted } => {
            let filters = [("lifecycle", lifecycle), ("drift", drift), ("q", search), ("where", wanted)];
            let filters = filters.each_ref().map(|(key, value)| (*key, value.as_deref()));
            let query: Vec<(&str, &str)> = filters.into_iter().filter_map(|(k, v)| Some((k, v?))).collect();
            return answer(global.format, client.list("/api/v1/nodes", &query)?, |page: Page<NodeSummary>| {
                list_table(&page.items, output::now_us())
            });
        }
        Node::Show { node, inventory } => {
            let uuid = resolve(&client, &node)?;
            let value = client.get(&format!("/api/v1/nodes/{}", encode(&uuid)))?;
            return answer(global.format, value, |detail| show(&detail, inventory, output::now_us()));
        }
        Node::Merge { new, old } => {
            let (new, old) = (resolve(&client, &new)?, resolve(&client, &old)?);
            let path = format!("/api/v1/nodes/{}/merge", encode(&new));
            let value = client.call(Method::POST, &path, Some(&MergeInto { into: old }))?;
            return answer(global.format, value, |node: NodeDetail| line(&node.summary));
        }
        Node::NotSame { node } => {
            let path = format!("/api/v1/nodes/{}/not-same", encode(&resolve(&client, &node)?));
            let value = client.call(Method::POST, &path, None::<&()>)?;
            return answer(global.format, value, |node: NodeDetail| line(&node.summary));
        }
        Node::Reinstall { node } => return super::node_disk::reinstall(global, &client, &node),
        Node::Retry { node } => {
            let path = format!("/api/v1/nodes/{}/retry", encode(&resolve(&client, &node)?));
            let value = client.call(Method::POST, &path, None::<&()>)?;
            return answer(global.format, value, |node: NodeDetail| {
                let (s, assigned) = (&node.summary, node.summary.assignment());
                let what = if assigned.is_empty() { "nothing: it has no profile" } else { &assigned };
                format!("{} ({}): its next boot tries {what}\n", s.uuid, s.hostname)
            });
        }
        Node::Drift { node } => return super::drift::show(global, &client, &node),
        Node::History { node } => return super::history::history(global, &client, &node),
        Node::Diff { node, from, to } => return super::history::diff(global, &client, &node, from, to),
        Node::Approve { node } => (node, admission("admitted")),
        Node::Reject { node } => (node, admission("rejected")),
        Node::Assign { node, profile } if profile.is_empty() => {
            return Err(Failure::usage(format!(
                "expected a profile's name; `higuma node unassign {node}` takes it away"
            )));
        }
        Node::Assign { node, profile } => (node, assignment(profile)),
        Node::Unassign { node } => (node, assignment(String::new())),
        Node::Set { node, hostname, cluster, tags, by_rules, maintenance, retired } => {
            let (maintenance, retired) = (maintenance.map(Switch::is_on), retired.map(Switch::is_on));
            let tags = (!tags.is_empty()).then(|| tags.into_iter().filter(|tag| !tag.is_empty()).collect());
            let by_rules = by_rules.then_some(true);
            (node, NodePatch { hostname, cluster, tags, by_rules, maintenance, retired, ..NodePatch::default() })
        }
    };
    let uuid = resolve(&client, &node)?;
    let value = client.call(Method::PATCH, &format!("/api/v1/nodes/{}", encode(&uuid)), Some(&patch))?;
    if global.format == Format::Json {
        return answer(global.format, value, |_: Value| String::new());
    }
    let node: NodeDetail = typed(value)?;
    output::print(&line(&node.summary))
}

/// What a node is now, after a change.
fn line(node: &NodeSummary) -> String {
    let assigned = node.assignment();
    let profile = if assigned.is_empty() { "no profile" } else { &assigned };
    format!("{} ({}): {}, {}, {profile}\n", node.uuid, node.hostname, node.lifecycle, node.admission)
}

/// The UUID of the one node that `name` means.
pub(super) fn resolve(client: &Client, name: &str) -> Result<String> {
    let name = name.trim().to_ascii_lowercase();
    if name.is_empty() {
        return Err(Failure::usage("expected a node: its UUID, a unique beginning of it, or its host name"));
    }
    if name.parse::<uuid::Uuid>().is_ok() && name.len() == 36 {
        return Ok(name);
    }
    let page: Page<NodeSummary> = typed(client.list("/api/v1/nodes", &[("q", &name)])?)?;
    choose(&name, &page.items)
}

fn choose(name: &str, nodes: &[NodeSummary]) -> Result<String> {
    let same_name: Vec<&NodeSummary> = nodes.iter().filter(|n| n.hostname.eq_ignore_ascii_case(name)).collect();
    let fits = match same_name.is_empty() {
        false => same_name,
        true => nodes.iter().filter(|n| n.uuid.starts_with(name)).collect(),
    };
    match fits[..] {
        [one] => Ok(one.uuid.clone()),
        [] => Err(Failure::not_found(format!(
            "no node has the host name {name:?} or a UUID that begins so; `higuma node list` shows all"
        ))),
        _ => {
            let some: Vec<_> = fits.iter().take(5).map(|n| format!("{} ({})", n.uuid, n.hostname)).collect();
            let text = format!("{name:?} fits {} nodes: {}; give more of the UUID", fits.len(), some.join(", "));
            Err(Failure::usage(text))
        }
    }
}

/// With what somebody should see at once.
fn state(node: &NodeSummary) -> String {
    let mut state = node.lifecycle.clone();
    if node.conflict.is_some() {
        state += " CONFLICT";
    }
    if node.fallback.is_some() {
        state += " FALLBACK";
    }
    state
}

pub(super) fn list_table(nodes: &[NodeSummary], now: i64) -> String {
    let rows: Vec<[String; 9]> = nodes
        .iter()
        .map(|n| {
            [
                n.uuid.clone(),
                n.hostname.clone(),
                state(n),
                n.drift.clone().unwrap_or_default(),
                n.admission.clone(),
                n.assignment(),
                format!("{} {}", n.manufacturer, n.product).trim().to_owned(),
                n.serial.clone(),
                output::ago(n.last_seen_us, now),
            ]
        })
        .collect();
    output::table(["UUID", "HOSTNAME", "STATE", "DRIFT", "ADMISSION", "PROFILE", "PRODUCT", "SERIAL", "SEEN"], &rows)
}

fn show(node: &NodeDetail, whole: bool, now: i64) -> String {
    let s = &node.summary;
    let state = match &s.reason {
        Some(reason) => format!("{} ({reason})", s.lifecycle),
        None => s.lifecycle.clone(),
    };
    let mut lines = vec![
        ("UUID", s.uuid.clone()),
        ("Host name", s.hostname.clone()),
        ("State", state),
        ("Admission", s.admitted_by.as_ref().map_or(s.admission.clone(), |by| format!("{} by {by}", s.admission))),
        ("Profile", s.assignment()),
        (
            "Fallback",
            s.fallback.as_ref().map_or_else(String::new, |f| {
                format!(
                    "{}, since {}; `higuma node retry` tries {} again",
                    f.to,
                    output::time_ago(f.since_us, now),
                    f.from
                )
            }),
        ),
        ("Cluster", s.cluster.clone().unwrap_or_default()),
        ("Tags", s.tags.join(" ")),
        (
            "By rules",
            node.by_rules.iter().map(|(what, rule)| format!("{what} ({rule})")).collect::<Vec<_>>().join(", "),
        ),
        ("Product", format!("{} {}", s.manufacturer, s.product).trim().to_owned()),
        ("Serial", s.serial.clone()),
        ("Boot MAC", s.boot_mac.clone().unwrap_or_default()),
        ("First seen", output::time_ago(s.first_seen_us, now)),
        ("Last seen", output::time_ago(s.last_seen_us, now)),
    ];
    lines.extend(identity_lines(node));
    lines.extend(super::node_disk::lines(&node.disk, now));
    if node.maintenance {
        lines.push(("Maintenance", "on".into()));
    }
    if node.retired {
        lines.push(("Retired", "yes".into()));
    }
    if let Some(inventory) = node.inventory.as_ref().filter(|_| !whole) {
        lines.extend(inventory::summary(inventory));
    }
    for n in &node.neighbours {
        lines.push(("Neighbour", format!("{} - {} port {}", n.interface, n.system_name, n.port_id)));
    }
    let mut text = output::fields(&lines);
    if whole {
        let inventory = node.inventory.as_ref();
        text += &inventory.map_or_else(|| "\nNo inventory has been reported yet.\n".to_owned(), inventory::tables);
        return text;
    }
    if let Some(boot) = &node.boot {
        let _ = write!(text, "\nLast boot:\n{}", super::boot::show(boot, now));
    }
    if !node.no_boot.is_empty() {
        let _ = write!(text, "\nNo boot came of:\n{}", super::boot_watch::lines(&node.no_boot));
    }
    text
}

/// Who it is, where there is more to say than that its firmware tells its name.
fn identity_lines(node: &NodeDetail) -> Vec<(&'static str, String)> {
    let i = &node.identity;
    let mut lines = vec![("Named by", named_by(&i.source, i.seen).to_owned())];
    if let Some(told) = i.told_uuid.as_ref().filter(|told| **told != node.summary.uuid) {
        lines.push(("Firmware says", told.clone()));
    }
    lines.extend(i.aliases.iter().map(|alias| ("Alias", alias.clone())));
    lines.extend(i.conflicts.iter().map(|c| ("Conflict", format!("with {}: {}", c.node, c.differs))));
    let offer = |new: &str, old: &str| format!("{old}: higuma node merge {new} {old} | higuma node not-same {new}");
    lines.extend(i.merge_candidate.iter().map(|old| ("May be", offer(&node.summary.uuid, old))));
    let mine = |new: &String| ("May be this", format!("{new}: higuma node merge {new} {}", node.summary.uuid));
    lines.extend(i.merge_offers.iter().map(mine));
    lines
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::cli::Exit;
    use higuma_proto::api::NodeFallback;

    fn node(uuid: &str, hostname: &str) -> NodeSummary {
        NodeSummary {
            cluster: None,
            tags: vec![],
            uuid: uuid.into(),
            hostname: hostname.into(),
            lifecycle: "running".into(),
            reason: None,
            admission: "admitted".into(),
            admitted_by: None,
            profile: None,
            profile_revision: None,
            manufacturer: "Dell".into(),
            product: "R740".into(),
            serial: "S1".into(),
            boot_mac: None,
            step: None,
            open_events: 0,
            first_seen_us: 0,
            last_seen_us: 1_000_000,
            conflict: None,
            drift: Some("changed".to_owned()),
            fallback: None,
        }
    }

    #[test]
    fn a_name_means_one_node_or_none() {
        let nodes = [node("aaaa1111-x", "web"), node("aaaa2222-x", "aaaa1"), node("bbbb", "web-2")];
        assert_eq!(choose("web", &nodes).unwrap(), "aaaa1111-x");
        assert_eq!(choose("bb", &nodes).unwrap(), "bbbb");
        // A host name that is the same as a beginning of a UUID: the host name wins.
        assert_eq!(choose("aaaa1", &nodes).unwrap(), "aaaa2222-x");
        assert_eq!(choose("zz", &nodes).unwrap_err().exit, Exit::NotFound);
        let several = choose("aaaa", &nodes).unwrap_err();
        assert_eq!(several.exit, Exit::Usage);
        assert!(several.message.contains("fits 2 nodes"), "{several}");
    }

    #[test]
    fn the_list() {
        assert_eq!(
            list_table(&[node("aaaa", "web")], 181_000_000),
            "UUID  HOSTNAME  STATE    DRIFT    ADMISSION  PROFILE  PRODUCT    SERIAL  SEEN\n\
             aaaa  web       running  changed  admitted   -        Dell R740  S1      3 min ago\n"
        );
        let fallback = NodeFallback { from: "web@7".into(), to: "web@6".into(), since_us: 0 };
        let loud = list_table(&[NodeSummary { fallback: Some(fallback), ..node("aaaa", "web") }], 181_000_000);
        assert!(loud.contains("running FALLBACK"), "{loud}");
    }
}
