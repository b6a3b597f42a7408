//! System boot options (28.12-28.14): what the system boots from next, and the parameters around it that real BMCs want.

use crate::{Command, Malformed, NetFn};

/// From what to boot (table 28-14, parameter 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootDevice {
    /// As the firmware has it.
    Default,
    /// The network.
    Pxe,
    /// The first disk.
    Disk,
    /// The disk, in safe mode.
    SafeMode,
    /// The diagnostic partition.
    Diagnostic,
    /// CD or DVD.
    Cd,
    /// The set-up menu of the firmware.
    Setup,
    /// Floppy, or what a BMC shows as one.
    Floppy,
    /// CD through the BMC (virtual media).
    RemoteCd,
    /// Any other number.
    Other(u8),
}

const DEVICES: [(BootDevice, u8); 9] = [
    (BootDevice::Default, 0x0),
    (BootDevice::Pxe, 0x1),
    (BootDevice::Disk, 0x2),
    (BootDevice::SafeMode, 0x3),
    (BootDevice::Diagnostic, 0x4),
    (BootDevice::Cd, 0x5),
    (BootDevice::Setup, 0x6),
    (BootDevice::RemoteCd, 0x8),
    (BootDevice::Floppy, 0xf),
];

impl BootDevice {
    /// Its number on the wire, 4 bits.
    pub fn code(self) -> u8 {
        if let Self::Other(code) = self {
            return code & 0x0f;
        }
        DEVICES.iter().find(|(device, _)| *device == self).map_or(0, |(_, code)| *code)
    }

    /// From its number; only the low 4 bits count.
    pub fn from_code(code: u8) -> Self {
        let code = code & 0x0f;
        DEVICES.iter().find(|(_, c)| *c == code).map_or(Self::Other(code), |(device, _)| *device)
    }
}

/// Boot flags (parameter 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootFlags {
    /// Whether the BMC hands these flags to the firmware at all.
    pub valid: bool,
    /// For every boot from now on, not only the next.
    pub persistent: bool,
    /// UEFI instead of BIOS.
    pub efi: bool,
    /// From what.
    pub device: BootDevice,
}

impl BootFlags {
    /// As parameter 5 has it.
    pub fn emit(self) -> [u8; 5] {
        let first = u8::from(self.valid) << 7 | u8::from(self.persistent) << 6 | u8::from(self.efi) << 5;
        [first, self.device.code() << 2, 0, 0, 0]
    }

    /// Reads parameter 5.
    pub fn parse(data: &[u8]) -> Result<Self, Malformed> {
        let [first, second, ..] = *data else {
            return Err(Malformed::short("Get System Boot Options", "at least 2 bytes of boot flags", data));
        };
        Ok(Self {
            valid: first & 0x80 != 0,
            persistent: first & 0x40 != 0,
            efi: first & 0x20 != 0,
            device: BootDevice::from_code(second >> 2),
        })
    }
}

/// Where a set of parameters stands (parameter 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetInProgress {
    /// Nothing is going on.
    Complete,
    /// Others keep away; a BMC answers 81h if somebody else is at it.
    InProgress,
    /// Takes what was set over; optional.
    Commit,
}

/// Set System Boot Options (28.12): one parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetBootOption {
    /// Parameter 0.
    Progress(SetInProgress),
    /// Parameter 3: what does not make the flags invalid, as bits: 0 power button, 1 reset button, 2 watchdog, 3 the 60
    /// seconds without a Chassis Control after which they are forgotten, 4 PEF.
    KeepValidOn(u8),
    /// Parameter 4: there is something for the BIOS to handle. 0, as after a reset of the BMC, tells it to ignore the flags.
    AcknowledgeBios,
    /// Parameter 5.
    Flags(BootFlags),
}

impl SetBootOption {
    /// For [`SetBootOption::KeepValidOn`]: flags outlive the 60 seconds (a job may be slower than that).
    pub const KEEP_AFTER_60_SECONDS: u8 = 0x08;
}

impl Command for SetBootOption {
    const NETFN: NetFn = NetFn::CHASSIS;
    const CMD: u8 = 0x08;
    const NAME: &'static str = "Set System Boot Options";
    type Answer = ();

    fn data(&self) -> Vec<u8> {
        match self {
            Self::Progress(SetInProgress::Complete) => vec![0, 0],
            Self::Progress(SetInProgress::InProgress) => vec![0, 1],
            Self::Progress(SetInProgress::Commit) => vec![0, 2],
            Self::KeepValidOn(bits) => vec![3, bits & 0x1f],
            Self::AcknowledgeBios => vec![4, 0x01, 0x01],
            Self::Flags(flags) => [vec![5], flags.emit().to_vec()].concat(),
        }
    }

    fn answer(&self, _: &[u8]) -> Result<(), Malformed> {
        Ok(())
    }
}

/// Get System Boot Options (28.13), parameter 5.
#[derive(Debug, Clone, Copy)]
pub struct GetBootFlags;

impl Command for GetBootFlags {
    const NETFN: NetFn = NetFn::CHASSIS;
    const CMD: u8 = 0x09;
    const NAME: &'static str = "Get System Boot Options";
    type Answer = BootFlags;

    fn data(&self) -> Vec<u8> {
        vec![5, 0, 0]
    }

    fn answer(&self, data: &[u8]) -> Result<BootFlags, Malformed> {
        match *data {
            [_, parameter, ref flags @ ..] if parameter & 0x7f == 5 => BootFlags::parse(flags),
            [_, parameter, ..] => Err(Malformed {
                command: Self::NAME,
                expected: "parameter 5",
                came: format!("parameter {}", parameter & 0x7f),
            }),
            _ => Err(Malformed::short(Self::NAME, "at least 4 bytes", data)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_written_as_ipmitool_writes_them_and_read_back() {
        // ipmitool chassis bootdev pxe options=persistent,efiboot: 05 e0 04 00 00 00
        let flags = BootFlags { valid: true, persistent: true, efi: true, device: BootDevice::Pxe };
        assert_eq!(SetBootOption::Flags(flags).data(), [5, 0xe0, 0x04, 0, 0, 0]);
        assert_eq!(GetBootFlags.answer(&[1, 5, 0xe0, 0x04, 0, 0, 0]), Ok(flags));
        assert!(GetBootFlags.answer(&[1, 4, 0, 0]).is_err() && GetBootFlags.answer(&[1, 5, 0x80]).is_err());
    }

    #[test]
    fn every_device_number_comes_back() {
        for code in 0..16 {
            assert_eq!(BootDevice::from_code(code).code(), code);
        }
    }

    #[test]
    fn the_parameters_around_the_flags() {
        assert_eq!(SetBootOption::Progress(SetInProgress::InProgress).data(), [0, 1]);
        assert_eq!(SetBootOption::KeepValidOn(SetBootOption::KEEP_AFTER_60_SECONDS).data(), [3, 8]);
        assert_eq!(SetBootOption::AcknowledgeBios.data(), [4, 1, 1]);
    }
}
