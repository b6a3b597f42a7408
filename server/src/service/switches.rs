//! People look at switches, their ports and the nodes behind them.

use super::App;
use super::nodes::{PAGE_MAX, page_limit};
use super::wire;
use crate::domain::cabling::expected::SUBJECT;
use crate::domain::cabling::{Place, natural};
use crate::domain::node_event::Kind;
use crate::domain::{Invalid, Micros, NodeUuid};
use crate::error::{Error, Result};
use crate::store::{LinkFilter, LinkRow, PortRow, SwitchRow, Tx};
use higuma_proto::api::{CableLink, Page, Switch, SwitchPort};
use std::collections::HashMap;
use uuid::Uuid;

/// Ports and links told of one switch at most; the largest chassis have some hundreds.
const PORTS_MAX: usize = 4_096;

/// A page of switches, in order of chassis id. The cursor is `TYPE ID` of the last one seen.
pub async fn list(app: &App, cursor: Option<&str>, limit: Option<usize>) -> Result<Page<Switch>> {
    let after = cursor.map(parse_cursor).transpose()?;
    let limit = page_limit(limit);
    app.store
        .read(move |tx| {
            let mut rows = tx.switches(after.as_ref(), limit + 1)?;
            let more = rows.len() > limit;
            rows.truncate(limit);
            let next = rows.last().filter(|_| more).map(|s| format!("{} {}", s.chassis_id_type, s.chassis_id));
            let items = rows.iter().map(|row| told(tx, row)).collect::<Result<_>>()?;
            Ok(Page { items, next })
        })
        .await
}

fn parse_cursor(text: &str) -> std::result::Result<(String, String), Invalid> {
    let bad = || Invalid::new("cursor", "the `next` of the page before", text);
    let (kind, id) = text.split_once(' ').ok_or_else(bad)?;
    Ok((id.to_owned(), kind.to_owned()))
}

fn told(tx: &mut Tx<'_>, row: &SwitchRow) -> Result<Switch> {
    let ports = tx.switch_ports(&row.chassis_id, &row.chassis_id_type, PORTS_MAX)?.len();
    Ok(Switch {
        chassis_id: row.chassis_id.clone(),
        chassis_id_type: row.chassis_id_type.clone(),
        name: row.name.clone(),
        description: row.description.clone(),
        management_addresses: row.addresses.clone(),
        ports: u64::try_from(ports).unwrap_or(u64::MAX),
        first_seen_us: row.first_seen,
        last_seen_us: row.last_seen,
    })
}

/// A switch by name or chassis id, with its ports as people count them and who is behind each now.
pub async fn show(app: &App, name: &str) -> Result<(Switch, Vec<SwitchPort>)> {
    let (name, now, timeout) = (name.to_owned(), app.now(), app.settings.heartbeat_timeout);
    app.store
        .read(move |tx| {
            let found = tx.switches_called(&name)?;
            let row = match &found[..] {
                [one] => one,
                [] => {
                    return Err(Error::NotFound(format!(
                        "no switch has the name or chassis id {name:?}: see `higuma switch list`"
                    )));
                }
                several => {
                    let ids: Vec<&str> = several.iter().map(|s| s.chassis_id.as_str()).collect();
                    let text =
                        format!("{name:?} fits several switches: give the chassis id of one: {}", ids.join(", "));
                    return Err(Error::Conflict(text));
                }
            };
            let marks = marks(tx)?;
            Ok((told(tx, row)?, ports(tx, row, &marks, now, timeout)?))
        })
        .await
}

/// A page of the picture: a few switches, each with its ports.
pub async fn picture(
    app: &App,
    cursor: Option<&str>,
    limit: usize,
) -> Result<(Vec<(Switch, Vec<SwitchPort>)>, Option<String>)> {
    let after = cursor.map(parse_cursor).transpose()?;
    let (now, timeout) = (app.now(), app.settings.heartbeat_timeout);
    app.store
        .read(move |tx| {
            let mut rows = tx.switches(after.as_ref(), limit + 1)?;
            let more = rows.len() > limit;
            rows.truncate(limit);
            let next = rows.last().filter(|_| more).map(|s| format!("{} {}", s.chassis_id_type, s.chassis_id));
            let (mut all, marks) = (Vec::new(), marks(tx)?);
            for row in &rows {
                all.push((told(tx, row)?, ports(tx, row, &marks, now, timeout)?));
            }
            Ok((all, next))
        })
        .await
}

fn ports(tx: &mut Tx<'_>, switch: &SwitchRow, marks: &Marks, now: Micros, timeout: Micros) -> Result<Vec<SwitchPort>> {
    let mut rows = tx.switch_ports(&switch.chassis_id, &switch.chassis_id_type, PORTS_MAX)?;
    rows.sort_by(|a, b| natural(port_text(a), port_text(b)).then_with(|| a.place.cmp(&b.place)));
    let filter = LinkFilter { switch: Some(switch.chassis_id.clone()), present: true, ..LinkFilter::default() };
    let links = tx.links(&filter, None, PORTS_MAX)?;
    let mut by_port: HashMap<Place, Vec<LinkRow>> = HashMap::new();
    for row in links {
        by_port.entry(row.link.place.clone()).or_default().push(row);
    }
    rows.into_iter()
        .map(|row| {
            let behind = by_port.remove(&row.place).unwrap_or_default();
            Ok(SwitchPort {
                port_id: row.place.port_id,
                port_id_type: row.place.port_id_type,
                description: row.description,
                pvid: row.pvid,
                last_seen_us: row.last_seen,
                links: links_told(tx, &behind, marks, now, timeout)?,
            })
        })
        .collect()
}

/// Subjects of cables that moved begin so.
const MOVED: &str = "cable:";

/// Which links.
#[derive(Debug, Clone, Default)]
pub struct LinkQuery {
    /// Which.
    pub filter: LinkFilter,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// At most so many.
    pub limit: Option<usize>,
}

/// A page of links, oldest first.
pub async fn links(app: &App, query: LinkQuery) -> Result<Page<CableLink>> {
    let bad = |text: &str| Invalid::new("cursor", "the `next` of the page before", text);
    let after = query.cursor.map(|c| c.parse::<Uuid>().map_err(|_| bad(&c))).transpose()?;
    let (limit, now, timeout) = (page_limit(query.limit), app.now(), app.settings.heartbeat_timeout);
    app.store
        .read(move |tx| {
            let mut rows = tx.links(&query.filter, after, limit + 1)?;
            let more = rows.len() > limit;
            rows.truncate(limit);
            let next = rows.last().filter(|_| more).map(|row| row.link.id.to_string());
            let marks = marks(tx)?;
            Ok(Page { items: links_told(tx, &rows, &marks, now, timeout)?, next })
        })
        .await
}

/// A node's present links.
pub(super) fn links_of(tx: &mut Tx<'_>, node: &NodeUuid, now: Micros, timeout: Micros) -> Result<Vec<CableLink>> {
    let filter = LinkFilter { node: Some(node.clone()), present: true, ..LinkFilter::default() };
    let rows = tx.links(&filter, None, PAGE_MAX)?;
    let open = tx.warned_subjects(node, Kind::Cabling)?;
    let marks = marked(open.into_iter().map(|subject| (node.clone(), subject)));
    links_told(tx, &rows, &marks, now, timeout)
}

fn links_told(
    tx: &mut Tx<'_>,
    rows: &[LinkRow],
    marks: &Marks,
    now: Micros,
    timeout: Micros,
) -> Result<Vec<CableLink>> {
    let mut nodes: HashMap<NodeUuid, (String, String)> = HashMap::new();
    let mut told = Vec::with_capacity(rows.len());
    for LinkRow { link, switch_name, port_description } in rows {
        if !nodes.contains_key(&link.node)
            && let Some(node) = tx.node(&link.node)?
        {
            let boot = node.boot.map(|id| tx.boot(id)).transpose()?.flatten();
            let summary = wire::node_summary(&node, boot.as_ref(), now, timeout);
            nodes.insert(link.node.clone(), (summary.hostname, summary.lifecycle));
        }
        let (hostname, lifecycle) = nodes.get(&link.node).cloned().unwrap_or_default();
        told.push(CableLink {
            id: link.id.to_string(),
            node: link.node.to_string(),
            hostname,
            lifecycle,
            mac: link.mac.to_string(),
            interface: link.interface.clone(),
            chassis_id: link.place.chassis_id.clone(),
            switch: switch_name.clone(),
            port_id: link.place.port_id.clone(),
            port_description: port_description.clone(),
            accepted: link.accepted,
            mark: marks
                .get(&(link.node.clone(), link.mac.to_string()))
                .filter(|_| link.ended.is_none())
                .copied()
                .unwrap_or_default()
                .to_owned(),
            first_seen_us: link.first_seen,
            last_seen_us: link.last_seen,
            ended_us: link.ended,
        });
    }
    Ok(told)
}

/// Ports and switches that no cable, present or earlier, leads to go after a day.
pub async fn forget_unused(app: &App) -> Result<usize> {
    const DAY: Micros = 24 * 3600 * 1_000_000;
    let before = app.now() - DAY;
    app.store.write(move |tx| tx.prune_switches(before, 1_000)).await
}

/// NICs about whose cables an event is open, and what it says in a word.
type Marks = HashMap<(NodeUuid, String), &'static str>;

/// Of the whole fleet: once a request.
fn marks(tx: &mut Tx<'_>) -> Result<Marks> {
    let mut open = tx.nodes_with_subjects(SUBJECT)?;
    open.extend(tx.nodes_with_subjects(MOVED)?);
    Ok(marked(open))
}

fn marked(open: impl IntoIterator<Item = (NodeUuid, String)>) -> Marks {
    let mut marks = Marks::new();
    for (node, subject) in open {
        let words = [(SUBJECT, "wrong port"), (MOVED, "moved")];
        for (mac, word) in words.into_iter().filter_map(|(prefix, word)| Some((subject.strip_prefix(prefix)?, word))) {
            // That it moved tells more.
            let mark = marks.entry((node.clone(), mac.to_owned())).or_insert(word);
            *mark = if word == "moved" { word } else { mark };
        }
    }
    marks
}

/// What people call a port: its id, unless that is an address and it has a description.
pub(super) fn port_text(port: &PortRow) -> &str {
    let is_address = port.place.port_id_type == "mac_address" && !port.description.is_empty();
    if is_address { &port.description } else { &port.place.port_id }
}

/// "tor-1 port swp7".
pub(super) fn place_text(tx: &mut Tx<'_>, place: &Place) -> Result<String> {
    let switches = tx.switches_called(&place.chassis_id)?;
    let switch = switches
        .iter()
        .find(|s| s.chassis_id == place.chassis_id && s.chassis_id_type == place.chassis_id_type && !s.name.is_empty());
    let name = switch.map_or(place.chassis_id.as_str(), |s| s.name.as_str());
    let port = tx.switch_port(place)?;
    Ok(format!("{name} port {}", port.as_ref().map_or(place.port_id.as_str(), port_text)))
}
