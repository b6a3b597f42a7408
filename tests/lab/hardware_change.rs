//! A DIMM is taken out between two boots: SMBIOS tells another table, and the node has a version, a difference and events
//! that name it; put in again, the events are over. Only registers; nothing is booted.

use crate::steps::{TO_REGISTER, boot_id, wait_registered};
use higuma_proto::api::{InventoryDiff, InventoryVersion, NodeDetail, NodeEvent, Page};
use higuma_tests::error::ensure;
use higuma_tests::smbios::{self, Dimm};
use higuma_tests::{Context, Lab, LabResult, Node, NodeSpec, Server, ServerSpec, stock};
use std::path::Path;

const ARRAY: u16 = 0x1000;
const SLOTS: [&str; 4] = ["P1-A1", "P1-A2", "P1-B1", "P1-B2"];

#[test]
fn hardware_change() -> LabResult {
    let lab = Lab::new("hardware-change")?;
    let server = lab.server(ServerSpec::new(&[])?)?;
    stock::first_stage(&server)?;
    let mut spec = NodeSpec::new("n1", &server.bootfile());
    spec.smbios.retain(|value| !value.starts_with("type=17"));
    spec.smbios.push(smbios::memory_array(ARRAY, 4, 512).argument(lab.dir())?);
    spec.smbios.extend(modules(lab.dir(), &["P1-A1", "P1-B1"])?);
    let node = lab.node(spec)?;
    node.power_on()?;
    let first = wait_registered(&lab, &server, &node)?;
    let memory = first.inventory.as_ref().and_then(|i| i.memory.clone()).context("no memory")?;
    ensure(memory.dimms.len() == 4 && memory.total_bytes == 64 << 30, format!("not the table given: {memory:?}"))?;
    ensure(numbers(&server, &node)? == [1], "one version")?;
    ensure(events(&server, &node)?.is_empty(), "the first inventory tells nothing")?;

    modules(lab.dir(), &["P1-A1"])?;
    let second = again(&lab, &server, &node, &first)?;
    ensure(numbers(&server, &node)? == [2, 1], "two versions")?;
    let gone = events(&server, &node)?;
    let dimm = gone.iter().find(|e| e.subject == "dimm:P1-B1").context(format!("no event of the DIMM: {gone:?}"))?;
    println!("hardware_change: {}", dimm.message);
    let begins = "DIMM P1-B1 32 GiB (Kuma Memory KM-32, serial SN-P1-B1) is gone since ";
    ensure(dimm.severity == "warning" && dimm.message.starts_with(begins), format!("{dimm:?}"))?;
    let memory = gone.iter().find(|e| e.subject == "memory").context(format!("no event of the memory: {gone:?}"))?;
    ensure(memory.message == "memory is 32 GiB, was 64 GiB", format!("{memory:?}"))?;
    ensure(gone.len() == 2 && second.summary.open_events == 2, format!("other events: {gone:?}"))?;
    let diff: InventoryDiff = get(&server, &node, "inventory/diff")?;
    let lines: Vec<_> = diff.changes.iter().map(|c| (c.section.as_str(), c.item.as_str(), c.change.as_str())).collect();
    ensure(lines == [("dimm", "P1-B1", "gone"), ("memory", "", "changed")], format!("{:?}", diff.changes))?;

    modules(lab.dir(), &["P1-A1", "P1-B1"])?;
    again(&lab, &server, &node, &second)?;
    ensure(numbers(&server, &node)? == [3, 2, 1], "three versions")?;
    let over = events(&server, &node)?;
    ensure(over.len() == 2 && over.iter().all(|e| e.cleared_us.is_some()), format!("it is back: {over:?}"))?;
    lab.finish()
}

/// Writes the slots' files, those named filled; gives the values of `-smbios`. A node reads them when it is powered on.
fn modules(dir: &Path, filled: &[&str]) -> LabResult<Vec<String>> {
    let slot = |(handle, locator): (u16, &&str)| {
        let mut dimm = Dimm { locator: (*locator).to_owned(), bank: "BANK".to_owned(), ..Dimm::default() };
        if filled.contains(locator) {
            dimm.size_mib = 32 * 1024;
            dimm.manufacturer = "Kuma Memory".to_owned();
            dimm.part = "KM-32".to_owned();
            dimm.serial = format!("SN-{locator}");
        }
        smbios::dimm(handle, ARRAY, &dimm).argument(dir)
    };
    (0x1100..).zip(SLOTS.iter()).map(slot).collect()
}

/// Off, on, and registered in another boot.
fn again(lab: &Lab, server: &Server, node: &Node, before: &NodeDetail) -> LabResult<NodeDetail> {
    node.power_off();
    node.power_on()?;
    let other = |detail: &NodeDetail| detail.boot.is_some() && boot_id(detail) != boot_id(before);
    lab.wait_node(server, node, "the next boot to register", TO_REGISTER, other)
}

fn get<T: serde::de::DeserializeOwned>(server: &Server, node: &Node, what: &str) -> LabResult<T> {
    server.api()?.call("GET", &format!("/api/v1/nodes/{}/{what}", node.uuid()), None::<&()>)
}

fn numbers(server: &Server, node: &Node) -> LabResult<Vec<u32>> {
    let page: Page<InventoryVersion> = get(server, node, "inventory/versions")?;
    Ok(page.items.iter().map(|v| v.version).collect())
}

fn events(server: &Server, node: &Node) -> LabResult<Vec<NodeEvent>> {
    let path = format!("/api/v1/events?kind=hardware&node={}", node.uuid());
    Ok(server.api()?.call::<Page<NodeEvent>>("GET", &path, None::<&()>)?.items)
}
