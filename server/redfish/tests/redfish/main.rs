//! The Redfish client against services: `fake`, a small one of ours that can misbehave, and sushy-emulator, which we did
//! not write. No test here needs a network beyond loopback, or root.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

// Tests of the server use it too, and some of it is only theirs.
#[allow(dead_code)]
mod fake;
mod features;
mod hostile;
mod reading;
mod session;
mod sushy;
mod tls;
