//! Addresses over SQLite, without any listener: given once, kept, released, given again last, told when two use one.

use crate::common::Lab;
use higuma::domain::ipam::Kind;
use higuma::domain::node::{Admission, Node};
use higuma::domain::{Mac, NodeUuid, node_event};
use higuma::error::Error;
use higuma::service::ipam::{self, AddressQuery, Lease};
use higuma::service::{identity, node_events, nodes};
use higuma::store::{AddressFilter, NodeEventFilter, SightingRow};
use higuma_proto::api::{CsvImport, NewPool, NodePatch};
use serde_json::{Value, json};
use std::net::IpAddr;

fn uuid(n: u32) -> NodeUuid {
    format!("4c4c4544-0046-3010-8052-b4c0{n:08x}").parse().unwrap()
}

fn mac(n: u8) -> Mac {
    format!("52:54:00:00:00:{n:02x}").parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn pool(more: Value) -> NewPool {
    let mut pool = json!({"name": "p", "kind": "bmc", "cidr": "10.0.0.0/29", "gateway": "10.0.0.1", "vlan": 9});
    pool.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(pool).unwrap()
}

async fn lab(nodes: u32) -> Lab {
    let lab = crate::common::lab(|_| {}).await;
    for n in 1..=nodes {
        let mut node = Node::new(uuid(n), Admission::Admitted, 1);
        node.hostname = format!("web-{n}").parse().unwrap();
        lab.app.store.write(move |tx| tx.put_node(&node)).await.unwrap();
    }
    lab
}

impl Lab {
    async fn lease(&self, n: u32, kind: Kind) -> Option<Lease> {
        ipam::allocate(&self.app, uuid(n), kind).await.unwrap()
    }

    /// The last number of the address.
    async fn bmc(&self, n: u32) -> Option<String> {
        self.lease(n, Kind::Bmc).await.map(|l| l.address.to_string().rsplit('.').next().unwrap().to_owned())
    }

    async fn notices_of(&self, n: u32) -> Vec<String> {
        let filter = NodeEventFilter {
            node: Some(uuid(n)),
            kind: Some(node_event::Kind::Address),
            open: true,
            ..NodeEventFilter::default()
        };
        let query = node_events::NodeEventQuery { filter, ..Default::default() };
        node_events::list(&self.app, query).await.unwrap().items.into_iter().map(|e| e.message).collect()
    }

    async fn conflicts(&self) -> usize {
        ipam::conflicts(&self.app, None, None).await.unwrap().items.len()
    }
}

#[tokio::test]
async fn pools_of_a_cluster_serve_its_nodes_first_and_no_others() {
    let lab = lab(3).await;
    let east = json!({"name": "east", "cluster": "east", "cidr": "10.1.0.0/30", "gateway": "10.1.0.1"});
    ipam::create_pool(&lab.app, pool(east)).await.unwrap();
    let put = |n: u32, cluster: &str| {
        let patch = NodePatch { cluster: Some(cluster.into()), ..NodePatch::default() };
        nodes::patch(&lab.app, uuid(n), patch)
    };
    assert_eq!(put(1, "east").await.unwrap().summary.cluster.as_deref(), Some("east"));
    assert_eq!(lab.bmc(2).await, None, "it is in no cluster");
    assert!(lab.notices_of(2).await.is_empty());
    ipam::create_pool(&lab.app, pool(json!({"name": "any"}))).await.unwrap();
    let lease = lab.lease(1, Kind::Bmc).await.unwrap();
    assert_eq!((lease.address, lease.pool.as_str()), (ip("10.1.0.2"), "east"));
    assert_eq!(lab.lease(2, Kind::Bmc).await.unwrap().pool, "any");
    // Full: the one for any is next.
    put(3, "east").await.unwrap();
    assert_eq!(lab.lease(3, Kind::Bmc).await.unwrap().pool, "any");
    // What it has stays, wherever it goes.
    assert_eq!(put(1, "").await.unwrap().summary.cluster, None);
    assert_eq!(lab.lease(1, Kind::Bmc).await, Some(lease));
    assert!(put(1, "no such name!").await.is_err());
}

#[tokio::test]
async fn the_lowest_never_used_first_and_what_was_released_last() {
    let lab = lab(7).await;
    assert_eq!(lab.bmc(1).await, None, "no pool");
    assert!(lab.notices_of(1).await.is_empty());
    ipam::create_pool(&lab.app, pool(json!({"exclusions": ["10.0.0.4"]}))).await.unwrap();
    assert_eq!(lab.lease(1, Kind::Node).await, None, "a pool of BMCs is not for nodes");
    let lease = lab.lease(1, Kind::Bmc).await.unwrap();
    assert_eq!((lease.address, lease.prefix, lease.netmask), (ip("10.0.0.2"), 29, ip("255.255.255.248")));
    assert_eq!((lease.gateway, lease.vlan, lease.pool.as_str()), (Some(ip("10.0.0.1")), 9, "p"));
    assert_eq!(lab.lease(1, Kind::Bmc).await, Some(lease), "it keeps it");
    assert_eq!((lab.bmc(2).await.as_deref(), lab.bmc(3).await.as_deref()), (Some("3"), Some("5")));
    for n in [2, 1] {
        assert_eq!(ipam::release(&lab.app, uuid(n), None, None).await.unwrap(), 1);
    }
    assert_eq!(ipam::release(&lab.app, uuid(1), None, None).await.unwrap(), 0);
    assert_eq!(lab.bmc(4).await.as_deref(), Some("6"), "never used before released");
    assert_eq!(
        (lab.bmc(5).await.as_deref(), lab.bmc(6).await.as_deref()),
        (Some("3"), Some("2")),
        "oldest release first"
    );
    assert_eq!(lab.bmc(7).await, None);
    assert!(lab.notices_of(7).await[0].contains("the pools p are full"));
    ipam::update_pool(&lab.app, "p".parse().unwrap(), pool(json!({}))).await.unwrap();
    assert_eq!(lab.bmc(7).await.as_deref(), Some("4"), "a pool that was changed is looked at anew");
    assert!(lab.notices_of(7).await.is_empty());
}

#[tokio::test]
async fn a_large_pool_is_filled_beyond_one_look() {
    let lab = lab(1).await;
    ipam::create_pool(&lab.app, pool(json!({"cidr": "10.0.0.0/16"}))).await.unwrap();
    let mut lines = String::from("address,node\n");
    for n in 2..1200u32 {
        let node = Node::new(uuid(1000 + n), Admission::Admitted, 1);
        lab.app.store.write(move |tx| tx.put_node(&node)).await.unwrap();
        let address = IpAddr::V4((0x0a00_0000 + n).into());
        lines += &format!("{address},{}\n", uuid(1000 + n));
    }
    let file = |dry_run| CsvImport { csv: lines.clone(), dry_run };
    let done = ipam::import_addresses(&lab.app, file(false)).await.unwrap();
    assert_eq!((done.rows, done.changed, done.written), (1198, 1198, true));
    assert_eq!(ipam::import_addresses(&lab.app, file(false)).await.unwrap().changed, 0, "again is no change");
    assert_eq!(lab.lease(1, Kind::Bmc).await.unwrap().address, ip("10.0.4.176"));
}

#[tokio::test]
async fn a_retired_node_gives_its_addresses_back_and_a_merge_keeps_them() {
    let lab = lab(3).await;
    ipam::create_pool(&lab.app, pool(json!({}))).await.unwrap();
    ipam::create_pool(&lab.app, pool(json!({"name": "n", "kind": "node"}))).await.unwrap();
    assert_eq!((lab.bmc(1).await.as_deref(), lab.bmc(2).await.as_deref()), (Some("2"), Some("3")));
    assert_eq!(lab.lease(2, Kind::Node).await.unwrap().address, ip("10.0.0.2"), "kinds do not mind each other");
    identity::merge(&lab.app, uuid(2), uuid(1)).await.unwrap();
    assert_eq!(lab.bmc(1).await.as_deref(), Some("2"), "the one that stays keeps its own");
    assert_eq!(lab.lease(1, Kind::Node).await.unwrap().address, ip("10.0.0.2"), "and gets what it had none of");
    assert_eq!(lab.bmc(3).await.as_deref(), Some("4"), "3 was given: it comes last");
    nodes::patch(&lab.app, uuid(1), NodePatch { retired: Some(true), ..NodePatch::default() }).await.unwrap();
    let filter = AddressFilter { live: true, ..AddressFilter::default() };
    let live = ipam::list(&lab.app, AddressQuery { filter, ..AddressQuery::default() }).await.unwrap().items;
    assert_eq!(live.iter().map(|a| a.address.as_str()).collect::<Vec<_>>(), ["10.0.0.4"]);
    assert!(matches!(ipam::allocate(&lab.app, uuid(1), Kind::Bmc).await, Err(Error::Conflict(_))));
}

#[tokio::test]
async fn a_person_chooses_an_address() {
    let lab = lab(2).await;
    ipam::create_pool(&lab.app, pool(json!({"ranges": ["10.0.0.2-10.0.0.3"]}))).await.unwrap();
    let reserve = |n: u32, address: &str| ipam::reserve(&lab.app, uuid(n), ip(address), None, String::new());
    assert_eq!(lab.bmc(1).await.as_deref(), Some("2"));
    // Out of the range, but within the network.
    assert_eq!(reserve(1, "10.0.0.6").await.unwrap().address, ip("10.0.0.6"));
    assert_eq!(lab.bmc(1).await.as_deref(), Some("6"));
    let taken = reserve(2, "10.0.0.6").await;
    assert!(matches!(&taken, Err(Error::Conflict(text)) if text.contains(uuid(1).as_str())), "{taken:?}");
    for bad in ["10.0.0.0", "10.0.0.7", "10.0.0.1", "10.0.1.1", "fd00::1"] {
        let error = reserve(2, bad).await;
        assert!(matches!(error, Err(Error::BadRequest(_))), "{bad}: {error:?}");
    }
    ipam::create_pool(&lab.app, pool(json!({"name": "n", "kind": "node"}))).await.unwrap();
    let which = reserve(2, "10.0.0.5").await.unwrap_err().to_string();
    assert!(which.contains("say which kind"), "{which}");
    ipam::reserve(&lab.app, uuid(2), ip("10.0.0.5"), Some(Kind::Node), String::new()).await.unwrap();
}

/// A network on which these answer.
struct Wire(Vec<(IpAddr, Mac)>);

impl ipam::Prober for Wire {
    fn who_has(&self, address: IpAddr) -> futures_util::future::BoxFuture<'_, Option<Mac>> {
        let found = self.0.iter().find(|(known, _)| *known == address).map(|(_, mac)| mac.clone());
        Box::pin(async move { found })
    }
}

#[tokio::test]
async fn an_address_that_somebody_uses_is_not_given() {
    let mut lab = lab(4).await;
    ipam::create_pool(&lab.app, pool(json!({}))).await.unwrap();
    // The BMC of node 2 has its address already.
    ipam::seen(&lab.app, uuid(2), ip("10.0.0.5"), mac(2)).await.unwrap();
    let strangers = [("10.0.0.2", 8), ("10.0.0.3", 9), ("10.0.0.5", 2)];
    lab.app.prober = Some(std::sync::Arc::new(Wire(strangers.map(|(address, n)| (ip(address), mac(n))).to_vec())));
    assert_eq!(lab.bmc(1).await.as_deref(), Some("4"));
    let told = lab.notices_of(1).await;
    assert!(
        told.len() == 2 && told.iter().any(|t| t.contains("10.0.0.2") && t.contains("52:54:00:00:00:08")),
        "{told:?}"
    );
    assert_eq!(lab.conflicts().await, 2);
    assert_eq!(lab.bmc(1).await.as_deref(), Some("4"), "it keeps it");
    assert_eq!(lab.bmc(2).await.as_deref(), Some("5"), "its own");
    assert!(lab.notices_of(2).await.is_empty());
    assert_eq!(lab.bmc(3).await.as_deref(), Some("6"));
    // A day later that machine is gone.
    lab.app.prober = None;
    assert_eq!(lab.bmc(4).await, None, "all are given or in use");
    let long_ago = |tx: &mut higuma::store::Tx<'_>| {
        let row = tx.sightings(ip("10.0.0.2"))?.into_iter().next().expect("the stranger");
        tx.put_sighting(&SightingRow { at: 1, ..row })
    };
    lab.app.store.write(long_ago).await.unwrap();
    assert_eq!(lab.bmc(4).await.as_deref(), Some("2"));
    assert_eq!(lab.conflicts().await, 1, "what nobody uses any more is no conflict");
}

#[tokio::test]
async fn what_the_kernel_sees_is_compared_with_what_was_given() {
    let lab = lab(1).await;
    ipam::create_pool(&lab.app, pool(json!({}))).await.unwrap();
    let a = lab.lease(1, Kind::Bmc).await.unwrap().address;
    ipam::seen(&lab.app, uuid(1), a, mac(1)).await.unwrap();
    let watch = |seen: &[(IpAddr, u8)]| {
        let table = seen.iter().map(|(address, n)| (*address, mac(*n))).collect();
        ipam::watch(&lab.app, table)
    };
    // Right, and others' business.
    assert_eq!(watch(&[(a, 1), (ip("10.0.0.6"), 7), (ip("192.0.2.1"), 7)]).await.unwrap(), 0);
    assert_eq!(watch(&[(a, 9)]).await.unwrap(), 1);
    assert!(lab.conflicts().await == 1 && lab.notices_of(1).await[0].contains("not known here (52:54:00:00:00:09)"));
    assert_eq!(watch(&[(a, 9)]).await.unwrap(), 0, "no news");
    assert_eq!(watch(&[(a, 1)]).await.unwrap(), 1);
    assert_eq!((lab.conflicts().await, lab.notices_of(1).await.len()), (0, 0));
}

#[tokio::test]
async fn two_users_of_one_address_are_told_on_both_until_it_is_put_right() {
    let lab = lab(3).await;
    ipam::create_pool(&lab.app, pool(json!({}))).await.unwrap();
    let a = lab.lease(1, Kind::Bmc).await.unwrap().address;
    ipam::seen(&lab.app, uuid(1), a, mac(1)).await.unwrap();
    ipam::seen_arp(&lab.app, a, Some(mac(1))).await.unwrap();
    assert_eq!((lab.conflicts().await, lab.notices_of(1).await.len()), (0, 0));
    for _ in 0..2 {
        ipam::seen(&lab.app, uuid(2), a, mac(2)).await.unwrap();
    }
    assert_eq!(lab.conflicts().await, 1);
    assert!(
        lab.notices_of(1).await[0].contains("is used by node")
            && lab.notices_of(2).await[0].contains("is given to node")
    );
    assert_eq!((lab.notices_of(1).await.len(), lab.notices_of(2).await.len()), (1, 1), "told once");
    ipam::seen(&lab.app, uuid(2), ip("10.0.0.6"), mac(2)).await.unwrap();
    assert_eq!((lab.conflicts().await, lab.notices_of(1).await.len(), lab.notices_of(2).await.len()), (0, 0, 0));
    // A stranger that answers ARP.
    ipam::seen_arp(&lab.app, a, Some(mac(9))).await.unwrap();
    assert!(lab.conflicts().await == 1 && lab.notices_of(1).await[0].contains("not known here (52:54:00:00:00:09)"));
    ipam::seen_arp(&lab.app, a, Some(mac(1))).await.unwrap();
    assert_eq!((lab.conflicts().await, lab.notices_of(1).await.len()), (0, 0));
    // Two BMCs with an address that nobody was given.
    ipam::seen(&lab.app, uuid(3), ip("10.0.0.6"), mac(3)).await.unwrap();
    assert_eq!((lab.conflicts().await, lab.notices_of(2).await.len(), lab.notices_of(3).await.len()), (2, 1, 1));
    // It is given to one of them.
    ipam::reserve(&lab.app, uuid(2), ip("10.0.0.6"), None, String::new()).await.unwrap();
    assert_eq!(lab.conflicts().await, 1);
    assert!(lab.notices_of(3).await[0].contains("is given to node"));
    ipam::seen_arp(&lab.app, ip("10.0.0.6"), None).await.unwrap();
    assert_eq!(lab.conflicts().await, 1, "what a BMC told is not taken back by silence");
}

#[tokio::test]
async fn pools_do_not_overlap_and_keep_what_is_in_use() {
    let lab = lab(1).await;
    ipam::create_pool(&lab.app, pool(json!({}))).await.unwrap();
    let same = ipam::create_pool(&lab.app, pool(json!({}))).await;
    assert!(matches!(same, Err(Error::Conflict(_))), "{same:?}");
    let over = ipam::create_pool(&lab.app, pool(json!({"name": "q", "cidr": "10.0.0.0/8", "gateway": null}))).await;
    assert!(over.unwrap_err().to_string().contains("overlaps 10.0.0.0/29 of pool p"));
    lab.bmc(1).await.unwrap();
    let edit = |more: Value| ipam::update_pool(&lab.app, "p".parse().unwrap(), pool(more));
    for bad in [json!({"cidr": "10.1.0.0/29", "gateway": null}), json!({"kind": "node"})] {
        let error = edit(bad).await.unwrap_err().to_string();
        assert!(error.contains("1 address(es) in use would be outside"), "{error}");
    }
    edit(json!({"cidr": "10.0.0.0/24", "vlan": 0})).await.unwrap();
    let name = || "p".parse().unwrap();
    for force in [None, Some("q")] {
        let error = ipam::delete_pool(&lab.app, name(), force).await;
        assert!(matches!(error, Err(Error::Conflict(_))), "{error:?}");
    }
    ipam::delete_pool(&lab.app, name(), Some("p")).await.unwrap();
    assert_eq!(lab.bmc(1).await, None);
}

#[tokio::test]
async fn a_file_is_imported_whole_or_not_at_all() {
    let lab = lab(3).await;
    let pools = |csv: &str, dry_run| ipam::import_pools(&lab.app, CsvImport { csv: csv.into(), dry_run });
    let good = "name,kind,cidr\na,bmc,10.0.0.0/24\nb,bmc,10.0.1.0/24\n";
    let dry = pools(good, true).await.unwrap();
    assert_eq!((dry.rows, dry.changed, dry.written), (2, 2, false));
    assert!(ipam::list_pools(&lab.app).await.unwrap().items.is_empty());
    let bad = "name,kind,cidr\na,bmc,10.0.0.0/24\nb,bmc,10.0.0.0/25\nc,bmc,10.0.0.128/25\n";
    let error = pools(bad, false).await.unwrap_err().to_string();
    assert!(error.contains("line 3: ") && error.contains("line 4: ") && !error.contains("line 2"), "{error}");
    assert!(ipam::list_pools(&lab.app).await.unwrap().items.is_empty());
    assert_eq!(pools(good, false).await.unwrap().changed, 2);
    assert_eq!(pools(good, false).await.unwrap().changed, 0, "again is no change");
    let addresses = |csv: &str| ipam::import_addresses(&lab.app, CsvImport { csv: csv.into(), dry_run: false });
    let bad = "address,node\n10.0.0.5,web-1\n10.0.2.5,web-2\n10.0.0.6,nobody\n";
    let error = addresses(bad).await.unwrap_err().to_string();
    assert!(error.contains("line 3: no pool has") && error.contains("line 4: no node is called nobody"), "{error}");
    assert_eq!(ipam::list(&lab.app, AddressQuery::default()).await.unwrap().items, []);
    assert_eq!(addresses("address,node\n10.0.0.5,WEB-1\n").await.unwrap().changed, 1);
    assert_eq!(lab.lease(1, Kind::Bmc).await.unwrap().address, ip("10.0.0.5"));
}
