//! How many LLDP frames a second one core parses: the frames are those that a real lldpd sent (tests/fuzz/seeds). A
//! figure for people, no verdict.

use crate::{Context, LabResult};
use lldp_parser::Frame;
use std::hint::black_box;
use std::time::{Duration, Instant};

const FRAMES: [&[u8]; 2] =
    [include_bytes!("../fuzz/seeds/lldp_frame/lldpd-switch"), include_bytes!("../fuzz/seeds/lldp_frame/lldpd-phone")];
/// Frames between two looks at the clock.
const ROUND: u64 = 1_000;

/// Frames and bytes a second.
pub fn rate(length: Duration) -> LabResult<(f64, f64)> {
    let (mut frames, mut bytes) = (0u64, 0u64);
    let start = Instant::now();
    while start.elapsed() < length {
        for frame in FRAMES.iter().cycle().take(ROUND as usize) {
            let parsed = Frame::parse(black_box(frame)).context("parsing a captured frame")?;
            black_box(parsed);
            bytes += frame.len() as u64;
        }
        frames += ROUND;
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok((frames as f64 / seconds, bytes as f64 / seconds))
}
