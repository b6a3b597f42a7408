//! The commands, a file for each chapter of the specification.

mod app;
pub mod channel;
pub mod codes;
pub mod lan;
pub mod sol;
pub mod user;

pub use app::{DeviceId, GetDeviceId, GetSystemGuid};
