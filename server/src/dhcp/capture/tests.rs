//! Captures as the usual programs write them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use proptest::prelude::*;

const PCAP: &[u8] = include_bytes!("../fixtures/pxe-4011.pcap");

/// The first packet's frame.
fn frame() -> &'static [u8] {
    let length = u32::from_le_bytes(*PCAP[32..36].first_chunk().unwrap());
    &PCAP[40..40 + usize::try_from(length).unwrap()]
}

fn file(link: u32, frames: &[Vec<u8>], magic: u32, word: fn(u32) -> [u8; 4]) -> Vec<u8> {
    let mut out: Vec<u8> = [magic, 0, 0, 0, 65535, link].into_iter().flat_map(word).collect();
    for frame in frames {
        let length = u32::try_from(frame.len()).unwrap();
        out.extend([7, 1500, length, length].into_iter().flat_map(word));
        out.extend(frame);
    }
    out
}

fn only(bytes: &[u8]) -> Datagram {
    let capture = read(bytes).unwrap();
    assert_eq!((capture.datagrams.len(), capture.others), (1, 0), "{capture:?}");
    capture.datagrams[0].clone()
}

#[test]
fn every_kind_of_pcap() {
    let payload = &frame()[42..];
    let vlan = [&frame()[..12], &[0x81, 0, 0, 5, 0x88, 0xa8, 0, 6], &frame()[12..]].concat();
    let cooked = [&[0; 14][..], &[8, 0], &frame()[14..]].concat();
    let cooked2 = [&[8, 0][..], &[0; 18], &frame()[14..]].concat();
    for (link, frame) in
        [(1, frame().to_vec()), (1, vlan), (113, cooked), (276, cooked2), (101, frame()[14..].to_vec())]
    {
        for (magic, word, at) in [
            (0xa1b2_c3d4, u32::to_le_bytes as fn(u32) -> [u8; 4], 7_001_500),
            (0xa1b2_c3d4, u32::to_be_bytes, 7_001_500),
            (0xa1b2_3c4d, u32::to_be_bytes, 7_000_001),
        ] {
            let found = only(&file(link, std::slice::from_ref(&frame), magic, word));
            assert_eq!((found.at, found.payload.as_slice(), found.number), (Some(at), payload, 1), "{link} {magic:x}");
            let ends = ("0.0.0.0:68".parse().unwrap(), "255.255.255.255:67".parse().unwrap());
            assert_eq!(found.ends, Some(ends));
        }
    }
}

#[test]
fn what_is_not_dhcp_is_counted_and_what_is_missing_is_said() {
    let mut fragment = frame().to_vec();
    fragment[20] = 0x20;
    let mut dns = frame().to_vec();
    (dns[35], dns[37]) = (53, 53);
    let frames = [vec![0; 60], fragment, dns, frame().to_vec(), Vec::new()];
    let capture = read(&file(1, &frames, 0xa1b2_c3d4, u32::to_le_bytes)).unwrap();
    assert_eq!((capture.datagrams.len(), capture.others), (1, 4));
    assert_eq!(capture.datagrams[0].number, 4);
    let cut = read(&PCAP[..PCAP.len() - 1]).unwrap();
    assert_eq!((cut.datagrams.len(), cut.cut.as_deref()), (20, Some("the file ends within packet 21")));
    for (bytes, says) in [
        (&b"\x0a\x0d\x0d\x0a\x1c\0\0\0"[..], "pcapng"),
        (&PCAP[..20], "24 bytes, got 20"),
        (b"\xff\xfe", "neither"),
        (b"", "no packet"),
        (b"# only a remark\n", "no packet"),
        (b"01 02\nhello\n", "line 2: expected hexadecimal bytes, got \"hello\""),
        (b"010\n", "line 1"),
    ] {
        let error = read(bytes).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let infiniband = file(247, &[], 0xa1b2_c3d4, u32::to_le_bytes);
    assert!(read(&infiniband).unwrap_err().to_string().contains("link type 247"));
}

#[test]
fn text_of_the_usual_programs() {
    let bytes = &frame()[..40];
    let two = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ");
    let four = |bytes: &[u8]| bytes.chunks(2).map(hex::encode).collect::<Vec<_>>().join(" ");
    let lines = |line: &dyn Fn(usize, &[u8]) -> String| {
        bytes.chunks(16).enumerate().map(|(n, chunk)| line(n * 16, chunk) + "\n").collect::<String>()
    };
    let halves = |chunk: &[u8]| format!("{}  {}", two(&chunk[..8]), two(&chunk[8..]));
    let texts = [
        lines(&|at, chunk| format!("{at:08x}: {}  .ab.cd.", four(chunk))),
        lines(&|at, chunk| format!("\t0x{at:04x}:  {}", four(chunk))),
        lines(&|at, chunk| format!("{at:08x}  {}  |........|", halves(chunk))),
        lines(&|at, chunk| format!("{at:04x}   {}   ........ .......", two(chunk))),
        lines(&|_, chunk| two(chunk)),
        hex::encode(bytes),
        format!("# of a mail\n{}  # the end\n", two(bytes).to_uppercase()),
        bytes.iter().map(|b| format!("0x{b:02x},")).collect(),
        two(bytes).replace(' ', ":"),
    ];
    for text in texts.iter().filter(|text| !text.is_empty()) {
        let last = if text.contains('|') { text.replace("  \n", "\n") } else { text.clone() };
        assert_eq!(only(last.as_bytes()).payload, bytes, "{text}");
    }
    let twice = texts[0].repeat(2);
    assert_eq!(read(twice.as_bytes()).unwrap().datagrams.len(), 2, "an offset of zero begins a packet");
    // A whole frame is told from DHCP's own bytes.
    let whole = only(hex::encode(frame()).as_bytes());
    assert_eq!((whole.ends.is_some(), whole.payload.as_slice()), (true, &frame()[42..]));
    let bare = only(hex::encode(&frame()[42..]).as_bytes());
    assert_eq!((bare.ends, bare.payload.as_slice()), (None, &frame()[42..]));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(at in 0_usize..8000, with in any::<[u8; 4]>(), text in "[0-9a-fx:| #\\t\\n]{0,200}") {
        let mut bytes = PCAP.to_vec();
        bytes[at..at + 4].copy_from_slice(&with);
        let _ = read(&bytes);
        let _ = read(text.as_bytes());
    }
}
