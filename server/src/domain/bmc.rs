//! What can be asked of a BMC, in words that hold for IPMI and Redfish alike. No protocol here, and no credential.

mod record;

pub use record::{Bmc, BmcState, POLL_EVERY, Power, Protocol, Trouble};

use super::ids::Invalid;
use super::node::words;
use std::fmt;
use std::str::FromStr;

/// One thing to do to a node through its BMC. What is written down of a job is its text form: `power-off`,
/// `boot-device pxe once uefi`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BmcAction {
    /// Power on; on already: nothing.
    PowerOn,
    /// Off at once.
    PowerOff,
    /// Asks the operating system to shut down (ACPI).
    SoftOff,
    /// Off, then on.
    PowerCycle,
    /// Hard reset; power stays.
    Reset,
    /// Non-maskable interrupt: a crash dump of the operating system.
    Nmi,
    /// What it boots from next.
    BootDevice(NextBoot),
    /// Identify LED: on for so many seconds; 0: off; 255: on until it is told otherwise.
    Identify(u8),
    /// Restarts the BMC itself (cold).
    BmcReset,
    /// Empties its event log.
    ClearLog,
    /// Gives its account a new password.
    RotatePassword,
}

impl BmcAction {
    /// Whether doing it twice is as good as once: one that was cut short may then simply be done again.
    pub fn is_repeatable(self) -> bool {
        !matches!(self, Self::PowerCycle | Self::Reset | Self::Nmi | Self::BmcReset)
    }

    /// Whether it ends what the machine is in the middle of.
    pub fn stops(self) -> bool {
        matches!(self, Self::PowerOff | Self::SoftOff | Self::PowerCycle | Self::Reset | Self::Nmi)
    }

    /// Whether it draws inrush current: such are staggered.
    pub fn starts_power(self) -> bool {
        matches!(self, Self::PowerOn | Self::PowerCycle)
    }
}

/// What a node boots from next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextBoot {
    /// From what.
    pub device: BootDevice,
    /// At every boot from now on, not once.
    pub persistent: bool,
    /// In UEFI mode; else as legacy BIOS.
    pub uefi: bool,
}

/// A kind of boot device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BootDevice {
    /// No override.
    None,
    /// Network.
    Pxe,
    /// Default hard disk.
    Disk,
    /// CD or virtual media.
    Cd,
    /// The firmware's set-up.
    Bios,
}

words!(
    BootDevice,
    "boot device",
    "none, pxe, disk, cd or bios",
    None = "none",
    Pxe = "pxe",
    Disk = "disk",
    Cd = "cd",
    Bios = "bios"
);

const SIMPLE: &[(&str, BmcAction)] = &[
    ("power-on", BmcAction::PowerOn),
    ("power-off", BmcAction::PowerOff),
    ("soft-off", BmcAction::SoftOff),
    ("power-cycle", BmcAction::PowerCycle),
    ("reset", BmcAction::Reset),
    ("nmi", BmcAction::Nmi),
    ("bmc-reset", BmcAction::BmcReset),
    ("clear-log", BmcAction::ClearLog),
    ("rotate-password", BmcAction::RotatePassword),
];

impl fmt::Display for BmcAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BootDevice(next) => {
                write!(f, "boot-device {} {}", next.device, if next.persistent { "persistent" } else { "once" })?;
                if next.uefi { f.write_str(" uefi") } else { Ok(()) }
            }
            Self::Identify(seconds) => write!(f, "identify {seconds}"),
            other => f.write_str(SIMPLE.iter().find(|(_, action)| action == other).map_or("", |(word, _)| word)),
        }
    }
}

impl FromStr for BmcAction {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let wrong = || {
            Invalid::new(
                "action",
                "power-on, power-off, soft-off, power-cycle, reset, nmi, bmc-reset, clear-log, rotate-password, \
                 identify SECONDS, or boot-device DEVICE once|persistent [uefi]",
                text,
            )
        };
        if let Some((_, action)) = SIMPLE.iter().find(|(word, _)| *word == text) {
            return Ok(*action);
        }
        let words: Vec<&str> = text.split(' ').collect();
        match *words.as_slice() {
            ["identify", seconds] => seconds.parse().map(Self::Identify).map_err(|_| wrong()),
            ["boot-device", device, how @ ("once" | "persistent"), ref mode @ ..] => {
                let uefi = match mode {
                    [] => false,
                    ["uefi"] => true,
                    _ => return Err(wrong()),
                };
                Ok(Self::BootDevice(NextBoot { device: device.parse()?, persistent: how == "persistent", uefi }))
            }
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn texts_come_back() {
        let simple = SIMPLE.iter().map(|(_, action)| *action);
        let device = |device, persistent, uefi| BmcAction::BootDevice(NextBoot { device, persistent, uefi });
        let more = [
            BmcAction::Identify(15),
            device(BootDevice::Pxe, false, true),
            device(BootDevice::Disk, true, false),
            device(BootDevice::None, false, false),
        ];
        for action in simple.chain(more) {
            assert_eq!(action.to_string().parse::<BmcAction>().unwrap(), action);
        }
        for bad in
            ["", "power", "identify", "identify 256", "boot-device pxe", "boot-device pxe once bios", "reset now"]
        {
            assert!(bad.parse::<BmcAction>().unwrap_err().to_string().contains("power-on"), "{bad}");
        }
    }

    #[test]
    fn what_may_be_repeated() {
        assert!(BmcAction::PowerOn.is_repeatable() && !BmcAction::PowerCycle.is_repeatable());
        assert!(BmcAction::PowerCycle.starts_power() && !BmcAction::Reset.starts_power());
    }
}
