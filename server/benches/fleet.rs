//! `cargo bench -p higuma --bench fleet`: a change of the whole fleet: a list of rules asked of every node, what each of them
//! would boot and its drift, a profile saved with every node rendered, and one boot plan. On SQLite as in use
//! (`synchronous=FULL`) and on a PostgreSQL of its own. Seconds, a node's part of them, and the process's memory; it judges
//! nothing. `HIGUMA_BENCH_NODES=2000` makes the fleet smaller than 100,000; `HIGUMA_BENCH_DATABASE=sqlite` takes one database.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[allow(dead_code)]
#[path = "../tests/store/pg.rs"]
mod pg;

use higuma::domain::boot::Boot;
use higuma::domain::inventory::Unread;
use higuma::domain::node::{Admission, Node};
use higuma::domain::{Mac, NodeUuid, Sha256};
use higuma::service::drift::{self, Worked};
use higuma::service::{App, Settings, blobs, facts, images, plan, preview, profiles, rules};
use higuma::store::{Store, StoredInventory, StoredVersion};
use higuma_proto::agent::{Cpu, Dimm, Disk, Inventory, Memory, Nic};
use higuma_proto::api::{NewProfile, PutRules, Rule};
use serde_json::json;
use std::time::Instant;
use uuid::Uuid;

const NODES: u32 = 100_000;
/// Nodes of a transaction while the fleet is made.
const BATCH: u32 = 500;
/// Rules of the list: what a site of that size has, one a kind of server and rack.
const RULES: u32 = 40;
/// Boot plans that are asked for, one after the other.
const PLANS: u32 = 2_000;

fn main() {
    let nodes = std::env::var("HIGUMA_BENCH_NODES").ok().and_then(|n| n.parse().ok()).unwrap_or(NODES);
    let database = std::env::var("HIGUMA_BENCH_DATABASE").unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        if database != "postgres" {
            let dir = tempfile::tempdir().unwrap();
            let url = format!("sqlite:{}", dir.path().join("bench.db").display());
            measure("SQLite", &url, nodes).await;
        }
        if database != "sqlite" {
            let server = pg::Server::start();
            measure("PostgreSQL", &server.url("postgres"), nodes).await;
        }
    });
}

/// A line of the table.
struct Table {
    nodes: u32,
    began: Instant,
}

impl Table {
    fn done(&mut self, what: &str) {
        let seconds = self.began.elapsed().as_secs_f64();
        let each = seconds * 1e6 / f64::from(self.nodes);
        let (now, peak) = memory();
        println!("{what:<52} {seconds:>8.1} s {each:>8.0} us a node {now:>6} MB, peak {peak} MB");
        self.began = Instant::now();
    }
}

async fn measure(database: &str, url: &str, nodes: u32) {
    let app = App::new(Store::open(url).unwrap(), Settings::default());
    println!("{database}, {nodes} nodes, {RULES} rules");
    let mut table = Table { nodes, began: Instant::now() };
    image(&app).await;
    for (name, parent) in [("base", None), ("web", Some("base")), ("db", Some("base"))] {
        profiles::create(&app, profile(name, parent, 1)).await.unwrap();
    }
    fleet(&app, nodes).await;
    table.done("(made)");
    while facts::fill_in(&app).await.unwrap() {}
    table.done("facts of all, as after an upgrade");

    rules::replace(&app, PutRules { rules: list("first"), expected_hash: None }).await.unwrap();
    evaluate(&app).await;
    table.done("rules: profile, cluster, name and tags of all set");
    rules::replace(&app, PutRules { rules: list("second"), expected_hash: None }).await.unwrap();
    evaluate(&app).await;
    table.done("rules: a tag of all changed");
    let mut same = list("second");
    same.last_mut().unwrap().when = "node.product == 'None such'".into();
    rules::replace(&app, PutRules { rules: same, expected_hash: None }).await.unwrap();
    evaluate(&app).await;
    table.done("rules: a change that is none for any node");

    work(&app).await;
    table.done("plans and their hashes of all");
    profiles::update(&app, "base".parse().unwrap(), profile("base", None, 2)).await.unwrap();
    table.done("a parent saved: all rendered, before it is stored");
    work(&app).await;
    table.done("plans and their hashes of all, once more");
    drift::counts(&app).await.unwrap();
    table.done("drift counted");
    one(&app, nodes).await;
    println!();
}

/// One node's: what a person sees, what an agent is given.
async fn one(app: &App, nodes: u32) {
    let each = |began: Instant| began.elapsed().as_secs_f64() * 1e6 / f64::from(PLANS);
    // Each another one.
    let spread = move |n: u32| uuid(n.wrapping_mul((nodes / PLANS).max(1)) % nodes);
    let began = Instant::now();
    for n in 0..PLANS {
        preview::show(app, "web".parse().unwrap(), None, spread(n)).await.unwrap();
    }
    println!("one preview {:.0} us", each(began));
    let mut boots = Vec::new();
    for n in 0..PLANS {
        let uuid = spread(n);
        let boot = Boot::new(Uuid::from_u128(u128::from(n)), uuid, hash(n), "http://10.0.0.1:8080".into(), app.now());
        let stored = boot.clone();
        app.store
            .write(move |tx| {
                let mut node = tx.node(&stored.node)?.unwrap();
                node.boot = Some(stored.id);
                tx.put_boot(&stored)?;
                tx.put_node(&node)
            })
            .await
            .unwrap();
        boots.push(boot);
    }
    let began = Instant::now();
    let mut given = 0;
    for boot in &boots {
        given += u32::from(plan::current(app, boot).await.is_ok());
    }
    println!("one boot plan, read alone {:.0} us ({given} of {PLANS} given)", each(began));
    let began = Instant::now();
    for (n, boot) in (0..).zip(&boots) {
        plan::boot_plan(app, boot, hash(PLANS + n)).await.unwrap();
    }
    println!("one boot plan, given and stored, one after the other {:.0} us", each(began));
}

async fn evaluate(app: &App) {
    while rules::work_once(app).await.unwrap() {}
}

async fn work(app: &App) {
    while drift::work_once(app).await.unwrap() == Worked::On {}
}

async fn image(app: &App) {
    let blob = Sha256::of("blob");
    blobs::record(app, blob.clone(), 4).await.unwrap();
    let part = |role: &str| json!({"role": role, "sha256": blob.to_string()});
    let image = json!({"name": "i", "version": "1", "arch": "x86_64", "parts": [part("kernel"), part("modules"), part("rootfs")]});
    images::create(app, serde_json::from_value(image).unwrap()).await.unwrap();
}

/// As a site writes them: templates over the node's facts, a few files and units.
fn profile(name: &str, parent: Option<&str>, version: u32) -> NewProfile {
    let mut words = json!({"image": "i:1"});
    let more = match parent {
        None => json!({
            "cmdline": "console=ttyS0,115200 node={{ node.serial }}",
            "params": {"ntp": "10.0.0.1", "version": version.to_string()},
            "files": {
                "/etc/motd": {"template": true, "content": "{{ node.hostname }} ({{ node.product }}), version {{ params.version }}\n"},
                "/etc/chrony/chrony.conf": {"template": true, "content": "server {{ params.ntp }} iburst\n"},
                "/etc/higuma-nics": {"template": true, "content": "{% for n in node.nics %}{{ n.mac }}\n{% endfor %}"},
            },
            "ssh_authorized_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGc0YSBub3QgYSBrZXksIGJ1dCBhcyBsb25nIGFz ann"],
            "modules": ["br_netfilter"],
            "sysctl": {"net.ipv4.ip_forward": 1},
        }),
        Some(parent) => json!({
            "parent": parent,
            "params": {"role": name},
            "files": {"/etc/role": {"template": true, "content": "{{ params.role }}\n"}},
            "units": {format!("{name}.service"): {"content": "[Service]\nExecStart=/bin/true\n", "enabled": true}},
        }),
    };
    for (key, value) in more.as_object().into_iter().flatten() {
        words[key] = value.clone();
    }
    NewProfile { name: name.to_owned(), words: words.as_object().cloned(), ..NewProfile::default() }
}

/// Each node matches one that gives it its profile, cluster and name, the last, and some by a tag.
fn list(tag: &str) -> Vec<Rule> {
    let mut rules: Vec<Rule> = (0..RULES - 2)
        .map(|n| Rule {
            name: format!("rack-{n}"),
            when: format!(
                "node.product == 'R{n}' && node.memory.total >= 256*GiB && node.nics.exists(x, x.mac.startsWith('52:'))"
            ),
            profile: Some(if n % 4 == 0 { "db" } else { "web" }.into()),
            cluster: Some(format!("c{n}")),
            hostname: Some(format!("r{n}-{{n:05}}")),
            tags: vec![format!("rack{n}")],
            ..Rule::default()
        })
        .collect();
    rules.push(Rule { name: "all".into(), when: "true".into(), tags: vec![tag.into()], ..Rule::default() });
    let cold = "node.disks.exists(d, d.rotational)".to_owned();
    rules.push(Rule { name: "cold".into(), when: cold, tags: vec!["cold".into()], ..Rule::default() });
    rules
}

async fn fleet(app: &App, nodes: u32) {
    for from in (0..nodes).step_by(BATCH as usize) {
        app.store
            .write(move |tx| {
                for n in from..(from + BATCH).min(nodes) {
                    let mut node = Node::new(uuid(n), Admission::Admitted, i64::from(n));
                    let product = format!("R{}", n % (RULES - 2));
                    (node.manufacturer, node.product, node.serial) = ("Kuma".into(), product, format!("SN{n:08X}"));
                    tx.put_node(&node)?;
                    tx.set_macs(&node.uuid, &[mac(n)])?;
                    let json = serde_json::to_string(&inventory(n)).unwrap();
                    let version = StoredVersion {
                        number: 1,
                        hash: Sha256::of(&json),
                        size: json.len() as u64,
                        changes: 0,
                        at: 0,
                        last_seen: 0,
                    };
                    tx.put_inventory(&node.uuid, &StoredInventory { version, json, unread: Unread::default() })?;
                }
                Ok(())
            })
            .await
            .unwrap();
    }
    println!("(an inventory has {} bytes)", serde_json::to_string(&inventory(0)).unwrap().len());
}

fn uuid(n: u32) -> NodeUuid {
    // Spread like real ones: neighbours in time are no neighbours in the index.
    Uuid::new_v5(&Uuid::NAMESPACE_OID, &n.to_be_bytes()).to_string().parse().unwrap()
}

fn mac(n: u32) -> Mac {
    let [a, b, c, d] = n.to_be_bytes();
    format!("52:54:{a:02x}:{b:02x}:{c:02x}:{d:02x}").parse().unwrap()
}

fn hash(n: u32) -> Sha256 {
    Sha256::of(n.to_be_bytes())
}

fn inventory(n: u32) -> Inventory {
    let dimms = (0..16).map(|slot| Dimm {
        locator: format!("DIMM_{slot}"),
        size_bytes: 32 << 30,
        r#type: "DDR5".into(),
        serial: format!("{n:06X}{slot:02X}"),
        ..Dimm::default()
    });
    let nic = |port: u32| Nic { name: format!("eth{port}"), mac: mac(n).to_string(), ..Nic::default() };
    let disk = |slot: u32| Disk {
        name: format!("nvme{slot}n1"),
        size_bytes: 1920 << 30,
        serial: format!("D{n}-{slot}"),
        ..Disk::default()
    };
    Inventory {
        memory: Some(Memory { total_bytes: 512 << 30, dimms: dimms.collect(), ..Memory::default() }),
        cpus: vec![Cpu { model: "Kuma CPU".into(), cores: 32, threads: 64, ..Cpu::default() }; 2],
        nics: (0..2).map(nic).collect(),
        disks: (0..4).map(disk).collect(),
        ..Inventory::default()
    }
}

/// Of this process, MB: now, and at most.
fn memory() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let of = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    };
    (of("VmRSS:"), of("VmHWM:"))
}
