//! The commands, a file for each chapter of the specification.

mod app;
mod boot;
pub mod channel;
mod chassis;
pub mod codes;
pub mod event;
pub mod lan;
mod payload;
mod sdr;
mod sel;
mod sensor;
mod session;
pub mod sol;
pub mod user;

pub use app::{ColdReset, DeviceId, GetDeviceId, GetSystemGuid};
pub use boot::{BootDevice, BootFlags, GetBootFlags, SetBootOption, SetInProgress};
pub use chassis::{
    ChassisControl, ChassisIdentify, ChassisStatus, FrontPanel, GetChassisStatus, IdentifyState, LastPowerEvent,
    RestorePolicy,
};
pub use payload::{ActivateSol, DeactivateSol, GetSolActivation, SolActivated, SolActivation};
pub use sdr::{Formula, GetSdr, Limits, ReserveSdr, SdrPiece, Sensor};
pub use sel::{ClearSel, GetSelEntry, GetSelInfo, ReserveSel, SelEntry, SelEvent, SelInfo, SelRecord};
pub use sensor::{GetSensorReading, Health, SensorReading};
pub use session::{
    AuthCapabilities, CipherSuite, CloseSession, GetChannelAuthCapabilities, GetChannelCipherSuites, Privilege,
    SetSessionPrivilege, THIS_CHANNEL,
};
