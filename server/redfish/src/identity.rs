//! What this service is, and whose: enough to match it to a node.

use crate::client::Client;
use crate::error::RedfishError;
use crate::json;
use crate::walk::{note, tolerate};
use serde::Serialize;

/// How this client logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Authentication {
    /// A session and its token.
    Session,
    /// Basic: the password goes along with each request.
    Basic,
}

/// Who answers here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// UUID of the service (not of the system).
    pub service_uuid: Option<String>,
    /// Version of the specification.
    pub redfish_version: Option<String>,
    /// Vendor of the service, else the system's manufacturer.
    pub vendor: Option<String>,
    /// Product of the service.
    pub product: Option<String>,
    /// SMBIOS UUID of the system, in lower case.
    pub system_uuid: Option<String>,
    /// Manufacturer of the system.
    pub manufacturer: Option<String>,
    /// Model of the system.
    pub model: Option<String>,
    /// Serial number of the system.
    pub serial: Option<String>,
    /// Firmware version of the manager.
    pub manager_firmware: Option<String>,
    /// How we are logged in.
    pub authentication: Authentication,
    /// What an operator should know: why something above is missing, Basic authentication.
    pub notes: Vec<String>,
}

impl Client {
    /// Who answers here. What cannot be read is missing, with a note.
    pub async fn identity(&self) -> Result<Identity, RedfishError> {
        self.within("identity", async {
            let mut notes = Vec::new();
            let authentication = if self.is_basic().await { Authentication::Basic } else { Authentication::Session };
            if authentication == Authentication::Basic {
                note(
                    &mut notes,
                    "this service has no sessions: Basic authentication, the password goes along with each request"
                        .into(),
                );
            }
            let system = tolerate(self.system().await, &mut notes)?.map(|(_, answer)| answer.body).unwrap_or_default();
            let manager_firmware = self.manager_firmware(&mut notes).await?;
            let lower = |value, key| json::text(value, key).map(|uuid| uuid.to_ascii_lowercase());
            let manufacturer = json::text(&system, "Manufacturer");
            Ok(Identity {
                service_uuid: lower(&self.root, "UUID"),
                redfish_version: json::text(&self.root, "RedfishVersion"),
                vendor: json::text(&self.root, "Vendor").or_else(|| manufacturer.clone()),
                product: json::text(&self.root, "Product"),
                system_uuid: lower(&system, "UUID"),
                manufacturer,
                model: json::text(&system, "Model"),
                serial: json::text(&system, "SerialNumber"),
                manager_firmware,
                authentication,
                notes,
            })
        })
        .await
    }
}
