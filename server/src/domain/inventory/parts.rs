//! The parts of an inventory: where each stands in the JSON, what names it from boot to boot (a serial number, an address,
//! a slot's name; never its position), and what of it a person wants to be told. Tables, and their readers.

use super::super::boot::clean;
use super::super::size::{binary_size, decimal_size};
use serde_json::Value;
use std::collections::BTreeMap;

/// Top-level fields that are no content.
pub(super) const NOT_CONTENT: &[&str] = &["volatile", "errors"];
/// Fields (of section) that the server fills in when it shows an inventory.
pub(super) const SHOWN_ONLY: &[(&str, &str)] =
    &[("pci", "vendor_name"), ("pci", "device_name"), ("pci", "class_name"), ("gpu", "name")];
/// Fields that are sets of words.
pub(super) const FLAT_LISTS: &[&str] = &["flags"];

/// Which top-level fields are incomplete when a source of this section (SourceError.section) failed.
pub(super) const SOURCES: &[(&str, &[&str])] = &[
    (
        "system",
        &[
            "system",
            "bios",
            "board",
            "chassis",
            "slots",
            "oem_strings",
            "ipmi",
            "onboard_devices",
            "host_interfaces",
            "smbios_version",
        ],
    ),
    ("cpus", &["cpus", "virtualisation"]),
    ("memory", &["memory"]),
    ("disks", &["disks"]),
    ("nics", &["nics"]),
    ("pci", &["pci_devices", "gpus"]),
    ("tpm", &["tpm"]),
    ("numa", &["numa_nodes"]),
    ("firmware", &["secure_boot", "boot_mode", "bios", "ipmi"]),
];

/// Sections of [`SOURCES`] whose things are found one by one: a source that fails hides one of them, not all.
pub const DEVICES: &[&str] = &["disks", "nics", "pci"];

/// How a size reads.
pub(super) type Size = Option<fn(u64) -> String>;

/// A list of things.
pub(super) struct List {
    /// Where.
    pub path: &'static [&'static str],
    /// One of them, in the API and in subjects.
    pub section: &'static str,
    /// One of them, in a sentence.
    pub label: &'static str,
    /// The first of these fields that is not empty names an item.
    pub id: &'static [&'static str],
    /// Added to the name where several items share it.
    pub more: &'static str,
    /// How its `size_bytes` reads.
    pub size: Size,
    /// Fields that tell a person which one it is.
    pub about: &'static [&'static str],
    /// Told when one goes or comes.
    pub told: bool,
    /// Told when one of these changes.
    pub watched: &'static [&'static str],
    /// An item of the same kind at another address is the same item moved.
    pub kind: &'static [&'static str],
}

const PLAIN: List = List {
    path: &[],
    section: "",
    label: "",
    id: &[],
    more: "",
    size: None,
    about: &[],
    told: false,
    watched: &[],
    kind: &[],
};
const PCI_KIND: &[&str] = &["vendor_id", "device_id", "subsystem_vendor_id", "subsystem_device_id"];

/// All lists.
pub(super) const LISTS: &[List] = &[
    List {
        path: &["cpus"],
        section: "cpu",
        label: "CPU",
        id: &["socket"],
        about: &["model"],
        told: true,
        watched: &["model", "cores", "threads", "microcode"],
        ..PLAIN
    },
    List {
        path: &["memory", "dimms"],
        section: "dimm",
        label: "DIMM",
        id: &["locator"],
        more: "bank",
        size: Some(binary_size),
        about: &["manufacturer", "part", "serial"],
        told: true,
        watched: &["size_bytes", "manufacturer", "part", "serial"],
        ..PLAIN
    },
    List { path: &["memory", "arrays"], section: "memory_array", label: "memory array", id: &["use"], ..PLAIN },
    List {
        path: &["disks"],
        section: "disk",
        label: "disk",
        id: &["serial", "wwn", "name"],
        more: "name",
        size: Some(decimal_size),
        about: &["model", "name"],
        told: true,
        watched: &["size_bytes", "model", "firmware"],
        ..PLAIN
    },
    List {
        path: &["nics"],
        section: "nic",
        label: "NIC",
        id: &["mac", "name"],
        more: "name",
        about: &["driver", "name"],
        told: true,
        watched: &["driver", "firmware"],
        ..PLAIN
    },
    List { path: &["slots"], section: "slot", label: "slot", id: &["designation"], more: "pci", ..PLAIN },
    List {
        path: &["onboard_devices"],
        section: "onboard_device",
        label: "onboard device",
        id: &["designation"],
        more: "pci",
        ..PLAIN
    },
    List {
        path: &["host_interfaces"],
        section: "host_interface",
        label: "host interface",
        id: &["type"],
        more: "protocol",
        ..PLAIN
    },
    List {
        path: &["pci_devices"],
        section: "pci",
        label: "PCI device",
        id: &["address"],
        about: &["vendor_id", "device_id", "driver"],
        told: true,
        watched: &["vendor_id", "device_id"],
        kind: PCI_KIND,
        ..PLAIN
    },
    List {
        path: &["gpus"],
        section: "gpu",
        label: "GPU",
        id: &["pci"],
        about: &["vendor_id", "device_id", "driver"],
        told: true,
        kind: &["vendor_id", "device_id"],
        ..PLAIN
    },
    List { path: &["numa_nodes"], section: "numa_node", label: "NUMA node", id: &["id"], ..PLAIN },
];

/// A thing of which there is one. Its section is its field's name.
pub(super) struct One {
    pub section: &'static str,
    pub label: &'static str,
    /// Told when it goes or comes.
    pub told: bool,
    /// Told when one of these changes.
    pub watched: &'static [&'static str],
}

/// What of the single things a person is told. The rest is compared all the same.
pub(super) const ONES: &[One] = &[
    One { section: "system", label: "system", told: false, watched: &["manufacturer", "product", "serial", "uuid"] },
    One { section: "bios", label: "BIOS", told: false, watched: &["version"] },
    One { section: "board", label: "board", told: false, watched: &["product", "serial"] },
    One { section: "chassis", label: "chassis", told: false, watched: &["serial", "asset_tag"] },
    One { section: "ipmi", label: "IPMI interface", told: true, watched: &["firmware"] },
    One { section: "tpm", label: "TPM", told: true, watched: &["version"] },
    One { section: MACHINE, label: "machine", told: false, watched: &["boot_mode", "arch", "secure_boot"] },
];

/// Section of the top-level fields that are single values.
pub(super) const MACHINE: &str = "machine";
/// Section of memory slots, filled or empty.
pub(super) const DIMM_SLOT: &str = "dimm_slot";

/// The value at a path.
pub(super) fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, name| value.get(name))
}

/// As [`at`].
pub(super) fn at_mut<'a>(value: &'a mut Value, path: &[&str]) -> Option<&'a mut Value> {
    path.iter().try_fold(value, |value, name| value.get_mut(name))
}

/// A single value as text; none when it is not known.
pub(super) fn word(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.trim().to_owned()).filter(|t| !t.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(is) => Some(is.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

impl List {
    /// Each item with its name, in no particular order of their own: equal names are told apart by what is in the items.
    pub(super) fn named<'a>(&self, items: &'a [Value]) -> Vec<(String, &'a Value)> {
        let mut shared: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
        for item in items {
            shared.entry(self.name(item)).or_default().push(item);
        }
        let mut named = Vec::with_capacity(items.len());
        for (name, items) in shared {
            let [_, _, ..] = items[..] else {
                named.extend(items.into_iter().map(|item| (name.clone(), item)));
                continue;
            };
            let mut fuller: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
            for item in items {
                let more = word(item.get(self.more)).map(|more| clean(&format!("{name}/{more}"), 160));
                fuller.entry(more.unwrap_or_else(|| name.clone())).or_default().push(item);
            }
            for (name, mut items) in fuller {
                items.sort_by_cached_key(|item| item.to_string());
                let alone = items.len() == 1;
                let number = |n: usize| if alone { name.clone() } else { format!("{name}#{n}") };
                named.extend(items.iter().enumerate().map(|(n, item)| (number(n + 1), *item)));
            }
        }
        named
    }

    fn name(&self, item: &Value) -> String {
        let name = self.id.iter().find_map(|field| word(item.get(*field)));
        let text = match item {
            Value::Object(_) => name,
            plain => word(Some(plain)),
        };
        text.map(|t| clean(&t, 120)).unwrap_or_default()
    }

    /// An empty memory slot is no module.
    pub(super) fn is_there(&self, item: &Value) -> bool {
        self.section != "dimm" || item.get("size_bytes").and_then(Value::as_u64).is_none_or(|bytes| bytes > 0)
    }

    /// "32 GiB (Samsung M393A4K40DB3, serial 1234)"; empty when nothing is known.
    pub(super) fn describe(&self, item: &Value) -> String {
        let size = self.size.and_then(|show| item.get("size_bytes").and_then(Value::as_u64).map(show));
        let id = self.id.iter().find(|field| word(item.get(**field)).is_some()).copied();
        let about = self.about.iter().filter(|field| Some(**field) != id);
        let words: Vec<(&str, String)> = about.filter_map(|field| Some((*field, word(item.get(*field))?))).collect();
        let mut text = String::new();
        for (field, word) in &words {
            text.push_str(match (text.is_empty(), *field) {
                (true, _) => "",
                (_, "device_id") => ":",
                (_, "part") => " ",
                _ => ", ",
            });
            text.push_str(if *field == "serial" { "serial " } else { "" });
            text.push_str(word);
        }
        match (size, text.is_empty()) {
            (None, true) => String::new(),
            (None, false) => format!("({text})"),
            (Some(size), true) => size,
            (Some(size), false) => format!("{size} ({text})"),
        }
    }
}
