#![no_main]
//! Any datagrams, each after its length: the first may ask for a file, the others are what the client sends then. What is sent
//! stays within block and window, and a transfer that goes on for ever is not possible.

use higuma::tftp::packet::Packet;
use higuma::tftp::transfer::{Limits, Step, Transfer};
use std::sync::Arc;

const LIMITS: Limits = Limits { block: 1468, window: 64 };

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    let mut transfer: Option<Transfer> = None;
    let file: Arc<[u8]> = vec![b'\n'; 5_000].into();
    while let Some((length, after)) = rest.split_first() {
        let (datagram, after) = after.split_at(after.len().min(usize::from(*length)));
        rest = after;
        let step = match (Packet::parse(datagram), &mut transfer) {
            (Ok(Packet::Read(request)), None) => {
                assert!(request.file.chars().all(|c| !c.is_control()) && request.options.len() <= 16);
                let (new, first) = Transfer::start(&request, file.clone(), LIMITS);
                transfer = Some(new);
                Step::Send(first)
            }
            (Ok(Packet::Read(_)), Some(transfer)) => transfer.asked_again(),
            (Ok(Packet::Ack(block)), Some(transfer)) => transfer.acknowledged(block),
            (Err(_), Some(transfer)) => transfer.timed_out(),
            _ => continue,
        };
        match step {
            Step::Send(packets) => {
                assert!(!packets.is_empty() && packets.len() <= 64, "{} packets", packets.len());
                assert!(packets.iter().all(|packet| packet.len() <= 4 + 1468));
            }
            Step::Wait => {}
            Step::End(_) => return,
        }
        if let Some(transfer) = &transfer {
            assert!(transfer.timeout().as_secs() <= 255 && transfer.bytes() <= 10_000);
        }
    }
});
