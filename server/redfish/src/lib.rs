//! A thin Redfish client: what Higuma asks of a BMC, over HTTPS with a pinned certificate. It decides nothing about
//! nodes, keeps nothing on disk, and never retries a refused login. What a service answers is not trusted: bodies,
//! pages, texts and waits are bounded, and links are followed only on the service itself.
//! Sources: DMTF DSP0266 (the protocol) and DSP2046 (the properties of resources).

mod account;
mod boot;
mod client;
mod error;
mod exchange;
mod identity;
mod inventory;
mod json;
mod led;
mod link;
mod logs;
mod manager;
mod media;
mod power;
mod sensors;
mod session;
mod system;
mod target;
mod tls;
mod walk;
mod wire;

pub use boot::{Boot, BootDevice, BootMode, Lasts};
pub use client::Client;
pub use error::RedfishError;
pub use identity::{Authentication, Identity};
pub use inventory::{Drive, Firmware, FirmwareList, Inventory, MemoryModule, Nic, Processor};
pub use logs::{Log, LogEntry};
pub use manager::Interface;
pub use media::{Media, Medium};
pub use power::{PowerState, ResetDone, ResetKind};
pub use sensors::{Sensor, Sensors, Thresholds};
pub use system::SystemEntry;
pub use target::{Limits, Secret, Target};
pub use tls::Fingerprint;
