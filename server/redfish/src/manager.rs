//! The manager: the BMC itself (DSP2046, Manager).

use crate::client::Client;
use crate::error::RedfishError;
use crate::json;
use crate::link::Link;
use crate::power::ResetDone;
use crate::walk::tolerate;
use crate::wire::Answer;
use serde::Serialize;
use serde_json::{Value, json};

/// Most interfaces of one manager that are read.
const MOST: usize = 32;

/// A network interface of the BMC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Interface {
    /// `Id`.
    pub id: Option<String>,
    /// `Name`.
    pub name: Option<String>,
    /// The MAC in use, in lower case.
    pub mac: Option<String>,
    /// The one it was made with.
    pub permanent_mac: Option<String>,
    /// IPv4 and IPv6 addresses.
    pub addresses: Vec<String>,
    /// Host name.
    pub host_name: Option<String>,
}

impl Client {
    /// The manager of the system: the one it names, else the only one there is.
    pub(crate) async fn manager_link(&self) -> Result<Link, RedfishError> {
        let (_, system) = self.system().await?;
        if let Some(link) = json::links(json::at(&system.body, &["Links"]), "ManagedBy").into_iter().next() {
            return Ok(link);
        }
        self.only_manager().await
    }

    pub(crate) async fn only_manager(&self) -> Result<Link, RedfishError> {
        let none = || RedfishError::NotSupported("the manager (no link to it)".into());
        let members = self.members(&json::link(&self.root, "Managers").ok_or_else(none)?, 2).await?;
        let mut links = members.items.iter().filter_map(json::own);
        match (links.next(), links.next()) {
            (Some(only), None) => Ok(only),
            _ => Err(none()),
        }
    }

    pub(crate) async fn manager(&self) -> Result<(Link, Answer), RedfishError> {
        let link = self.manager_link().await?;
        let answer = self.get(&link).await?;
        Ok((link, answer))
    }

    /// Restarts the BMC. Its sessions, ours too, are gone afterwards; the next request may find nobody there.
    pub async fn manager_reset(&self) -> Result<ResetDone, RedfishError> {
        let choices: &[&str] = &["ForceRestart", "GracefulRestart"];
        let (_, manager) = self.manager().await?;
        let action = self.action(&manager.body, "#Manager.Reset", "reset of the manager").await?;
        let sent = match action.choose(choices) {
            Some(sent) => sent,
            None => {
                let offered = action.allowed.unwrap_or_default().join(", ");
                return Err(RedfishError::NotSupported(format!("restart of the manager (it offers: {offered})")));
            }
        };
        self.post(&action.target, &json!({"ResetType": sent})).await?;
        let note =
            (sent != "ForceRestart").then(|| format!("{sent} was sent: the service does not offer ForceRestart"));
        Ok(ResetDone { sent: Some(sent.into()), note })
    }

    /// The network interfaces of the manager: by their MACs and addresses a BMC is matched to a node.
    pub async fn manager_interfaces(&self) -> Result<Vec<Interface>, RedfishError> {
        self.within("the interfaces of the manager", async {
            let (link, manager) = self.manager().await?;
            let collection = json::link(&manager.body, "EthernetInterfaces").ok_or_else(|| {
                RedfishError::NotSupported(format!("interfaces of the manager ({link} has no EthernetInterfaces)"))
            })?;
            let mut problems = Vec::new();
            let found = self.resources(&collection, MOST, &mut problems).await?;
            if let (true, Some(problem)) = (found.is_empty(), problems.pop()) {
                return Err(RedfishError::malformed(format!("GET {collection}"), problem));
            }
            Ok(found.iter().map(|(_, value)| interface(value)).collect())
        })
        .await
    }

    /// Firmware version of the manager, where it can be read.
    pub(crate) async fn manager_firmware(&self, problems: &mut Vec<String>) -> Result<Option<String>, RedfishError> {
        let link = match self.manager_link().await {
            Err(RedfishError::WhichSystem { .. }) => self.only_manager().await,
            other => other,
        };
        let Some(link) = tolerate(link, problems)? else { return Ok(None) };
        Ok(tolerate(self.get(&link).await, problems)?.and_then(|answer| json::text(&answer.body, "FirmwareVersion")))
    }
}

fn interface(value: &Value) -> Interface {
    let addresses = ["IPv4Addresses", "IPv6Addresses"].into_iter().flat_map(|key| json::list(value, key));
    Interface {
        id: json::text(value, "Id"),
        name: json::text(value, "Name"),
        mac: json::text(value, "MACAddress").map(|mac| mac.to_ascii_lowercase()),
        permanent_mac: json::text(value, "PermanentMACAddress").map(|mac| mac.to_ascii_lowercase()),
        addresses: addresses.filter_map(|address| json::text(address, "Address")).take(64).collect(),
        host_name: json::text(value, "HostName"),
    }
}
