//! Binds this boot's nonce to the credential and gives the server the inventory. The same pair is sent on every retry, so
//! a lost answer costs nothing; a refusal is final, for only a new nonce (a restart) can change it.

use std::time::Duration;

use higuma_proto::agent::{RegisterRequest, RegisterResponse};
use tonic::Code;

use super::{Done, Policy, Step, StepError};
use crate::client::Client;
use crate::explain;

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
