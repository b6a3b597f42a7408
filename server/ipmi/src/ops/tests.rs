//! Tests of the operations against a BMC that is a list of answers, good ones and such as no BMC should give.

use std::collections::VecDeque;

use super::*;
use crate::Completion;
use crate::command::{BootDevice, BootFlags};

type Answer = Result<Vec<u8>, u8>;

/// Answers by command number; the last answer of a command stays.
struct Fake {
    answers: Vec<(u8, VecDeque<Answer>)>,
    asked: Vec<(u8, Vec<u8>)>,
}

impl Fake {
    fn new(answers: &[(u8, &[Answer])]) -> Self {
        let answers = answers.iter().map(|(cmd, all)| (*cmd, all.iter().cloned().collect())).collect();
        Self { answers, asked: Vec::new() }
    }
}

impl Carrier for Fake {
    async fn carry(&mut self, request: &Request, name: &'static str) -> Result<Vec<u8>, LanError> {
        self.asked.push((request.cmd, request.data.to_vec()));
        assert!(self.asked.len() < 10_000, "asks without end");
        let queue = self.answers.iter_mut().find(|(cmd, _)| *cmd == request.cmd);
        let (_, queue) = queue.unwrap_or_else(|| panic!("asked for {request:?}"));
        let answer = if queue.len() > 1 { queue.pop_front() } else { queue.front().cloned() };
        let answer = answer.unwrap_or_else(|| panic!("no answer to {request:?}"));
        answer.map_err(|code| LanError::Completion { command: name, code: Completion(code) })
    }
}

fn entry(next: u16, id: u16) -> Answer {
    let mut bytes = next.to_le_bytes().to_vec();
    bytes.extend(id.to_le_bytes());
    bytes.extend([2, 0x10, 0x20, 0x30, 0x60, 0x20, 0, 4, 8, 0x51, 0x6f, 1, 0xff, 0xff]);
    Ok(bytes)
}

fn info(entries: u8) -> Answer {
    Ok(vec![0x51, entries, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2])
}

#[tokio::test]
async fn a_log_is_read_in_pages() {
    let mut bmc = Fake::new(&[(0x40, &[info(3)]), (0x43, &[entry(2, 1), entry(3, 2), entry(0xffff, 3)])]);
    let first = read_sel(&mut bmc, 0, 2).await.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((first.records.len(), first.next), (2, Some(3)));
    let last = read_sel(&mut bmc, 3, 2).await.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((last.records.len(), last.next), (1, None));
    let mut empty = Fake::new(&[(0x40, &[info(0)])]);
    assert_eq!(read_sel(&mut empty, 0, 9).await, Ok(SelPage { records: Vec::new(), next: None }));
}

#[tokio::test]
async fn a_log_in_circles_ends() {
    let mut bmc = Fake::new(&[(0x40, &[info(3)]), (0x43, &[entry(1, 1)])]);
    assert!(matches!(read_sel(&mut bmc, 0, 500).await, Err(LanError::Endless { .. })));
    let mut bmc = Fake::new(&[(0x40, &[info(3)]), (0x43, &[Err(0xcb)])]);
    assert_eq!(read_sel(&mut bmc, 0, 9).await.map(|p| p.records.len()), Ok(0));
}

#[tokio::test(start_paused = true)]
async fn a_clear_waits_until_it_is_done_but_not_for_ever() {
    let mut bmc = Fake::new(&[(0x42, &[Ok(vec![7, 0])]), (0x47, &[Ok(vec![0]), Ok(vec![0]), Ok(vec![1])])]);
    assert_eq!(clear_sel(&mut bmc).await, Ok(()));
    let begun: Vec<u8> = bmc.asked.iter().filter(|(cmd, _)| *cmd == 0x47).map(|(_, data)| data[5]).collect();
    assert_eq!(begun, [0xaa, 0, 0]);
    let mut bmc = Fake::new(&[(0x42, &[Ok(vec![7, 0])]), (0x47, &[Ok(vec![0])])]);
    assert!(matches!(clear_sel(&mut bmc).await, Err(LanError::Endless { .. })));
}

#[tokio::test]
async fn a_boot_device_that_is_not_taken_is_told() {
    let flags = BootFlags { valid: true, persistent: false, efi: true, device: BootDevice::Pxe };
    let taken = Ok(vec![1, 5, 0xa0, 0x04, 0, 0, 0]);
    // Refuses all that is optional.
    let mut bmc = Fake::new(&[(8, &[Err(0x80), Err(0x80), Err(0x80), Ok(vec![])]), (9, &[taken])]);
    assert_eq!(set_boot(&mut bmc, flags).await, Ok(flags));
    let data: Vec<u8> = bmc.asked.iter().filter(|(cmd, _)| *cmd == 8).map(|(_, data)| data[0]).collect();
    assert_eq!(data, [0, 3, 4, 5]);
    let mut bmc = Fake::new(&[(8, &[Ok(vec![])]), (9, &[Ok(vec![1, 5, 0, 0, 0, 0, 0])])]);
    let error = set_boot(&mut bmc, flags).await.map_err(|e| e.to_string());
    assert_eq!(
        error,
        Err("boot device: asked for Pxe once by UEFI, the BMC has Default once; its firmware does not take this".into())
    );
    // The lock is given back after a failure, too.
    let refuses = [Ok(vec![]), Ok(vec![]), Ok(vec![]), Err(0xc9), Ok(vec![])];
    let mut bmc = Fake::new(&[(8, &refuses)]);
    assert!(matches!(set_boot(&mut bmc, flags).await, Err(LanError::Completion { .. })));
    assert_eq!(bmc.asked.last(), Some(&(8, vec![0, 0])));
}

fn piece(next: u16, bytes: &[u8]) -> Answer {
    Ok([&next.to_le_bytes(), bytes].concat())
}

#[tokio::test]
async fn a_void_reservation_starts_the_record_anew_and_a_long_piece_becomes_shorter() {
    let head = [5, 0, 0x51, 0x11, 3];
    let reservation: &[Answer] = &[Ok(vec![1, 0]), Ok(vec![2, 0])];
    let pieces = [Err(0xca), piece(0xffff, &head[..5]), Err(0xc5), piece(0xffff, &head), piece(0xffff, &[1, 2, 3])];
    let mut bmc = Fake::new(&[(0x22, reservation), (0x23, &pieces)]);
    let found = read_sensors(&mut bmc, 10).await.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(found, Sensors::default(), "a FRU record is no sensor");
    let last = bmc.asked.last().unwrap_or_else(|| panic!("nothing asked"));
    assert_eq!(last.1, [2, 0, 0, 0, 5, 3]);
}

#[tokio::test]
async fn repositories_that_do_not_end_do_end() {
    let reservation: &[Answer] = &[Ok(vec![1, 0])];
    let head = [5, 0, 0x51, 0x11, 0];
    let mut circle = Fake::new(&[(0x22, reservation), (0x23, &[piece(5, &head)])]);
    assert!(matches!(read_sensors(&mut circle, 50).await, Err(LanError::Endless { .. })));
    let mut void = Fake::new(&[(0x22, reservation), (0x23, &[Err(0xc5)])]);
    assert!(matches!(read_sensors(&mut void, 50).await, Err(LanError::Completion { .. })));
    // A record that says it is as long as can be.
    let long = [piece(0xffff, &[5, 0, 0x51, 0x01, 0xff]), piece(0xffff, &[0x55; 16])];
    let mut long = Fake::new(&[(0x22, reservation), (0x23, &long)]);
    let found = read_sensors(&mut long, 50).await;
    assert!(found.is_ok_and(|f| f.sensors.len() + f.left_out.len() == 1));
    let mut none = Fake::new(&[(0x22, reservation), (0x23, &[Err(0xcb)])]);
    assert_eq!(read_sensors(&mut none, 50).await, Ok(Sensors::default()));
}
