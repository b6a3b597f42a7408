//! Types and pure decisions. No framework, no I/O, no clock of its own: time comes in as a value, so every decision
//! is tested without a server.

pub mod bmc;
pub mod boot;
pub mod boot_window;
pub mod cabling;
pub mod cmdline;
pub mod credential;
pub mod delivery;
pub mod dhcp;
pub mod drift;
pub mod enrol;
pub mod facts;
pub mod fallback;
pub mod firmware;
pub mod identity;
pub mod ids;
pub mod image;
pub mod image_gc;
pub mod image_kept;
pub mod install;
pub mod inventory;
pub mod ipam;
pub mod job;
pub mod lifecycle;
pub mod line_diff;
pub mod node;
pub mod node_event;
pub mod offer;
pub mod parking;
pub mod placeholder;
pub mod plan;
pub mod profile;
pub mod rollout;
pub mod rules;
pub mod script;
pub mod sealed;
pub mod secret;
pub mod select;
pub mod size;
pub mod vault;

pub use ids::{Invalid, Mac, Micros, Name, NodeUuid, Sha256};
