//! Collects what the machine is made of. See [`crate::collect`].

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use higuma_proto::agent::Inventory;

use super::{Done, Policy, Step, StepError};
use crate::collect::{self, SoFar};
use crate::console::say;
use crate::mounts;

/// After so long the boot goes on with what there is.
const PATIENCE: Duration = Duration::from_secs(25);

/// The inventory step.
pub struct Collect;

impl Step for Collect {
    type Output = Inventory;

    fn policy(&self) -> Policy {
        Policy {
            step: higuma_proto::steps::INVENTORY,
            deadline: Duration::from_secs(30),
            attempts: 2,
            pause: Duration::from_secs(1),
        }
    }

    async fn attempt(&mut self) -> Result<Done<Inventory>, StepError> {
        let so_far = Arc::new(Mutex::new(SoFar::default()));
        let kept = Arc::clone(&so_far);
        let collecting = tokio::task::spawn_blocking(move || collect_here(&kept));
        let inventory = match tokio::time::timeout(PATIENCE, collecting).await {
            Ok(whole) => whole.map_err(|_| StepError::again("collecting broke off"))?,
            // Something hangs in the kernel: what the others told must not be lost.
            Err(_) => {
                let so_far = std::mem::take(&mut *so_far.lock().unwrap_or_else(PoisonError::into_inner));
                so_far.given_up(PATIENCE.as_secs())
            }
        };
        Ok(Done { message: summary(&inventory), value: inventory })
    }
}

fn collect_here(so_far: &Mutex<SoFar>) -> Inventory {
    // The collector says what it misses by it.
    if let Some(problem) = mounts::mount_variables() {
        say(higuma_proto::steps::INVENTORY, &problem);
    }
    collect::collect_into(Path::new("/"), so_far)
}

fn summary(inventory: &Inventory) -> String {
    let system = inventory.system.clone().unwrap_or_default();
    let memory = inventory.memory.as_ref().map(|m| m.total_bytes).unwrap_or(0);
    let mut text = format!(
        "{} {} uuid {}, {} CPU(s), {} memory, {} disk(s), {} NIC(s)",
        system.manufacturer,
        system.product,
        if system.uuid.is_empty() { "unknown" } else { &system.uuid },
        inventory.cpus.len(),
        crate::memory::mib(memory),
        inventory.disks.len(),
        inventory.nics.len(),
    );
    if !inventory.errors.is_empty() {
        text.push_str(&format!(", {} source(s) not read", inventory.errors.len()));
    }
    text
}
