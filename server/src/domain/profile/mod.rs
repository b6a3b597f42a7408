//! Profiles: what a node boots, in numbered revisions that never change. A profile may have one parent; a revision keeps
//! its own words, and beside them the whole that they made when it was saved. Pure: the store reads one row for a boot.

mod assignment;
pub mod check;
pub mod cloud_init;
pub mod fits;
mod guard;
pub mod inherit;
pub mod merge;
pub mod mode;
pub mod network;
pub mod spec;
pub mod template;
pub mod user;
pub mod words;

pub use assignment::{Assignment, Revision};
pub use check::{FILE_BYTES_MAX, FILES_MAX, check};
pub use cloud_init::CloudInit;
pub use mode::Mode;
pub use network::{Network, Setup};
pub use spec::{File, Param, Spec, Unit, Wrong};
pub use template::{Context, Failed};
pub use user::{PasswordHash, User};
pub use words::Words;

use super::ids::{Micros, Name};

/// Profiles above each other, at most.
pub const GENERATIONS_MAX: usize = 8;
/// Profiles that inherit from one, directly or not, at most.
pub const DESCENDANTS_MAX: usize = 1_000;

/// One revision of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its name.
    pub name: Name,
    /// Counts from 1.
    pub revision: u32,
    /// What it inherits from.
    pub parent: Option<Name>,
    /// What it says itself.
    pub words: Words,
    /// What that makes, with what the parent said then.
    pub spec: Spec,
    /// Made.
    pub created: Micros,
    /// By whom: "person NAME", or "parent NAME revision N"; empty: not kept.
    pub made_by: String,
}

#[cfg(test)]
mod tests;
