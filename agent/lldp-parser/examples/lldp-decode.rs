//! `lldp-decode FILE.pcap`: prints one JSON line per LLDP frame of a classic pcap file (Ethernet link type); a frame
//! that is refused prints its error. Other frames are passed over. Use `-` for standard input.

use std::io::Read;
use std::process::ExitCode;

use lldp_parser::{Error, Frame};

/// Larger files are refused instead of read into memory, bytes.
const MAX_FILE: u64 = 256 * 1024 * 1024;

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: lldp-decode FILE.pcap");
        return ExitCode::from(2);
    };
    let printed = read(&path).and_then(|file| {
        let frames = split_pcap(&file)?;
        frames.iter().enumerate().for_each(|(number, frame)| print_frame(number + 1, frame));
        Ok(())
    });
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lldp-decode: {path}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn read(path: &str) -> Result<Vec<u8>, String> {
    let source: Box<dyn Read> = if path == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(path).map_err(|error| error.to_string())?)
    };
    let mut bytes = Vec::new();
    source.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(format!("larger than {MAX_FILE} bytes: cut it first (editcap)"));
    }
    Ok(bytes)
}

/// The frames of a classic pcap file of either byte order, with micro- or nanoseconds.
fn split_pcap(file: &[u8]) -> Result<Vec<&[u8]>, String> {
    let (header, mut rest) = file.split_first_chunk::<24>().ok_or("too short for a pcap file")?;
    let number: fn([u8; 4]) -> u32 = match header {
        [0xd4, 0xc3, 0xb2, 0xa1, ..] | [0x4d, 0x3c, 0xb2, 0xa1, ..] => u32::from_le_bytes,
        [0xa1, 0xb2, 0xc3, 0xd4, ..] | [0xa1, 0xb2, 0x3c, 0x4d, ..] => u32::from_be_bytes,
        [0x0a, 0x0d, 0x0d, 0x0a, ..] => return Err("a pcapng file: convert it first (editcap -F pcap)".into()),
        _ => return Err("not a pcap file".into()),
    };
    let link = number([header[20], header[21], header[22], header[23]]);
    if link != 1 {
        return Err(format!("link type {link}, Ethernet (1) expected"));
    }
    let mut frames = Vec::new();
    while let Some((record, after)) = rest.split_first_chunk::<16>() {
        let length = number([record[8], record[9], record[10], record[11]]) as usize;
        let Some((frame, after)) = after.split_at_checked(length) else {
            eprintln!("lldp-decode: the last record is cut: {length} bytes announced, {} are there", after.len());
            break;
        };
        frames.push(frame);
        rest = after;
    }
    Ok(frames)
}

fn print_frame(number: usize, bytes: &[u8]) {
    let line = match Frame::parse(bytes) {
        Ok(frame) => serde_json::to_string(&frame),
        Err(Error::NotLldp { .. }) => return,
        Err(error) => serde_json::to_string(&serde_json::json!({ "frame": number, "error": error.to_string() })),
    };
    match line {
        Ok(line) => println!("{line}"),
        Err(error) => eprintln!("lldp-decode: frame {number}: {error}"),
    }
}
