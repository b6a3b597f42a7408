//! The interface by IPMI over the LAN (RMCP+): words of ours to commands, and its errors to ours.

use super::{Access, BmcError, Info, LogLine, Reading};
use crate::domain::bmc::{BmcAction, BootDevice, NextBoot, Power};
use higuma_ipmi::command as wire;
use higuma_ipmi::command::lan::{GetLan, LanMac};
use higuma_ipmi::command::user::{GetUserAccess, GetUserName, PasswordAction, SetUserPassword, Storage};
use higuma_ipmi::command::{ChassisControl, ChassisIdentify, GetChassisStatus, GetDeviceId, GetSystemGuid};
use higuma_ipmi::lan::{LanError, Session, Target};
use higuma_ipmi::{Command, Password, ops};
use std::net::SocketAddr;
use uuid::Uuid;

/// An open session.
pub struct Talk(Session);

fn error(error: LanError) -> BmcError {
    let words = error.to_string();
    match &error {
        LanError::User(_) | LanError::Password(_) => BmcError::LoginRefused(words),
        _ if error.may_be_done() => BmcError::Unclear(words),
        LanError::NoAnswer { .. } => BmcError::Silent(words),
        _ if error.may_pass() => BmcError::Busy(words),
        _ => BmcError::Refused(words),
    }
}

/// A question can be asked again; nothing about it is unclear.
fn question(failed: LanError) -> BmcError {
    match error(failed) {
        BmcError::Unclear(words) => BmcError::Silent(words),
        other => other,
    }
}

impl Talk {
    pub async fn open(access: &Access) -> Result<Self, BmcError> {
        let address = SocketAddr::new(access.address, access.port.unwrap_or(Target::PORT));
        let target = Target::new(address, access.user.clone(), Password::new(access.password.to_string()));
        Session::open(&target).await.map(Self).map_err(question)
    }

    /// The session itself, for the console that goes on in it.
    pub(super) fn session(&mut self) -> &mut Session {
        &mut self.0
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.is_over()
    }

    async fn ask<C: Command>(&mut self, command: &C) -> Result<C::Answer, BmcError> {
        self.0.call(command).await.map_err(question)
    }

    async fn order<C: Command>(&mut self, command: &C) -> Result<C::Answer, BmcError> {
        self.0.call(command).await.map_err(error)
    }

    pub async fn power(&mut self) -> Result<Power, BmcError> {
        Ok(if self.ask(&GetChassisStatus).await?.power { Power::On } else { Power::Off })
    }

    pub async fn act(&mut self, action: BmcAction) -> Result<String, BmcError> {
        let on = |power| power == Power::On;
        match action {
            BmcAction::PowerOn if on(self.power().await?) => Ok("it was on already".to_owned()),
            BmcAction::PowerOff | BmcAction::SoftOff if !on(self.power().await?) => Ok("it was off already".to_owned()),
            // BMCs refuse a cycle of what is off (D5h): its outcome is "on".
            BmcAction::PowerCycle if !on(self.power().await?) => {
                self.order(&ChassisControl::On).await?;
                Ok("it was off: powered on".to_owned())
            }
            BmcAction::PowerOn => self.control(ChassisControl::On, "powered on").await,
            BmcAction::PowerOff => self.control(ChassisControl::Off, "powered off").await,
            BmcAction::SoftOff => {
                self.control(ChassisControl::SoftOff, "the operating system was asked to shut down").await
            }
            BmcAction::PowerCycle => self.control(ChassisControl::Cycle, "power is cycled").await,
            BmcAction::Reset => self.control(ChassisControl::Reset, "reset").await,
            BmcAction::Nmi => {
                self.control(ChassisControl::DiagnosticInterrupt, "a diagnostic interrupt was sent").await
            }
            BmcAction::BootDevice(next) => self.boot(next).await,
            BmcAction::Identify(seconds) => {
                let (order, words) = match seconds {
                    0 => (ChassisIdentify::Off, "the LED is off".to_owned()),
                    u8::MAX => (ChassisIdentify::On, "the LED is on until it is told otherwise".to_owned()),
                    seconds => (ChassisIdentify::Seconds(seconds), format!("the LED is on for {seconds} s")),
                };
                self.order(&order).await?;
                Ok(words)
            }
            BmcAction::BmcReset => {
                self.order(&wire::ColdReset).await?;
                Ok("the BMC restarts; it does not answer for a minute or more".to_owned())
            }
            BmcAction::ClearLog => {
                ops::clear_sel(&mut self.0).await.map_err(error)?;
                Ok("the event log is empty".to_owned())
            }
            BmcAction::RotatePassword => Err(super::not_one_request()),
        }
    }

    async fn control(&mut self, order: ChassisControl, done: &str) -> Result<String, BmcError> {
        self.order(&order).await?;
        Ok(done.to_owned())
    }

    async fn boot(&mut self, next: NextBoot) -> Result<String, BmcError> {
        let device = match next.device {
            BootDevice::None => wire::BootDevice::Default,
            BootDevice::Pxe => wire::BootDevice::Pxe,
            BootDevice::Disk => wire::BootDevice::Disk,
            BootDevice::Cd => wire::BootDevice::Cd,
            BootDevice::Bios => wire::BootDevice::Setup,
        };
        let valid = next.device != BootDevice::None;
        let flags = wire::BootFlags { valid, persistent: next.persistent, efi: next.uefi, device };
        ops::set_boot(&mut self.0, flags).await.map_err(error)?;
        let (how, mode) =
            (if next.persistent { "every boot" } else { "the next boot" }, if next.uefi { ", UEFI" } else { "" });
        Ok(format!("{how} is from {}{mode}", next.device))
    }

    pub async fn info(&mut self) -> Result<Info, BmcError> {
        let id = self.ask(&GetDeviceId).await?;
        // Not every BMC has one.
        let guid = match self.0.call(&GetSystemGuid).await {
            Ok(guid) => Some(guid),
            Err(LanError::Completion { .. } | LanError::Malformed(_)) => None,
            Err(failed) => return Err(question(failed)),
        };
        let mac = match self.0.call(&GetLan { channel: wire::THIS_CHANNEL, reading: LanMac }).await {
            Ok(mac) => Some(mac.map(|byte| format!("{byte:02x}")).join(":")),
            Err(LanError::Completion { .. } | LanError::Malformed(_)) => None,
            Err(failed) => return Err(question(failed)),
        };
        Ok(Info { firmware: id.firmware, uuids: guid.map(uuids).unwrap_or_default(), mac, notes: Vec::new() })
    }

    pub async fn sensors(&mut self) -> Result<Vec<Reading>, BmcError> {
        let records = ops::read_sensors(&mut self.0, super::MOST).await.map_err(question)?;
        let mut readings = Vec::new();
        for sensor in records.sensors {
            // Of another controller: not asked for here.
            let Some(now) = ops::read_sensor(&mut self.0, &sensor).await.map_err(question)? else { continue };
            let state = match now.health {
                Some(wire::Health::Ok) => "ok".to_owned(),
                Some(wire::Health::Warning) => "warning".to_owned(),
                Some(wire::Health::Critical | wire::Health::Fatal) => "critical".to_owned(),
                None if now.value.is_none() && now.states == 0 => "no reading".to_owned(),
                None => format!("states {:04x}h", now.states),
            };
            readings.push(Reading { name: sensor.name, value: now.value, unit: sensor.unit, state });
        }
        Ok(readings)
    }

    pub async fn log(&mut self, most: usize) -> Result<Vec<LogLine>, BmcError> {
        // A log is read from its oldest line; the newest are at its end.
        let mut lines = std::collections::VecDeque::new();
        let mut from = wire::GetSelEntry::FIRST;
        for _ in 0..SEL_PAGES {
            let page = ops::read_sel(&mut self.0, from, SEL_PAGE).await.map_err(question)?;
            for record in page.records {
                if lines.len() == most {
                    lines.pop_front();
                }
                lines.push_back(record);
            }
            match page.next {
                Some(next) => from = next,
                None => return Ok(lines.into_iter().rev().map(|record| line(&record)).collect()),
            }
        }
        Err(BmcError::Refused(format!("its event log has no end after {} lines", SEL_PAGES * SEL_PAGE)))
    }

    /// Of an account that is there; the BMC keeps 20 bytes, or refuses.
    pub async fn set_password(&mut self, user: &str, password: &str) -> Result<(), BmcError> {
        let password = Password::new(password.to_owned());
        let slot = self.slot(user).await?;
        let storage = if password.reveal().len() > Password::SHORT { Storage::Bytes20 } else { Storage::Bytes16 };
        self.order(&SetUserPassword { user: slot, action: PasswordAction::Set(password, storage) }).await
    }

    /// Where an account is.
    async fn slot(&mut self, user: &str) -> Result<u8, BmcError> {
        let slots = self.ask(&GetUserAccess { channel: wire::THIS_CHANNEL, user: 1 }).await?.slots;
        for slot in 2..=slots {
            match self.0.call(&GetUserName { user: slot }).await {
                Ok(name) if name == user => return Ok(slot),
                Ok(_) | Err(LanError::Completion { .. }) => {}
                Err(failed) => return Err(question(failed)),
            }
        }
        Err(BmcError::Refused(format!("none of its {slots} users is called {user:?}")))
    }

    pub async fn close(self) {
        // A BMC that does not answer any more forgets the session by itself.
        let _ = self.0.close().await;
    }
}

/// Lines read at once, and how often: no BMC has more than 65,535.
const SEL_PAGE: usize = 512;
const SEL_PAGES: usize = 128;

fn line(record: &wire::SelRecord) -> LogLine {
    let at = record.time.and_then(|seconds| jiff::Timestamp::from_second(i64::from(seconds)).ok());
    LogLine {
        id: record.id.to_string(),
        at: at.map(|at| at.to_string()).unwrap_or_default(),
        message: record.words(),
        severity: String::new(),
    }
}

/// The UUIDs that a GUID may mean: BMCs send it as SMBIOS has it, in the order of the text, or turned around.
pub fn uuids(guid: [u8; 16]) -> Vec<String> {
    let mut turned = guid;
    turned.reverse();
    let all =
        [Uuid::from_bytes_le(guid), Uuid::from_bytes(guid), Uuid::from_bytes(turned), Uuid::from_bytes_le(turned)];
    let mut texts: Vec<String> =
        all.iter().filter(|uuid| !uuid.is_nil() && !uuid.is_max()).map(Uuid::to_string).collect();
    texts.dedup();
    texts
}
