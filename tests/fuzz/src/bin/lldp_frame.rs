#![no_main]
//! Any frame is answered; what was read can be written, and is read back the same.

use lldp_parser::Frame;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(frame) = Frame::parse(bytes) {
        let written = frame.emit().ok();
        let again = written.as_deref().and_then(|written| Frame::parse(written).ok());
        assert_eq!(again.as_ref(), Some(&frame), "written as {written:02x?}");
        assert!(format!("{frame:?}").len() < 2_000 + 200 * bytes.len(), "shown much longer than it is");
    }
});
