//! The sensor data repository (33) and its records (43): which sensors there are, and how their numbers become volts.

use super::event;
use crate::{Command, Malformed, NetFn};

/// Reserve SDR Repository (33.11); reading a record in pieces wants one.
#[derive(Debug, Clone, Copy)]
pub struct ReserveSdr;

impl Command for ReserveSdr {
    const NETFN: NetFn = NetFn::STORAGE;
    const CMD: u8 = 0x22;
    const NAME: &'static str = "Reserve SDR Repository";
    type Answer = u16;

    fn data(&self) -> Vec<u8> {
        Vec::new()
    }

    fn answer(&self, data: &[u8]) -> Result<u16, Malformed> {
        let [low, high, ..] = *data else { return Err(Malformed::short(Self::NAME, "2 bytes", data)) };
        Ok(u16::from_le_bytes([low, high]))
    }
}

/// Get SDR (33.12): a piece of a record.
#[derive(Debug, Clone, Copy)]
pub struct GetSdr {
    /// Of [`ReserveSdr`]; C5h says that it is void, and to start the record anew.
    pub reservation: u16,
    /// 0 for the first.
    pub record: u16,
    /// From which byte of the record.
    pub offset: u8,
    /// How many bytes; CAh says that the BMC cannot do so many at once.
    pub length: u8,
}

impl GetSdr {
    /// As a next record: there is none.
    pub const END: u16 = 0xffff;
    /// Bytes in front of each record: id, version, type, length of the rest.
    pub const HEADER: u8 = 5;
}

/// A piece of a record, and where the next record is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SdrPiece {
    /// Id of the next record, or [`GetSdr::END`].
    pub next: u16,
    /// Not more than was asked for.
    pub bytes: Vec<u8>,
}

impl Command for GetSdr {
    const NETFN: NetFn = NetFn::STORAGE;
    const CMD: u8 = 0x23;
    const NAME: &'static str = "Get SDR";
    type Answer = SdrPiece;

    fn data(&self) -> Vec<u8> {
        let ([r0, r1], [i0, i1]) = (self.reservation.to_le_bytes(), self.record.to_le_bytes());
        vec![r0, r1, i0, i1, self.offset, self.length]
    }

    fn answer(&self, data: &[u8]) -> Result<SdrPiece, Malformed> {
        let short = || Malformed::short(Self::NAME, "2 bytes and those asked for", data);
        let (next, bytes) = data.split_first_chunk::<2>().ok_or_else(short)?;
        let bytes = bytes.get(..usize::from(self.length)).ok_or_else(short)?;
        Ok(SdrPiece { next: u16::from_le_bytes(*next), bytes: bytes.to_vec() })
    }
}

/// A sensor as its record describes it (43.1, 43.2).
#[derive(Debug, Clone, PartialEq)]
pub struct Sensor {
    /// Id of the record.
    pub record: u16,
    /// Who has it: 20h is the BMC itself. Sensors of others are not read through it here.
    pub owner: u8,
    /// Logical unit and channel of the owner.
    pub lun: u8,
    /// Its number.
    pub number: u8,
    /// Type (table 42-3).
    pub kind: u8,
    /// Event or reading type: 01h has limits, others are states.
    pub reading_type: u8,
    /// Its name.
    pub name: String,
    /// Unit, for a reading that is a number.
    pub unit: String,
    /// How a raw reading becomes a number; none for states.
    pub formula: Option<Formula>,
    /// Limits that the record has, raw; only those that are readable.
    pub limits: Limits,
}

/// Limits of a sensor, as numbers in its unit or raw in a record.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Limits {
    /// Lower non-critical.
    pub lower_warning: Option<f64>,
    /// Lower critical.
    pub lower_critical: Option<f64>,
    /// Lower non-recoverable.
    pub lower_fatal: Option<f64>,
    /// Upper non-critical.
    pub upper_warning: Option<f64>,
    /// Upper critical.
    pub upper_critical: Option<f64>,
    /// Upper non-recoverable.
    pub upper_fatal: Option<f64>,
}

/// y = L((M x + B 10^K1) 10^K2) (36.3).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Formula {
    /// How the byte is read: 0 unsigned, 1 one's complement, 2 two's complement.
    pub format: u8,
    /// Slope, 10 bits.
    pub m: i16,
    /// Offset, 10 bits.
    pub b: i16,
    /// Exponent of the offset.
    pub k1: i8,
    /// Exponent of the result.
    pub k2: i8,
    /// Linearisation L: 0 none, 1 ln .. 11 cube root.
    pub curve: u8,
}

impl Formula {
    /// The number that a raw reading stands for; none where it is not a number, or not a curve of the specification.
    pub fn apply(&self, raw: u8) -> Option<f64> {
        let x = match self.format {
            0 => f64::from(raw),
            1 if raw & 0x80 != 0 => -f64::from(!raw),
            1 => f64::from(raw),
            2 => f64::from(raw.cast_signed()),
            _ => return None,
        };
        let shift = f64::from(self.b) * 10f64.powi(self.k1.into());
        let y = (f64::from(self.m) * x + shift) * 10f64.powi(self.k2.into());
        let y = match self.curve {
            0 => y,
            1 => y.ln(),
            2 => y.log10(),
            3 => y.log2(),
            4 => y.exp(),
            5 => 10f64.powf(y),
            6 => y.exp2(),
            7 => y.recip(),
            8 => y.powi(2),
            9 => y.powi(3),
            10 => y.sqrt(),
            11 => y.cbrt(),
            // 70h and above: the formula changes with the reading, and is asked for each time (35.5).
            _ => return None,
        };
        y.is_finite().then_some(y)
    }
}

impl Sensor {
    /// Reads a whole record. None: a record that describes no sensor of its own.
    pub fn parse(record: &[u8]) -> Result<Option<Self>, Malformed> {
        let kind = record.get(3).copied();
        let (name_at, full) = match kind {
            Some(0x01) => (47, true),
            Some(0x02) => (31, false),
            Some(_) => return Ok(None),
            None => return Err(Malformed::short("Get SDR", "a record of at least 5 bytes", record)),
        };
        let short = || Malformed::short("Get SDR", "a whole sensor record", record);
        let byte = |at: usize| record.get(at).copied().ok_or_else(short);
        let (id_low, id_high) = (byte(0)?, byte(1)?);
        let (units, base, modifier) = (byte(20)?, byte(21)?, byte(22)?);
        let reading_type = byte(13)?;
        let formula = if full && units >> 6 != 3 {
            Some(Formula {
                format: units >> 6,
                curve: byte(23)? & 0x7f,
                m: ten_bits(byte(24)?, byte(25)?),
                b: ten_bits(byte(26)?, byte(27)?),
                k1: four_bits(byte(29)?),
                k2: four_bits(byte(29)? >> 4),
            })
        } else {
            None
        };
        let mut limits = Limits::default();
        if let Some(formula) = formula.filter(|_| reading_type == 0x01) {
            let readable = byte(18)?;
            let limit = |bit: u8, at: usize| {
                record.get(at).filter(|_| readable & (1 << bit) != 0).and_then(|raw| formula.apply(*raw))
            };
            limits = Limits {
                upper_fatal: limit(5, 36),
                upper_critical: limit(4, 37),
                upper_warning: limit(3, 38),
                lower_fatal: limit(2, 39),
                lower_critical: limit(1, 40),
                lower_warning: limit(0, 41),
            };
        }
        Ok(Some(Self {
            record: u16::from_le_bytes([id_low, id_high]),
            owner: byte(5)?,
            lun: byte(6)?,
            number: byte(7)?,
            kind: byte(12)?,
            reading_type,
            name: name(byte(name_at)?, record.get(name_at + 1..).unwrap_or_default()),
            unit: unit(units, base, modifier),
            formula,
            limits,
        }))
    }
}

/// "percent RPM", "watts/minutes": the base unit with what changes it (43.1, bytes 21-23).
fn unit(bits: u8, base: u8, modifier: u8) -> String {
    let percent = if bits & 1 != 0 { "percent " } else { "" };
    let whole = match bits >> 1 & 3 {
        1 => format!("{percent}{}/{}", event::unit(base), event::unit(modifier)),
        2 => format!("{percent}{} * {}", event::unit(base), event::unit(modifier)),
        _ => format!("{percent}{}", event::unit(base)),
    };
    whole.trim().to_owned()
}

/// 10 bits, two's complement: 8 low ones, the two high ones in bits 7:6 of the next byte.
fn ten_bits(low: u8, high: u8) -> i16 {
    let value = i16::from(low) | i16::from(high >> 6) << 8;
    if value >= 512 { value - 1024 } else { value }
}

fn four_bits(bits: u8) -> i8 {
    let value = (bits & 0x0f).cast_signed();
    if value >= 8 { value - 16 } else { value }
}

/// A name by its type and length (43.15); what is not printable becomes "?".
fn name(kind: u8, bytes: &[u8]) -> String {
    let bytes = bytes.get(..usize::from(kind & 0x1f)).unwrap_or(bytes);
    let text: String = match kind >> 6 {
        1 => bytes.iter().flat_map(|b| [b >> 4, b & 0x0f]).map(bcd_plus).collect(),
        2 => six_bits(bytes),
        _ => bytes.iter().take_while(|b| **b != 0).map(|b| char::from(*b)).collect(),
    };
    text.trim_end().chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn bcd_plus(digit: u8) -> char {
    match digit {
        0..=9 => char::from(b'0' + digit),
        10 => ' ',
        11 => '-',
        12 => '.',
        13 => ':',
        14 => ',',
        _ => '_',
    }
}

/// Four characters in three bytes, the first in the lowest bits.
fn six_bits(bytes: &[u8]) -> String {
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().rev().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        let characters = three.len() * 8 / 6;
        text.extend((0..characters).map(|n| char::from(0x20 + (bits >> (6 * n) & 0x3f) as u8)));
    }
    text
}

#[cfg(test)]
#[path = "sdr_tests.rs"]
mod tests;
