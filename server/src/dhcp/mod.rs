//! DHCP's wire: packets (`packet`, `options`, `values`), captures of them (`capture`), and what we would answer to each
//! (`explain`). The decision is `crate::domain::dhcp`; no decision is made here.

//CAPpub mod capture;
//CAPpub mod explain;
pub mod options;
pub mod packet;
pub mod values;
