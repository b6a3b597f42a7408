//! The system event log (31): its commands and its records. Which words an event has is the matter of `event`.

use super::event;
use crate::{Command, Malformed, NetFn};

/// Get SEL Info (31.2).
#[derive(Debug, Clone, Copy)]
pub struct GetSelInfo;

/// How full the log is (31.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SelInfo {
    /// Records in it.
    pub entries: u16,
    /// Bytes that are free; FFFFh means at least that many.
    pub free: u16,
    /// Seconds since 1970 by the clock of the BMC; of the last record.
    pub added: u32,
    /// The same, of the last time it was cleared.
    pub erased: u32,
    /// Events were lost because it was full.
    pub overflow: bool,
}

impl Command for GetSelInfo {
    const NETFN: NetFn = NetFn::STORAGE;
    const CMD: u8 = 0x40;
    const NAME: &'static str = "Get SEL Info";
    type Answer = SelInfo;

    fn data(&self) -> Vec<u8> {
        Vec::new()
    }

    fn answer(&self, data: &[u8]) -> Result<SelInfo, Malformed> {
        let [_, n0, n1, f0, f1, a0, a1, a2, a3, e0, e1, e2, e3, operations, ..] = *data else {
            return Err(Malformed::short(Self::NAME, "14 bytes", data));
        };
        Ok(SelInfo {
            entries: u16::from_le_bytes([n0, n1]),
            free: u16::from_le_bytes([f0, f1]),
            added: u32::from_le_bytes([a0, a1, a2, a3]),
            erased: u32::from_le_bytes([e0, e1, e2, e3]),
            overflow: operations & 0x80 != 0,
        })
    }
}

/// Reserve SEL (31.4): clearing wants one.
#[derive(Debug, Clone, Copy)]
pub struct ReserveSel;

impl Command for ReserveSel {
    const NETFN: NetFn = NetFn::STORAGE;
    const CMD: u8 = 0x42;
    const NAME: &'static str = "Reserve SEL";
    type Answer = u16;

    fn data(&self) -> Vec<u8> {
        Vec::new()
    }

    fn answer(&self, data: &[u8]) -> Result<u16, Malformed> {
        let [low, high, ..] = *data else { return Err(Malformed::short(Self::NAME, "2 bytes", data)) };
        Ok(u16::from_le_bytes([low, high]))
    }
}

/// Get SEL Entry (31.5): a whole record.
#[derive(Debug, Clone, Copy)]
pub struct GetSelEntry(pub u16);

impl GetSelEntry {
    /// The oldest record.
    pub const FIRST: u16 = 0x0000;
    /// As a next record: there is none.
    pub const END: u16 = 0xffff;
}

/// A record, and where the next one is (31.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelEntry {
    /// Id of the next record, or [`GetSelEntry::END`].
    pub next: u16,
    /// This one.
    pub record: SelRecord,
}

impl Command for GetSelEntry {
    const NETFN: NetFn = NetFn::STORAGE;
    const CMD: u8 = 0x43;
    const NAME: &'static str = "Get SEL Entry";
    type Answer = SelEntry;

    fn data(&self) -> Vec<u8> {
        let [low, high] = self.0.to_le_bytes();
        // No reservation, from the start, all of it.
        vec![0, 0, low, high, 0, 0xff]
    }

    fn answer(&self, data: &[u8]) -> Result<SelEntry, Malformed> {
        let short = || Malformed::short(Self::NAME, "2 + 16 bytes", data);
        let (next, rest) = data.split_first_chunk::<2>().ok_or_else(short)?;
        let record = rest.first_chunk::<16>().ok_or_else(short)?;
        Ok(SelEntry { next: u16::from_le_bytes(*next), record: SelRecord::parse(record) })
    }
}

/// Clear SEL (31.9). Erasing may take a while: begin, then ask until it is complete.
#[derive(Debug, Clone, Copy)]
pub struct ClearSel {
    /// Of [`ReserveSel`].
    pub reservation: u16,
    /// Begins to erase; otherwise asks how far it is.
    pub begin: bool,
}

impl Command for ClearSel {
    const NETFN: NetFn = NetFn::STORAGE;
    const CMD: u8 = 0x47;
    const NAME: &'static str = "Clear SEL";
    /// Whether the log is erased.
    type Answer = bool;

    fn data(&self) -> Vec<u8> {
        let [low, high] = self.reservation.to_le_bytes();
        vec![low, high, b'C', b'L', b'R', if self.begin { 0xaa } else { 0x00 }]
    }

    fn answer(&self, data: &[u8]) -> Result<bool, Malformed> {
        data.first().map(|b| b & 0x0f == 1).ok_or_else(|| Malformed::short(Self::NAME, "1 byte", data))
    }
}

/// A record of the log (32).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelRecord {
    /// Its id in the log; may be used again after a clear.
    pub id: u16,
    /// 02h for an event; C0h and above are the vendor's.
    pub kind: u8,
    /// Seconds since 1970 by the clock of the BMC; none if the record has no time.
    pub time: Option<u32>,
    /// What it says.
    pub event: Option<SelEvent>,
    /// All 16 bytes.
    pub raw: [u8; 16],
}

/// An event of a sensor (32.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SelEvent {
    /// Address of who sent it, or software id.
    pub generator: u16,
    /// Type of the sensor (table 42-3).
    pub sensor_type: u8,
    /// Number of the sensor.
    pub sensor: u8,
    /// Event or reading type (table 42-1).
    pub event_type: u8,
    /// Whether the state came, or went.
    pub asserted: bool,
    /// Which state, and two bytes more.
    pub data: [u8; 3],
}

impl SelRecord {
    /// Before this, the clock of a BMC counts seconds since its own start (31.1).
    const PRE_INIT: u32 = 0x2000_0000;

    /// Reads a record; there is none that cannot be read.
    pub fn parse(raw: &[u8; 16]) -> Self {
        let [i0, i1, kind, t0, t1, t2, t3, g0, g1, _, sensor_type, sensor, direction, d1, d2, d3] = *raw;
        let time = u32::from_le_bytes([t0, t1, t2, t3]);
        let timed = kind < 0xe0 && time != u32::MAX && time > Self::PRE_INIT;
        let event = (kind == 0x02).then_some(SelEvent {
            generator: u16::from_le_bytes([g0, g1]),
            sensor_type,
            sensor,
            event_type: direction & 0x7f,
            asserted: direction & 0x80 == 0,
            data: [d1, d2, d3],
        });
        Self { id: u16::from_le_bytes([i0, i1]), kind, time: timed.then_some(time), event, raw: *raw }
    }

    /// In words: "Power Supply 51h: power supply failure detected, asserted".
    pub fn words(&self) -> String {
        let Some(event) = &self.event else {
            let hex: Vec<String> = self.raw.iter().skip(3).map(|b| format!("{b:02x}")).collect();
            return format!("record of the vendor, type {:02X}h: {}", self.kind, hex.join(" "));
        };
        let what = event::words(event.sensor_type, event.event_type, event.data);
        let sensor = event::sensor_type(event.sensor_type);
        let came = if event.asserted { "asserted" } else { "deasserted" };
        format!("{sensor} {:02X}h: {what}, {came}", event.sensor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_in_words() {
        let raw = [1, 0, 2, 0x10, 0x20, 0x30, 0x60, 0x20, 0, 4, 0x08, 0x51, 0x6f, 0x01, 0xff, 0xff];
        let record = SelRecord::parse(&raw);
        assert_eq!((record.id, record.time), (1, Some(0x6030_2010)));
        assert_eq!(record.words(), "Power Supply 51h: power supply failure detected, asserted");
        let went = SelRecord::parse(&{
            let mut raw = raw;
            raw[12] = 0xef;
            raw
        });
        assert!(went.words().ends_with("deasserted"));
        let oem = SelRecord::parse(&[1, 0, 0xe0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
        assert_eq!((oem.time, oem.event), (None, None));
        assert!(oem.words().starts_with("record of the vendor, type E0h: 01 02"));
        let boot = SelRecord::parse(&[1, 0, 2, 60, 0, 0, 0, 0x20, 0, 4, 1, 1, 1, 0x57, 0, 0]);
        assert_eq!(boot.time, None, "a minute after the BMC's start is no date");
    }

    #[test]
    fn every_record_has_words() {
        for kind in 0..=255u8 {
            for event_type in 0..=255u8 {
                let raw = [1, 0, kind, 0, 0, 0, 0, 0, 0, 4, event_type, kind, event_type, kind, 0, 0];
                assert!(SelRecord::parse(&raw).words().len() > 10);
            }
        }
    }

    #[test]
    fn requests_and_answers_of_the_log() {
        assert_eq!(GetSelEntry(0x0102).data(), [0, 0, 2, 1, 0, 0xff]);
        assert_eq!(ClearSel { reservation: 0x0201, begin: true }.data(), [1, 2, 0x43, 0x4c, 0x52, 0xaa]);
        let info = [0x51, 5, 0, 0, 0x40, 1, 0, 0, 0, 2, 0, 0, 0, 0x82];
        let info = GetSelInfo.answer(&info).unwrap_or_else(|e| panic!("{e}"));
        assert!(info.entries == 5 && info.free == 0x4000 && info.added == 1 && info.erased == 2 && info.overflow);
        assert!(GetSelEntry(0).answer(&[0; 17]).is_err() && ReserveSel.answer(&[1]).is_err());
        assert_eq!(ClearSel { reservation: 1, begin: false }.answer(&[0]), Ok(false));
    }
}
