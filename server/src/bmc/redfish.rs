//! The interface by Redfish: words of ours to those of the client, and its errors to ours.

use super::media::{Image, shown, without_queries};
use super::{Access, BmcError, Info, Log, LogLine, Reading};
use crate::domain::bmc::{BmcAction, BootDevice, NextBoot, Power};
use higuma_proto::api::{BmcFirmware, BmcFirmwareList, BmcHardware, BmcMedia, BmcPart};
use higuma_redfish as wire;
use higuma_redfish::RedfishError;

/// An open session.
pub struct Talk(wire::Client);

fn error(error: RedfishError) -> BmcError {
    let words = error.to_string();
    match error {
        // A connection that broke may have brought the request over.
        RedfishError::Unreachable { .. } | RedfishError::Deadline { .. } => BmcError::Unclear(words),
        RedfishError::LoginRefused { .. } | RedfishError::CertificateChanged { .. } => BmcError::LoginRefused(words),
        RedfishError::Status { status: 503, .. } => BmcError::Busy(words),
        _ => BmcError::Refused(words),
    }
}

/// A question can be asked again; nothing about it is unclear.
fn question(failed: RedfishError) -> BmcError {
    match error(failed) {
        BmcError::Unclear(words) => BmcError::Silent(words),
        other => other,
    }
}

impl Talk {
    pub async fn open(access: &Access) -> Result<Self, BmcError> {
        let host = match access.address {
            std::net::IpAddr::V4(address) => address.to_string(),
            std::net::IpAddr::V6(address) => format!("[{address}]"),
        };
        let port = access.port.map(|port| format!(":{port}")).unwrap_or_default();
        let fingerprint = access.certificate.as_deref().map(str::parse).transpose().map_err(error)?;
        let target = wire::Target {
            url: format!("https://{host}{port}"),
            allow_http: false,
            user: access.user.clone(),
            password: wire::Secret::new(access.password.as_str()),
            fingerprint,
            system: None,
            limits: wire::Limits::default(),
        };
        wire::Client::connect(&target).await.map(Self).map_err(question)
    }

    pub fn certificate(&self) -> Option<String> {
        self.0.fingerprint().map(|fingerprint| fingerprint.to_string())
    }

    pub async fn close(self) {
        // One that does not answer any more forgets the session by itself.
        let _ = self.0.close().await;
    }

    pub async fn power(&mut self) -> Result<Power, BmcError> {
        use wire::PowerState::{Off, On, PoweringOff, PoweringOn};
        Ok(match self.0.power().await.map_err(question)? {
            On | PoweringOff => Power::On,
            Off | PoweringOn => Power::Off,
        })
    }

    pub async fn act(&mut self, action: BmcAction) -> Result<String, BmcError> {
        let kind = match action {
            BmcAction::PowerOn => wire::ResetKind::On,
            BmcAction::PowerOff => wire::ResetKind::ForceOff,
            BmcAction::SoftOff => wire::ResetKind::GracefulShutdown,
            BmcAction::PowerCycle => wire::ResetKind::PowerCycle,
            BmcAction::Reset => wire::ResetKind::ForceRestart,
            BmcAction::Nmi => wire::ResetKind::Nmi,
            BmcAction::BootDevice(next) => return self.boot(next).await,
            BmcAction::Identify(seconds) => {
                self.0.identify(seconds > 0).await.map_err(error)?;
                // Redfish has no timer.
                return Ok(
                    if seconds > 0 { "the LED is on until it is told otherwise" } else { "the LED is off" }.into()
                );
            }
            BmcAction::BmcReset => return self.0.manager_reset().await.map(told).map_err(error),
            BmcAction::ClearLog => {
                self.0.clear_log().await.map_err(error)?;
                return Ok("the event log is empty".to_owned());
            }
            BmcAction::RotatePassword => return Err(super::not_one_request()),
        };
        self.0.reset(kind).await.map(told).map_err(error)
    }

    async fn boot(&mut self, next: NextBoot) -> Result<String, BmcError> {
        let device = match next.device {
            BootDevice::None => wire::BootDevice::None,
            BootDevice::Pxe => wire::BootDevice::Pxe,
            BootDevice::Disk => wire::BootDevice::Hdd,
            BootDevice::Cd => wire::BootDevice::Cd,
            BootDevice::Bios => wire::BootDevice::BiosSetup,
        };
        let lasts = if next.persistent { wire::Lasts::Continuous } else { wire::Lasts::Once };
        let mode = if next.uefi { wire::BootMode::Uefi } else { wire::BootMode::Legacy };
        let notes = self.0.boot_override(device, lasts, mode).await.map_err(error)?;
        Ok(if notes.is_empty() { "set".to_owned() } else { notes.join("; ") })
    }

    pub async fn info(&mut self) -> Result<Info, BmcError> {
        let identity = self.0.identity().await.map_err(question)?;
        // Not every manager shows its interfaces; of several nobody knows which one is used.
        let mac = match self.0.manager_interfaces().await.as_deref() {
            Ok([one]) => one.permanent_mac.clone().or_else(|| one.mac.clone()),
            _ => None,
        };
        Ok(Info {
            firmware: identity.manager_firmware.unwrap_or_default(),
            uuids: identity.system_uuid.into_iter().collect(),
            mac,
            notes: identity.notes,
        })
    }

    pub async fn sensors(&mut self) -> Result<Vec<Reading>, BmcError> {
        let sensors = self.0.sensors().await.map_err(question)?;
        let reading = |sensor: wire::Sensor| Reading {
            name: sensor.name,
            value: sensor.reading,
            unit: sensor.unit.unwrap_or_default(),
            state: sensor.health.or(sensor.state).unwrap_or_default().to_lowercase(),
        };
        Ok(sensors.sensors.into_iter().take(super::MOST).map(reading).collect())
    }

    pub async fn hardware(&mut self) -> Result<BmcHardware, BmcError> {
        let found = self.0.inventory().await.map_err(question)?;
        let text = Option::unwrap_or_default;
        let processors = found.processors.into_iter().map(|p| {
            let count = |n: Option<u64>, what: &str| n.map(|n| format!("{n} {what}"));
            let detail: Vec<String> =
                [count(p.cores, "cores"), count(p.threads, "threads")].into_iter().flatten().collect();
            let (place, manufacturer, model) = (text(p.slot), text(p.manufacturer), text(p.model));
            let detail = detail.join(", ");
            BmcPart { kind: "processor".into(), place, manufacturer, model, detail, ..BmcPart::default() }
        });
        let memory = found.memory.into_iter().map(|m| BmcPart {
            kind: "memory".into(),
            place: text(m.slot),
            manufacturer: text(m.manufacturer),
            model: text(m.part),
            serial: text(m.serial),
            size_bytes: m.mib.and_then(|mib| mib.checked_mul(1 << 20)),
            detail: text(m.kind),
            health: String::new(),
        });
        let drives = found.drives.into_iter().map(|d| {
            let detail: Vec<String> = [d.media, d.protocol].into_iter().flatten().collect();
            BmcPart {
                kind: "drive".into(),
                place: text(d.name),
                model: text(d.model),
                serial: text(d.serial),
                size_bytes: d.bytes,
                detail: detail.join(" "),
                health: text(d.health).to_lowercase(),
                ..BmcPart::default()
            }
        });
        let nics = found.nics.into_iter().map(|n| {
            let speed = n.mbps.filter(|mbps| *mbps > 0).map(|mbps| format!("{mbps} Mbit/s"));
            let detail: Vec<String> = [n.link, speed].into_iter().flatten().collect();
            let (place, serial) = (text(n.id), text(n.mac));
            BmcPart { kind: "nic".into(), place, serial, detail: detail.join(" "), ..BmcPart::default() }
        });
        Ok(BmcHardware {
            manufacturer: text(found.manufacturer),
            model: text(found.model),
            serial: text(found.serial),
            sku: text(found.sku),
            bios: text(found.bios),
            parts: processors.chain(memory).chain(drives).chain(nics).collect(),
            problems: found.problems,
        })
    }

    pub async fn firmware(&mut self) -> Result<BmcFirmwareList, BmcError> {
        let found = self.0.firmware().await.map_err(question)?;
        let item = |f: wire::Firmware| BmcFirmware {
            id: f.id.unwrap_or_default(),
            name: f.name.unwrap_or_default(),
            version: f.version.unwrap_or_default(),
            updateable: f.updateable,
        };
        Ok(BmcFirmwareList { items: found.firmware.into_iter().map(item).collect(), problems: found.problems })
    }

    pub async fn media(&mut self) -> Result<Vec<BmcMedia>, BmcError> {
        let item = |m: wire::Media| BmcMedia {
            slot: m.id.unwrap_or(m.path),
            name: m.name.unwrap_or_default(),
            kinds: m.kinds,
            image: m.image.as_deref().map(shown).unwrap_or_default(),
            inserted: m.inserted,
            write_protected: m.write_protected,
        };
        Ok(self.0.virtual_media().await.map_err(question)?.into_iter().map(item).collect())
    }

    pub async fn attach(&mut self, image: &Image, slot: Option<&str>) -> Result<String, BmcError> {
        let medium = slot.map_or(wire::Medium::Cd, |slot| wire::Medium::Slot(slot.to_owned()));
        let done = self.0.insert(image.as_str(), &medium).await;
        done.map_err(|failed| error(failed).reworded(|words| image.scrub(words)))
    }

    pub async fn detach(&mut self, slot: Option<&str>) -> Result<usize, BmcError> {
        self.0.eject(slot).await.map_err(|failed| error(failed).reworded(without_queries))
    }

    pub async fn set_password(&mut self, user: &str, password: &str) -> Result<(), BmcError> {
        self.0.set_password(user, &wire::Secret::new(password)).await.map_err(error)
    }

    pub async fn log(&mut self, most: usize) -> Result<Log, BmcError> {
        let log = self.0.log_entries(most).await.map_err(question)?;
        let line = |entry: wire::LogEntry| LogLine {
            id: entry.id.unwrap_or_default(),
            at: entry.created.unwrap_or_default(),
            message: entry.message,
            severity: entry.severity.unwrap_or_default().to_lowercase(),
        };
        Ok(Log { lines: log.entries.into_iter().map(line).collect(), problems: log.problems })
    }
}

fn told(done: wire::ResetDone) -> String {
    match (done.sent, done.note) {
        (Some(sent), None) => format!("{sent} was accepted"),
        (Some(sent), Some(note)) => format!("{sent} was accepted; {note}"),
        (None, note) => note.unwrap_or_else(|| "there was nothing to do".to_owned()),
    }
}
