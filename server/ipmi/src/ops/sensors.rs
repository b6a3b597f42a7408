//! All sensors of a BMC: their records once, their readings as often as wanted.

use super::{Carrier, ask};
use crate::Completion;
use crate::command::{GetSdr, GetSensorReading, Health, ReserveSdr, Sensor, SensorReading};
use crate::lan::LanError;

/// Bytes of a record in one piece, at first; many BMCs cannot do more.
const PIECE: u8 = 16;
/// The least that is tried after "cannot return that number of bytes".
const LEAST: u8 = 4;
/// New reservations for one record, and refusals of a length, before it is given up.
const PATIENCE: u32 = 8;
/// Of the BMC itself, in owner ids.
const BMC: u8 = 0x20;

/// Sensors, and what could not be read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sensors {
    /// In the order of the repository.
    pub sensors: Vec<Sensor>,
    /// Records that were left out, for people: one bad record costs only itself.
    pub left_out: Vec<String>,
}

/// A sensor now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// In the sensor's unit; none where it has no number, or none now.
    pub value: Option<f64>,
    /// What the BMC thinks of it; none for sensors without limits, and without a reading.
    pub health: Option<Health>,
    /// Limits that are passed, or states that hold.
    pub states: u16,
}

/// Reads the records of all sensors, at most `limit` records.
pub async fn read_sensors(carrier: &mut impl Carrier, limit: usize) -> Result<Sensors, LanError> {
    let mut found = Sensors::default();
    let mut reader = Reader { reservation: ask(carrier, &ReserveSdr).await?, piece: PIECE };
    let mut id = 0;
    for _ in 0..limit {
        let (next, record) = match reader.record(carrier, id).await {
            Ok(whole) => whole,
            // An empty repository.
            Err(LanError::Completion { code: Completion(0xcb), .. }) if id == 0 => return Ok(found),
            Err(other) => return Err(other),
        };
        match Sensor::parse(&record) {
            Ok(Some(sensor)) => found.sensors.push(sensor),
            Ok(None) => {}
            Err(why) => found.left_out.push(format!("record {id:04X}h: {why}")),
        }
        if next == GetSdr::END {
            return Ok(found);
        }
        if next == id || next == 0 {
            break;
        }
        id = next;
    }
    Err(LanError::Endless { what: "sensor repository", bound: limit })
}

/// Reads one sensor. A sensor of another controller is not asked for: none.
pub async fn read_sensor(carrier: &mut impl Carrier, sensor: &Sensor) -> Result<Option<Reading>, LanError> {
    if sensor.owner != BMC || sensor.lun & 0x03 != 0 {
        return Ok(None);
    }
    let reading = match ask(carrier, &GetSensorReading(sensor.number)).await {
        // Not there, or not in this state of the system: no reading, no fault.
        Err(LanError::Completion { code: Completion(0xcb | 0xcd | 0xce | 0xd5), .. }) => {
            SensorReading { raw: None, states: 0 }
        }
        other => other?,
    };
    let formula = sensor.formula;
    Ok(Some(Reading {
        value: reading.raw.and_then(|raw| formula.and_then(|formula| formula.apply(raw))),
        health: reading.raw.filter(|_| sensor.reading_type == 0x01).map(|_| reading.health()),
        states: reading.states,
    }))
}

struct Reader {
    reservation: u16,
    piece: u8,
}

impl Reader {
    /// A whole record, and the id of the next.
    async fn record(&mut self, carrier: &mut impl Carrier, record: u16) -> Result<(u16, Vec<u8>), LanError> {
        let mut patience = PATIENCE;
        let mut bytes: Vec<u8> = Vec::new();
        let mut whole = GetSdr::HEADER;
        loop {
            // A record is at most 260 bytes by its length byte; offsets end at 255.
            let Some(left) = u8::try_from(bytes.len()).ok().and_then(|have| whole.checked_sub(have)) else {
                return Err(LanError::Endless { what: "a sensor record", bound: bytes.len() });
            };
            let offset = whole - left;
            let length = left.min(self.piece);
            let ask_for = GetSdr { reservation: self.reservation, record, offset, length };
            let piece = match ask(carrier, &ask_for).await {
                Ok(piece) => piece,
                Err(LanError::Completion { code, command }) => {
                    patience = patience.checked_sub(1).ok_or(LanError::Completion { code, command })?;
                    match code.0 {
                        // Somebody else reserved, or the repository changed: this record anew.
                        0xc5 => {
                            self.reservation = ask(carrier, &ReserveSdr).await?;
                            (bytes, whole) = (Vec::new(), GetSdr::HEADER);
                        }
                        0xc7 | 0xc8 | 0xca | 0xff if self.piece > LEAST => self.piece = (self.piece / 2).max(LEAST),
                        _ => return Err(LanError::Completion { code, command }),
                    }
                    continue;
                }
                Err(other) => return Err(other),
            };
            bytes.extend(&piece.bytes);
            if bytes.len() == usize::from(GetSdr::HEADER) && whole == GetSdr::HEADER {
                let rest = bytes.last().copied().unwrap_or(0);
                whole = GetSdr::HEADER.saturating_add(rest);
            }
            if bytes.len() >= usize::from(whole) {
                return Ok((piece.next, bytes));
            }
        }
    }
}
