//! Names of PCI devices: filled in when an inventory is shown, never stored, and nothing without a database of them.

use super::fixture::{NODE_A, Server, credential};
use serde_json::{Value, json};
use std::path::Path;

const NAMES: &str = "1d0f  Kuma Networks\n\tcafe  Bear 100G\nC 02  Network controller\n\t00  Ethernet controller\nC 03  Display controller\n";

fn register(server: &Server) -> Value {
    let c = &server.client;
    c.seed();
    // An agent has no say in names.
    let device = json!({"address": "0000:3b:00.0", "vendor_id": "1d0f", "device_id": "cafe", "class": "020000",
        "vendor_name": "Told By Agent"});
    let gpu = json!({"pci": "0000:3b:00.0", "vendor_id": "1d0f", "device_id": "ffff", "name": "Told By Agent"});
    let body = json!({"nonce": c.nonce(NODE_A), "credential": credential('a'), "boot_mac": "",
        "inventory": {"pci_devices": [device], "gpus": [gpu]}});
    c.call("POST", &format!("/ipxe/{NODE_A}/register"), "", Some(body)).expect(200);
    c.admin("GET", &format!("/api/v1/nodes/{NODE_A}"), None).expect(200).json()["inventory"].clone()
}

#[test]
fn names_are_shown_and_not_stored() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pci.ids");
    std::fs::write(&file, NAMES).unwrap();
    let server = Server::start(&[("pci-ids", file.to_str().unwrap())]);
    let inventory = register(&server);
    let device = &inventory["pci_devices"][0];
    let names = ["vendor_name", "device_name", "class_name"].map(|name| device[name].as_str().unwrap_or_default());
    assert_eq!(names, ["Kuma Networks", "Bear 100G", "Ethernet controller"]);
    assert_eq!(inventory["gpus"][0]["name"], "Kuma Networks");
    // Neither the database's nor the agent's.
    let mut looked = 0;
    for entry in std::fs::read_dir(server.dir.path()).unwrap().flatten() {
        let Ok(bytes) = std::fs::read(entry.path()) else { continue };
        let text = String::from_utf8_lossy(&bytes);
        looked += usize::from(text.contains("0000:3b:00.0"));
        assert!(!text.contains("Kuma Networks"), "a name is in {}", entry.path().display());
    }
    assert!(looked > 0, "the inventory is in no file: this test looks in the wrong place");
}

#[test]
fn a_damaged_database_costs_only_the_names() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pci.ids");
    std::fs::write(&file, b"\xff\xfe no such thing").unwrap();
    for path in [file.as_path(), Path::new("/nowhere/pci.ids"), folder.path()] {
        let server = Server::start(&[("pci-ids", path.to_str().unwrap())]);
        let inventory = register(&server);
        assert_eq!(inventory["pci_devices"][0]["device_id"], "cafe");
        let names = [&inventory["pci_devices"][0]["vendor_name"], &inventory["gpus"][0]["name"]];
        assert_eq!(names.map(|name| name.as_str().unwrap_or_default()), ["", ""], "{}", path.display());
    }
}
