//! How a node boots, and what each way needs of a profile and its image.

use super::spec::{Spec, Wrong};
use crate::domain::cmdline::Cmdline;
use crate::domain::ids::Invalid;
use crate::domain::image::{Image, Role};
use crate::domain::node::words;
use std::fmt;
use std::str::FromStr;

/// The way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// The image's root file system in RAM, by way of the first stage.
    Diskless,
    /// The image's kernel and initrd alone, by way of the first stage.
    Initramfs,
    /// A script of the operator's, in iPXE; it may boot what an image has.
    Ipxe,
    /// What is on the node's disk.
    LocalDisk,
    /// An installer that writes the node's disk.
    Installer,
}

words!(
    Mode,
    "boot mode",
    "diskless, initramfs, ipxe, local-disk or installer",
    Diskless = "diskless",
    Initramfs = "initramfs",
    Ipxe = "ipxe",
    LocalDisk = "local-disk",
    Installer = "installer"
);

impl Mode {
    /// Goes by way of the first stage with an image; else iPXE itself does what is to be done.
    pub fn needs_image(self) -> bool {
        matches!(self, Self::Diskless | Self::Initramfs | Self::Installer)
    }
}

impl Spec {
    /// The mode; where nobody said one, it is the one that the image is made for.
    pub fn mode_with(&self, image: Option<&Image>) -> Mode {
        match (self.mode, image) {
            (Some(mode), _) => mode,
            (None, Some(image)) if image.part(Role::Rootfs).is_none() => Mode::Initramfs,
            (None, _) => Mode::Diskless,
        }
    }

    /// What is missing before a node can boot this; a profile that others inherit from may lack it.
    pub fn missing(&self) -> Option<Wrong> {
        match self.mode.unwrap_or(Mode::Diskless) {
            Mode::Diskless | Mode::Initramfs | Mode::Installer if self.image.is_none() => {
                Some(Wrong::new("image", "an image, here or in a parent", "none"))
            }
            Mode::Diskless | Mode::Initramfs if self.network.is_unreachable() => Some(Wrong::new(
                "network",
                "a device with dhcp4, dhcp6, accept_ra or address, here or in a parent",
                "none: no node could say that it is up",
            )),
            Mode::Ipxe if self.script.is_empty() => {
                Some(Wrong::new("script", "a script for the mode ipxe, here or in a parent", "none"))
            }
            _ => None,
        }
    }

    /// Does the mode go together with the rest, and with the image, where there is one?
    pub fn check_mode(&self, image: Option<&Image>) -> Result<(), Wrong> {
        let has_rootfs = image.map(|i| i.part(Role::Rootfs).is_some());
        let is_program = image.is_some_and(Image::is_program);
        match self.mode {
            mode if is_program && !matches!(mode, Some(Mode::Ipxe | Mode::LocalDisk)) => Err(Wrong::new(
                "mode",
                "ipxe for an image that is a program alone: it has neither an initrd nor a root file system",
                mode.map_or("none", Mode::as_str),
            )),
            Some(Mode::Diskless) if has_rootfs == Some(false) => {
                Err(Wrong::new("mode", "an image with a root file system for diskless", "one without: say initramfs"))
            }
            Some(Mode::Initramfs) if has_rootfs == Some(true) => {
                Err(Wrong::new("mode", "an image without a root file system for initramfs", "one with: say diskless"))
            }
            Some(Mode::Installer) if has_rootfs == Some(true) => Err(Wrong::new(
                "image",
                "an image of a kernel and an initrd for installer",
                "one with a root file system",
            )),
            Some(Mode::Ipxe)
                if self.script.contains("image.cmdline") && image.is_some_and(|i| ends_a_command(&i.cmdline)) =>
            {
                Err(Wrong::new(
                    "script",
                    "no image.cmdline of an image whose command line has a word ;, &&, || or #: iPXE would end its command there",
                    "one",
                ))
            }
            Some(Mode::LocalDisk) if self.image.is_some() => {
                Err(Wrong::new("image", "no image in this mode (null removes a parent's)", "an image"))
            }
            mode if mode != Some(Mode::Ipxe) && !self.script.is_empty() => {
                Err(Wrong::new("script", "none but in the mode ipxe", "a script: say mode ipxe, or remove it"))
            }
            mode if mode != Some(Mode::Installer) && !self.answer.is_empty() => Err(Wrong::new(
                "answer",
                "none but in the mode installer",
                "an answer file: say mode installer, or remove it",
            )),
            _ => Ok(()),
        }
    }
}

/// iPXE's command ends at such a word, and what follows is another command, or none.
fn ends_a_command(cmdline: &Cmdline) -> bool {
    cmdline.as_str().split(' ').any(|word| matches!(word, ";" | "&&" | "||") || word.starts_with('#'))
}
