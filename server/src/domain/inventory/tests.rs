//! The hash, the diff and what is told, by tables and by properties.

#![allow(clippy::unwrap_used)]
use super::diff::{What, diff};
use super::notices::{NOTICES_MAX, Told, notices};
use super::*;
use crate::domain::node_event::Severity;
use proptest::prelude::*;
use serde_json::json;

/// 3 March 2026, 12:00 UTC.
const AT: i64 = 1_772_539_200_000_000;
const GIB: u64 = 1 << 30;

fn dimm(locator: &str, gib: u64, serial: &str) -> Value {
    json!({"locator": locator, "bank": "", "size_bytes": gib * GIB, "manufacturer": "Samsung", "part": "M393",
        "serial": serial, "type": "DDR4"})
}

fn machine() -> Value {
    json!({
        "bios": {"vendor": "AMI", "version": "1.9.2", "date": "01/01/2025"},
        "boot_mode": "uefi", "secure_boot": "enabled",
        "cpus": [{"socket": "CPU1", "model": "Xeon", "cores": 8, "flags": ["sse", "avx"]},
            {"socket": "CPU2", "model": "Xeon", "cores": 8, "flags": []}],
        "memory": {"total_bytes": 64 * GIB, "dimms": [dimm("P1-A1", 32, "A"), dimm("P1-B2", 32, "B"), dimm("P1-C3", 0, "")],
            "arrays": []},
        "disks": [{"serial": "S4XX", "wwn": "", "name": "nvme0n1", "size_bytes": 1_920_383_410_176_u64, "model": "PM9A3",
            "firmware": "GDC1", "pci": "0000:01:00.0"}],
        "nics": [{"mac": "52:54:00:00:00:01", "name": "eth0", "driver": "ice", "firmware": "4.2", "pci": "0000:3b:00.0"}],
        "pci_devices": [{"address": "0000:01:00.0", "vendor_id": "144d", "device_id": "a80a", "vendor_name": "Samsung"},
            {"address": "0000:3b:00.0", "vendor_id": "8086", "device_id": "1592"},
            {"address": "0000:5e:00.0", "vendor_id": "10b5", "device_id": "8747"}],
        "gpus": [], "tpm": {"version": "2.0"}, "ipmi": null, "oem_strings": ["a", "b"],
        "volatile": {"kernel": "6.1"}, "errors": [],
    })
}

/// `machine` after a change, canonical.
fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut value = machine();
    change(&mut value);
    canonical(&value)
}

fn remove(value: &mut Value, list: &[&str], index: usize) {
    parts::at_mut(value, list).unwrap().as_array_mut().unwrap().remove(index);
}

fn told(old: &Value, new: &Value, warned: &[&str]) -> Told {
    let new = comparable(new.clone(), Unread::new(), None, &BTreeSet::new());
    notices(old, &new, &warned.iter().map(|s| (*s).to_owned()).collect(), AT)
}

fn lines(told: &Told) -> Vec<String> {
    told.raise.iter().map(|n| format!("{} {} | {}", n.severity, n.subject, n.message)).collect()
}

#[test]
fn what_changes_by_itself_is_not_in_the_hash() {
    let same = changed(|m| {
        m["volatile"] = json!({"kernel": "6.12"});
        m["errors"] = json!([{"source": "x", "error": "y"}]);
        m["pci_devices"][0]["vendor_name"] = json!("Samsung Electronics");
        m["cpus"][0]["flags"] = json!(["avx", "sse"]);
        m["memory"]["dimms"].as_array_mut().unwrap().reverse();
        m["pci_devices"].as_array_mut().unwrap().reverse();
    });
    assert_eq!(hash(&same), hash(&changed(|_| ())));
    assert!(!same.to_string().contains("vendor_name") && !same.to_string().contains("volatile"));
    assert_ne!(hash(&changed(|m| m["bios"]["version"] = json!("2"))), hash(&same));
    assert_ne!(hash(&changed(|m| m["oem_strings"] = json!(["b", "a"]))), hash(&same), "these have an order");
}

#[test]
fn the_first_inventory_and_the_same_again_tell_nothing() {
    let same = changed(|_| ());
    assert!(diff(&same, &same).is_empty());
    assert_eq!(told(&same, &same, &[]), Told::default());
}

/// Name, what is done, events, subjects cleared.
type Case = (&'static str, fn(&mut Value), &'static [&'static str]);

#[test]
fn what_is_told() {
    let old = changed(|_| ());
    let cases: &[Case] = &[
        (
            "a module taken out of its slot",
            |m| {
                m["memory"]["dimms"][1] = dimm("P1-B2", 0, "");
                m["memory"]["total_bytes"] = json!(32 * GIB);
            },
            &[
                "warning dimm:P1-B2 | DIMM P1-B2 32 GiB (Samsung M393, serial B) is gone since 3 March 2026",
                "warning memory | memory is 32 GiB, was 64 GiB",
            ],
        ),
        (
            "a slot that is not told any more",
            |m| remove(m, &["memory", "dimms"], 1),
            &["warning dimm:P1-B2 | DIMM P1-B2 32 GiB (Samsung M393, serial B) is gone since 3 March 2026"],
        ),
        (
            "another module",
            |m| m["memory"]["dimms"][0] = dimm("P1-A1", 16, "Z"),
            &["info dimm:P1-A1 | DIMM P1-A1: serial A -> Z, size 32 GiB -> 16 GiB"],
        ),
        (
            "a new module",
            |m| {
                m["memory"]["dimms"][2] = dimm("P1-C3", 32, "C");
                m["memory"]["total_bytes"] = json!(96 * GIB);
            },
            &[
                "info dimm:P1-C3 | DIMM P1-C3 32 GiB (Samsung M393, serial C) is new since 3 March 2026",
                "info memory | memory is 96 GiB, was 64 GiB",
            ],
        ),
        ("a socket", |m| remove(m, &["cpus"], 1), &["warning cpu:CPU2 | CPU CPU2 (Xeon) is gone since 3 March 2026"]),
        (
            "a disk with its controller's PCI function",
            |m| {
                remove(m, &["disks"], 0);
                remove(m, &["pci_devices"], 0);
            },
            &["warning disk:S4XX | disk S4XX 1.92 TB (PM9A3, nvme0n1) is gone since 3 March 2026"],
        ),
        (
            "a NIC",
            |m| remove(m, &["nics"], 0),
            &["warning nic:52:54:00:00:00:01 | NIC 52:54:00:00:00:01 (ice, eth0) is gone since 3 March 2026"],
        ),
        (
            "firmware of a NIC",
            |m| m["nics"][0]["firmware"] = json!("4.4"),
            &["info nic:52:54:00:00:00:01 | NIC 52:54:00:00:00:01: firmware 4.2 -> 4.4"],
        ),
        ("a name alone", |m| m["nics"][0]["name"] = json!("ens1f0"), &[]),
        ("flags alone", |m| m["cpus"][0]["flags"] = json!(["sse"]), &[]),
        (
            "BIOS",
            |m| m["bios"] = json!({"vendor": "AMI", "version": "2.1.0", "date": "01/01/2026"}),
            &["info bios | BIOS 1.9.2 -> 2.1.0"],
        ),
        (
            "Secure Boot",
            |m| m["secure_boot"] = json!("disabled"),
            &["info secure_boot | secure boot enabled -> disabled"],
        ),
        ("TPM", |m| m["tpm"] = Value::Null, &["warning tpm | TPM is gone since 3 March 2026"]),
        ("IPMI", |m| m["ipmi"] = json!({"type": "KCS"}), &["info ipmi | IPMI interface is new since 3 March 2026"]),
        ("a card in another slot", |m| m["pci_devices"][2]["address"] = json!("0000:af:00.0"), &[]),
        (
            "another card",
            |m| m["pci_devices"][2] = json!({"address": "0000:5e:00.0", "vendor_id": "1", "device_id": "2"}),
            &["info pci:0000:5e:00.0 | PCI device 0000:5e:00.0: device id 8747 -> 2, vendor id 10b5 -> 1"],
        ),
        (
            "a card",
            |m| remove(m, &["pci_devices"], 2),
            &["warning pci:0000:5e:00.0 | PCI device 0000:5e:00.0 (10b5:8747) is gone since 3 March 2026"],
        ),
        (
            "a GPU",
            |m| {
                m["gpus"] = json!([{"pci": "0000:af:00.0", "vendor_id": "10de", "device_id": "20b0", "driver": ""}]);
                m["pci_devices"][2] = json!({"address": "0000:af:00.0", "vendor_id": "10de", "device_id": "20b0"});
            },
            &[
                "warning pci:0000:5e:00.0 | PCI device 0000:5e:00.0 (10b5:8747) is gone since 3 March 2026",
                "info gpu:0000:af:00.0 | GPU 0000:af:00.0 (10de:20b0) is new since 3 March 2026",
            ],
        ),
    ];
    for (name, change, expected) in cases {
        assert_eq!(lines(&told(&old, &changed(change), &[])), *expected, "{name}");
    }
}

#[test]
fn what_is_back_clears_its_warning() {
    let old = changed(|m| {
        remove(m, &["memory", "dimms"], 1);
        m["memory"]["total_bytes"] = json!(32 * GIB);
        m["tpm"] = Value::Null;
    });
    let back = told(&old, &changed(|_| ()), &["dimm:P1-B2", "memory", "tpm", "disk:other"]);
    assert_eq!((lines(&back), back.clear), (vec![], vec!["dimm:P1-B2".into(), "tpm".into(), "memory".into()]));
    // Without a warning (a person's database was restored, say) it is just new.
    assert_eq!(told(&old, &changed(|_| ()), &[]).raise.len(), 3);
}

#[test]
fn the_diff_names_field_and_values() {
    let new = changed(|m| {
        m["memory"]["dimms"][1] = dimm("P1-B2", 0, "");
        m["bios"]["version"] = json!("2.1.0");
        m["cpus"][0]["flags"] = json!(["avx", "avx2"]);
        m["oem_strings"] = json!(["a", "c"]);
    });
    let text: Vec<String> = diff(&changed(|_| ()), &new)
        .into_iter()
        .map(|c| format!("{} {:?} {} {:?}: {:?} {:?}", c.section, c.item, c.what.as_str(), c.field, c.old, c.new))
        .collect();
    assert_eq!(
        text,
        [
            "bios \"\" changed Some(\"version\"): Some(\"1.9.2\") Some(\"2.1.0\")",
            "cpu \"CPU1\" changed Some(\"flags\"): Some(\"sse\") Some(\"avx2\")",
            "dimm \"P1-B2\" gone None: Some(\"32 GiB (Samsung M393, serial B)\") None",
            "machine \"\" changed Some(\"oem_strings\"): Some(\"b\") Some(\"c\")",
        ]
    );
}

#[test]
fn counts_have_few_labels() {
    let new = changed(|m| {
        m["memory"]["dimms"] = json!([]);
        m["bios"]["version"] = json!("2");
        m["something-a-machine-made-up"] = json!({"x": 1});
    });
    let old = changed(|m| m["something-a-machine-made-up"] = json!({"x": 2}));
    let counts = told(&old, &new, &[]).counts;
    let expected = [
        ((What::Gone, "dimm"), 2),
        ((What::Gone, "other"), 3),
        ((What::Changed, "bios"), 1),
        ((What::Changed, "other"), 1),
    ];
    assert_eq!(counts, expected.into_iter().collect());
}

#[test]
fn items_of_one_name_are_told_apart() {
    let two = |a: &str, b: &str| {
        changed(|m| {
            m["disks"] = json!([{"serial": "0", "name": a, "model": "X"}, {"serial": "0", "name": b, "model": "X"}]);
        })
    };
    assert_eq!(hash(&two("sda", "sdb")), hash(&two("sdb", "sda")));
    let changes = diff(&two("sda", "sdb"), &two("sda", "sdc"));
    let items: Vec<_> = changes.iter().map(|c| (c.item.as_str(), c.what)).collect();
    assert_eq!(items, [("0/sdb", What::Gone), ("0/sdc", What::New)]);
}

#[test]
fn an_unreadable_table_is_no_lost_hardware() {
    let whole = changed(|_| ());
    let blind = changed(|m| {
        m["memory"] = json!({"total_bytes": 60 * GIB, "dimms": [], "arrays": []});
        m["bios"]["version"] = json!("2.1.0");
    });
    let failed = unread([("memory", "/sys/firmware/dmi/tables/DMI"), ("", "x"), ("weather", "y")]);
    assert_eq!(failed.len(), 1);
    let none = Unread::new();
    let made = comparable(blind.clone(), failed.clone(), Some((&whole, &none)), &BTreeSet::new());
    assert_eq!(made.content["memory"], whole["memory"]);
    assert_eq!((made.content["bios"]["version"].as_str(), &made.unread), (Some("2.1.0"), &none));
    assert_eq!(lines(&notices(&whole, &made, &BTreeSet::new(), AT)), ["info bios | BIOS 1.9.2 -> 2.1.0"]);

    // It failed from the first boot on: like is compared with like.
    let smaller = changed(|m| m["memory"] = json!({"total_bytes": 30 * GIB, "dimms": [], "arrays": []}));
    let made = comparable(smaller, failed.clone(), Some((&blind, &failed)), &BTreeSet::new());
    let text = lines(&notices(&blind, &made, &BTreeSet::new(), AT));
    assert!(text.contains(&"warning memory | memory is 30 GiB, was 60 GiB".to_owned()), "{text:?}");

    // It can be read at last: what appears was there all the time.
    let made = comparable(whole.clone(), none, Some((&blind, &failed)), &BTreeSet::new());
    assert!(made.unread.is_empty() && made.clearer.contains("memory"));
    assert_eq!(lines(&notices(&blind, &made, &BTreeSet::new(), AT)), ["info bios | BIOS 2.1.0 -> 1.9.2"]);
}

#[test]
fn what_an_older_release_did_not_know_is_not_news() {
    let old = json!({"kernel": "6.1", "bios": {"version": "1.9.2"}, "memory": {"total_bytes": 64 * GIB, "dimms":
        [{"locator": "P1-A1", "size_bytes": 32 * GIB}, {"locator": "P1-B2", "size_bytes": 32 * GIB}, 
        {"locator": "P1-C3", "size_bytes": 0}]},
        "nics": [{"mac": "52:54:00:00:00:01", "link": true, "speed_mbps": 1000}]});
    let new = changed(|_| ());
    assert!(diff(&canonical(&old), &new).is_empty(), "{:?}", diff(&old, &new));
}

#[test]
fn many_changes_are_one_line_more() {
    let many =
        |n: usize| changed(|m| m["memory"]["dimms"] = (0..n).map(|i| dimm(&format!("D{i:03}"), 1, "S")).collect());
    let told = told(&many(200), &many(0), &[]);
    assert_eq!(told.raise.len(), NOTICES_MAX);
    let last = told.raise.last().unwrap();
    assert_eq!((last.subject.as_str(), last.severity), ("inventory:more", Severity::Warning));
    assert!(last.message.starts_with("151 more changes"), "{}", last.message);
}

#[test]
fn the_largest_part_is_named() {
    assert_eq!(largest_part(&json!({"a": "xx", "b": [1, 2, 3]})), Some(("b".to_owned(), 7)));
    assert_eq!(largest_part(&Value::Null), None);
}

/// Hostile on purpose: names that collide, lists of anything, lists that are none.
fn any_inventory() -> impl Strategy<Value = Value> {
    let plain = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0u64..3).prop_map(Value::from),
        "[ab#/]{0,2}|\\PC{0,3}".prop_map(Value::from)
    ];
    let field = prop::sample::select(vec![
        "locator",
        "bank",
        "size_bytes",
        "serial",
        "mac",
        "name",
        "pci",
        "address",
        "socket",
        "flags",
    ]);
    let item = prop_oneof![3 => prop::collection::btree_map(field.prop_map(str::to_owned), plain.clone(), 0..5)
        .prop_map(|m| Value::Object(m.into_iter().collect())), 1 => plain.clone()];
    let list = prop_oneof![4 => prop::collection::vec(item.clone(), 0..6).prop_map(Value::Array), 1 => item];
    let top =
        prop::sample::select(vec!["cpus", "disks", "nics", "pci_devices", "gpus", "bios", "tpm", "boot_mode", "x"]);
    (prop::collection::btree_map(top.prop_map(str::to_owned), list.clone(), 0..6), list.clone(), list).prop_map(
        |(top, dimms, arrays)| {
            let mut all: Map<String, Value> = top.into_iter().collect();
            all.insert("memory".into(), json!({"dimms": dimms, "arrays": arrays, "total_bytes": 5}));
            Value::Object(all)
        },
    )
}

/// Every list the other way round.
fn reversed(value: &Value) -> Value {
    let mut value = value.clone();
    for list in LISTS {
        if let Some(Value::Array(items)) = at_mut(&mut value, list.path) {
            items.reverse();
        }
    }
    value
}

proptest! {
    #[test]
    fn any_inventory_equals_itself_in_any_order(a in any_inventory(), b in any_inventory()) {
        let (one, other) = (canonical(&a), canonical(&reversed(&a)));
        prop_assert_eq!(hash(&one), hash(&other));
        prop_assert_eq!(hash(&canonical(&one)), hash(&one));
        prop_assert!(diff(&one, &other).is_empty());
        let b = canonical(&b);
        // Nothing panics, everything is bounded, and what differs is the same from both sides.
        prop_assert_eq!(diff(&one, &b).len(), diff(&b, &one).len());
        let told = told(&one, &b, &["memory", "tpm"]);
        prop_assert!(told.raise.len() <= NOTICES_MAX);
        prop_assert!(told.raise.iter().all(|n| n.message.len() <= 500 && n.subject.len() < 200));
    }
}
