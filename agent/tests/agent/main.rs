//! The agent's parts against captured machines, made-up BMCs and servers. One binary: each costs a link of the whole agent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod bmc;
mod collect;
mod fetch;
mod fetch_parallel;
mod firmware;
mod hardware;
mod smbios;
