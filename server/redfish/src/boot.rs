//! What a system boots from next (DSP2046, ComputerSystem/Boot). No list of boot options, no order of them.

use crate::client::Client;
use crate::error::RedfishError;
use crate::json;
use serde_json::{Value, json};

/// A kind of boot device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootDevice {
    /// No override.
    None,
    /// Network.
    Pxe,
    /// Default hard disk.
    Hdd,
    /// CD, virtual media too.
    Cd,
    /// The firmware's set-up.
    BiosSetup,
}

impl BootDevice {
    fn word(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Pxe => "Pxe",
            Self::Hdd => "Hdd",
            Self::Cd => "Cd",
            Self::BiosSetup => "BiosSetup",
        }
    }
}

/// For how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasts {
    /// The next boot.
    Once,
    /// Every boot from now on.
    Continuous,
}

/// In which mode the firmware boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootMode {
    /// UEFI.
    Uefi,
    /// BIOS.
    Legacy,
}

impl BootMode {
    fn word(self) -> &'static str {
        match self {
            Self::Uefi => "UEFI",
            Self::Legacy => "Legacy",
        }
    }
}

/// The override as the service tells it, in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    /// `Disabled`, `Once` or `Continuous`.
    pub enabled: Option<String>,
    /// `Pxe`, `Hdd`, …
    pub target: Option<String>,
    /// `UEFI` or `Legacy`.
    pub mode: Option<String>,
    /// Targets that can be set; empty: not told.
    pub offered: Vec<String>,
}

const TARGET: &str = "BootSourceOverrideTarget";
const ENABLED: &str = "BootSourceOverrideEnabled";
const MODE: &str = "BootSourceOverrideMode";

impl Client {
    /// The boot override as it is now.
    pub async fn boot(&self) -> Result<Boot, RedfishError> {
        let (link, system) = self.system().await?;
        let boot = json::at(&system.body, &["Boot"]);
        if !boot.is_object() {
            return Err(RedfishError::NotSupported(format!("boot override ({link} has no Boot)")));
        }
        let offered = allowed(boot, TARGET).unwrap_or_default();
        Ok(Boot {
            enabled: json::text(boot, ENABLED),
            target: json::text(boot, TARGET),
            mode: json::text(boot, MODE),
            offered: offered.into_iter().map(|word| json::clean(word, 64)).take(64).collect(),
        })
    }

    /// Sets it. The answer is what has to be known besides, for people: empty when all was set as asked. The mode is
    /// sent only where the system has another now: some services refuse it altogether.
    pub async fn boot_override(
        &self,
        device: BootDevice,
        lasts: Lasts,
        mode: BootMode,
    ) -> Result<Vec<String>, RedfishError> {
        let (link, system) = self.system().await?;
        let boot = json::at(&system.body, &["Boot"]);
        if !boot.is_object() {
            return Err(RedfishError::NotSupported(format!("boot override ({link} has no Boot)")));
        }
        let mut notes = Vec::new();
        let enabled = match (device, lasts) {
            (BootDevice::None, _) => "Disabled",
            (_, Lasts::Once) => "Once",
            (_, Lasts::Continuous) => "Continuous",
        };
        if device != BootDevice::None {
            check(boot, TARGET, device.word())?;
            check(boot, ENABLED, enabled)?;
        }
        let mut change = json!({ENABLED: enabled, TARGET: device.word()});
        match json::raw(boot, MODE) {
            _ if device == BootDevice::None => {}
            None => notes
                .push(format!("the boot mode was not set: this service does not offer it (wanted {})", mode.word())),
            Some(now) if now == mode.word() => {}
            Some(_) => {
                check(boot, MODE, mode.word())?;
                if let Some(change) = change.as_object_mut() {
                    change.insert(MODE.into(), mode.word().into());
                }
            }
        }
        self.patch(link, &system, &json!({"Boot": change})).await?;
        Ok(notes)
    }
}

fn allowed<'a>(boot: &'a Value, property: &str) -> Option<Vec<&'a str>> {
    json::words(boot, &format!("{property}@Redfish.AllowableValues"))
}

fn check(boot: &Value, property: &str, wanted: &str) -> Result<(), RedfishError> {
    match allowed(boot, property) {
        Some(offered) if !offered.contains(&wanted) => {
            let offered = json::clean(&offered.join(", "), 200);
            Err(RedfishError::NotSupported(format!("{property} {wanted} (it offers: {offered})")))
        }
        _ => Ok(()),
    }
}
