//! Hardware and firmware as a Redfish BMC tells them, made ready for its page. Nothing is asked here.

use super::bmc_now::health;
use super::human;
use super::inventory::{Table, table};
use crate::service::bmc::Told;
use higuma_proto::api::{BmcFirmware, BmcFirmwareList, BmcHardware, BmcPart};

/// The hardware, or why there is none.
pub(super) struct HardwareView {
    pub trouble: Option<String>,
    pub problems: Vec<String>,
    pub facts: Vec<(&'static str, String)>,
    pub tables: Vec<Table>,
    pub ill: Vec<(&'static str, String)>,
}

/// Firmware versions, or why there are none.
pub(super) struct FirmwareView {
    pub trouble: Option<String>,
    pub problems: Vec<String>,
    pub count: usize,
    pub table: Option<Table>,
}

/// What came, and why nothing did.
pub(super) fn told<T: Default>(part: Told<T>) -> (T, Option<String>) {
    match part {
        Ok(part) => (part, None),
        Err(why) => (T::default(), Some(why)),
    }
}

/// What it is, in one cell; many name their maker in the model already.
pub(super) fn what(part: &BmcPart) -> String {
    if part.model.to_ascii_lowercase().starts_with(&part.manufacturer.to_ascii_lowercase()) {
        return part.model.clone();
    }
    [part.manufacturer.as_str(), part.model.as_str()].join(" ").trim().to_owned()
}

/// The parts of one kind; a kind that is not there gives no table.
fn parts(parts: &[BmcPart], kind: &str) -> Option<Table> {
    let all: Vec<&BmcPart> = parts.iter().filter(|part| part.kind == kind).collect();
    let (note, total) =
        (all.len().to_string(), all.iter().filter_map(|p| p.size_bytes).fold(0_u64, u64::saturating_add));
    let row = |p: &BmcPart, size: fn(u64) -> String| {
        let size = p.size_bytes.map(size).unwrap_or_default();
        [p.place.clone(), what(p), size, p.detail.clone(), p.serial.clone(), p.health.clone()]
    };
    let rows = |size| all.iter().map(|p| row(p, size)).collect();
    let summed = |size: fn(u64) -> String| if total > 0 { format!("{note}, {}", size(total)) } else { note.clone() };
    Some(match kind {
        _ if all.is_empty() => return None,
        "processor" => {
            let head = ["Socket", "Processor", "Size", "Detail", "Serial", "Health"];
            table("processors", "Processors", note, head, rows(human::binary_size))
        }
        "memory" => {
            let head = ["Slot", "Module", "Size", "Kind", "Serial", "Health"];
            table("memory", "Memory", summed(human::binary_size), head, rows(human::binary_size))
        }
        "drive" => {
            let head = ["Drive", "Model", "Size", "Kind", "Serial", "Health"];
            table("drives", "Drives", summed(human::decimal_size), head, rows(human::decimal_size))
        }
        _ => {
            let head = ["Port", "What", "Size", "Link", "MAC", "Health"];
            table("nics", "Network ports", note, head, rows(human::decimal_size))
        }
    })
}

impl HardwareView {
    pub(super) fn new(hardware: Told<BmcHardware>) -> Self {
        let (found, trouble) = told(hardware);
        let facts = [
            ("Manufacturer", found.manufacturer),
            ("Model", found.model),
            ("Serial", found.serial),
            ("SKU", found.sku),
            ("System firmware", found.bios),
        ];
        let ill = |p: &BmcPart| {
            let (word, rank) = health(&p.health);
            (rank < 2).then(|| (word, format!("{} {}: {}", p.kind, p.place, p.health)))
        };
        Self {
            trouble,
            problems: found.problems,
            facts: facts.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
            ill: found.parts.iter().filter_map(ill).collect(),
            tables: ["processor", "memory", "drive", "nic"]
                .iter()
                .filter_map(|kind| parts(&found.parts, kind))
                .collect(),
        }
    }
}

impl FirmwareView {
    pub(super) fn new(firmware: Told<BmcFirmwareList>) -> Self {
        let (found, trouble) = told(firmware);
        let updateable = |is: Option<bool>| match is {
            Some(true) => "yes",
            Some(false) => "no",
            None => "",
        };
        let row = |f: BmcFirmware| {
            let name = if f.name.is_empty() { f.id.clone() } else { f.name };
            let id = if f.id == name { String::new() } else { f.id };
            [name, f.version, updateable(f.updateable).to_owned(), id]
        };
        let rows: Vec<_> = found.items.into_iter().map(row).collect();
        let head = ["Firmware", "Version", "Updateable", "Id"];
        Self {
            trouble,
            problems: found.problems,
            count: rows.len(),
            table: (!rows.is_empty()).then(|| table("firmware", "Firmware", String::new(), head, rows)),
        }
    }
}
