//! Leases as people see them, over SQLite: which node has which, one taken back by hand, pools that are full of them.

use crate::common::Lab;
use higuma::domain::dhcp::{ClientKey, Hardware, Lease, LeaseState, RelayInfo};
use higuma::domain::node::{Admission, Node};
use higuma::domain::{NodeUuid, node_event};
use higuma::error::Error;
use higuma::service::dhcp::leases::{self, LeaseQuery, state};
use higuma::service::{ipam, node_events, sweep};
use higuma::store::NodeEventFilter;
use higuma_proto::api::{DhcpLease, NewPool};
use serde_json::json;
use std::net::Ipv4Addr;

const DAY: i64 = 24 * 3_600_000_000;

fn uuid(n: u32) -> NodeUuid {
    format!("4c4c4544-0046-3010-8052-b4c0{n:08x}").parse().unwrap()
}

fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

/// Bound until `expires`.
fn lease(address: &str, n: u8, expires: i64) -> Lease {
    let key: ClientKey = format!("hw:1:5254000000{n:02x}").parse().unwrap();
    Lease {
        address: ip(address),
        subnet: "10.0.0.0/24".parse().unwrap(),
        key,
        hardware: Hardware { kind: 1, address: vec![0x52, 0x54, 0, 0, 0, n] },
        uuid: None,
        state: LeaseState::Bound,
        expires,
        seen: expires - 3_600_000_000,
        hostname: format!("host-{n}"),
        relay: None,
    }
}

/// Two nodes, 1 with a port that it told; a pool of kind dhcp, and one of nodes beside it.
async fn lab() -> Lab {
    let lab = crate::common::lab(|_| {}).await;
    for n in 1..=2 {
        let mut node = Node::new(uuid(n), Admission::Admitted, 1);
        node.hostname = format!("web-{n}").parse().unwrap();
        lab.app.store.write(move |tx| tx.put_node(&node)).await.unwrap();
    }
    let macs = ["52:54:00:00:00:01".parse().unwrap()];
    lab.app.store.write(move |tx| tx.set_macs(&uuid(1), &macs)).await.unwrap();
    let pool = json!({"name": "guests", "kind": "dhcp", "cidr": "10.0.0.0/24", "ranges": ["10.0.0.10-10.0.0.12"], "dns": ["10.0.0.2"]});
    ipam::create_pool(&lab.app, serde_json::from_value(pool).unwrap()).await.unwrap();
    let nodes = json!({"name": "nodes", "kind": "node", "cidr": "10.0.0.0/24", "gateway": "10.0.0.1", "ranges": ["10.0.0.100-10.0.0.199"]});
    ipam::create_pool(&lab.app, serde_json::from_value(nodes).unwrap()).await.unwrap();
    lab
}

impl Lab {
    /// As it is: nobody has the address.
    async fn put_lease(&self, lease: Lease) {
        let request = higuma::dhcp::packet::parse(&discover(&lease.hardware.address)).unwrap();
        let put = self.app.store.write(move |tx| tx.put_lease(&lease, &request, None, 0));
        assert!(put.await.unwrap());
    }

    async fn leases(&self, query: LeaseQuery) -> Vec<DhcpLease> {
        leases::list(&self.app, query).await.unwrap().items
    }

    async fn used(&self, pool: &str) -> (u64, u64, u64) {
        let pool = ipam::show_pool(&self.app, pool.parse().unwrap()).await.unwrap();
        (pool.used, pool.released, pool.capacity)
    }
}

/// A DISCOVER of this port.
fn discover(mac: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 240];
    bytes[..3].copy_from_slice(&[1, 1, 6]);
    bytes[28..34].copy_from_slice(mac);
    bytes[236..].copy_from_slice(&[99, 130, 83, 99]);
    bytes.extend([53, 1, 1, 255]);
    bytes
}

#[tokio::test]
async fn leases_are_listed_with_their_nodes() {
    let lab = lab().await;
    let now = lab.app.now();
    let relay = RelayInfo { raw: vec![1, 1, 9], circuit_id: Some(vec![9]), ..RelayInfo::default() };
    lab.put_lease(Lease { relay: Some((ip("10.0.0.1"), relay)), ..lease("10.0.0.10", 1, now + DAY) }).await;
    // By the UUID, in the other order of bytes; over.
    lab.put_lease(Lease { uuid: Some(uuid(2).swapped()), ..lease("10.0.0.11", 7, now - 1) }).await;
    lab.put_lease(lease("10.0.0.12", 8, now + DAY)).await;
    let all = lab.leases(LeaseQuery::default()).await;
    let short = |leases: &[DhcpLease]| {
        let of = |lease: &DhcpLease| {
            format!("{} {} {}", lease.address, lease.state, lease.node_hostname.as_deref().unwrap_or("-"))
        };
        leases.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(short(&all), ["10.0.0.10 bound web-1", "10.0.0.11 expired web-2", "10.0.0.12 bound -"]);
    let first = &all[0];
    assert_eq!((first.relay.as_deref(), first.circuit_id.as_deref()), (Some("10.0.0.1"), Some("09")));
    assert_eq!((first.hardware.as_str(), first.hostname.as_str()), ("52:54:00:00:00:01", "host-1"));
    for (query, expected) in [
        (LeaseQuery { node: Some(uuid(1)), ..Default::default() }, vec!["10.0.0.10 bound web-1"]),
        (LeaseQuery { node: Some(uuid(2)), ..Default::default() }, vec!["10.0.0.11 expired web-2"]),
        (LeaseQuery { state: Some(state("expired").unwrap()), ..Default::default() }, vec!["10.0.0.11 expired web-2"]),
        (LeaseQuery { subnet: Some("10.0.1.0/24".parse().unwrap()), ..Default::default() }, vec![]),
        (LeaseQuery { cursor: Some(ip("10.0.0.11")), ..Default::default() }, vec!["10.0.0.12 bound -"]),
    ] {
        assert_eq!(short(&lab.leases(query.clone()).await), expected, "{query:?}");
    }
    let page = leases::list(&lab.app, LeaseQuery { limit: Some(2), ..Default::default() }).await.unwrap();
    assert_eq!((page.items.len(), page.next.as_deref()), (2, Some("10.0.0.11")));
    assert!(state("free").unwrap_err().to_string().contains("released or expired"));
    let unknown = leases::list(&lab.app, LeaseQuery { node: Some(uuid(9)), ..Default::default() }).await;
    assert!(matches!(unknown, Err(Error::NotFound(_))), "{unknown:?}");

    assert_eq!((lab.used("guests").await, lab.used("nodes").await), ((2, 1, 3), (0, 0, 100)));
    let usage = leases::usage(&lab.app).await.unwrap();
    assert_eq!((usage.len(), usage[0].bound, usage[0].free), (1, 2, 1));
    let served = leases::served(&lab.app).await.unwrap();
    assert_eq!((served[0].options.routers[0], served[0].options.dns[0]), (ip("10.0.0.1"), ip("10.0.0.2")));
    let cells = ipam::cells(&lab.app, "guests".parse().unwrap()).await.unwrap();
    let states: Vec<&str> = cells[9..14].iter().map(|cell| cell.state).collect();
    assert_eq!(states, ["none", "used", "free", "used", "none"]);
}

#[tokio::test]
async fn one_is_taken_back_by_hand() {
    let lab = lab().await;
    let now = lab.app.now();
    lab.put_lease(lease("10.0.0.10", 1, now + DAY)).await;
    lab.put_lease(lease("10.0.0.11", 7, now + DAY)).await;
    for address in ["10.0.0.10", "10.0.0.11"] {
        leases::release(&lab.app, ip(address), "ana").await.unwrap();
        let again = leases::release(&lab.app, ip(address), "ana").await;
        assert!(matches!(again, Err(Error::Conflict(_))), "{again:?}");
    }
    let none = leases::release(&lab.app, ip("10.0.0.12"), "ana").await;
    assert!(matches!(none, Err(Error::NotFound(_))), "{none:?}");
    let states: Vec<String> = lab.leases(LeaseQuery::default()).await.into_iter().map(|lease| lease.state).collect();
    assert_eq!(states, ["released", "released"]);
    assert_eq!(lab.used("guests").await, (0, 2, 3));
    let filter = NodeEventFilter { kind: Some(node_event::Kind::Address), ..NodeEventFilter::default() };
    let query = node_events::NodeEventQuery { filter, ..Default::default() };
    let told = node_events::list(&lab.app, query).await.unwrap().items;
    assert_eq!(told.len(), 1, "only one of them is a node");
    assert_eq!(told[0].message, "its lease of 10.0.0.10 (bound) was released by ana");
    assert_eq!((told[0].node.as_str(), told[0].cleared_us.is_some()), (uuid(1).as_str(), true));
}

#[tokio::test]
async fn pools_of_leases_end_with_them() {
    let lab = lab().await;
    let now = lab.app.now();
    lab.put_lease(lease("10.0.0.10", 1, now + DAY)).await;
    lab.put_lease(lease("10.0.0.11", 2, now - 29 * DAY)).await;
    lab.put_lease(lease("10.0.0.12", 3, now - 31 * DAY)).await;
    assert_eq!(sweep::run_once(&lab.app).await.unwrap().old_leases, 1);
    let left: Vec<String> = lab.leases(LeaseQuery::default()).await.into_iter().map(|lease| lease.address).collect();
    assert_eq!(left, ["10.0.0.10", "10.0.0.11"]);
    let refused = ipam::delete_pool(&lab.app, "guests".parse().unwrap(), None).await;
    assert!(matches!(&refused, Err(Error::Conflict(text)) if text.contains("1 address(es)")), "{refused:?}");
    // A pool of nodes cannot give what DHCP gives.
    let both = json!({"name": "nodes", "kind": "node", "cidr": "10.0.0.0/24"});
    let both: NewPool = serde_json::from_value(both).unwrap();
    let error = ipam::update_pool(&lab.app, "nodes".parse().unwrap(), both).await.unwrap_err().to_string();
    assert!(error.contains("pool guests gives, too"), "{error}");
    ipam::delete_pool(&lab.app, "guests".parse().unwrap(), Some("guests")).await.unwrap();
    assert_eq!(lab.leases(LeaseQuery::default()).await.len(), 2, "who has an address still uses it");
}
