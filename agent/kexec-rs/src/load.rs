//! Load, unload and jump. Never loads an image that was not checked, and never jumps without [`Loaded`] in hand.

use std::{
    convert::Infallible,
    ffi::CString,
    fs,
    io::{self, Read},
    os::fd::AsFd,
};

use nix::sys::reboot::{RebootMode, reboot};

use crate::{Error, KernelInfo, syscall};

/// How to load.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags {
    /// Load as the kernel to start after a crash (`KEXEC_FILE_ON_CRASH`), into memory reserved with `crashkernel=`.
    pub on_crash: bool,
}

/// The entry points; there is only one kernel image to be loaded per machine, so there is no state here.
#[derive(Debug)]
pub struct Kexec;

/// A kernel is loaded and [`execute`](Loaded::execute) jumps into it. Dropping this leaves it loaded (`kexec -l` does
/// the same); [`unload`](Loaded::unload) frees its memory.
#[derive(Debug)]
#[must_use = "a loaded kernel keeps its memory until it is executed or unloaded"]
pub struct Loaded {
    flags: Flags,
}

impl Kexec {
    /// Loads `kernel` and `initrd` with `cmdline`, replacing what was loaded before. Needs CAP_SYS_BOOT. The image is
    /// checked first, so that a foreign or truncated file is refused with words, not with an errno.
    ///
    /// # Errors
    /// [`Error::Image`], [`Error::CmdlineTooLong`], [`Error::CmdlineNul`] before the call; [`Error::Load`] from it,
    /// explained by errno.
    pub fn load(kernel: impl AsFd, initrd: Option<impl AsFd>, cmdline: &str, flags: Flags) -> Result<Loaded, Error> {
        let kernel = kernel.as_fd();
        let file = kernel.try_clone_to_owned().map_err(|source| Error::Io { what: "open the kernel image", source })?;
        KernelInfo::from_file(&fs::File::from(file))?.check_cmdline(cmdline)?;
        let cmdline = CString::new(cmdline).map_err(|e| Error::CmdlineNul { at: e.nul_position() })?;
        let initrd = initrd.as_ref().map(AsFd::as_fd);
        let mut bits = if flags.on_crash { libc::KEXEC_FILE_ON_CRASH } else { 0 };
        if initrd.is_none() {
            bits |= libc::KEXEC_FILE_NO_INITRAMFS;
        }
        syscall::kexec_file_load(Some(kernel), initrd, Some(&cmdline), bits.cast_unsigned())
            .map_err(|source| Error::Load { hint: explain(&source), source })?;
        Ok(Loaded { flags })
    }

    /// Loads and at once unloads: shows whether everything would work, without jumping.
    ///
    /// # Errors
    /// Those of [`Kexec::load`].
    pub fn dry_run(kernel: impl AsFd, initrd: Option<impl AsFd>, cmdline: &str, flags: Flags) -> Result<(), Error> {
        Self::load(kernel, initrd, cmdline, flags)?.unload()
    }

    /// Forgets the loaded kernel (`KEXEC_FILE_UNLOAD`) and frees its memory; succeeds when there is none.
    ///
    /// # Errors
    /// [`Error::Load`], explained by errno.
    pub fn unload(flags: Flags) -> Result<(), Error> {
        let bits = libc::KEXEC_FILE_UNLOAD | if flags.on_crash { libc::KEXEC_FILE_ON_CRASH } else { 0 };
        syscall::kexec_file_load(None, None, None, bits.cast_unsigned())
            .map_err(|source| Error::Load { hint: explain(&source), source })
    }
}

impl Loaded {
    /// Jumps: `reboot(LINUX_REBOOT_CMD_KEXEC)`. Nothing is synced, stopped or unmounted first. On success it does not
    /// come back.
    ///
    /// # Errors
    /// [`Error::Execute`] when the running kernel refuses.
    pub fn execute(self) -> Result<Infallible, Error> {
        reboot(RebootMode::RB_KEXEC).map_err(|errno| Error::Execute {
            hint: match errno {
                nix::Error::EINVAL => {
                    "no kernel is loaded any more, or this kernel was built without CONFIG_KEXEC_CORE"
                }
                nix::Error::EPERM => "CAP_SYS_BOOT is needed",
                nix::Error::EBUSY => "another kexec or crash dump is under way",
                _ => "see the system's error",
            },
            source: errno.into(),
        })
    }

    /// Frees it without jumping.
    ///
    /// # Errors
    /// Those of [`Kexec::unload`].
    pub fn unload(self) -> Result<(), Error> {
        Kexec::unload(self.flags)
    }
}

/// Is a kernel loaded? From `/sys/kernel/kexec_loaded`.
///
/// # Errors
/// [`Error::Io`] when /sys is not mounted or the kernel has no kexec.
pub fn is_loaded() -> Result<bool, Error> {
    let io =
        |source| Error::Io { what: "read /sys/kernel/kexec_loaded (is /sys mounted? has the kernel kexec?)", source };
    let mut text = String::new();
    fs::File::open("/sys/kernel/kexec_loaded").and_then(|file| file.take(16).read_to_string(&mut text)).map_err(io)?;
    Ok(text.trim() == "1")
}

/// What an errno of `kexec_file_load` means. Sources: kexec_file_load(2), kernel/kexec_file.c, fs/kernel_read_file.c.
pub(crate) fn explain(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::ENOEXEC) => "the running kernel does not recognise the image as a kernel for this machine",
        Some(libc::ENOSYS) => {
            "the running kernel has no kexec_file_load (CONFIG_KEXEC_FILE is off, or a sandbox hides it)"
        }
        Some(libc::EPERM) => {
            "not permitted: CAP_SYS_BOOT is needed; or kernel lockdown (Secure Boot) or kernel.kexec_load_disabled=1 forbids it"
        }
        Some(libc::EBUSY) => "another kexec load or a crash dump is under way; try again",
        Some(libc::ENOMEM) => {
            "not enough memory: loading holds about three times the initrd, and the room that the kernel asks for"
        }
        Some(libc::EADDRNOTAVAIL) => {
            "no hole in physical memory is large enough for a segment: the initrd is too large for this machine"
        }
        Some(libc::EINVAL) => "the command line is too long, or a flag or the image's header is not accepted",
        Some(libc::EFBIG) => "a file is too large for the running kernel (2 GiB before Linux 5.10)",
        Some(libc::ETXTBSY) => "the kernel or initrd file is still open for writing elsewhere",
        Some(libc::EBADF) => "the kernel or initrd descriptor is not open for reading",
        Some(libc::EKEYREJECTED | libc::ENOKEY | libc::ENODATA | libc::EBADMSG) => {
            "the kernel's signature is missing or not trusted, and the running kernel demands one (Secure Boot)"
        }
        Some(libc::ENOENT) => "nothing to load from: the file is empty or its file system cannot be read",
        _ => "see the system's error",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn every_expected_errno_is_explained() {
        for errno in [
            libc::ENOEXEC,
            libc::ENOSYS,
            libc::EPERM,
            libc::EBUSY,
            libc::ENOMEM,
            libc::EADDRNOTAVAIL,
            libc::EINVAL,
            libc::EFBIG,
            libc::ETXTBSY,
            libc::EBADF,
            libc::EKEYREJECTED,
        ] {
            assert_ne!(explain(&io::Error::from_raw_os_error(errno)), "see the system's error", "errno {errno}");
        }
        assert_eq!(explain(&io::Error::from_raw_os_error(libc::EXDEV)), "see the system's error");
    }

    #[test]
    fn a_foreign_file_is_refused_before_the_system_call() {
        let file = crate::memfd(c"x").unwrap();
        file.set_len(4096).unwrap();
        match Kexec::load(&file, None::<&fs::File>, "quiet", Flags::default()) {
            Err(Error::Image(crate::ImageError::Unknown { .. })) => {}
            other => panic!("expected a refusal of the image, got {other:?}"),
        }
    }
}
