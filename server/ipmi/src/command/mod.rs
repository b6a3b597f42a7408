//! The commands, a file for each chapter of the specification.

mod app;
mod boot;
mod chassis;
mod session;

pub use app::{ColdReset, DeviceId, GetDeviceId, GetSystemGuid};
pub use boot::{BootDevice, BootFlags, GetBootFlags, SetBootOption, SetInProgress};
pub use chassis::{
    ChassisControl, ChassisIdentify, ChassisStatus, FrontPanel, GetChassisStatus, IdentifyState, LastPowerEvent,
    RestorePolicy,
};
pub use session::{
    AuthCapabilities, CipherSuite, CloseSession, GetChannelAuthCapabilities, GetChannelCipherSuites, Privilege,
    SetSessionPrivilege, THIS_CHANNEL,
};
