//! `kexec_file_load` of the verified kernel and the packed initramfs; after it, the new kernel waits in memory.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use kexec_rs::{Flags, KernelInfo, Kexec, Loaded};

use super::{Done, Policy, Step, StepError};
use crate::explain;
use crate::memory::mib;

/// The load step.
pub struct Load {
    /// The verified kernel.
    pub kernel: Arc<File>,
    /// The whole initramfs.
    pub initrd: Arc<File>,
    /// Of the second stage.
    pub cmdline: String,
}

impl Step for Load {
    type Output = Loaded;

    fn policy(&self) -> Policy {
        Policy {
            step: higuma_proto::steps::LOAD,
            deadline: Duration::from_secs(300),
            attempts: 2,
            pause: Duration::from_secs(2),
        }
    }

    async fn attempt(&mut self) -> Result<Done<Loaded>, StepError> {
        let (kernel, initrd, cmdline) = (self.kernel.clone(), self.initrd.clone(), self.cmdline.clone());
        let size = initrd.metadata().map(|m| m.len()).unwrap_or(0);
        let work = move || {
            let info = KernelInfo::from_file(&kernel)?;
            let loaded = Kexec::load(&*kernel, Some(&*initrd), &cmdline, Flags::default())?;
            Ok::<_, kexec_rs::Error>((info, loaded))
        };
        let (info, loaded) = tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| StepError::again("loading broke off"))?
            .map_err(|e| StepError::again(explain::chain(&e)))?;
        let message = format!("kernel {}, initramfs {}", info.release().unwrap_or("of unknown release"), mib(size));
        Ok(Done { value: loaded, message })
    }
}
