//! DHCP's use cases: who has which address, and taking one back.

pub mod leases;
