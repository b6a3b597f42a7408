//! The agent that runs on a diskless server: PID 1 of the first stage, init of the second, callback helper, and a tool
//! for people on a normal machine. One static binary. It must never print a secret, boot anything that was not
//! verified against the plan, or (as PID 1) exit.

pub mod bmc;
pub mod bootargs;
pub mod callback;
pub mod cli;
mod client;
pub mod collect;
pub mod console;
pub mod decide;
mod explain;
pub mod fetch;
pub mod firmware;
mod first;
pub mod journal;
mod kmod;
mod memory;
mod mounts;
pub mod neighbours;
mod net;
mod power;
pub mod second;
pub mod session;
pub mod site;
mod steps;
pub mod supervisor;
pub mod sys;
mod worker;

/// Version of this agent, as told to the server.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// When this agent was built, seconds since 1970 UTC; 0 when the build did not know.
pub fn build_time() -> u64 {
    env!("HIGUMA_BUILD_TIME").parse().unwrap_or(0)
}
