#![no_main]
//! Any datagram, any message and any answer of a BMC are answered, and what was read as a message is written back the same.

use higuma_ipmi::command::{self, CipherSuite, SelRecord, Sensor};
use higuma_ipmi::lan::message::{self, Message};
use higuma_ipmi::lan::packet::{self, Datagram};
use higuma_ipmi::lan::rakp::{OpenRequest, OpenResponse, Proof, Rakp1, Rakp2};
use higuma_ipmi::{Command, NetFn, Request};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(Datagram::Plus(plus)) = Datagram::parse(bytes) {
        let _ = (plus.signed(12), plus.signed(16));
        let payload = plus.payload;
        if let Ok(second) = Rakp2::parse(payload) {
            assert_eq!(Rakp2::parse(&second.emit()), Ok(second));
        }
        if let Ok(first) = Rakp1::parse(payload) {
            assert_eq!(Rakp1::parse(&first.emit()), Ok(first));
        }
        if let Ok(response) = OpenResponse::parse(payload) {
            assert_eq!(OpenResponse::parse(&response.emit()), Ok(response));
        }
        let _ = (OpenRequest::parse(payload), Proof::parse(payload));
        same_message(payload);
    }
    if let Ok(Datagram::Plain(inner)) = Datagram::parse(bytes) {
        assert!(inner.len() > 255 || Datagram::parse(&packet::plain(inner)) == Ok(Datagram::Plain(inner)));
        same_message(inner);
    }
    answers(bytes);
});

/// A request that was read is the one that is written, whatever its checksums were computed over.
fn same_message(bytes: &[u8]) {
    if let Ok(read) = Message::parse(bytes) {
        let request = Request { netfn: NetFn(read.netfn), cmd: read.cmd, data: read.data.to_vec().into() };
        let written = message::request(&request, read.sequence);
        assert_eq!(Message::parse(&written), Ok(read));
    }
}

fn answers(data: &[u8]) {
    let _ = command::GetDeviceId.answer(data);
    let _ = command::GetSystemGuid.answer(data);
    let _ = command::GetChassisStatus.answer(data);
    let _ = command::GetBootFlags.answer(data);
    let _ = command::GetSelInfo.answer(data);
    let _ = command::GetSensorReading(1).answer(data).map(|reading| reading.health());
    let _ = command::GetSdr { reservation: 0, record: 0, offset: 0, length: 16 }.answer(data);
    assert!(CipherSuite::list(data).len() <= data.len());
    if let Ok(entry) = command::GetSelEntry(0).answer(data) {
        assert!(entry.record.words().len() < 200);
    }
    if let Some(record) = data.first_chunk::<16>() {
        assert!(SelRecord::parse(record).words().len() < 200);
    }
    if let Ok(Some(sensor)) = Sensor::parse(data) {
        assert!(sensor.name.chars().count() <= 62 && sensor.unit.len() < 60);
        if let Some(formula) = sensor.formula {
            assert!((0..=255).all(|raw| formula.apply(raw).is_none_or(f64::is_finite)));
        }
    }
}
