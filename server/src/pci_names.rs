//! Names of PCI vendors, devices and classes, out of the pci.ids database. Read once, at start. A file that is missing or
//! damaged costs the names and is told once in the log; it never stops the server. Names are shown, never stored.

use higuma_proto::agent::{Inventory, PciDevice};
use pciid_parser::Database;
use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where distributions keep it.
pub const USUAL: [&str; 2] = ["/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids"];
/// The real one has 1.5 MB.
const LARGEST: u64 = 64 << 20;

/// The names, or none; cheap to clone.
#[derive(Clone, Default)]
pub struct PciNames(Option<Arc<Database>>);

impl std::fmt::Debug for PciNames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PciNames({} vendors)", self.0.as_ref().map_or(0, |db| db.vendors.len()))
    }
}

impl PciNames {
    /// From the file of the setting, or the first usual one that exists. Blocking.
    pub fn open(setting: Option<&Path>) -> Self {
        const HINT: &str = "PCI devices are shown without names: install Debian's package pci.ids, or set pci-ids";
        let usual = || USUAL.iter().map(PathBuf::from).find(|path| path.exists());
        let Some(path) = setting.map(Path::to_owned).or_else(usual) else {
            tracing::warn!("no pci.ids in {}. {HINT}", USUAL.join(" or "));
            return Self::default();
        };
        match std::fs::File::open(&path).map_err(|e| e.to_string()).and_then(Self::read) {
            Ok(names) => {
                tracing::debug!(path = %path.display(), "PCI names from {}: {names:?}", path.display());
                names
            }
            Err(why) => {
                tracing::warn!(path = %path.display(), "cannot read {}: {why}. {HINT}", path.display());
                Self::default()
            }
        }
    }

    /// From the bytes of the database.
    ///
    /// # Errors
    /// What about them is not as expected, for people.
    pub fn read(file: impl Read) -> Result<Self, String> {
        let mut bytes = Vec::new();
        file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
        if bytes.len() as u64 > LARGEST {
            return Err(format!("expected at most {LARGEST} bytes"));
        }
        // The parser takes the last byte of each line for its end, which a file that was cut off lacks.
        if !bytes.ends_with(b"\n") {
            bytes.push(b'\n');
        }
        let text = String::from_utf8_lossy(&bytes);
        let database = Database::parse_db(text.as_bytes()).map_err(|e| format!("expected a pci.ids database: {e}"))?;
        match database.vendors.is_empty() {
            true => Err("expected a pci.ids database: there is no vendor in it".to_owned()),
            false => Ok(Self(Some(Arc::new(database)))),
        }
    }

    /// Fills the names in where they are known, and empties the others: an agent has no say in them.
    pub fn fill(&self, inventory: &mut Inventory) {
        let none = Database { vendors: HashMap::new(), classes: HashMap::new() };
        let database = self.0.as_deref().unwrap_or(&none);
        for device in &mut inventory.pci_devices {
            (device.vendor_name, device.device_name) = product(database, &device.vendor_id, &device.device_id);
            device.class_name = class(database, device);
        }
        for gpu in &mut inventory.gpus {
            let (vendor, device) = product(database, &gpu.vendor_id, &gpu.device_id);
            gpu.name = format!("{vendor} {device}").trim().to_owned();
        }
    }
}

fn product(database: &Database, vendor: &str, device: &str) -> (String, String) {
    let number = |id: &str| u16::from_str_radix(id, 16).ok();
    let vendor = number(vendor).and_then(|id| database.vendors.get(&id));
    let device = vendor.zip(number(device)).and_then(|(vendor, id)| vendor.devices.get(&id));
    (tidy(vendor.map(|v| v.name.as_str())), tidy(device.map(|d| d.name.as_str())))
}

/// Of the subclass; of the class when that has no name.
fn class(database: &Database, device: &PciDevice) -> String {
    let byte = |at: usize| device.class.get(at..at + 2).and_then(|id| u8::from_str_radix(id, 16).ok());
    let class = byte(0).and_then(|id| database.classes.get(&id));
    let subclass = class.zip(byte(2)).and_then(|(class, id)| class.subclasses.get(&id));
    tidy(subclass.map(|s| s.name.as_str()).or(class.map(|c| c.name.as_str())))
}

fn tidy(name: Option<&str>) -> String {
    name.unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use higuma_proto::agent::Gpu;

    const SMALL: &str = "# comment\n\n8086  Intel Corporation\n\t1572  Ethernet Controller X710 for 10GbE SFP+\n\
        \t\t1028 0000  Ethernet 10G X710 rNDC\n10de  NVIDIA Corporation\n\t20f1  GA100 [A100 PCIe 40GB]\n\
        C 02  Network controller\n\t00  Ethernet controller\nC 03  Display controller\n\t00  VGA compatible controller\n";

    fn device(vendor: &str, device: &str, class: &str) -> PciDevice {
        PciDevice { vendor_id: vendor.into(), device_id: device.into(), class: class.into(), ..PciDevice::default() }
    }

    #[test]
    fn names_are_filled_in_where_they_are_known() {
        let mut inventory = Inventory {
            pci_devices: vec![
                device("8086", "1572", "020000"),
                device("8086", "ffff", "028000"),
                device("dead", "beef", "ff"),
                device("", "ü", "ü"),
            ],
            gpus: vec![Gpu { vendor_id: "10de".into(), device_id: "20f1".into(), ..Gpu::default() }],
            ..Inventory::default()
        };
        PciNames::read(SMALL.as_bytes()).unwrap().fill(&mut inventory);
        let names: Vec<[&str; 3]> =
            inventory.pci_devices.iter().map(|d| [d.vendor_name.as_str(), &d.device_name, &d.class_name]).collect();
        assert_eq!(
            names,
            [
                ["Intel Corporation", "Ethernet Controller X710 for 10GbE SFP+", "Ethernet controller"],
                ["Intel Corporation", "", "Network controller"],
                ["", "", ""],
                ["", "", ""],
            ]
        );
        assert_eq!(inventory.gpus[0].name, "NVIDIA Corporation GA100 [A100 PCIe 40GB]");
    }

    #[test]
    fn without_a_file_there_are_no_names_and_no_failure() {
        let dir = tempfile::tempdir().unwrap();
        let mut inventory = Inventory { pci_devices: vec![device("8086", "1572", "020000")], ..Inventory::default() };
        for content in [None, Some("what is this?\n"), Some(""), Some("8086  Intel\n\tzzzz  X\n"), Some("\t00  X\n")] {
            let path = dir.path().join("pci.ids");
            if let Some(content) = content {
                std::fs::write(&path, content).unwrap();
            }
            PciNames::open(Some(&path)).fill(&mut inventory);
            assert_eq!(inventory.pci_devices[0].vendor_name, "", "{content:?}");
        }
        PciNames::open(Some(dir.path())).fill(&mut inventory);
    }

    #[test]
    fn a_file_that_was_cut_off_anywhere_does_no_harm() {
        let text = SMALL.replace("SFP+", "SFP\u{fe}");
        for end in 0..text.len() {
            let _ = PciNames::read(&text.as_bytes()[..end]);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(proptest::sample::select(b"\t\nC 0f8 \xc3\xbc#".to_vec()), 0..80)) {
            let _ = PciNames::read(bytes.as_slice());
        }
    }
}
