//! Processor architectures as DHCP names them (option 93): RFC 4578, RFC 5970 and the IANA registry "Processor Architecture
//! Types". A table, and nothing decided here.

use std::fmt;

/// A number of option 93.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arch(pub u16);

/// For which machines there are programs: one set of files each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Platform {
    /// PC BIOS.
    Bios,
    /// UEFI, 32-bit x86.
    Ia32,
    /// UEFI, x86-64.
    X64,
    /// UEFI, 32-bit ARM.
    Arm32,
    /// UEFI, 64-bit ARM.
    Arm64,
}

/// How the firmware loads what it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Load {
    /// PXE: a file name, by TFTP.
    Tftp,
    /// HTTP boot: a URL.
    Http,
}

/// A line of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Number.
    pub arch: Arch,
    /// For people.
    pub words: &'static str,
    /// What we have for it; none: nothing.
    pub platform: Option<Platform>,
    /// How it loads.
    pub load: Load,
}

const fn known(arch: u16, words: &'static str, platform: Option<Platform>, load: Load) -> Known {
    Known { arch: Arch(arch), words, platform, load }
}

/// The registry, as far as machines have been seen or iPXE exists; numbers that are missing have names nowhere.
pub const KNOWN: &[Known] = &[
    known(0, "x86 BIOS", Some(Platform::Bios), Load::Tftp),
    known(1, "NEC PC-98", None, Load::Tftp),
    known(2, "Itanium", None, Load::Tftp),
    known(3, "DEC Alpha", None, Load::Tftp),
    known(4, "Arc x86", None, Load::Tftp),
    known(5, "Intel Lean Client", None, Load::Tftp),
    known(6, "UEFI x86", Some(Platform::Ia32), Load::Tftp),
    // RFC 4578 called 7 EFI byte code and 9 x86-64, firmware did it the other way round, and the registry followed the
    // firmware. Machines that keep to the RFC's text send 9, and no machine boots byte code: both are x86-64.
    known(7, "UEFI x86-64", Some(Platform::X64), Load::Tftp),
    known(8, "EFI Xscale", None, Load::Tftp),
    known(9, "UEFI x86-64 (as RFC 4578 had it)", Some(Platform::X64), Load::Tftp),
    known(10, "UEFI ARM, 32 bits", Some(Platform::Arm32), Load::Tftp),
    known(11, "UEFI ARM, 64 bits", Some(Platform::Arm64), Load::Tftp),
    known(12, "PowerPC Open Firmware", None, Load::Tftp),
    known(13, "PowerPC ePAPR", None, Load::Tftp),
    known(14, "POWER OPAL v3", None, Load::Tftp),
    known(15, "UEFI x86, HTTP boot", Some(Platform::Ia32), Load::Http),
    known(16, "UEFI x86-64, HTTP boot", Some(Platform::X64), Load::Http),
    // As 9.
    known(17, "UEFI byte code, HTTP boot", Some(Platform::X64), Load::Http),
    known(18, "UEFI ARM, 32 bits, HTTP boot", Some(Platform::Arm32), Load::Http),
    known(19, "UEFI ARM, 64 bits, HTTP boot", Some(Platform::Arm64), Load::Http),
    known(20, "x86 BIOS, HTTP boot", None, Load::Http),
    known(21, "U-Boot ARM, 32 bits", None, Load::Tftp),
    known(22, "U-Boot ARM, 64 bits", None, Load::Tftp),
    known(23, "U-Boot ARM, 32 bits, HTTP boot", None, Load::Http),
    known(24, "U-Boot ARM, 64 bits, HTTP boot", None, Load::Http),
    known(25, "UEFI RISC-V, 32 bits", None, Load::Tftp),
    known(26, "UEFI RISC-V, 32 bits, HTTP boot", None, Load::Http),
    known(27, "UEFI RISC-V, 64 bits", None, Load::Tftp),
    known(28, "UEFI RISC-V, 64 bits, HTTP boot", None, Load::Http),
    known(37, "UEFI LoongArch, 32 bits", None, Load::Tftp),
    known(38, "UEFI LoongArch, 32 bits, HTTP boot", None, Load::Http),
    known(39, "UEFI LoongArch, 64 bits", None, Load::Tftp),
    known(40, "UEFI LoongArch, 64 bits, HTTP boot", None, Load::Http),
];

impl Arch {
    /// PC BIOS: also what a PXE client is that sends no option 93.
    pub const BIOS: Self = Self(0);

    /// Its line of [`KNOWN`].
    pub fn known(self) -> Option<&'static Known> {
        KNOWN.iter().find(|known| known.arch == self)
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.known() {
            Some(known) => write!(f, "{} ({})", self.0, known.words),
            None => write!(f, "{} (unknown)", self.0),
        }
    }
}
