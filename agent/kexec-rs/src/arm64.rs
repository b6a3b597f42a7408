//! The arm64 Image header, after Documentation/arch/arm64/booting.rst ("Call the kernel image"), and the EFI zboot
//! wrapper (drivers/firmware/efi/libstub/zboot-header.S), which kexec does not take.

use crate::{
    Arch, ImageError, KernelInfo,
    image::{u16_at, u32_at, u64_at},
};

const IMAGE_SIZE: usize = 16;
const FLAGS: usize = 24;
const MAGIC: usize = 56;
const PE_OFFSET: usize = 60;
/// COMMAND_LINE_SIZE of arm64 is 2048 with the closing NUL.
const MAX_CMDLINE: usize = 2047;

pub(crate) fn is_image(head: &[u8]) -> bool {
    head.get(MAGIC..MAGIC + 4) == Some(b"ARM\x64") || is_zboot(head)
}

fn is_zboot(head: &[u8]) -> bool {
    head.starts_with(b"MZ") && head.get(4..8) == Some(b"zimg")
}

pub(crate) fn parse(head: &[u8], file_len: u64) -> Result<KernelInfo, ImageError> {
    if is_zboot(head) {
        return Err(ImageError::Unsupported(
            "it is an EFI zboot image (vmlinuz.efi), a compressed kernel inside an EFI program; kexec_file_load takes \
             the plain arm64 Image: build one, or unpack this one",
        ));
    }
    let short = || ImageError::TooShort { len: file_len, needed: 64 };
    let image_size = u64_at(head, IMAGE_SIZE).ok_or_else(short)?;
    let flags = u64_at(head, FLAGS).ok_or_else(short)?;
    if image_size == 0 {
        return Err(ImageError::Unsupported("its image_size is 0: a kernel before 3.17, which cannot be kexec'd"));
    }
    if flags & 1 != 0 {
        return Err(ImageError::Unsupported("it is a big-endian kernel"));
    }
    // image_size counts memory that the file does not hold (BSS), so a cut file is seen from the PE sections only.
    if let Some(needed) = pe_file_size(head).filter(|needed| *needed > file_len) {
        return Err(ImageError::Truncated { needed, len: file_len });
    }
    Ok(KernelInfo {
        arch: Arch::Aarch64,
        version: None,
        protocol: None,
        max_cmdline: MAX_CMDLINE,
        init_size: image_size,
        file_size: file_len,
        payload: None,
    })
}

/// Where the last PE section ends in the file; none for a kernel without the EFI stub.
fn pe_file_size(head: &[u8]) -> Option<u64> {
    let pe = usize::try_from(u32_at(head, PE_OFFSET)?).ok()?;
    if head.get(pe..pe.checked_add(4)?) != Some(b"PE\0\0") {
        return None;
    }
    let sections = usize::from(u16_at(head, pe.checked_add(6)?)?);
    let optional = usize::from(u16_at(head, pe.checked_add(20)?)?);
    let table = pe.checked_add(24)?.checked_add(optional)?;
    let mut end = 0;
    for i in 0..sections {
        let section = table.checked_add(i.checked_mul(40)?)?;
        let size = u64::from(u32_at(head, section.checked_add(16)?)?);
        let offset = u64::from(u32_at(head, section.checked_add(20)?)?);
        end = end.max(offset + size);
    }
    Some(end)
}
