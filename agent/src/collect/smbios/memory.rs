//! Memory arrays (type 16) and every slot for a module in them (type 17), the empty ones too.

use higuma_proto::agent::{Dimm, MemoryArray};
use smbioslib::{
    MemoryArrayUse, MemorySize, MemorySizeExtended, MemorySpeed, MemorySpeedExtended, SMBiosData, SMBiosMemoryDevice,
    SMBiosPhysicalMemoryArray, SMBiosStruct,
};

use super::super::Errors;
use super::TABLE;
use super::text::{named, text};

/// DSP0134 clause 7.17.2.
const USES: [&str; 8] =
    ["", "other", "", "system memory", "video memory", "flash memory", "non-volatile RAM", "cache memory"];
/// DSP0134 clause 7.17.3.
const CORRECTIONS: [&str; 8] = ["", "other", "", "none", "parity", "single-bit ECC", "multi-bit ECC", "CRC"];
/// DSP0134 clause 7.18.2; 0x15 to 0x17 are reserved.
const KINDS: [&str; 38] = [
    "",
    "",
    "",
    "DRAM",
    "EDRAM",
    "VRAM",
    "SRAM",
    "RAM",
    "ROM",
    "Flash",
    "EEPROM",
    "FEPROM",
    "EPROM",
    "CDRAM",
    "3DRAM",
    "SDRAM",
    "SGRAM",
    "RDRAM",
    "DDR",
    "DDR2",
    "DDR2 FB-DIMM",
    "",
    "",
    "",
    "DDR3",
    "FBD2",
    "DDR4",
    "LPDDR",
    "LPDDR2",
    "LPDDR3",
    "LPDDR4",
    "logical non-volatile device",
    "HBM",
    "HBM2",
    "DDR5",
    "LPDDR5",
    "HBM3",
    "MRDIMM",
];
/// The capacity is in the 64-bit field instead (from version 2.7).
const SEE_EXTENDED: u32 = 0x8000_0000;

pub(super) fn arrays(data: &SMBiosData) -> Vec<MemoryArray> {
    data.defined_struct_iter::<SMBiosPhysicalMemoryArray>().map(|a| array(&a)).collect()
}

fn array(a: &SMBiosPhysicalMemoryArray<'_>) -> MemoryArray {
    MemoryArray {
        r#use: a.usage().map(|usage| named(&USES, usage.raw)).unwrap_or_default(),
        error_correction: a.memory_error_correction().map(|it| named(&CORRECTIONS, it.raw)).unwrap_or_default(),
        max_bytes: match a.parts().get_field_dword(0x07) {
            Some(SEE_EXTENDED) => a.extended_maximum_capacity().unwrap_or(0),
            Some(kib) => u64::from(kib) << 10,
            None => 0,
        },
        slots: a.number_of_memory_devices().map_or(0, u32::from),
    }
}

/// A size that the firmware does not know is told in `errors`: 0 means an empty slot.
pub(super) fn dimms(data: &SMBiosData, errors: &mut Errors) -> Vec<Dimm> {
    // A board's firmware chip may be a "memory device" of its own array: no module, and no memory of the machine.
    let not_memory: Vec<u16> = data
        .defined_struct_iter::<SMBiosPhysicalMemoryArray>()
        .filter(|a| {
            matches!(
                a.usage().map(|usage| usage.value),
                Some(MemoryArrayUse::FlashMemory | MemoryArrayUse::VideoMemory | MemoryArrayUse::CacheMemory)
            )
        })
        .map(|a| *a.parts().header.handle())
        .collect();
    let mut unknown = Vec::new();
    let dimms = data
        .defined_struct_iter::<SMBiosMemoryDevice>()
        .filter(|d| d.physical_memory_array_handle().is_none_or(|array| !not_memory.contains(&array)))
        .map(|d| dimm(&d, &mut unknown))
        .collect();
    if let Some(first) = unknown.first() {
        let error = format!("the firmware does not know the size of {} modules, the first is {first:?}", unknown.len());
        errors.add("memory", TABLE, error);
    }
    dimms
}

/// Modules of unknown size go into `unknown`.
fn dimm(d: &SMBiosMemoryDevice<'_>, unknown: &mut Vec<String>) -> Dimm {
    let locator = text(&d.device_locator());
    let size_bytes = match (d.size(), d.extended_size()) {
        (Some(MemorySize::Kilobytes(n)), _) => u64::from(n) << 10,
        (Some(MemorySize::Megabytes(n)), _) => u64::from(n) << 20,
        (Some(MemorySize::SeeExtendedSize), Some(MemorySizeExtended::Megabytes(n))) => u64::from(n) << 20,
        (Some(MemorySize::NotInstalled), _) => 0,
        _ => {
            unknown.push(locator.clone());
            0
        }
    };
    let ecc = match (d.total_width(), d.data_width()) {
        (Some(total @ 1..=0xfffe), Some(data @ 1..=0xfffe)) => total > data,
        _ => false,
    };
    Dimm {
        locator,
        size_bytes,
        r#type: d.memory_type().map(|kind| named(&KINDS, kind.raw)).unwrap_or_default(),
        speed_mts: speed(d.speed(), d.extended_speed()),
        manufacturer: text(&d.manufacturer()),
        part: text(&d.part_number()),
        serial: text(&d.serial_number()),
        bank: text(&d.bank_locator()),
        ecc,
        configured_speed_mts: speed(d.configured_memory_speed(), d.extended_configured_memory_speed()),
        asset_tag: text(&d.asset_tag()),
    }
}

fn speed(short: Option<MemorySpeed>, extended: Option<MemorySpeedExtended>) -> u32 {
    match (short, extended) {
        (Some(MemorySpeed::MTs(n)), _) => u32::from(n),
        (Some(MemorySpeed::SeeExtendedSpeed), Some(MemorySpeedExtended::MTs(n))) => n,
        _ => 0,
    }
}
