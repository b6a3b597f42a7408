//! The devices of a machine and where they sit, as tables of ready text: NUMA, memory arrays, GPUs, slots, what is on the
//! board, ways to the BMC, PCI. Long lists are folded away.

use super::human;
use super::inventory::{Table, join, number, size, table};
use higuma_proto::agent::{Inventory, PciDevice};

/// Those with something in them are shown.
pub(super) fn tables(inventory: &Inventory) -> Vec<Table> {
    vec![
        gpus(inventory),
        numa(inventory),
        arrays(inventory),
        slots(inventory),
        onboard(inventory),
        host_interfaces(inventory),
        oem_strings(inventory),
        pci(inventory),
        flags(inventory),
    ]
}

/// Name of the function at an address, without its vendor; empty when there is none.
pub(super) fn name(inventory: &Inventory, address: &str) -> String {
    let device = inventory.pci_devices.iter().find(|d| d.address == address);
    device.map(|d| d.device_name.clone()).unwrap_or_default()
}

fn gpus(inventory: &Inventory) -> Table {
    let rows = inventory.gpus.iter().map(|g| {
        let id = format!("{}:{}", g.vendor_id, g.device_id);
        let name = if g.name.is_empty() { id.clone() } else { g.name.clone() };
        [name, g.driver.clone(), id, g.pci.clone()]
    });
    table("gpus", "GPUs", String::new(), ["Model", "Driver", "Id", "PCI"], rows.collect())
}

fn numa(inventory: &Inventory) -> Table {
    let rows = inventory
        .numa_nodes
        .iter()
        .map(|n| [n.id.to_string(), n.cpus.clone(), size(n.memory_bytes, human::binary_size)]);
    table("numa", "NUMA nodes", String::new(), ["Node", "Processors", "Memory"], rows.collect())
}

fn arrays(inventory: &Inventory) -> Table {
    let rows = inventory.memory.iter().flat_map(|m| &m.arrays).map(|a| {
        let most = size(a.max_bytes, human::binary_size);
        [a.r#use.clone(), a.error_correction.clone(), number(a.slots, ""), most]
    });
    table("arrays", "Memory arrays", String::new(), ["Use", "Error correction", "Slots", "At most"], rows.collect())
}

fn slots(inventory: &Inventory) -> Table {
    let rows = inventory
        .slots
        .iter()
        .map(|s| [s.designation.clone(), s.r#type.clone(), s.usage.clone(), name(inventory, &s.pci), s.pci.clone()]);
    table("slots", "Slots", String::new(), ["Slot", "Type", "Usage", "Device", "PCI"], rows.collect())
}

fn onboard(inventory: &Inventory) -> Table {
    let rows = inventory.onboard_devices.iter().map(|d| {
        let on = if d.enabled { "on" } else { "off" }.to_owned();
        [d.designation.clone(), d.r#type.clone(), on, name(inventory, &d.pci), d.pci.clone()]
    });
    table("onboard", "On the board", String::new(), ["Name", "Type", "State", "Device", "PCI"], rows.collect())
}

fn host_interfaces(inventory: &Inventory) -> Table {
    let rows = inventory
        .host_interfaces
        .iter()
        .map(|h| [h.r#type.clone(), h.protocol.clone(), h.address.clone(), number(h.port, ""), h.hostname.clone()]);
    table(
        "host-interfaces",
        "Interfaces to the BMC",
        String::new(),
        ["Type", "Protocol", "Address", "Port", "Host name"],
        rows.collect(),
    )
}

fn oem_strings(inventory: &Inventory) -> Table {
    let rows = inventory.oem_strings.iter().zip(1u32..).map(|(text, at)| [at.to_string(), text.clone()]);
    table("oem", "OEM strings", String::new(), ["Number", "Text"], rows.collect())
}

fn pci(inventory: &Inventory) -> Table {
    let rows: Vec<[String; 8]> = inventory.pci_devices.iter().map(function).collect();
    let fold = match rows.len() {
        1 => "1 function".to_owned(),
        many => format!("{many} functions"),
    };
    let head = ["Address", "Device", "Class", "Driver", "Id", "Subsystem", "Revision", "NUMA"];
    Table { fold, ..table("pci", "PCI devices", String::new(), head, rows) }
}

fn function(d: &PciDevice) -> [String; 8] {
    let pair = |vendor: &str, device: &str| match vendor.is_empty() {
        true => String::new(),
        false => format!("{vendor}:{device}"),
    };
    let class = if d.class_name.is_empty() { d.class.clone() } else { d.class_name.clone() };
    let numa = if d.numa_node < 0 { String::new() } else { d.numa_node.to_string() };
    [
        d.address.clone(),
        join(&[&d.vendor_name, &d.device_name]),
        class,
        d.driver.clone(),
        pair(&d.vendor_id, &d.device_id),
        pair(&d.subsystem_vendor_id, &d.subsystem_device_id),
        d.revision.clone(),
        numa,
    ]
}

/// One row for all sockets when they have the same, as nearly always.
fn flags(inventory: &Inventory) -> Table {
    let told: Vec<_> = inventory.cpus.iter().filter(|c| !c.flags.is_empty()).collect();
    let same = told.windows(2).all(|pair| matches!(pair, [a, b] if a.flags == b.flags));
    let shown = if same { told.iter().take(1) } else { told.iter().take(told.len()) };
    let rows: Vec<[String; 2]> =
        shown.map(|c| [if same { "all".to_owned() } else { c.socket.clone() }, c.flags.join(" ")]).collect();
    let fold = told.first().map(|c| format!("{} flags", c.flags.len())).unwrap_or_default();
    Table { fold, ..table("flags", "CPU flags", String::new(), ["Socket", "Flags"], rows) }
}
