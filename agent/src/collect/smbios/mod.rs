//! SMBIOS tables (DSP0134) from /sys/firmware/dmi/tables: what the firmware says the machine is. The bytes may be
//! nonsense: nothing here can panic, time and memory are bounded by the table's size, and what was not believed is
//! told in the inventory's errors. Structures of kinds that are not read here (type 40 among them, which the parser
//! cannot take malformed) never reach the parser.

mod entry;
mod identity;
mod management;
mod memory;
mod processor;
mod slots;
mod table;
mod text;

use std::io::Read;
use std::path::Path;

use higuma_proto::agent::{Bios, Board, Chassis, Inventory, System};
use smbioslib::{SMBiosData, SMBiosVersion};

use super::{Errors, chassis_type, optional};

const TABLE: &str = "sys/firmware/dmi/tables/DMI";
const ENTRY: &str = "sys/firmware/dmi/tables/smbios_entry_point";
/// Larger tables are not believed, bytes.
const MAX_TABLE: usize = 1 << 20;
/// More of one kind are not believed.
const MAX_RECORDS: usize = 1_024;
/// What the tables fill: incomplete when they cannot be read, or not to their end.
const SECTIONS: [&str; 4] = ["system", "cpus", "memory", "firmware"];

/// Fills what the tables tell; without them, what the kernel kept in /sys/class/dmi/id.
pub(super) fn collect(root: &Path, inventory: &mut Inventory, errors: &mut Errors) {
    let table = match bounded(&root.join(TABLE)) {
        Ok(table) => table,
        Err(e) => {
            incomplete(errors, &SECTIONS, e);
            return from_kernel(root, inventory);
        }
    };
    let entry = bounded(&root.join(ENTRY)).unwrap_or_else(|e| {
        errors.add("", ENTRY, e);
        Vec::new()
    });
    read(&entry, &table, inventory, errors);
    if inventory.system.is_none() {
        from_kernel(root, inventory);
    }
}

/// What an entry point (empty: not known) and a table tell, with what was wrong in `errors`. For tests and the fuzzer:
/// any bytes are answered.
pub fn from_bytes(entry: &[u8], table: &[u8]) -> Inventory {
    let mut inventory = Inventory::default();
    let mut errors = Errors::default();
    if table.len() > MAX_TABLE {
        incomplete(&mut errors, &SECTIONS, too_large());
    } else {
        read(entry, table, &mut inventory, &mut errors);
    }
    inventory.errors = errors.0;
    inventory
}

fn read(entry: &[u8], table: &[u8], inventory: &mut Inventory, errors: &mut Errors) {
    let entry = entry::read(entry, errors);
    let (major, minor) = entry.version;
    inventory.smbios_version = format!("{major}.{minor}");
    let believed = table::believed(&entry, table, errors);
    let data = SMBiosData::from_vec_and_version(believed, Some(SMBiosVersion::new(major, minor, 0)));
    identity::read(&data, entry.version, inventory);
    inventory.cpus = processor::read(&data);
    inventory.slots = slots::slots(&data);
    inventory.onboard_devices = slots::onboard(&data);
    inventory.ipmi = management::ipmi(&data);
    inventory.host_interfaces = management::host_interfaces(&data, entry.version);
    let memory = inventory.memory.get_or_insert_default();
    memory.arrays = memory::arrays(&data);
    memory.dimms = memory::dimms(&data, errors);
}

/// The same complaint about the table for each part of the inventory that it leaves incomplete.
fn incomplete(errors: &mut Errors, sections: &[&str], error: impl std::fmt::Display) {
    for section in sections {
        errors.add(section, TABLE, &error);
    }
}

fn bounded(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
    file.take(MAX_TABLE as u64 + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    if bytes.len() > MAX_TABLE { Err(too_large()) } else { Ok(bytes) }
}

fn too_large() -> String {
    format!("more than {MAX_TABLE} bytes: not believed")
}

/// Types 0 to 3 as the kernel read them before us.
fn from_kernel(root: &Path, inventory: &mut Inventory) {
    let id = |name: &str| text::clean(&optional(&root.join("sys/class/dmi/id").join(name)).unwrap_or_default());
    let system = System {
        manufacturer: id("sys_vendor"),
        product: id("product_name"),
        version: id("product_version"),
        serial: id("product_serial"),
        uuid: id("product_uuid").to_ascii_lowercase(),
        sku: id("product_sku"),
        family: id("product_family"),
    };
    inventory.system = (system != System::default()).then_some(system);
    if inventory.bios.is_none() {
        let bios = Bios {
            vendor: id("bios_vendor"),
            version: id("bios_version"),
            date: id("bios_date"),
            release: id("bios_release"),
        };
        inventory.bios = (bios != Bios::default()).then_some(bios);
    }
    if inventory.board.is_none() {
        let board = Board {
            manufacturer: id("board_vendor"),
            product: id("board_name"),
            version: id("board_version"),
            serial: id("board_serial"),
            asset_tag: id("board_asset_tag"),
        };
        inventory.board = (board != Board::default()).then_some(board);
    }
    if inventory.chassis.is_none() {
        let chassis = Chassis {
            manufacturer: id("chassis_vendor"),
            r#type: id("chassis_type").parse().map(|raw| chassis_type::name(raw).to_owned()).unwrap_or_default(),
            version: id("chassis_version"),
            serial: id("chassis_serial"),
            asset_tag: id("chassis_asset_tag"),
        };
        inventory.chassis = (chassis != Chassis::default()).then_some(chassis);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn no_table_panics(table in proptest::collection::vec(0u8.., 0..600), kind in 0usize..13) {
            // Most random bytes are no structure at all: half of the time begin with a plausible header.
            let mut bytes = vec![[0u8, 1, 2, 3, 4, 9, 11, 16, 17, 38, 41, 42, 127][kind], 0x1b, 0, 0];
            bytes.extend(&table);
            for bytes in [table.clone(), bytes] {
                from_bytes(b"_SM_\0\x1f\x02\x08", &bytes);
            }
        }
    }
}
