//! Use cases over SQLite, without any listener but those of simulated BMCs. One binary: each costs a link of the whole server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod apply;
mod arch;
mod bmc;
mod bmc_redfish;
mod boots;
mod cabling;
mod common;
mod console;
mod dhcp;
mod dhcp_answers;
mod drift;
mod enrol;
mod exchanges;
/// The simulated Redfish service of its client's tests.
#[allow(dead_code)]
#[path = "../../redfish/tests/redfish/fake.rs"]
mod fake_redfish;
mod fallback;
mod firmware;
mod history;
mod identity;
mod images;
mod ipam;
mod jobs;
mod modes;
mod network;
mod pins;
mod profiles;
mod programs;
mod rollout_hooks;
mod rollouts;
mod rules;
mod rules_set;
mod scrub;
mod secrets;
mod vault;
