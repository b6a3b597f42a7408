//! What people and machines see of a server: its HTTP and gRPC, its pages, its command line. One binary: each costs a link of
//! the whole server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cli;
/// The simulated Redfish service of its client's tests.
#[allow(dead_code)]
#[path = "../../redfish/tests/redfish/fake.rs"]
mod fake_redfish;
mod http;
/// A PostgreSQL server of our own, as the store's tests have it.
#[allow(dead_code)]
#[path = "../store/pg.rs"]
mod pg;
/// The registry of the OCI crate's tests.
#[allow(dead_code)]
#[path = "../../oci/tests/oci/registry_server.rs"]
mod registry_server;
mod web;
