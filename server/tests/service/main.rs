//! Use cases over SQLite, without any listener but those of simulated BMCs. One binary: each costs a link of the whole server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bmc;
mod boots;
mod cabling;
mod common;
mod console;
mod enrol;
mod firmware;
mod history;
mod identity;
mod ipam;
mod jobs;
mod rules;
mod vault;
