//! DHCP's use cases: what is answered to a packet; who has which address, and taking one back; what one node is told.

mod boots;
mod decide;
pub mod leases;
mod memory;
pub mod options;

pub use decide::{Heard, Interface, Outcome, decide};
pub use memory::Memory;
