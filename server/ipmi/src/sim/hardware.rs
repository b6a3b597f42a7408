//! What a simulated BMC controls: users, power, boot flags, LED, event log, LAN parameters. Values; no packets.

use std::collections::BTreeMap;

use crate::Password;

/// A user of the BMC.
#[derive(Debug, Clone)]
pub struct User {
    /// At most 16 bytes.
    pub name: String,
    /// At most 20 bytes.
    pub password: Password,
}

/// The machine behind a simulated BMC.
#[derive(Debug, Clone)]
pub struct Hardware {
    /// User 2 and the following.
    pub users: Vec<User>,
    /// As it is sent.
    pub guid: [u8; 16],
    /// Whether the system is on.
    pub power: bool,
    /// Chassis Control commands that were done, oldest first; the last 64.
    pub controls: Vec<u8>,
    /// Parameter 5 of the boot options.
    pub boot: [u8; 5],
    /// Whether somebody set "set in progress" for the boot options.
    pub boot_locked: bool,
    /// LED: 0 off, 1 for a while, 2 on.
    pub identify: u8,
    /// Records of the event log.
    pub events: Vec<[u8; 16]>,
    /// Reservation of the log and of the sensor repository.
    pub reservation: u16,
    /// Parameters of the LAN channel, by number.
    pub lan: BTreeMap<u8, Vec<u8>>,
    /// Cold resets that were asked for.
    pub resets: u32,
    /// Raw reading of the temperature sensor.
    pub temperature: u8,
}

impl Hardware {
    pub(super) fn new(users: Vec<User>, guid: [u8; 16]) -> Self {
        Self {
            users,
            guid,
            power: false,
            controls: Vec::new(),
            boot: [0; 5],
            boot_locked: false,
            identify: 0,
            events: Vec::new(),
            reservation: 0,
            lan: BTreeMap::new(),
            resets: 0,
            temperature: 42,
        }
    }

    /// Adds an event of a sensor: "power supply 51h: input lost" is `log(8, 0x51, 0x6f, [3, 0xff, 0xff])`.
    pub fn log(&mut self, sensor_type: u8, sensor: u8, event_type: u8, data: [u8; 3]) {
        let [low, high] = u16::try_from(self.events.len() + 1).unwrap_or(u16::MAX).to_le_bytes();
        // 2024-01-01 00:00:00, and a minute for each event.
        let time = 1_704_067_200 + 60 * u32::try_from(self.events.len()).unwrap_or(0);
        let [t0, t1, t2, t3] = time.to_le_bytes();
        let [d0, d1, d2] = data;
        let event = [low, high, 2, t0, t1, t2, t3, 0x20, 0, 4, sensor_type, sensor, event_type, d0, d1, d2];
        self.events.push(event);
    }

    /// Does a Chassis Control; a completion code if it cannot.
    pub(super) fn control(&mut self, control: u8) -> u8 {
        match control {
            0 | 5 => self.power = false,
            1 => self.power = true,
            2..=4 if self.power => {}
            2..=4 => return 0xd5,
            _ => return 0xcc,
        }
        if self.controls.len() >= 64 {
            self.controls.remove(0);
        }
        self.controls.push(control);
        0
    }

    pub(super) fn reserve(&mut self) -> [u8; 2] {
        self.reservation = self.reservation.checked_add(1).unwrap_or(1);
        self.reservation.to_le_bytes()
    }
}
