//! Collects what the machine is made of. See [`crate::collect`].

use std::path::Path;
use std::time::Duration;

use higuma_proto::agent::Inventory;

use super::{Done, Policy, Step, StepError};
use crate::console::say;
use crate::{collect, mounts};

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
        let inventory =
            tokio::task::spawn_blocking(collect_here).await.map_err(|_| StepError::again("collecting broke off"))?;
        Ok(Done { message: summary(&inventory), value: inventory })
    }
}

fn collect_here() -> Inventory {
    // The collector says what it misses by it.
    if let Some(problem) = mounts::mount_variables() {
        say(higuma_proto::steps::INVENTORY, &problem);
    }
    collect::collect(Path::new("/"))
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
