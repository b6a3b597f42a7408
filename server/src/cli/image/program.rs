//! A program alone as an image: memtest86+, an EFI program, a tool of a vendor. iPXE starts it by a profile's script, and no
//! kernel of Linux ever sees it, so nothing of it is checked but for which machines it is.

use super::BuiltImage;
use crate::cli::error::{Failure, Result};
use crate::cli::progress::Progress;
use crate::domain::image::Arch;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Both headers begin before this byte.
const HEAD: u64 = 4096;

/// The program as it is; `said`: for which machines, by a person.
///
/// # Errors
/// It cannot be read, is for other machines than said, or nothing tells for which.
pub fn import(program: &Path, said: Option<&str>, progress: &Progress) -> Result<BuiltImage> {
    let broken = |e| Failure::usage(format!("could not read {}: {e}", program.display()));
    let mut head = Vec::new();
    File::open(program).and_then(|file| file.take(HEAD).read_to_end(&mut head)).map_err(broken)?;
    let said: Option<Arch> =
        said.map(str::parse).transpose().map_err(|e: crate::domain::Invalid| Failure::usage(e.to_string()))?;
    let arch = match (arch_of(&head), said) {
        (Told::Other, _) => {
            return Err(Failure::usage(format!(
                "expected a program for x86_64 or aarch64, {} is an EFI program for other machines",
                program.display()
            )));
        }
        (Told::For(is), Some(said)) if is != said => {
            return Err(Failure::usage(format!(
                "expected a program for {said}, {} is one for {is}",
                program.display()
            )));
        }
        (Told::For(arch), _) => arch,
        (Told::Nothing, Some(arch)) if !head.is_empty() => arch,
        _ => {
            return Err(Failure::usage(format!(
                "expected a program that iPXE starts, {} begins neither as a kernel of Linux nor as an EFI program: is it the \
                 right file? If iPXE knows it all the same, say for which machines it is with --arch",
                program.display()
            )));
        }
    };
    progress.line(&format!(
        "a program for {arch}: nothing else of it was checked; a profile of the mode ipxe boots it, and no other"
    ));
    Ok(BuiltImage {
        arch: arch.to_string(),
        kernel_release: String::new(),
        kernel: program.to_owned(),
        initrd: None,
        modules: None,
        rootfs: None,
        contents: None,
    })
}

/// For which machines a program says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    For(Arch),
    /// For none that we boot, such as EFI firmware of 32 bits.
    Other,
}

/// By the header of an EFI program (PE/COFF), or that of Linux's boot protocol, which other programs have, too. Programs
/// of 32 bits with that one run on x86_64.
fn arch_of(head: &[u8]) -> Told {
    let efi = || {
        let at: [u8; 4] = head.get(0x3c..0x40)?.try_into().ok()?;
        let at = usize::try_from(u32::from_le_bytes(at)).ok()?;
        match head.get(at..at.checked_add(6)?)? {
            [b'P', b'E', 0, 0, 0x64, 0x86] => Some(Told::For(Arch::X86_64)),
            [b'P', b'E', 0, 0, 0x64, 0xaa] => Some(Told::For(Arch::Aarch64)),
            [b'P', b'E', 0, 0, ..] => Some(Told::Other),
            _ => None,
        }
    };
    let efi = head.starts_with(b"MZ").then(efi).flatten();
    match (efi, head.get(0x202..0x206)) {
        (Some(Told::For(arch)), _) => Told::For(arch),
        (_, Some(b"HdrS")) => Told::For(Arch::X86_64),
        (efi, _) => efi.unwrap_or(Told::Nothing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn efi(machine: [u8; 2]) -> Vec<u8> {
        let mut head = vec![0; 0x100];
        head[..2].copy_from_slice(b"MZ");
        head[0x3c] = 0x7a;
        head[0x7a..0x7e].copy_from_slice(b"PE\0\0");
        head[0x7e..0x80].copy_from_slice(&machine);
        head
    }

    #[test]
    fn programs_tell_for_which_machines_they_are() {
        let mut linux = vec![0; 0x400];
        linux[0x202..0x206].copy_from_slice(b"HdrS");
        assert_eq!(arch_of(&linux), Told::For(Arch::X86_64));
        assert_eq!(arch_of(&linux[..0x205]), Told::Nothing);
        for (machine, arch) in [
            ([0x64, 0x86], Told::For(Arch::X86_64)),
            ([0x64, 0xaa], Told::For(Arch::Aarch64)),
            ([0x4c, 1], Told::Other),
            ([0x64, 0x50], Told::Other),
        ] {
            assert_eq!(arch_of(&efi(machine)), arch, "{machine:?}");
        }
        // An offset that is none.
        let mut far = efi([0x64, 0x86]);
        far[0x3c..0x40].fill(0xff);
        for head in [&far[..], &far[..0x30], b"<html>", b""] {
            assert_eq!(arch_of(head), Told::Nothing);
        }
        // One for BIOS and EFI.
        let mut both = linux;
        for machine in [[0x64, 0x86], [0x4c, 1]] {
            both[..0x100].copy_from_slice(&efi(machine));
            assert_eq!(arch_of(&both), Told::For(Arch::X86_64));
        }
    }
}
