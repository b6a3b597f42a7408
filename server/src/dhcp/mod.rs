//! DHCP's wire: packets (`packet`, `options`, `values`), captures of them (`capture`), them in words (`words`), and what we would answer to each
//! (`explain`); sockets are in `serve`. The decision is `crate::domain::dhcp`; no decision is made here.

pub mod capture;
pub mod explain;
pub mod options;
pub mod packet;
pub mod probe;
pub mod serve;
pub mod values;
pub mod words;
