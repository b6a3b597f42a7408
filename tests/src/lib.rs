//! The lab as a library: virtual servers on real firmware ([`node`]), the built programs as a person starts them
//! ([`server`]), bad networks ([`proxy`]), small and real images ([`images`]), and layer 2 ([`namespace`]). Tests and the
//! demo build on it. It must never reach into the product's insides: it sees what an operator and a server's console see.

pub mod api;
pub mod bench_lldp;
pub mod bmc;
pub mod ceph;
pub mod console;
pub mod error;
pub mod images;
pub mod kernel;
pub mod lab;
pub mod namespace;
pub mod node;
pub mod programs;
pub mod proxy;
pub mod qmp;
pub mod serial;
pub mod server;
pub mod smbios;
pub mod sniffer;
pub mod stock;
pub mod switch;
pub mod wait;

pub use error::{Context, LabError, LabResult};
pub use lab::Lab;
pub use node::{Backend, Firmware, Nic, Node, NodeSpec};
pub use server::{Server, ServerSpec};
pub use stock::Stock;
