//! One attempt to carry a plan out: memory, download, pack, load, jump. Keeps verified parts for the next attempt.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use higuma_initramfs::second_stage::{BESIDE, INIT};
use higuma_proto::agent::{BootPlan, Part};

use super::Stage;
use crate::decide::Way;
use crate::second::handover::Handover;
use crate::steps::download::Download;
use crate::steps::pack::{Inputs, Own, Pack};
use crate::steps::{self, StepError, kexec, load, memory};

/// Verified parts by sha256.
pub type Parts = HashMap<String, File>;

/// For telling the server of neighbours heard just now.
const NEWS: Duration = Duration::from_secs(3);

/// Does not come back when it works.
pub async fn boot(stage: &Stage, plan: &BootPlan, parts: &mut Parts) -> StepError {
    match try_boot(stage, plan, parts).await {
        Ok(never) => match never {},
        Err(e) => e,
    }
}

async fn try_boot(stage: &Stage, plan: &BootPlan, parts: &mut Parts) -> Result<std::convert::Infallible, StepError> {
    let agent = std::fs::metadata("/proc/self/exe").map(|m| m.len()).unwrap_or(0);
    // Parts of an earlier plan are in the way of this one.
    parts.retain(|sha256, _| plan.parts.iter().any(|p| &p.sha256 == sha256));
    let have = bytes(parts);
    let way = steps::run(&mut memory::Check { plan, agent, have }, &stage.journal).await?;
    if way == Some(Way::Streamed)
        && let Some(rootfs) = part(plan, "rootfs")
    {
        // Of an attempt that would have embedded it: the memory is wanted for other things now.
        parts.remove(&rootfs.sha256);
    }

    let wanted = plan.parts.iter().filter(|p| p.role != "rootfs" || way == Some(Way::Embedded)).cloned().collect();
    let mut download = Download {
        parts: wanted,
        deadline: Duration::from_secs(u64::from(plan.deadline_seconds.clamp(60, 24 * 3_600))),
        have: std::mem::take(parts),
        journal: stage.journal.clone(),
    };
    let downloaded = steps::run(&mut download, &stage.journal).await;
    *parts = download.have;
    downloaded?;

    let cmdline = cmdline(plan, way);
    let inputs = inputs(stage, plan, way, parts)?;
    let initrd = Arc::new(steps::run(&mut Pack(Some(inputs)), &stage.journal).await?);
    let kernel = Arc::new(take(plan, "kernel", parts)?);
    let mut load = load::Load { kernel, initrd, cmdline };
    let loaded = steps::run(&mut load, &stage.journal).await?;
    // The source of the initramfs is a whole copy of it: not needed any more.
    drop(load);
    // What a switch said in these seconds would be lost with this kernel.
    stage.neighbours.flush(NEWS).await;
    Err(kexec::jump(loaded, &stage.reporter, &stage.journal).await)
}

fn inputs(stage: &Stage, plan: &BootPlan, way: Option<Way>, parts: &mut Parts) -> Result<Inputs, StepError> {
    let Some(way) = way else {
        return Ok(Inputs { first: take(plan, "initrd", parts)?, own: None });
    };
    let handover = Handover::of(
        plan,
        way,
        &stage.session.callback,
        &stage.address.grpc,
        stage.args.boot_mac.clone(),
        stage.journal.batch(500),
    );
    let handover =
        serde_json::to_vec(&handover).map_err(|e| StepError::last(format!("cannot write the hand-over: {e}")))?;
    Ok(Inputs {
        first: take(plan, if way == Way::Beside { "initrd" } else { "modules" }, parts)?,
        own: Some(Own {
            handover,
            ca_pem: stage.address.ca_pem.clone(),
            server_name: stage.address.server_name.clone(),
            rootfs: if way == Way::Embedded { Some(take(plan, "rootfs", parts)?) } else { None },
            beside: way == Way::Beside,
        }),
    })
}

fn bytes(parts: &Parts) -> u64 {
    parts.values().filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).sum()
}

fn part<'p>(plan: &'p BootPlan, role: &str) -> Option<&'p Part> {
    plan.parts.iter().find(|p| p.role == role)
}

fn take(plan: &BootPlan, role: &str, parts: &mut Parts) -> Result<File, StepError> {
    part(plan, role)
        .and_then(|p| parts.remove(&p.sha256))
        .ok_or_else(|| StepError::again(format!("the {role} was not downloaded")))
}

/// The plan's command line and, where we run in the second stage, what we need there. Nothing in it is secret.
fn cmdline(plan: &BootPlan, way: Option<Way>) -> String {
    // What stands behind a lone `--` is the init's.
    let (ours, init) = match plan.cmdline.trim().split_once(" -- ") {
        Some((ours, init)) => (ours, format!(" -- {init}")),
        None => (plan.cmdline.trim(), String::new()),
    };
    let mut line = ours.to_owned();
    let mut add = |word: &str| {
        let key = word.split('=').next().unwrap_or(word);
        let there = line.split_ascii_whitespace().any(|w| w.split('=').next() == Some(key));
        if !there {
            line.push(' ');
            line.push_str(word);
        }
    };
    add("panic=60");
    match way {
        None => {}
        // The last one counts: the plan's own is what we hand over to.
        Some(Way::Beside) => line.push_str(&format!(" rdinit={BESIDE}{INIT}")),
        Some(_) => add("rdinit=/init"),
    }
    format!("{}{init}", line.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_parts_are_counted() -> std::io::Result<()> {
        let file = || {
            let file = tempfile::tempfile()?;
            file.set_len(1_000).map(|()| file)
        };
        let parts = Parts::from([("a".to_owned(), file()?), ("b".to_owned(), file()?)]);
        assert_eq!((bytes(&parts), bytes(&Parts::new())), (2_000, 0));
        Ok(())
    }

    #[test]
    fn the_command_line_gets_only_what_it_lacks() {
        let plan = |cmdline: &str| BootPlan { cmdline: cmdline.to_owned(), ..BootPlan::default() };
        let own = Some(Way::Embedded);
        assert_eq!(cmdline(&plan("console=ttyS0 quiet"), own), "console=ttyS0 quiet panic=60 rdinit=/init");
        assert_eq!(cmdline(&plan("panic=5 rdinit=/x"), own), "panic=5 rdinit=/x");
        assert_eq!(cmdline(&plan("rdinit=/x"), Some(Way::Beside)), "rdinit=/x panic=60 rdinit=/.higuma/init");
        assert_eq!(cmdline(&plan(""), None), "panic=60");
        assert_eq!(cmdline(&plan("a -- b c"), Some(Way::Beside)), "a panic=60 rdinit=/.higuma/init -- b c");
    }
}
