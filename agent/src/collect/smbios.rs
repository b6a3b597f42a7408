//! SMBIOS tables (types 0, 1, 2, 3, 4, 17) from /sys/firmware/dmi/tables. The bytes come from firmware and may be
//! nonsense: nothing here can panic, and type 40 (which the parser cannot take malformed) is never interpreted.

use std::path::Path;

use higuma_proto::agent::{Bios, Board, Chassis, Cpu, Dimm, Inventory, System};
use smbioslib::{
    CoreCount, CoreCount2, MemoryDeviceType, MemorySize, MemorySizeExtended, MemorySpeed, MemorySpeedExtended,
    ProcessorSpeed, SMBiosBaseboardInformation, SMBiosData, SMBiosInformation, SMBiosMemoryDevice,
    SMBiosProcessorInformation, SMBiosString, SMBiosSystemChassisInformation, SMBiosSystemInformation, SMBiosVersion,
    ThreadCount, ThreadCount2,
};

use super::{Errors, chassis_type, optional, uuid};

/// A table that cannot be read, or not to its end, leaves all of this incomplete.
const SECTION: &str = "firmware";
const TABLE: &str = "sys/firmware/dmi/tables/DMI";
const ENTRY: &str = "sys/firmware/dmi/tables/smbios_entry_point";
/// Larger tables are not believed.
const MAX_TABLE: usize = 1 << 20;
/// More of one kind are not believed.
const MAX_RECORDS: usize = 1_024;

/// Fills what the tables tell; without them, what the kernel kept in /sys/class/dmi/id.
pub fn collect(root: &Path, inventory: &mut Inventory, errors: &mut Errors) {
    let table = match std::fs::read(root.join(TABLE)) {
        Ok(table) if table.len() <= MAX_TABLE => table,
        Ok(table) => {
            return errors.add(SECTION, TABLE, format!("{} bytes, at most {MAX_TABLE} are believed", table.len()));
        }
        Err(e) => {
            errors.add(SECTION, TABLE, e);
            return from_kernel(root, inventory);
        }
    };
    let version = match std::fs::read(root.join(ENTRY)) {
        Ok(entry) => version(&entry).unwrap_or_else(|| {
            errors.add("", ENTRY, "neither an SMBIOS 2 nor an SMBIOS 3 entry point; taken as 2.8");
            (2, 8)
        }),
        Err(e) => {
            errors.add("", ENTRY, format!("{e}; taken as 2.8"));
            (2, 8)
        }
    };
    let data = SMBiosData::from_vec_and_version(table, Some(SMBiosVersion::new(version.0, version.1, 0)));
    if !data.iter().any(|record| record.header.struct_type() == 127) {
        errors.add(SECTION, TABLE, "the end marker (type 127) is missing: the table may be cut off");
    }
    read(&data, version, inventory);
}

/// Major and minor version out of an entry point (SMBIOS 3.7, 5.2.1 and 5.2.2).
fn version(entry: &[u8]) -> Option<(u8, u8)> {
    if entry.starts_with(b"_SM3_") {
        Some((*entry.get(7)?, *entry.get(8)?))
    } else if entry.starts_with(b"_SM_") {
        Some((*entry.get(6)?, *entry.get(7)?))
    } else {
        None
    }
}

fn read(data: &SMBiosData, version: (u8, u8), inventory: &mut Inventory) {
    inventory.bios = data.first::<SMBiosInformation>().map(|b| Bios {
        vendor: text(&b.vendor()),
        version: text(&b.version()),
        date: text(&b.release_date()),
        ..Bios::default()
    });
    inventory.system = data.first::<SMBiosSystemInformation>().map(|s| System {
        manufacturer: text(&s.manufacturer()),
        product: text(&s.product_name()),
        version: text(&s.version()),
        serial: text(&s.serial_number()),
        uuid: String::new(),
        sku: text(&s.sku_number()),
        family: text(&s.family()),
    });
    // The parser always swaps; the raw bytes of the structure are what the rule is about.
    let raw = data.iter().find(|r| r.header.struct_type() == 1).and_then(|r| r.get_field_data(0x08, 0x18));
    if let (Some(system), Some(raw)) = (&mut inventory.system, raw.and_then(|raw| <[u8; 16]>::try_from(raw).ok())) {
        system.uuid = uuid::canonical(raw, version);
    }
    inventory.board = data.first::<SMBiosBaseboardInformation>().map(|b| Board {
        manufacturer: text(&b.manufacturer()),
        product: text(&b.product()),
        version: text(&b.version()),
        serial: text(&b.serial_number()),
        asset_tag: text(&b.asset_tag()),
    });
    inventory.chassis = data.first::<SMBiosSystemChassisInformation>().map(|c| Chassis {
        manufacturer: text(&c.manufacturer()),
        r#type: c.chassis_type().map(|t| chassis_type::name(t.raw).to_owned()).unwrap_or_default(),
        version: text(&c.version()),
        serial: text(&c.serial_number()),
        asset_tag: text(&c.asset_tag_number()),
    });
    inventory.cpus = data
        .defined_struct_iter::<SMBiosProcessorInformation>()
        .filter(|p| p.status().is_none_or(|s| s.socket_populated()))
        .take(MAX_RECORDS)
        .map(|p| cpu(&p))
        .collect();
    let dimms = data.defined_struct_iter::<SMBiosMemoryDevice>().take(MAX_RECORDS).map(|d| dimm(&d)).collect();
    inventory.memory.get_or_insert_default().dimms = dimms;
}

fn cpu(p: &SMBiosProcessorInformation<'_>) -> Cpu {
    let cores = match (p.core_count(), p.core_count_2()) {
        (_, Some(CoreCount2::Count(n))) => u32::from(n),
        (Some(CoreCount::Count(n)), _) => u32::from(n),
        _ => 0,
    };
    let threads = match (p.thread_count(), p.thread_count_2()) {
        (_, Some(ThreadCount2::Count(n))) => u32::from(n),
        (Some(ThreadCount::Count(n)), _) => u32::from(n),
        _ => 0,
    };
    Cpu {
        socket: text(&p.socket_designation()),
        manufacturer: text(&p.processor_manufacturer()),
        model: text(&p.processor_version()),
        cores,
        threads,
        max_mhz: match p.max_speed() {
            Some(ProcessorSpeed::MHz(mhz)) => u32::from(mhz),
            _ => 0,
        },
        ..Cpu::default()
    }
}

fn dimm(d: &SMBiosMemoryDevice<'_>) -> Dimm {
    let size_bytes = match (d.size(), d.extended_size()) {
        (Some(MemorySize::Kilobytes(n)), _) => u64::from(n) << 10,
        (Some(MemorySize::Megabytes(n)), _) => u64::from(n) << 20,
        (Some(MemorySize::SeeExtendedSize), Some(MemorySizeExtended::Megabytes(n))) => u64::from(n) << 20,
        _ => 0,
    };
    let speed_mts = match (d.speed(), d.extended_speed()) {
        (Some(MemorySpeed::MTs(n)), _) => u32::from(n),
        (Some(MemorySpeed::SeeExtendedSpeed), Some(MemorySpeedExtended::MTs(n))) => n,
        _ => 0,
    };
    Dimm {
        locator: text(&d.device_locator()),
        size_bytes,
        r#type: d
            .memory_type()
            .map(|t| match t.value {
                MemoryDeviceType::Unknown | MemoryDeviceType::Other => String::new(),
                MemoryDeviceType::None => format!("type {}", t.raw),
                known => format!("{known:?}").to_uppercase(),
            })
            .unwrap_or_default(),
        speed_mts,
        manufacturer: text(&d.manufacturer()),
        part: text(&d.part_number()),
        serial: text(&d.serial_number()),
        ..Dimm::default()
    }
}

fn text(value: &SMBiosString) -> String {
    value.to_utf8_lossy().map(|s| s.trim().to_owned()).unwrap_or_default()
}

fn from_kernel(root: &Path, inventory: &mut Inventory) {
    let id = |name: &str| optional(&root.join("sys/class/dmi/id").join(name)).unwrap_or_default();
    let system = System {
        manufacturer: id("sys_vendor"),
        product: id("product_name"),
        version: id("product_version"),
        serial: id("product_serial"),
        uuid: id("product_uuid").to_ascii_lowercase(),
        sku: id("product_sku"),
        family: id("product_family"),
    };
    if system != System::default() {
        inventory.system = Some(system);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn no_table_panics(table in proptest::collection::vec(0u8.., 0..600), kind in 0usize..8) {
            // Most random bytes are no structure at all: half of the time begin with a plausible header.
            let mut bytes = vec![[0u8, 1, 2, 3, 4, 17, 40, 127][kind], 0x1b, 0, 0];
            bytes.extend(&table);
            for bytes in [table.clone(), bytes] {
                let data = SMBiosData::from_vec_and_version(bytes, Some(SMBiosVersion::new(2, 8, 0)));
                read(&data, (2, 8), &mut Inventory::default());
            }
        }
    }
}
