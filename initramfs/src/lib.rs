//! Builds Higuma's initramfs files: the generic first stage, the small per-server site part, the kernel modules of an
//! image, and the second stage that the agent packs of itself. Also the module index that the agent loads drivers with.
//!
//! The formats take bytes and give bytes. Programs are run in two places only: [`kernel_package`] runs apt and dpkg-deb,
//! and `.ko.xz` files without a modules.dep are read through `xz`. Nothing here opens a socket or asks for the time.
//! The same inputs give the same bytes.

pub mod archive;
pub mod drivers;
mod error;
mod files;
pub mod first_stage;
pub mod image_modules;
pub mod kernel_package;
pub mod modules;
pub mod rootfs;
pub mod second_stage;
pub mod site;

pub use error::{Error, Result};
