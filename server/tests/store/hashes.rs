//! The hash of what a node would boot depends on what it is of alone: not on the database, not on the order in which things
//! came or are written, and every change of what reaches the node is another hash. Random profiles and nodes.

use crate::fixture::{self, *};
use higuma::domain::Sha256;
use higuma::domain::inventory::Unread;
use higuma::domain::node::{Admission, Node};
use higuma::service::drift::{self, Worked};
use higuma::service::{App, Settings, blobs, images, nodes, profiles};
use higuma::store::{StoredInventory, StoredVersion};
use higuma_proto::agent::{Inventory, Nic};
use higuma_proto::api::{NewProfile, NodePatch};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

const CASES: usize = 12;
const NODES: u32 = 4;

/// What a profile says, and what the nodes are.
#[derive(Debug, Clone)]
struct Case {
    parent: Map<String, Value>,
    child: Map<String, Value>,
    /// Host name, tags and serial number.
    nodes: Vec<(String, Vec<String>, String)>,
}

/// Text that people write, and such as databases order or fold in their own ways.
fn text() -> impl Strategy<Value = String> {
    "[ a-zA-ZäÄßéØ日本0-9_.,:;=-]{0,12}"
}

fn words() -> impl Strategy<Value = Map<String, Value>> {
    let files = prop::collection::vec(("/[a-z]{1,3}/[a-zA-Z]{1,4}", text(), prop::bool::ANY), 0..4);
    let params = prop::collection::vec(("p[a-z]{0,2}", text()), 0..4);
    let sysctl = prop::collection::vec(("net\\.[a-z]{1,4}", 0u32..9), 0..3);
    (files, params, sysctl, prop::collection::vec("[a-z]{1,5}", 0..3)).prop_map(|(files, params, sysctl, modules)| {
        let mut words = Map::new();
        let files: Map<String, Value> = files
            .into_iter()
            .map(|(path, content, template)| {
                let content = if template { format!("{content} {{{{ node.hostname }}}}") } else { content };
                (path, json!({"content": content, "template": template}))
            })
            .collect();
        words.insert("files".into(), files.into());
        words.insert("params".into(), params.into_iter().map(|(k, v)| (k, v.into())).collect::<Map<_, _>>().into());
        words.insert("sysctl".into(), sysctl.into_iter().map(|(k, v)| (k, v.into())).collect::<Map<_, _>>().into());
        words.insert("modules".into(), modules.into());
        words
    })
}

fn case() -> impl Strategy<Value = Case> {
    let node = ("[a-z]{1,8}", prop::collection::vec("[a-z]{1,5}", 0..3), "[A-Za-z0-9]{1,9}");
    (words(), words(), prop::collection::vec(node, NODES as usize)).prop_map(|(parent, child, nodes)| Case {
        parent,
        child,
        nodes,
    })
}

/// The hashes of all nodes, in their order. `backwards`: everything is put in from its end.
async fn hashes(db: Empty, case: &Case, backwards: bool) -> Vec<String> {
    let app = App::new(db.open().store, Settings::default());
    let blob = Sha256::of("blob");
    blobs::record(&app, blob.clone(), 4).await.unwrap();
    let part = |role: &str| json!({"role": role, "sha256": blob.to_string()});
    let image = json!({"name": "i", "version": "1", "arch": "x86_64",
        "parts": [part("kernel"), part("modules"), part("rootfs")]});
    images::create(&app, serde_json::from_value(image).unwrap()).await.unwrap();
    let whole = |name: &str, words: &Map<String, Value>, more: (&str, &str)| {
        let mut pairs: Vec<(String, Value)> = words.clone().into_iter().collect();
        pairs.push((more.0.into(), more.1.into()));
        if backwards {
            pairs.reverse();
        }
        NewProfile { name: name.to_owned(), words: Some(pairs.into_iter().collect()), ..NewProfile::default() }
    };
    profiles::create(&app, whole("base", &case.parent, ("image", "i:1"))).await.unwrap();
    profiles::create(&app, whole("web", &case.child, ("parent", "base"))).await.unwrap();
    let mut order: Vec<u32> = (0..NODES).collect();
    if backwards {
        order.reverse();
    }
    for n in order {
        let (hostname, tags, serial) = case.nodes[n as usize].clone();
        let mut tags = tags;
        if backwards {
            tags.reverse();
        }
        let serial = format!("{serial}{n}");
        app.store
            .write(move |tx| {
                tx.put_node(&Node { serial: serial.clone(), ..Node::new(uuid(n), Admission::Admitted, i64::from(n)) })?;
                let nic = Nic { mac: format!("52:54:00:00:00:{n:02x}"), ..Nic::default() };
                let json = serde_json::to_string(&Inventory { nics: vec![nic], ..Inventory::default() }).unwrap();
                let hash = Sha256::of(&json);
                let version = StoredVersion { number: 1, hash, size: 1, changes: 0, at: 0, last_seen: 0 };
                tx.put_inventory(&uuid(n), &StoredInventory { version, json, unread: Unread::default() })
            })
            .await
            .unwrap();
        let patch = NodePatch {
            profile: Some("web".into()),
            hostname: Some(format!("{hostname}{n}")),
            tags: Some(tags),
            ..NodePatch::default()
        };
        nodes::patch(&app, uuid(n), patch).await.unwrap();
    }
    while drift::work_once(&app).await.unwrap() == Worked::On {}
    app.store
        .read(move |tx| (0..NODES).map(|n| Ok(tx.planned(&uuid(n))?.expect("worked out"))).collect())
        .await
        .unwrap()
}

pub async fn depend_on_what_they_are_of_alone(sqlite: fixture::Databases, postgres: fixture::Databases) {
    let mut runner = TestRunner::new(Config::default());
    for number in 0..CASES {
        let case = case().new_tree(&mut runner).unwrap().current();
        let name = |way: &str| format!("hashes::{way}{number}");
        let here = hashes(sqlite.fresh(&name("here")), &case, false).await;
        assert!(here.iter().all(|hash| hash.len() == 64), "{here:?} of {case:?}");
        assert_eq!(here, hashes(postgres.fresh(&name("there")), &case, true).await, "{case:?}");
        let mut changed = case.clone();
        changed.child.insert("ssh_authorized_keys".into(), json!(["ssh-ed25519 AAAA ann"]));
        let there = hashes(postgres.fresh(&name("changed")), &changed, false).await;
        assert!(here.iter().zip(&there).all(|(a, b)| a != b), "a key more is the same hash: {case:?}");
    }
}
