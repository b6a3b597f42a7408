//! Where things stand in the picture of a switch: its ports in rows, each with the nodes behind it underneath. Only numbers
//! and short texts; the template draws.

use super::human;
use crate::domain::Micros;
use higuma_proto::api::{CableLink, Switch, SwitchPort};

/// Ports side by side, and the size of the parts: eight fit on a screen of 1280 pixels.
const COLUMNS: usize = 8;
const CELL: usize = 142;
const GAP: usize = 8;
const MARGIN: usize = 10;
const PORT: usize = 22;
const NODE: usize = 36;
const WIRE: usize = 10;
/// Nodes drawn behind one port; the table has all.
const NODES: usize = 4;

/// A switch.
pub(super) struct Rack {
    pub number: usize,
    pub name: String,
    pub chassis: String,
    pub about: String,
    pub width: usize,
    pub height: usize,
    pub inner_width: usize,
    pub inner_height: usize,
    pub ports: Vec<Port>,
    pub rows: Vec<Row>,
}

/// A port.
pub(super) struct Port {
    pub x: usize,
    pub y: usize,
    pub width: usize,
    pub text_x: usize,
    pub text_y: usize,
    pub label: String,
    pub title: String,
    pub free: bool,
    pub nodes: Vec<Node>,
    pub more: String,
    pub more_y: usize,
}

/// A node under its port.
pub(super) struct Node {
    pub x: usize,
    pub y: usize,
    pub width: usize,
    pub text_x: usize,
    pub name_y: usize,
    pub nic_y: usize,
    pub cable: String,
    pub uuid: String,
    pub name: String,
    pub nic: String,
    pub state: String,
    pub title: String,
    pub marked: bool,
}

/// A line of the table.
pub(super) struct Row {
    pub port: String,
    pub description: String,
    pub vlan: String,
    pub uuid: String,
    pub node: String,
    pub nic: String,
    pub state: String,
    pub mark: String,
    pub heard: String,
}

impl Rack {
    pub(super) fn new(number: usize, switch: Switch, ports: &[SwitchPort], now: Micros) -> Self {
        let columns = ports.len().clamp(1, COLUMNS);
        let width = 2 * MARGIN + columns * CELL + (columns - 1) * GAP;
        let mut top = MARGIN;
        let mut drawn = Vec::with_capacity(ports.len());
        for row in ports.chunks(COLUMNS) {
            drawn.extend(row.iter().enumerate().map(|(column, port)| {
                let x = MARGIN + column * (CELL + GAP);
                Port::new(port, x, top, now)
            }));
            let most = row.iter().map(|port| port.links.len()).max().unwrap_or(0);
            let more = if most > NODES { 16 } else { 0 };
            top += PORT + most.min(NODES) * (WIRE + NODE) + more + MARGIN + 4;
        }
        let name = if switch.name.is_empty() { switch.chassis_id.clone() } else { switch.name.clone() };
        let nodes: usize = ports.iter().map(|port| port.links.len()).sum();
        let addresses = switch.management_addresses.join(", ");
        let heard = human::ago(switch.last_seen_us, now);
        let all = [format!("{} ports heard, {nodes} cables", ports.len()), addresses, format!("heard {heard}")];
        Self {
            number,
            chassis: if switch.name.is_empty() { String::new() } else { switch.chassis_id },
            name,
            about: all.into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join(" · "),
            width,
            height: top,
            inner_width: width - 2,
            inner_height: top - 2,
            ports: drawn,
            rows: ports.iter().flat_map(|port| rows(port, now)).collect(),
        }
    }
}

/// As people call it.
fn label(port: &SwitchPort) -> &str {
    let is_address = port.port_id_type == "mac_address" && !port.description.is_empty();
    if is_address { &port.description } else { &port.port_id }
}

/// At most `most` characters; the end of a port's name tells more than its beginning.
fn short(text: &str, most: usize, keep_end: bool) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_owned();
    }
    match keep_end {
        true => format!("…{}", text.chars().skip(count + 1 - most).collect::<String>()),
        false => format!("{}…", text.chars().take(most - 1).collect::<String>()),
    }
}

fn vlan(pvid: u32) -> String {
    if pvid == 0 { String::new() } else { pvid.to_string() }
}

impl Port {
    fn new(port: &SwitchPort, x: usize, y: usize, now: Micros) -> Self {
        let about = [
            port.port_id.clone(),
            port.description.clone(),
            if port.pvid == 0 { String::new() } else { format!("VLAN {}", port.pvid) },
            if port.links.is_empty() { "nobody behind it now".to_owned() } else { String::new() },
            format!("heard {}", human::ago(port.last_seen_us, now)),
        ];
        let drawn = port.links.len().min(NODES);
        let more = port.links.len() - drawn;
        Self {
            x,
            y,
            width: CELL,
            text_x: x + CELL / 2,
            text_y: y + 15,
            label: short(label(port), 18, true),
            title: about.into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join(", "),
            free: port.links.is_empty(),
            nodes: port
                .links
                .iter()
                .take(NODES)
                .enumerate()
                .map(|(place, link)| Node::new(link, x, y + PORT + place * (WIRE + NODE) + WIRE, now))
                .collect(),
            more: if more > 0 { format!("and {more} more") } else { String::new() },
            more_y: y + PORT + drawn * (WIRE + NODE) + 13,
        }
    }
}

impl Node {
    fn new(link: &CableLink, x: usize, y: usize, now: Micros) -> Self {
        let mark = mark(link);
        let nic = match mark {
            "" => format!("{} · {}", link.interface, link.lifecycle),
            mark => format!("{mark} · {}", link.interface),
        };
        let about = [
            link.hostname.clone(),
            link.lifecycle.clone(),
            format!("{} ({})", link.interface, link.mac),
            mark.to_owned(),
            format!("heard {}", human::ago(link.last_seen_us, now)),
        ];
        Self {
            x,
            y,
            width: CELL,
            text_x: x + 13,
            name_y: y + 15,
            nic_y: y + 29,
            cable: format!("M{} {}V{y}", x + CELL / 2, y - WIRE),
            uuid: link.node.clone(),
            // Of a name with a domain the beginning tells more, of others the number at the end.
            name: short(&link.hostname, 18, !link.hostname.contains('.')),
            nic: short(&nic, 21, false),
            state: link.lifecycle.clone(),
            title: about.into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join(", "),
            marked: !mark.is_empty(),
        }
    }
}

/// "moved", "wrong port" or nothing.
pub(super) fn mark(link: &CableLink) -> &str {
    if link.accepted { &link.mark } else { "moved, held" }
}

fn rows(port: &SwitchPort, now: Micros) -> Vec<Row> {
    let empty = || Row {
        port: port.port_id.clone(),
        description: port.description.clone(),
        vlan: vlan(port.pvid),
        uuid: String::new(),
        node: String::new(),
        nic: String::new(),
        state: String::new(),
        mark: String::new(),
        heard: human::ago(port.last_seen_us, now),
    };
    if port.links.is_empty() {
        return vec![empty()];
    }
    let row = |link: &CableLink| Row {
        uuid: link.node.clone(),
        node: link.hostname.clone(),
        nic: format!("{} {}", link.interface, link.mac),
        state: link.lifecycle.clone(),
        mark: mark(link).to_owned(),
        heard: human::ago(link.last_seen_us, now),
        ..empty()
    };
    port.links.iter().map(row).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn link(host: &str, interface: &str, mark: &str) -> CableLink {
        CableLink {
            id: "01".into(),
            node: "4c4c4544-0046-3010-8052-b4c04f4a4d32".into(),
            hostname: host.into(),
            lifecycle: "running".into(),
            mac: "52:54:00:00:00:01".into(),
            interface: interface.into(),
            chassis_id: "02:aa".into(),
            switch: "tor-1".into(),
            port_id: "swp1".into(),
            port_description: String::new(),
            accepted: true,
            mark: mark.into(),
            first_seen_us: 1,
            last_seen_us: 1,
            ended_us: None,
        }
    }

    pub(in super::super) fn port(id: &str, links: Vec<CableLink>) -> SwitchPort {
        SwitchPort {
            port_id: id.into(),
            port_id_type: "interface_name".into(),
            description: String::new(),
            pvid: 12,
            last_seen_us: 1,
            links,
        }
    }

    pub(in super::super) fn switch(name: &str) -> Switch {
        Switch {
            chassis_id: "02:aa".into(),
            chassis_id_type: "mac_address".into(),
            name: name.into(),
            description: String::new(),
            management_addresses: vec!["10.0.0.1".into()],
            ports: 1,
            first_seen_us: 1,
            last_seen_us: 1,
        }
    }

    #[test]
    fn nothing_overlaps_and_all_is_inside() {
        let ports: Vec<SwitchPort> = (0..20)
            .map(|n| port(&format!("swp{n}"), (0..n % 7).map(|m| link(&format!("h{m}"), "eth0", "")).collect()))
            .collect();
        let rack = Rack::new(0, switch("tor-1"), &ports, 2);
        let boxes: Vec<(usize, usize, usize, usize)> = rack
            .ports
            .iter()
            .flat_map(|p| {
                let nodes = p.nodes.iter().map(|n| (n.x, n.y, n.width, NODE));
                std::iter::once((p.x, p.y, p.width, PORT)).chain(nodes)
            })
            .collect();
        for (i, a) in boxes.iter().enumerate() {
            assert!(a.0 + a.2 < rack.width && a.1 + a.3 < rack.height, "{a:?} outside");
            for b in boxes.iter().skip(i + 1) {
                let apart = a.0 + a.2 <= b.0 || b.0 + b.2 <= a.0 || a.1 + a.3 <= b.1 || b.1 + b.3 <= a.1;
                assert!(apart, "{a:?} {b:?}");
            }
        }
        assert_eq!(rack.ports.iter().filter(|p| p.more == "and 2 more").count(), 2);
        assert_eq!(rack.rows.len(), 20 / 7 * 21 + 15 + 3, "a row a cable, and one for each free port");
    }

    #[test]
    fn long_names_are_cut_where_they_tell_least() {
        assert_eq!(short("GigabitEthernet1/0/24", 12, true), "…ernet1/0/24");
        assert_eq!(short("abcdef", 4, false), "abc…");
        assert_eq!(short("é", 4, true), "é");
    }

    #[test]
    fn a_mark_is_a_word_not_only_a_colour() {
        let held = CableLink { accepted: false, ..link("h", "eth0", "moved") };
        assert_eq!((mark(&held), mark(&link("h", "eth0", "wrong port"))), ("moved, held", "wrong port"));
        let rack = Rack::new(0, switch(""), &[port("swp1", vec![held])], 2);
        assert!(rack.ports.iter().flat_map(|p| &p.nodes).all(|n| n.marked && n.nic.contains("moved")));
        assert_eq!((rack.name.as_str(), rack.chassis.as_str()), ("02:aa", ""));
    }
}
