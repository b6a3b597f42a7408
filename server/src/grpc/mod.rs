//! The agents' service over TLS: parse, authorise, call the same use cases as JSON, answer. It decides nothing.

mod agent;
mod guard;
mod listen;
mod preface;

pub use listen::serve;

use crate::error::Error;
use tonic::Status;

/// Who may call a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody: the message itself carries the single-use nonce.
    Public,
    /// The first stage: the credential given at Register.
    Session,
    /// The second stage: the callback credential.
    Callback,
}

/// Every method, with who may call it; what is not here is refused.
pub const PERMISSIONS: &[(&str, Access)] = &[
    ("Register", Access::Public),
    ("ReportEvents", Access::Session),
    ("GetBootPlan", Access::Session),
    ("ReportUp", Access::Callback),
    ("Heartbeat", Access::Callback),
    ("GetFirmwarePlan", Access::Session),
    ("ReportFirmware", Access::Session),
    ("GetBmcPlan", Access::Session),
    ("ReportBmc", Access::Session),
];

/// An error as a status: the last step of a call. What is our fault is logged here, and not shown.
fn status(error: Error) -> Status {
    crate::http::failure::log_internal(&error);
    let message = error.to_string();
    match error {
        Error::BadRequest(_) => Status::invalid_argument(message),
        Error::Unauthorized(_) => Status::unauthenticated(message),
        Error::Forbidden(_) => Status::permission_denied(message),
        Error::NotFound(_) => Status::not_found(message),
        Error::Conflict(_) => Status::failed_precondition(message),
        Error::TooLarge(_) => Status::resource_exhausted(message),
        Error::Unavailable(_) => Status::unavailable(message),
        Error::Internal(_) => Status::internal(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_of_the_proto_has_a_permission() {
        let proto = include_str!("../../proto/proto/agent.proto");
        let methods: Vec<&str> =
            proto.lines().filter_map(|l| l.trim().strip_prefix("rpc ")?.split('(').next()).collect();
        let listed: Vec<&str> = PERMISSIONS.iter().map(|(method, _)| *method).collect();
        assert!(!methods.is_empty());
        assert_eq!(methods, listed);
        let public: Vec<_> = PERMISSIONS.iter().filter(|(_, a)| *a == Access::Public).collect();
        assert_eq!(public, [&("Register", Access::Public)]);
    }
}
