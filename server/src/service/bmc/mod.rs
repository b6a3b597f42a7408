//! BMCs: what they are set to, proof that we can log in, power and health. Each file is a use case. A password is opened
//! only to log in or to be handed to the node's own agent.

pub mod console;
mod contact;
mod overview;
mod perform;
mod plan;
mod poll;
mod redfish;
mod report;
mod rotate;
mod set;
mod show;

pub use overview::{Overview, Told, overview};
pub use perform::Hands;
pub use plan::{Setup, addressing, plan};
pub use poll::{Polled, poll_once};
pub use redfish::{attach, detach, firmware, hardware, media, media_after};
pub use report::{Report, report};
pub use set::set;
pub(super) use set::taken_back;
pub use show::{BmcQuery, check, info, list, log, sensors, show};
