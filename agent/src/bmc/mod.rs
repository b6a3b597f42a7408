//! Sets the machine's BMC up from inside: reads it, compares it with the server's plan, changes only what differs and
//! reads each change back. Blocking, over a [`Carrier`]; every wait is counted against a deadline. No password is ever in
//! a text made here.

mod address;
mod apply;
pub mod call;
pub mod device;
pub mod found;
mod password;
mod plan;
pub mod read;
pub mod wanted;
mod write;

pub use apply::{Outcome, carry_out};
pub use call::{CallError, Carrier, NoAnswer, Talk};
pub use read::read;
