//! Whether the root file system travels inside the second stage's initramfs (embedded) or is fetched by the second
//! stage itself (streamed). A pure decision of sizes; asks nobody.

use serde::{Deserialize, Serialize};

use crate::memory::mib;

/// A larger initramfs than this is not reliably placed or accepted by kernels, bytes.
const LARGEST_INITRD: u64 = (2 << 30) - (64 << 20);
/// What the system needs beside the root file system in either case, bytes.
const HEADROOM: u64 = 192 << 20;

/// How the root file system gets into the second stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// In the initramfs.
    Embedded,
    /// Downloaded by the second stage into a tmpfs.
    Streamed,
    /// There is none: the image's own initrd is the system, and ours stands beside it.
    Beside,
}

/// What the decision depends on, bytes.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// The kernel.
    pub kernel: u64,
    /// Everything else that goes into the initramfs.
    pub others: u64,
    /// The root file system.
    pub rootfs: u64,
    /// The plan's limit for embedding.
    pub embed_limit: u64,
    /// All memory.
    pub total: u64,
    /// Memory that can be had now.
    pub available: u64,
}

/// The way and the reason for it; or why neither works on this machine.
pub fn decide(s: &Sizes) -> Result<(Way, String), String> {
    let initrd = s.rootfs.saturating_add(s.others);
    let needed = kexec_rs::memory_needed(s.kernel, initrd);
    let half = s.total / 2;
    // Unpacked: the initramfs may fill half of RAM, and the modules in it grow about threefold.
    let unpacked = s.rootfs.saturating_add(s.others.saturating_mul(4));
    let against = if s.rootfs > s.embed_limit {
        Some(format!("it is larger than the plan's limit of {}", mib(s.embed_limit)))
    } else if initrd >= LARGEST_INITRD {
        Some("the initramfs would be 2 GiB or more".to_owned())
    } else if needed > s.available {
        Some(format!("loading would need {}, {} is available", mib(needed), mib(s.available)))
    } else if unpacked > half {
        Some(format!("unpacked it would need {} of the {} an initramfs may fill", mib(unpacked), mib(half)))
    } else {
        None
    };
    let Some(against) = against else {
        return Ok((
            Way::Embedded,
            format!(
                "root file system of {} embedded: loading needs {}, {} is available",
                mib(s.rootfs),
                mib(needed),
                mib(s.available)
            ),
        ));
    };
    let second_stage = s.rootfs.saturating_add(HEADROOM);
    if second_stage > s.total {
        return Err(format!(
            "a root file system of {} does not fit: embedding is out ({against}), and streaming needs {} of RAM, the machine has {}. \
             Use a smaller image or a machine with more memory",
            mib(s.rootfs),
            mib(second_stage),
            mib(s.total)
        ));
    }
    let small = kexec_rs::memory_needed(s.kernel, s.others);
    if small > s.available {
        return Err(format!("loading the kernel alone needs {}, {} is available", mib(small), mib(s.available)));
    }
    Ok((Way::Streamed, format!("root file system of {} streamed by the second stage: {against}", mib(s.rootfs))))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn sizes(rootfs: u64, total: u64) -> Sizes {
        Sizes {
            kernel: 8 * MIB,
            others: 12 * MIB,
            rootfs: rootfs * MIB,
            embed_limit: 512 * MIB,
            total: total * MIB,
            available: total * MIB * 9 / 10,
        }
    }

    #[test]
    fn small_is_embedded() {
        assert_eq!(decide(&sizes(100, 2048)).unwrap().0, Way::Embedded);
    }

    #[test]
    fn over_the_limit_is_streamed_and_says_why() {
        let (way, why) = decide(&sizes(600, 8192)).unwrap();
        assert_eq!(way, Way::Streamed);
        assert!(why.contains("limit of 512 MiB"), "{why}");
    }

    #[test]
    fn little_memory_is_streamed() {
        let (way, why) = decide(&sizes(300, 1024)).unwrap();
        assert_eq!(way, Way::Streamed);
        assert!(why.contains("available"), "{why}");
        let mut s = sizes(420, 900);
        s.available = u64::MAX;
        let (way, why) = decide(&s).unwrap();
        assert_eq!(way, Way::Streamed);
        assert!(why.contains("unpacked"), "{why}");
    }

    #[test]
    fn two_gigabytes_are_never_embedded() {
        let mut s = sizes(2000, 64 * 1024);
        s.embed_limit = u64::MAX;
        let (way, why) = decide(&s).unwrap();
        assert_eq!(way, Way::Streamed);
        assert!(why.contains("2 GiB"), "{why}");
    }

    #[test]
    fn what_fits_nowhere_is_refused_with_figures() {
        let why = decide(&sizes(1000, 512)).unwrap_err();
        assert!(why.contains("1000 MiB") && why.contains("512 MiB"), "{why}");
        let mut s = sizes(100, 512);
        s.available = 20 * MIB;
        s.rootfs = 100 * MIB;
        assert!(decide(&s).unwrap_err().contains("kernel alone"));
    }
}
