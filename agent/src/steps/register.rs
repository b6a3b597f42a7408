//! Binds this boot's nonce to the credential and gives the server the inventory. The same pair is sent on every retry, so
//! a lost answer costs nothing; a refusal is final, for only a new nonce (a restart) can change it.

use std::time::Duration;

use higuma_proto::agent::{Inventory, RegisterRequest, RegisterResponse, SourceError};
use prost::Message;
use tonic::Code;

use super::{Done, Policy, Step, StepError};
use crate::client::Client;
use crate::explain;

/// Bytes of an inventory that is told: beside it a message has little ([`higuma_proto::MAX_MESSAGE_BYTES`] in all).
const LARGEST: usize = 5 << 20;

/// The register step.
pub struct Register {
    /// To the server.
    pub client: Client,
    /// The same each time.
    pub request: RegisterRequest,
}

impl Step for Register {
    type Output = RegisterResponse;

    fn policy(&self) -> Policy {
        // About half an hour: the nonce does not live longer than that.
        Policy {
            step: higuma_proto::steps::REGISTER,
            deadline: Duration::from_secs(30),
            attempts: 40,
            pause: Duration::from_secs(1),
        }
    }

    async fn attempt(&mut self) -> Result<Done<RegisterResponse>, StepError> {
        match self.client.register(self.request.clone()).await {
            Ok(answer) => {
                let message = format!("boot {}", answer.boot_id);
                Ok(Done { value: answer, message })
            }
            Err(status) if is_refusal(status.code()) => {
                Err(StepError::last(format!("the server refused: {}", explain::status(&status))))
            }
            Err(status) => Err(StepError::again(explain::status(&status))),
        }
    }
}

/// An inventory that fits into a message: of a larger one (tables that lie) only what says who the machine is.
pub fn bounded(inventory: Inventory) -> Inventory {
    let bytes = inventory.encoded_len();
    if bytes <= LARGEST {
        return inventory;
    }
    let error = format!("an inventory of {bytes} bytes: at most {LARGEST} can be told, so this part was left out");
    let left_out = ["system", "cpus", "memory", "disks", "pci", "numa", "firmware", "tpm"].map(|section| SourceError {
        source: "collector".to_owned(),
        error: error.clone(),
        section: section.to_owned(),
    });
    let Inventory { system, nics, volatile, arch, boot_mode, .. } = inventory;
    let kept = Inventory { system, nics, volatile, arch, boot_mode, errors: left_out.to_vec(), ..Inventory::default() };
    if kept.encoded_len() <= LARGEST {
        return kept;
    }
    Inventory { nics: Vec::new(), volatile: None, ..kept }
}

/// Whether asking the same again cannot help.
pub fn is_refusal(code: Code) -> bool {
    matches!(
        code,
        Code::Unauthenticated
            | Code::PermissionDenied
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::FailedPrecondition
            | Code::Unimplemented
    )
}

#[cfg(test)]
mod tests {
    use higuma_proto::agent::{Dimm, Memory, Nic, System};

    use super::*;

    #[test]
    fn what_does_not_fit_into_a_message_is_left_out_and_said() {
        let nics = vec![Nic { mac: "52:54:00:00:00:01".to_owned(), ..Nic::default() }];
        let system = Some(System { serial: "SN-1".to_owned(), ..System::default() });
        let fits = Inventory { nics, system, ..Inventory::default() };
        assert_eq!(bounded(fits.clone()), fits);
        let dimm = Dimm { serial: "\u{fffd}".repeat(3_000), ..Dimm::default() };
        let memory = Some(Memory { dimms: vec![dimm; 1_000], ..Memory::default() });
        let told = bounded(Inventory { memory, ..fits.clone() });
        assert!(told.encoded_len() < LARGEST && told.memory.is_none());
        assert_eq!((told.nics, told.system), (fits.nics, fits.system));
        assert!(told.errors.iter().any(|e| e.section == "memory" && e.error.contains("at most 5242880")));
    }
}
