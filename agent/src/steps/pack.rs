//! Packs the second stage's initramfs in memory: the image's modules (or its own initrd), then, for a root file system,
//! this very binary as `/init` with its hand-over file; beside an initrd that is the whole system, apart from all of its files.

use std::fs::File;
use std::time::Duration;

use higuma_initramfs::second_stage::{self, Contents};
use kexec_rs::{Concat, Part};

use super::{Done, Policy, Step, StepError};
use crate::explain;
use crate::memory::mib;

/// What goes in.
pub struct Inputs {
    /// The image's modules part, or its initrd.
    pub first: File,
    /// Ours; none: the image's kernel and initrd boot alone.
    pub own: Option<Own>,
}

/// The agent's own part.
pub struct Own {
    /// The hand-over file, JSON.
    pub handover: Vec<u8>,
    /// Our certificate authority, PEM.
    pub ca_pem: String,
    /// The DNS name of the installation.
    pub server_name: String,
    /// The root file system when it is embedded.
    pub rootfs: Option<File>,
    /// `first` is the image's whole system.
    pub beside: bool,
}

/// The pack step; its inputs are used up.
pub struct Pack(pub Option<Inputs>);

impl Step for Pack {
    type Output = File;

    fn policy(&self) -> Policy {
        Policy {
            step: higuma_proto::steps::PACK,
            deadline: Duration::from_secs(180),
            attempts: 1,
            pause: Duration::from_secs(1),
        }
    }

    async fn attempt(&mut self) -> Result<Done<File>, StepError> {
        let inputs = self.0.take().ok_or_else(|| StepError::last("there is nothing left to pack"))?;
        let file = tokio::task::spawn_blocking(move || pack(inputs))
            .await
            .map_err(|_| StepError::last("packing broke off"))?
            .map_err(StepError::last)?;
        let size = file.metadata().map(|m| m.len()).unwrap_or(0);
        Ok(Done { value: file, message: mib(size) })
    }
}

fn pack(inputs: Inputs) -> Result<File, String> {
    let mut out = Concat::new().map_err(|e| explain::chain(&e))?;
    let beside = inputs.own.as_ref().is_some_and(|own| own.beside);
    let mut first = Some(inputs.first);
    if !beside && let Some(first) = first.take() {
        out.part(Part::Consume(first)).map_err(|e| explain::chain(&e))?;
    }
    if let Some(own) = inputs.own {
        let agent = File::open("/proc/self/exe").map_err(|e| format!("cannot open this agent's own binary: {e}"))?;
        let contents = Contents {
            agent: &agent,
            plan_json: &own.handover,
            ca_pem: own.ca_pem.as_bytes(),
            server_name: &own.server_name,
            rootfs: own.rootfs.as_ref(),
            beside: own.beside,
        };
        out = second_stage::write(&contents, out).map_err(|e| explain::chain(&e))?;
    }
    // Behind ours: what ends an initrd, and how the kernel reads on behind it, hangs on how it is packed.
    if let Some(initrd) = first {
        out.part(Part::Consume(initrd)).map_err(|e| explain::chain(&e))?;
    }
    out.finish().map_err(|e| explain::chain(&e))
}
