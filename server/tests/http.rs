//! The listeners over real sockets: a server in this process (or the built program) on SQLite, and clients that know
//! only its ca.pem.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "http/blobs.rs"]
mod blobs;
#[path = "http/boot_grpc.rs"]
mod boot_grpc;
#[path = "http/boot_json.rs"]
mod boot_json;
#[path = "http/cabling.rs"]
mod cabling;
#[path = "http/curl_agent.rs"]
mod curl_agent;
#[path = "http/enrol.rs"]
mod enrol;
#[path = "http/firmware.rs"]
mod firmware;
#[path = "http/fixture.rs"]
mod fixture;
#[path = "http/history.rs"]
mod history;
#[path = "http/identity.rs"]
mod identity;
#[path = "http/ipam.rs"]
mod ipam;
#[path = "http/jobs.rs"]
mod jobs;
#[path = "http/pci_names.rs"]
mod pci_names;
#[path = "http/process.rs"]
mod process;
#[path = "http/refused.rs"]
mod refused;
#[path = "http/search.rs"]
mod search;
#[path = "http/vault.rs"]
mod vault;
