//! Reading a sensor (35.14).

use crate::{Command, Malformed, NetFn};

/// Get Sensor Reading (35.14), of a sensor of the BMC itself.
#[derive(Debug, Clone, Copy)]
pub struct GetSensorReading(pub u8);

/// What a sensor says now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SensorReading {
    /// Raw; none where the sensor is not there, not scanned, or not read yet.
    pub raw: Option<u8>,
    /// Limits that are passed, or states that hold: a bit each.
    pub states: u16,
}

/// How bad a reading is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// Within its limits.
    Ok,
    /// Beyond a non-critical limit.
    Warning,
    /// Beyond a critical limit.
    Critical,
    /// Beyond a non-recoverable limit.
    Fatal,
}

impl SensorReading {
    /// Health of a sensor with limits (reading type 01h): what the BMC itself says.
    pub fn health(&self) -> Health {
        match self.states {
            s if s & 0b10_0100 != 0 => Health::Fatal,
            s if s & 0b01_0010 != 0 => Health::Critical,
            s if s & 0b00_1001 != 0 => Health::Warning,
            _ => Health::Ok,
        }
    }
}

impl Command for GetSensorReading {
    const NETFN: NetFn = NetFn::SENSOR;
    const CMD: u8 = 0x2d;
    const NAME: &'static str = "Get Sensor Reading";
    type Answer = SensorReading;

    fn data(&self) -> Vec<u8> {
        vec![self.0]
    }

    fn answer(&self, data: &[u8]) -> Result<SensorReading, Malformed> {
        let [raw, flags, ref states @ ..] = *data else {
            return Err(Malformed::short(Self::NAME, "at least 2 bytes", data));
        };
        let state = |at: usize| u16::from(states.get(at).copied().unwrap_or(0));
        // Bit 5: reading unavailable; bit 6: scanning is on.
        let readable = flags & 0x20 == 0 && flags & 0x40 != 0;
        Ok(SensorReading { raw: readable.then_some(raw), states: state(0) | (state(1) & 0x7f) << 8 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_and_what_the_bmc_thinks_of_it() {
        let read = |bytes: &[u8]| GetSensorReading(7).answer(bytes).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(read(&[42, 0xc0, 0xc0]).raw, Some(42));
        assert_eq!(read(&[42, 0xc0, 0xc0]).health(), Health::Ok);
        assert_eq!(read(&[42, 0xc0, 0x08]).health(), Health::Warning);
        assert_eq!(read(&[42, 0xc0, 0x18]).health(), Health::Critical);
        assert_eq!(read(&[42, 0xc0, 0x3f]).health(), Health::Fatal);
        assert_eq!((read(&[42, 0xe0]).raw, read(&[42, 0x80]).raw), (None, None));
        assert_eq!(read(&[0, 0x40, 0x01, 0x82]).states, 0x0201);
        assert!(GetSensorReading(7).answer(&[1]).is_err());
    }
}
