//! What a search or a rule can ask of a node: a compact projection of its inventory and its neighbours, with what it
//! should be and was last seen as. One table says which fields there are; documentation, the check of expressions and the
//! values all come from it. Every field is always there: what is not known is `""`, 0, false or an empty list.

mod value;

pub use value::{Fact, Field, Kind, Object, Record};

use cel::common::value::Val;
use serde::{Deserialize, Serialize};

/// Counts up when the projection changes: stored facts of another version are made anew.
pub const VERSION: u32 = 1;
/// Bytes kept of a text.
pub const TEXT_MAX: usize = 128;

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A struct, its table of fields and its lookup by name, from one list.
macro_rules! facts {
    ($(#[doc = $about:literal])+ $name:ident, at most $most:literal { $(#[doc = $doc:literal] $field:ident: $type:ty,)+ }) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct $name {
            $(#[doc = $doc] #[serde(skip_serializing_if = "is_default")] pub $field: $type,)+
        }

        impl $name {
            /// Its table of fields.
            pub const FIELDS: &'static [Field] =
                &[$(Field { name: stringify!($field), kind: <$type as Fact>::KIND, doc: $doc }),+];
        }

        impl Record for $name {
            fn get(&self, name: &str) -> Option<Box<dyn Val + '_>> {
                match name { $(stringify!($field) => Some(self.$field.val()),)+ _ => None }
            }
        }

        impl Fact for $name {
            const KIND: Kind = Kind::Object(&[$name::FIELDS]);
            const MOST: usize = $most;
            fn val(&self) -> Box<dyn Val + '_> {
                Box::new(Object(self))
            }
        }
    };
}

facts! {
    /// What a node should be, was last seen as and is called: from the node's own record.
    Standing, at most 0 {
        /// SMBIOS system UUID, lower case
        uuid: String,
        /// host name of its second stage
        hostname: String,
        /// `pending`, `admitted` or `rejected`
        admission: String,
        /// `discovered`, `ready`, `assigned`, `booting`, `running`, `failed`, `maintenance` or `retired`
        lifecycle: String,
        /// assigned profile
        profile: String,
        /// the revision that it gets because that of its profile failed to boot, e.g. `web@6`; empty: it is not in fallback. Rules see it empty
        fallback: String,
        /// cluster that it is in
        cluster: String,
        /// tags, of people and of rules
        tags: Vec<String>,
        /// in maintenance: boots nothing new
        maintenance: bool,
        /// retired: refused
        retired: bool,
        /// system serial number
        serial: String,
        /// system manufacturer
        manufacturer: String,
        /// system product name
        product: String,
    }
}

facts! {
    /// What a node is made of and cabled to: from its inventory and its neighbours.
    Hardware, at most 0 {
        /// system SKU number
        sku: String,
        /// system family
        family: String,
        /// `x86_64` or `aarch64`
        arch: String,
        /// `bios` or `uefi`
        boot_mode: String,
        /// `enabled`, `disabled`, `setup` or `unsupported`
        secure_boot: String,
        /// firmware of the machine
        bios: Bios,
        /// base board
        board: Board,
        /// enclosure
        chassis: Chassis,
        /// all processors together
        cpu: CpuSum,
        /// populated sockets
        cpus: Vec<Cpu>,
        /// installed memory
        memory: Memory,
        /// disks
        disks: Vec<Disk>,
        /// network interfaces
        nics: Vec<Nic>,
        /// display controllers and accelerators
        gpus: Vec<Gpu>,
        /// trusted platform module
        tpm: Tpm,
        /// PCI devices as `vendor:device`, each once, sorted, e.g. `15b3:1017`
        pci: Vec<String>,
        /// LLDP neighbours
        neighbours: Vec<Neighbour>,
        /// virtualisation
        virtualisation: Virtualisation,
        /// OEM strings (SMBIOS type 11)
        oem_strings: Vec<String>,
    }
}

facts! {
    /// SMBIOS type 0.
    Bios, at most 0 {
        /// BIOS vendor
        vendor: String,
        /// BIOS version
        version: String,
        /// BIOS date as the vendor writes it
        date: String,
    }
}

facts! {
    /// SMBIOS type 2.
    Board, at most 0 {
        /// manufacturer
        manufacturer: String,
        /// product name
        product: String,
        /// version
        version: String,
        /// serial number
        serial: String,
        /// asset tag
        asset_tag: String,
    }
}

facts! {
    /// SMBIOS type 3.
    Chassis, at most 0 {
        /// manufacturer
        manufacturer: String,
        /// version
        version: String,
        /// serial number
        serial: String,
        /// asset tag
        asset_tag: String,
    }
}

facts! {
    /// Processors together.
    CpuSum, at most 0 {
        /// populated sockets
        sockets: i64,
        /// cores of all sockets
        cores: i64,
        /// threads of all sockets
        threads: i64,
        /// model of the first
        model: String,
        /// flags of the first, as /proc/cpuinfo names them
        flags: Vec<String>,
    }
}

facts! {
    /// A populated socket.
    Cpu, at most 32 {
        /// socket's name
        socket: String,
        /// manufacturer
        manufacturer: String,
        /// model
        model: String,
        /// cores
        cores: i64,
        /// threads
        threads: i64,
        /// MHz
        max_mhz: i64,
        /// microcode, e.g. `0x2b000590`
        microcode: String,
    }
}

facts! {
    /// Memory.
    Memory, at most 0 {
        /// bytes installed
        total: i64,
        /// slots
        slots: i64,
        /// slots with a module in them
        used_slots: i64,
        /// slots, empty ones too
        dimms: Vec<Dimm>,
    }
}

facts! {
    /// A slot for a memory module.
    Dimm, at most 192 {
        /// slot's name, e.g. `P1-B2`
        slot: String,
        /// bytes; 0: empty
        size: i64,
        /// `DDR5`, ...
        kind: String,
        /// MT/s
        speed: i64,
        /// with error correction
        ecc: bool,
        /// manufacturer
        manufacturer: String,
        /// part number
        part: String,
        /// serial number
        serial: String,
    }
}

facts! {
    /// A disk.
    Disk, at most 128 {
        /// kernel's name, e.g. `nvme0n1`
        name: String,
        /// bytes
        size: i64,
        /// model
        model: String,
        /// serial number
        serial: String,
        /// `nvme`, `sata`, `sas`, `virtio`, `usb`, ...
        transport: String,
        /// firmware version
        firmware: String,
        /// spins
        rotational: bool,
    }
}

facts! {
    /// A network interface.
    Nic, at most 64 {
        /// kernel's name, e.g. `eth0`
        name: String,
        /// MAC address, lower case with colons
        mac: String,
        /// driver
        driver: String,
        /// firmware version
        firmware: String,
        /// PCI address, e.g. `0000:3b:00.0`
        pci: String,
        /// Mbit/s of its fastest mode
        max_speed: i64,
    }
}

facts! {
    /// A display controller or accelerator.
    Gpu, at most 32 {
        /// PCI address
        pci: String,
        /// PCI ids as `vendor:device`
        id: String,
        /// driver
        driver: String,
    }
}

facts! {
    /// Trusted platform module.
    Tpm, at most 0 {
        /// `2.0` or `1.2`; empty: there is none
        version: String,
    }
}

facts! {
    /// A switch port that a NIC is cabled to.
    Neighbour, at most 64 {
        /// NIC that heard it
        nic: String,
        /// switch's system name, else its chassis id
        switch: String,
        /// port id
        port: String,
        /// port description
        port_description: String,
        /// port VLAN id
        vlan: i64,
    }
}

facts! {
    /// Virtualisation.
    Virtualisation, at most 0 {
        /// `vmx`, `svm` or empty: what the processor offers
        cpu: String,
        /// an IOMMU is in use
        iommu: bool,
        /// this machine itself is a guest
        guest: bool,
    }
}

/// Everything about one node that can be asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// From the node's record.
    pub standing: Standing,
    /// From its inventory.
    pub hardware: Hardware,
}

/// The variable `node`.
pub const NODE: Kind = Kind::Object(&[Standing::FIELDS, Hardware::FIELDS]);

impl Record for Facts {
    fn get(&self, name: &str) -> Option<Box<dyn Val + '_>> {
        self.standing.get(name).or_else(|| self.hardware.get(name))
    }
}

/// The fields as a table of the book.
pub fn markdown() -> String {
    let mut out = String::from("| field | type | |\n|---|---|---|\n");
    rows(&mut out, "node", &NODE);
    out
}

fn rows(out: &mut String, path: &str, kind: &Kind) {
    for field in kind.fields() {
        let path = format!("{path}.{}", field.name);
        let (word, inner) = match field.kind {
            Kind::Bool => ("bool".to_owned(), None),
            Kind::Int => ("int".to_owned(), None),
            Kind::Text => ("string".to_owned(), None),
            Kind::Object(_) => ("object".to_owned(), Some((path.clone(), field.kind))),
            Kind::List(Kind::Text, most) => (format!("list of strings, at most {most}"), None),
            Kind::List(item, most) => (format!("list of objects, at most {most}"), Some((format!("{path}[]"), *item))),
        };
        out.push_str(&format!("| `{path}` | {word} | {} |\n", field.doc.trim()));
        if let Some((path, kind)) = inner {
            rows(out, &path, &kind);
        }
    }
}

#[cfg(test)]
#[path = "facts/tests.rs"]
mod tests;
