//! Who the machine is and who made it: types 0 (BIOS), 1 (system), 2 (board), 3 (chassis) and 11 (OEM strings). Of
//! kinds that come several times (a blade's enclosure is a second chassis) the first one is told, as the kernel does.

use higuma_proto::agent::{Bios, Board, Chassis, Inventory, System};
use smbioslib::{
    SMBiosBaseboardInformation, SMBiosData, SMBiosInformation, SMBiosOemStrings, SMBiosStruct,
    SMBiosSystemChassisInformation, SMBiosSystemInformation,
};

use super::super::{chassis_type, uuid};
use super::text::text;

/// OEM strings kept.
const MAX_OEM_STRINGS: usize = 256;

pub(super) fn read(data: &SMBiosData, version: (u8, u8), inventory: &mut Inventory) {
    inventory.bios = data.first::<SMBiosInformation>().map(|b| Bios {
        vendor: text(&b.vendor()),
        version: text(&b.version()),
        date: text(&b.release_date()),
        release: release(&b),
    });
    inventory.system = data.first::<SMBiosSystemInformation>().map(|s| System {
        manufacturer: text(&s.manufacturer()),
        product: text(&s.product_name()),
        version: text(&s.version()),
        serial: text(&s.serial_number()),
        // The parser always swaps bytes; before version 2.6 nobody else does.
        uuid: s
            .parts()
            .get_field_data(0x08, 0x18)
            .and_then(|raw| <[u8; 16]>::try_from(raw).ok())
            .map(|raw| uuid::canonical(raw, version))
            .unwrap_or_default(),
        sku: text(&s.sku_number()),
        family: text(&s.family()),
    });
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
    inventory.oem_strings =
        data.defined_struct_iter::<SMBiosOemStrings>().flat_map(oem).take(MAX_OEM_STRINGS).collect();
}

/// "2.12"; both bytes are all ones where the system has no such number.
fn release(bios: &SMBiosInformation<'_>) -> String {
    match (bios.parts().get_field_byte(0x14), bios.parts().get_field_byte(0x15)) {
        (Some(major), Some(minor)) if major != 0xff && minor != 0xff => format!("{major}.{minor}"),
        _ => String::new(),
    }
}

/// As many strings as are announced, without those that are not there.
fn oem(record: SMBiosOemStrings<'_>) -> Vec<String> {
    let strings = record.oem_strings();
    (1..=record.count().unwrap_or(0)).map(|n| text(&strings.get_string(n))).filter(|s| !s.is_empty()).collect()
}
