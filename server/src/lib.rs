//! Higuma's server and command line: boots fleets of machines that keep no operating system on disk, and keeps the
//! inventory of what they are. The layers (docs/src/architecture.md): transports -> service -> store and domain.

pub mod arp;
pub mod blob;
pub mod bmc;
pub mod cli;
pub mod config;
pub mod dhcp;
pub mod domain;
pub mod durable;
pub mod error;
pub mod grpc;
pub mod hooks;
pub mod http;
pub mod ipxe_files;
pub mod pci_names;
pub mod serve;
pub mod service;
pub mod store;
pub mod telemetry;
pub mod tftp;
pub mod tls;
pub mod vault;
pub mod web;
