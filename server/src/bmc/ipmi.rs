//! The interface by IPMI over the LAN (RMCP+): words of ours to commands, and its errors to ours.

use super::{Access, BmcError, Info, LogLine, Reading};
use crate::domain::bmc::{BmcAction, BootDevice, NextBoot, Power};
use higuma_ipmi::command as wire;
use higuma_ipmi::command::{ChassisControl, ChassisIdentify, GetChassisStatus, GetDeviceId, GetSystemGuid, SetBootOption};
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
            BmcAction::Nmi => self.control(ChassisControl::DiagnosticInterrupt, "a diagnostic interrupt was sent").await,
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
        // Some BMCs have neither of the two; the flags are what counts.
        let keep = SetBootOption::KeepValidOn(SetBootOption::KEEP_AFTER_60_SECONDS);
        for extra in [keep, SetBootOption::AcknowledgeBios] {
            match self.0.call(&extra).await {
                Ok(()) | Err(LanError::Completion { .. }) => {}
                Err(failed) => return Err(error(failed)),
            }
        }
        self.order(&SetBootOption::Flags(flags)).await?;
        let (how, mode) = (if next.persistent { "every boot" } else { "the next boot" }, if next.uefi { ", UEFI" } else { "" });
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
        Ok(Info { firmware: id.firmware, uuids: guid.map(uuids).unwrap_or_default(), notes: Vec::new() })
    }

    pub async fn sensors(&mut self) -> Result<Vec<Reading>, BmcError> {
        let sensors = ops::read_sensors(&mut self.0, super::MOST).await.map_err(question)?;
        Ok(sensors.into_iter().map(reading).collect())
    }

    pub async fn log(&mut self, most: usize) -> Result<Vec<LogLine>, BmcError> {
        let mut entries = ops::read_sel(&mut self.0, super::MOST).await.map_err(question)?;
        entries.reverse();
        Ok(entries.into_iter().take(most).map(line).collect())
    }

    pub async fn close(self) {
        // A BMC that does not answer any more forgets the session by itself.
        let _ = self.0.close().await;
    }
}

/// The UUIDs that a GUID may mean: BMCs send it as SMBIOS has it, in the order of the text, or turned around.
pub fn uuids(guid: [u8; 16]) -> Vec<String> {
    let mut turned = guid;
    turned.reverse();
    let all = [Uuid::from_bytes_le(guid), Uuid::from_bytes(guid), Uuid::from_bytes(turned), Uuid::from_bytes_le(turned)];
    let mut texts: Vec<String> = all.iter().filter(|uuid| !uuid.is_nil() && !uuid.is_max()).map(Uuid::to_string).collect();
    texts.dedup();
    texts
}
