//! IPMI 2.0: each command is written once, as bytes to values and back, for whoever carries it: the kernel's device in-band,
//! RMCP+ on the LAN. Without the feature `lan` there is no I/O here. Nothing here may panic on bytes of a BMC.
//! Sections named in comments are those of the IPMI specification v2.0 revision 1.1.

#![cfg_attr(test, allow(clippy::panic))]

pub mod command;
mod completion;
#[cfg(feature = "lan")]
pub mod lan;
mod message;
#[cfg(feature = "lan")]
pub mod ops;

#[cfg(feature = "sim")]
pub mod sim;

pub use completion::Completion;
pub use message::{Command, Malformed, NetFn, Password, Request};
