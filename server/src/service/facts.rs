//! What can be asked of a node: made from its inventory and neighbours when they come, put together with its record when
//! it is asked.

use super::{App, history};
use crate::domain::boot::{Boot, clean};
use crate::domain::facts::{self, Facts, Hardware, Standing, TEXT_MAX};
use crate::domain::node::Node;
use crate::domain::rules::TAGS_OF_RULES;
use crate::domain::{Micros, NodeUuid, lifecycle};
use crate::error::Result;
use crate::store::{NodeRow, Tx};
use higuma_proto::agent::{self, Inventory, Neighbour};

/// Nodes whose facts are made anew in one go.
const FILL: usize = 300;

/// Keep what can be asked of `node`, as part of its registration.
pub(super) fn remember(
    tx: &mut Tx<'_>,
    node: &NodeUuid,
    inventory: &Inventory,
    neighbours: &[Neighbour],
    now: Micros,
) -> Result<()> {
    tx.put_node_facts(node, &project(inventory, neighbours), now)
}

/// Its neighbours have changed.
pub(super) fn set_neighbours(tx: &mut Tx<'_>, node: &NodeUuid, neighbours: &[Neighbour], now: Micros) -> Result<()> {
    if !tx.has_facts(node)? {
        let inventory = stored_inventory(tx, node);
        return remember(tx, node, &inventory, neighbours, now);
    }
    let mut hardware = tx.node_facts(node)?.unwrap_or_default();
    hardware.neighbours = of_neighbours(neighbours);
    tx.put_node_facts(node, &hardware, now)
}

/// Make some of those that are missing: nodes registered with an earlier release. False: there are none.
pub async fn fill_in(app: &App) -> Result<bool> {
    let now = app.now();
    let missing = app.store.read(|tx| tx.nodes_without_facts(FILL)).await?;
    for node in &missing {
        let node = node.clone();
        app.store
            .write(move |tx| {
                let (inventory, neighbours) = (stored_inventory(tx, &node), tx.neighbours(&node)?);
                tx.stale_node(&node)?;
                remember(tx, &node, &inventory, &neighbours, now)
            })
            .await?;
    }
    Ok(!missing.is_empty())
}

/// As last reported. One that cannot be read counts as none, or the others would wait for it for ever.
fn stored_inventory(tx: &mut Tx<'_>, node: &NodeUuid) -> Inventory {
    match history::current(tx, node) {
        Ok(found) => found.map(|(inventory, _)| inventory).unwrap_or_default(),
        Err(error) => {
            tracing::error!(%node, error = ?error, "the inventory of node {node} cannot be read: it cannot be searched for its hardware until it registers again");
            Inventory::default()
        }
    }
}

/// What can be asked of a node whose `hardware` is known.
pub(super) fn of_node(node: &Node, boot: Option<&Boot>, hardware: Hardware, now: Micros, timeout: Micros) -> Facts {
    let (state, _) = lifecycle::of_node(node, boot, now, timeout);
    let standing = Standing {
        uuid: node.uuid.to_string(),
        hostname: node.hostname.to_string(),
        admission: node.admission.to_string(),
        lifecycle: state.to_string(),
        profile: node.profile.as_ref().map(ToString::to_string).unwrap_or_default(),
        fallback: String::new(),
        cluster: node.cluster.as_ref().map(ToString::to_string).unwrap_or_default(),
        tags: node.tags.iter().chain(&node.rule_tags).take(TAGS_OF_RULES).map(ToString::to_string).collect(),
        maintenance: node.maintenance,
        retired: node.retired,
        serial: node.serial.clone(),
        manufacturer: node.manufacturer.clone(),
        product: node.product.clone(),
    };
    Facts { standing, hardware }
}

/// As [`of_node`], with what a list knows of it besides.
pub(super) fn of_row(row: &NodeRow, hardware: Hardware, now: Micros, timeout: Micros) -> Facts {
    let mut facts = of_node(&row.node, row.boot.as_ref(), hardware, now, timeout);
    facts.standing.fallback = row.fallback.as_ref().map(|fallback| fallback.to.to_string()).unwrap_or_default();
    facts
}

fn text(text: &str) -> String {
    clean(text.trim(), TEXT_MAX)
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// As many as a list of facts holds.
fn list<T, F: facts::Fact>(items: &[T], of: impl Fn(&T) -> F) -> Vec<F> {
    items.iter().take(F::MOST).map(of).collect()
}

fn id(vendor: &str, device: &str) -> String {
    text(&format!("{vendor}:{device}"))
}

/// The compact form of an inventory: bounded lists of bounded texts.
pub(super) fn project(inventory: &Inventory, neighbours: &[Neighbour]) -> Hardware {
    let system = inventory.system.clone().unwrap_or_default();
    let virtualisation = inventory.virtualisation.clone().unwrap_or_default();
    let mut pci: Vec<String> = inventory.pci_devices.iter().map(|d| id(&d.vendor_id, &d.device_id)).collect();
    pci.sort();
    pci.dedup();
    Hardware {
        sku: text(&system.sku),
        family: text(&system.family),
        arch: text(&inventory.arch),
        boot_mode: text(&inventory.boot_mode),
        secure_boot: text(&inventory.secure_boot),
        bios: inventory.bios.as_ref().map(of_bios).unwrap_or_default(),
        board: inventory.board.as_ref().map(of_board).unwrap_or_default(),
        chassis: inventory.chassis.as_ref().map(of_chassis).unwrap_or_default(),
        cpu: of_cpus(&inventory.cpus),
        cpus: list(&inventory.cpus, of_cpu),
        memory: inventory.memory.as_ref().map(of_memory).unwrap_or_default(),
        disks: list(&inventory.disks, of_disk),
        nics: list(&inventory.nics, of_nic),
        gpus: list(&inventory.gpus, |g| facts::Gpu {
            pci: text(&g.pci),
            id: id(&g.vendor_id, &g.device_id),
            driver: text(&g.driver),
        }),
        tpm: facts::Tpm { version: inventory.tpm.as_ref().map(|t| text(&t.version)).unwrap_or_default() },
        pci: list(&pci, String::clone),
        neighbours: of_neighbours(neighbours),
        virtualisation: facts::Virtualisation {
            cpu: text(&virtualisation.cpu),
            iommu: virtualisation.iommu,
            guest: virtualisation.guest,
        },
        oem_strings: list(&inventory.oem_strings, |s| text(s)),
    }
}

fn of_bios(b: &agent::Bios) -> facts::Bios {
    facts::Bios { vendor: text(&b.vendor), version: text(&b.version), date: text(&b.date) }
}

fn of_board(b: &agent::Board) -> facts::Board {
    facts::Board {
        manufacturer: text(&b.manufacturer),
        product: text(&b.product),
        version: text(&b.version),
        serial: text(&b.serial),
        asset_tag: text(&b.asset_tag),
    }
}

fn of_chassis(c: &agent::Chassis) -> facts::Chassis {
    facts::Chassis {
        manufacturer: text(&c.manufacturer),
        version: text(&c.version),
        serial: text(&c.serial),
        asset_tag: text(&c.asset_tag),
    }
}

fn of_cpus(cpus: &[agent::Cpu]) -> facts::CpuSum {
    let sum = |of: fn(&agent::Cpu) -> u32| cpus.iter().map(|c| i64::from(of(c))).sum();
    let first = cpus.first();
    facts::CpuSum {
        sockets: i64::try_from(cpus.len()).unwrap_or(i64::MAX),
        cores: sum(|c| c.cores),
        threads: sum(|c| c.threads),
        model: first.map(|c| text(&c.model)).unwrap_or_default(),
        flags: first.map(|c| list(&c.flags, |flag| text(flag))).unwrap_or_default(),
    }
}

fn of_cpu(c: &agent::Cpu) -> facts::Cpu {
    facts::Cpu {
        socket: text(&c.socket),
        manufacturer: text(&c.manufacturer),
        model: text(&c.model),
        cores: i64::from(c.cores),
        threads: i64::from(c.threads),
        max_mhz: i64::from(c.max_mhz),
        microcode: text(&c.microcode),
    }
}

fn of_memory(m: &agent::Memory) -> facts::Memory {
    let used = m.dimms.iter().filter(|d| d.size_bytes > 0).count();
    facts::Memory {
        total: number(m.total_bytes),
        slots: number(m.dimms.len() as u64),
        used_slots: number(used as u64),
        dimms: list(&m.dimms, |d| facts::Dimm {
            slot: text(&d.locator),
            size: number(d.size_bytes),
            kind: text(&d.r#type),
            speed: i64::from(d.speed_mts),
            ecc: d.ecc,
            manufacturer: text(&d.manufacturer),
            part: text(&d.part),
            serial: text(&d.serial),
        }),
    }
}

fn of_disk(d: &agent::Disk) -> facts::Disk {
    facts::Disk {
        name: text(&d.name),
        size: number(d.size_bytes),
        model: text(&d.model),
        serial: text(&d.serial),
        transport: text(&d.transport),
        firmware: text(&d.firmware),
        rotational: d.rotational,
    }
}

fn of_nic(n: &agent::Nic) -> facts::Nic {
    facts::Nic {
        name: text(&n.name),
        mac: text(&n.mac),
        driver: text(&n.driver),
        firmware: text(&n.firmware),
        pci: text(&n.pci),
        max_speed: i64::from(n.max_speed_mbps),
    }
}

fn of_neighbours(neighbours: &[Neighbour]) -> Vec<facts::Neighbour> {
    list(neighbours, |n| facts::Neighbour {
        nic: text(&n.interface),
        switch: text(if n.system_name.is_empty() { &n.chassis_id } else { &n.system_name }),
        port: text(&n.port_id),
        port_description: text(&n.port_description),
        vlan: i64::from(n.pvid),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_large_inventory_becomes_a_small_projection() {
        let nic = agent::Nic { name: "x".repeat(5_000), ..agent::Nic::default() };
        let device = |n: u32| agent::PciDevice {
            vendor_id: "15b3".into(),
            device_id: format!("{:04x}", n % 300),
            ..agent::PciDevice::default()
        };
        let inventory = Inventory {
            nics: vec![nic; 10_000],
            pci_devices: (0..20_000).map(device).collect(),
            oem_strings: vec!["\u{1b}[31m".repeat(100); 1_000],
            memory: Some(agent::Memory { total_bytes: u64::MAX, ..agent::Memory::default() }),
            ..Inventory::default()
        };
        let hardware = project(&inventory, &vec![Neighbour::default(); 5_000]);
        assert_eq!((hardware.nics.len(), hardware.neighbours.len(), hardware.pci.len()), (64, 64, 256));
        assert!(hardware.nics[0].name.len() <= TEXT_MAX && hardware.memory.total == i64::MAX);
        assert_eq!(hardware.pci[0], "15b3:0000");
        assert!(serde_json::to_string(&hardware).unwrap().len() < 100_000);
    }
}
