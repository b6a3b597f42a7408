//! The first stage in use: what every machine boots first.

use super::App;
use crate::domain::Sha256;
use crate::domain::boot::clean;
use crate::domain::image::Arch;
use crate::error::{Error, Result};
use crate::store::Tx;
use higuma_proto::api::{FirstStage, NewFirstStage};

/// Use this one from now on. Errors: blobs that are not there.
pub async fn put(app: &App, new: NewFirstStage) -> Result<FirstStage> {
    let arch: Arch = new.arch.parse()?;
    let (kernel, initramfs): (Sha256, Sha256) = (new.kernel.parse()?, new.initramfs.parse()?);
    let created_us = app.now();
    app.store
        .write(move |tx| {
            let stage = FirstStage {
                spec: NewFirstStage {
                    arch: arch.to_string(),
                    kernel: kernel.to_string(),
                    initramfs: initramfs.to_string(),
                    kernel_package: clean(&new.kernel_package, 200),
                    agent_version: clean(&new.agent_version, 100),
                    drivers: clean(&new.drivers, 40),
                },
                kernel_size: need(tx, &kernel, "kernel")?,
                initramfs_size: need(tx, &initramfs, "initramfs")?,
                created_us,
            };
            // Nodes may be in the middle of downloading the one before: its grace counts from now.
            if let Some(old) = tx.first_stage(arch)? {
                tx.put_blob(&old.spec.kernel.parse()?, old.kernel_size, created_us)?;
                tx.put_blob(&old.spec.initramfs.parse()?, old.initramfs_size, created_us)?;
            }
            tx.put_first_stage(&stage)?;
            Ok(stage)
        })
        .await
}

/// The one in use for `arch`.
pub async fn show(app: &App, arch: Arch) -> Result<FirstStage> {
    let stage = app.store.read(move |tx| tx.first_stage(arch)).await?;
    stage.ok_or_else(|| Error::NotFound(format!("there is no first stage for {arch}: run `higuma first-stage build`")))
}

fn need(tx: &mut Tx<'_>, sha256: &Sha256, what: &str) -> Result<u64> {
    let size = tx.blob(sha256)?;
    size.ok_or_else(|| Error::BadRequest(format!("the {what} blob {sha256} is not here: upload it first")))
}
