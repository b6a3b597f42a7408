//! The x86 bzImage header, after Documentation/arch/x86/boot.rst ("The Real-Mode Kernel Header"). Only what
//! `kexec_file_load` of a 64-bit kernel depends on (arch/x86/kernel/kexec-bzimage64.c), and what shows a cut file.

use crate::{
    Arch, ImageError, KernelInfo,
    image::{u16_at, u32_at},
};

const SETUP_SECTS: usize = 0x1f1;
const SYSSIZE: usize = 0x1f4;
const BOOT_FLAG: usize = 0x1fe;
const MAGIC: usize = 0x202;
const VERSION: usize = 0x206;
const KERNEL_VERSION: usize = 0x20e;
const LOADFLAGS: usize = 0x211;
const XLOADFLAGS: usize = 0x236;
const CMDLINE_SIZE: usize = 0x238;
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24c;
const INIT_SIZE: usize = 0x260;
/// The header as far as protocol 2.12 goes.
const HEADER_END: usize = 0x268;
const SECTOR: u64 = 512;
/// MAX_ELFCOREHDR_STR_LEN of kexec-bzimage64.c.
const ELFCOREHDR: usize = 30;

pub(crate) fn is_bzimage(head: &[u8]) -> bool {
    head.get(MAGIC..MAGIC + 4) == Some(b"HdrS")
}

pub(crate) fn parse(head: &[u8], file_len: u64) -> Result<KernelInfo, ImageError> {
    let short = || ImageError::TooShort { len: file_len.min(head.len() as u64), needed: HEADER_END as u64 };
    if head.len() < HEADER_END {
        return Err(short());
    }
    if u16_at(head, BOOT_FLAG) != Some(0xAA55) {
        return Err(ImageError::Damaged("no boot flag 0xAA55 at 0x1fe"));
    }
    let protocol = u16_at(head, VERSION).ok_or_else(short)?;
    if protocol < 0x020c {
        return Err(ImageError::OldProtocol { version: protocol });
    }
    if head[LOADFLAGS] & 1 == 0 {
        return Err(ImageError::Unsupported("it is a zImage (LOADED_HIGH is not set); build a bzImage"));
    }
    let xloadflags = u16_at(head, XLOADFLAGS).ok_or_else(short)?;
    if xloadflags & 1 == 0 {
        return Err(ImageError::Unsupported("it has no 64-bit entry point (XLF_KERNEL_64): a 32-bit kernel?"));
    }
    if xloadflags & 2 == 0 {
        return Err(ImageError::Unsupported(
            "it cannot be loaded above 4 GiB (XLF_CAN_BE_LOADED_ABOVE_4G), which kexec_file_load asks for",
        ));
    }

    let setup_sects = match head[SETUP_SECTS] {
        0 => 4, // boot.rst: "For backwards compatibility, if the setup_sects field contains 0, the real value is 4."
        n => u64::from(n),
    };
    let setup_len = (setup_sects + 1) * SECTOR;
    let code_len = u64::from(u32_at(head, SYSSIZE).ok_or_else(short)?) * 16;
    if code_len == 0 {
        return Err(ImageError::Damaged("syssize is 0"));
    }
    let needed = setup_len + code_len;
    if file_len < needed {
        return Err(ImageError::Truncated { needed, len: file_len });
    }
    let payload_offset = u64::from(u32_at(head, PAYLOAD_OFFSET).ok_or_else(short)?);
    let payload_length = u64::from(u32_at(head, PAYLOAD_LENGTH).ok_or_else(short)?);
    if payload_offset + payload_length > code_len {
        return Err(ImageError::Damaged(
            "the compressed kernel lies beyond the image (payload_offset, payload_length)",
        ));
    }
    // bzImage64_load compares the length with the closing NUL, and with room for " elfcorehdr=..." whether or not it
    // is a crash kernel, to cmdline_size. Seen on Linux 6.1: 2047 - 31 bytes are taken, one more is EINVAL.
    let cmdline_size = u32_at(head, CMDLINE_SIZE).ok_or_else(short)?;
    Ok(KernelInfo {
        arch: Arch::X86_64,
        version: version(head, setup_len),
        protocol: Some(protocol),
        max_cmdline: usize::try_from(cmdline_size).unwrap_or(usize::MAX).saturating_sub(1 + ELFCOREHDR),
        init_size: u64::from(u32_at(head, INIT_SIZE).ok_or_else(short)?),
        file_size: file_len,
        payload: Some((setup_len + payload_offset, payload_length)),
    })
}

/// The text that `kernel_version` points to (relative to 0x200), bounded by the setup area.
fn version(head: &[u8], setup_len: u64) -> Option<String> {
    let pointer = u16_at(head, KERNEL_VERSION)?;
    let start = usize::from(pointer) + 0x200;
    if pointer == 0 || start as u64 >= setup_len {
        return None;
    }
    let end = usize::try_from(setup_len).ok()?.min(head.len()).min(start + 512);
    let text = head.get(start..end)?.split(|b| *b == 0).next()?;
    let text: String = String::from_utf8_lossy(text).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let text = text.trim().to_owned();
    (!text.is_empty()).then_some(text)
}
