//! What the service knows of the hardware and its firmware: a summary to lay beside the agent's own inventory.

use crate::client::Client;
use crate::error::RedfishError;
use crate::json;
use crate::walk::{note, tolerate};
use serde::Serialize;
use serde_json::Value;

/// Most parts of one kind.
const MOST: usize = 512;
const MOST_STORAGE: usize = 32;

/// A processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Processor {
    /// Socket or Id.
    pub slot: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// Manufacturer.
    pub manufacturer: Option<String>,
    /// Cores.
    pub cores: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
}

/// A memory module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemoryModule {
    /// Locator or Id.
    pub slot: Option<String>,
    /// MiB; `None`: empty slot or not told.
    pub mib: Option<u64>,
    /// `DDR5`, …
    pub kind: Option<String>,
    /// Manufacturer.
    pub manufacturer: Option<String>,
    /// Part number.
    pub part: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
}

/// A drive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drive {
    /// Name.
    pub name: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// Bytes.
    pub bytes: Option<u64>,
    /// `SSD`, `HDD`.
    pub media: Option<String>,
    /// `NVMe`, `SATA`, …
    pub protocol: Option<String>,
    /// `OK`, `Warning`, `Critical`.
    pub health: Option<String>,
}

/// A network port of the system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Nic {
    /// `Id`.
    pub id: Option<String>,
    /// The MAC it was made with, else the one in use; in lower case.
    pub mac: Option<String>,
    /// `LinkUp`, `LinkDown`, …
    pub link: Option<String>,
    /// Mbit/s.
    pub mbps: Option<u64>,
}

/// A summary of the hardware.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Inventory {
    /// Manufacturer.
    pub manufacturer: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// Stock-keeping unit (Dell: the service tag).
    pub sku: Option<String>,
    /// Version of the system firmware.
    pub bios: Option<String>,
    /// Processors.
    pub processors: Vec<Processor>,
    /// Memory modules.
    pub memory: Vec<MemoryModule>,
    /// Drives.
    pub drives: Vec<Drive>,
    /// Network ports.
    pub nics: Vec<Nic>,
    /// What could not be read.
    pub problems: Vec<String>,
}

/// One firmware.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Firmware {
    /// `Id`.
    pub id: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Version.
    pub version: Option<String>,
    /// Whether the service can update it.
    pub updateable: Option<bool>,
}

/// All firmware that the service knows of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FirmwareList {
    /// Each one.
    pub firmware: Vec<Firmware>,
    /// What could not be read.
    pub problems: Vec<String>,
}

impl Client {
    /// A summary of the hardware. A part that cannot be read is told in `problems`.
    pub async fn inventory(&self) -> Result<Inventory, RedfishError> {
        self.within("the inventory", async {
            let (_, answer) = self.system().await?;
            let system = &answer.body;
            let mut problems = Vec::new();
            let processors = self.part(system, "Processors", &mut problems).await?;
            let memory = self.part(system, "Memory", &mut problems).await?;
            let nics = self.part(system, "EthernetInterfaces", &mut problems).await?;
            let drives = self.drives(system, &mut problems).await?;
            Ok(Inventory {
                manufacturer: json::text(system, "Manufacturer"),
                model: json::text(system, "Model"),
                serial: json::text(system, "SerialNumber"),
                sku: json::text(system, "SKU"),
                bios: json::text(system, "BiosVersion"),
                processors: processors.iter().map(processor).collect(),
                memory: memory.iter().map(module).collect(),
                drives: drives.iter().map(drive).collect(),
                nics: nics.iter().map(nic).collect(),
                problems,
            })
        })
        .await
    }

    /// All firmware that the update service knows of.
    pub async fn firmware(&self) -> Result<FirmwareList, RedfishError> {
        self.within("the firmware", async {
            let missing = |what: &str| RedfishError::NotSupported(format!("firmware inventory (no {what})"));
            let service = json::link(&self.root, "UpdateService").ok_or_else(|| missing("UpdateService"))?;
            let service = self.get(&service).await?.body;
            let collection = json::link(&service, "FirmwareInventory").ok_or_else(|| missing("FirmwareInventory"))?;
            let mut list = FirmwareList::default();
            for (_, value) in self.resources(&collection, MOST, &mut list.problems).await? {
                list.firmware.push(Firmware {
                    id: json::text(&value, "Id"),
                    name: json::text(&value, "Name"),
                    version: json::text(&value, "Version"),
                    updateable: json::flag(&value, "Updateable"),
                });
            }
            Ok(list)
        })
        .await
    }

    async fn part(&self, system: &Value, key: &str, problems: &mut Vec<String>) -> Result<Vec<Value>, RedfishError> {
        let Some(collection) = json::link(system, key) else {
            note(problems, format!("the system has no {key}"));
            return Ok(Vec::new());
        };
        let found = self.resources(&collection, MOST, problems).await;
        let found = tolerate(found, problems)?.unwrap_or_default();
        Ok(found.into_iter().map(|(_, value)| value).collect())
    }

    async fn drives(&self, system: &Value, problems: &mut Vec<String>) -> Result<Vec<Value>, RedfishError> {
        let mut drives = Vec::new();
        for storage in self.part(system, "Storage", problems).await?.iter().take(MOST_STORAGE) {
            for link in json::links(storage, "Drives") {
                if drives.len() >= MOST {
                    note(problems, format!("more than {MOST} drives: the others are left out"));
                    return Ok(drives);
                }
                if let Some(answer) = tolerate(self.get(&link).await, problems)? {
                    drives.push(answer.body);
                }
            }
        }
        Ok(drives)
    }
}

fn processor(value: &Value) -> Processor {
    Processor {
        slot: json::text(value, "Socket").or_else(|| json::text(value, "Id")),
        model: json::text(value, "Model"),
        manufacturer: json::text(value, "Manufacturer"),
        cores: json::whole(value, "TotalCores"),
        threads: json::whole(value, "TotalThreads"),
    }
}

fn module(value: &Value) -> MemoryModule {
    MemoryModule {
        slot: json::text(value, "DeviceLocator").or_else(|| json::text(value, "Id")),
        mib: json::whole(value, "CapacityMiB").filter(|mib| *mib > 0),
        kind: json::text(value, "MemoryDeviceType"),
        manufacturer: json::text(value, "Manufacturer"),
        part: json::text(value, "PartNumber"),
        serial: json::text(value, "SerialNumber"),
    }
}

fn drive(value: &Value) -> Drive {
    Drive {
        name: json::text(value, "Name").or_else(|| json::text(value, "Id")),
        model: json::text(value, "Model"),
        serial: json::text(value, "SerialNumber"),
        bytes: json::whole(value, "CapacityBytes"),
        media: json::text(value, "MediaType"),
        protocol: json::text(value, "Protocol"),
        health: json::text(json::at(value, &["Status"]), "Health"),
    }
}

fn nic(value: &Value) -> Nic {
    let mac = json::text(value, "PermanentMACAddress").or_else(|| json::text(value, "MACAddress"));
    Nic {
        id: json::text(value, "Id"),
        mac: mac.map(|mac| mac.to_ascii_lowercase()),
        link: json::text(value, "LinkStatus"),
        mbps: json::whole(value, "SpeedMbps"),
    }
}
