//! Tests of `higuma-oci` through what it offers: layers that are made here byte by byte, layouts in files, a registry that lies.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bombs;
mod files;
mod hostile;
mod layouts;
mod make;
mod model;
mod overlay;
mod registry;
mod registry_server;
mod resume;
mod stream;
