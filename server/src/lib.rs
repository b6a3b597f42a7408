//! Higuma's server and command line: boots fleets of machines that keep no operating system on disk, and keeps the
//! inventory of what they are. The layers (docs/src/architecture.md): transports -> service -> store and domain.

pub mod cli;
pub mod domain;
pub mod error;
pub mod service;
pub mod store;
