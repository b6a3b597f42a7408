//! The listeners over real sockets: a server in this process (or the built program) on SQLite, and clients that know
//! only its ca.pem.

mod blobs;
mod boot_grpc;
mod boot_json;
mod boot_server;
mod cabling;
mod curl_agent;
mod downloads;
mod enrol;
mod fallback;
mod firmware;
mod fixture;
mod history;
mod identity;
mod installs;
mod ipam;
mod jobs;
mod network;
mod pci_names;
mod process;
mod refused;
mod search;
mod secrets;
mod tftp;
mod vault;
