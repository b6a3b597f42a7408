//! Decides, before anything is downloaded, how the root file system travels, and refuses what cannot fit. The decision
//! itself is in [`crate::decide`].

use std::time::Duration;

use higuma_proto::agent::BootPlan;

use super::{Done, Policy, Step, StepError};
use crate::decide::{Sizes, Way, decide};
use crate::memory::{self, mib};

/// The memory step.
pub struct Check<'p> {
    /// What is to be booted.
    pub plan: &'p BootPlan,
    /// Size of this agent's binary, bytes.
    pub agent: u64,
    /// Bytes of the plan's parts that an earlier attempt left in memory: counted as needed, so also as available.
    pub have: u64,
}

impl Step for Check<'_> {
    /// `None`: the image's kernel and initrd boot alone.
    type Output = Option<Way>;

    fn policy(&self) -> Policy {
        Policy {
            step: higuma_proto::steps::MEMORY,
            deadline: Duration::from_secs(5),
            attempts: 1,
            pause: Duration::from_secs(1),
        }
    }

    async fn attempt(&mut self) -> Result<Done<Option<Way>>, StepError> {
        let mut memory = memory::now().map_err(StepError::last)?;
        memory.available = memory.available.saturating_add(self.have);
        let size = |role: &str| self.plan.parts.iter().filter(|p| p.role == role).map(|p| p.size).sum::<u64>();
        let (kernel, rootfs) = (size("kernel"), size("rootfs"));
        if rootfs == 0 {
            let beside = self.plan.beside_initrd;
            let needed = kexec_rs::memory_needed(kernel, size("initrd") + if beside { self.agent } else { 0 });
            if needed > memory.available {
                return Err(StepError::last(format!(
                    "loading kernel and initrd needs {}, {} is available: use a smaller image or more memory",
                    mib(needed),
                    mib(memory.available)
                )));
            }
            let message = format!(
                "kernel and initrd{}: loading needs {}, {} is available",
                if beside { ", which is the whole system" } else { " only" },
                mib(needed),
                mib(memory.available)
            );
            return Ok(Done { value: beside.then_some(Way::Beside), message });
        }
        let sizes = Sizes {
            kernel,
            others: size("modules") + self.agent,
            rootfs,
            embed_limit: self.plan.embed_limit_bytes,
            total: memory.total,
            available: memory.available,
        };
        let (way, message) = decide(&sizes).map_err(StepError::last)?;
        Ok(Done { value: Some(way), message })
    }
}
