//! The commands, a file for each chapter of the specification.

mod app;

pub use app::{DeviceId, GetDeviceId, GetSystemGuid};
