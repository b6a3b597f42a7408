//! TFTP for firmware that knows nothing else: read only, known files only, held in memory. A transfer is a state machine
//! (`transfer`), a packet a value (`packet`); sockets and clocks are in `serve`. Nothing here opens a path that a client names.

pub mod packet;
pub mod serve;
pub mod transfer;

pub use serve::{Files, Report, Settings, serve};
pub use transfer::{Limits, Outcome};
