//! What only Redfish tells and does: hardware, firmware versions, virtual media.

use serde::{Deserialize, Serialize};

/// The hardware as the BMC sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BmcHardware {
    /// Manufacturer of the system; empty: not told.
    pub manufacturer: String,
    /// Model.
    pub model: String,
    /// Serial number.
    pub serial: String,
    /// Stock-keeping unit (Dell: the service tag).
    pub sku: String,
    /// Version of the system firmware.
    pub bios: String,
    /// Processors, memory modules, drives and NICs.
    pub parts: Vec<BmcPart>,
    /// What could not be read.
    pub problems: Vec<String>,
}

/// A part. What is not told is empty or absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BmcPart {
    /// processor, memory, drive or nic.
    pub kind: String,
    /// Socket, slot or name.
    pub place: String,
    /// Manufacturer.
    pub manufacturer: String,
    /// Model, part number, or what it is.
    pub model: String,
    /// Serial number; of a NIC its MAC address.
    pub serial: String,
    /// Bytes of memory or drive.
    pub size_bytes: Option<u64>,
    /// "16 cores, 32 threads", "DDR5", "SSD NVMe", "LinkUp 25000 Mbit/s".
    pub detail: String,
    /// ok, warning or critical.
    pub health: String,
}

/// Firmware versions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BmcFirmwareList {
    /// Each one.
    pub items: Vec<BmcFirmware>,
    /// What could not be read.
    pub problems: Vec<String>,
}

/// One firmware.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BmcFirmware {
    /// The BMC's id of it.
    pub id: String,
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Whether the BMC can update it; absent: not told.
    pub updateable: Option<bool>,
}

/// A virtual drive.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BmcMedia {
    /// The BMC's id of it.
    pub slot: String,
    /// Name.
    pub name: String,
    /// CD, DVD, USBStick, Floppy.
    pub kinds: Vec<String>,
    /// URL of the image in it, without user, password and query.
    pub image: String,
    /// Whether one is in it.
    pub inserted: bool,
    /// Whether it is read-only; absent: not told.
    pub write_protected: Option<bool>,
}

/// An image to be put into a virtual drive; the BMC fetches it itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AttachMedia {
    /// http, https, nfs or cifs URL, without user and password.
    pub url: String,
    /// Id of the drive; absent: the first that takes a CD.
    pub slot: Option<String>,
}
