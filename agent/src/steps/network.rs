//! Gets an address. See [`crate::net`].

use std::time::Duration;

use super::{Done, Policy, Step, StepError};
use crate::journal::Journal;
use crate::net::{self, Network, Wanted};

/// The network step of both stages.
pub struct BringUp {
    /// What is needed.
    pub wanted: Wanted,
    /// Told about each interface that does not work.
    pub journal: Journal,
    /// Under which step it reports.
    pub name: &'static str,
}

impl Step for BringUp {
    type Output = Network;

    fn policy(&self) -> Policy {
        Policy { step: self.name, deadline: Duration::from_secs(180), attempts: 8, pause: Duration::from_secs(2) }
    }

    async fn attempt(&mut self) -> Result<Done<Network>, StepError> {
        let journal = self.journal.clone();
        let name = self.name;
        let tell = move |line: &str| journal.info(name, line);
        let network = net::bring_up(&self.wanted, &tell).await.map_err(StepError::again)?;
        let message = format!("{} {} via {}", network.interface, network.address, network.how);
        Ok(Done { value: network, message })
    }
}
