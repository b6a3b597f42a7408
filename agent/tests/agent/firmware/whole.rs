//! A whole update: fetched over HTTP, verified, unpacked, run, reported; and never run twice.

use crate::firmware::archive::raw;
use higuma_agent::firmware::carry_out;
use higuma_proto::agent::{FirmwareUpdate, Part, ReportFirmwareRequest};
use sha2::{Digest, Sha256};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use tar::EntryType;

/// Serves one blob to everybody.
fn serve(blob: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/blobs/x", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(&stream).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", blob.len());
            let _ = (&stream).write_all(&[head.as_bytes(), &blob].concat());
        }
    });
    url
}

fn update(script: &str, change: impl FnOnce(&mut FirmwareUpdate)) -> FirmwareUpdate {
    let script = raw(EntryType::Regular, "bin/update.sh", "", 0o755, format!("#!/bin/sh\n{script}").as_bytes());
    let archive = zstd::encode_all(&[script, vec![0; 1024]].concat()[..], 3).unwrap();
    let mut update = FirmwareUpdate {
        attempt_id: "attempt-1".into(),
        component: "nic".into(),
        subject: "52:54:00:00:00:01".into(),
        wanted: "2.0.0".into(),
        part: Some(Part {
            role: "firmware".into(),
            sha256: hex::encode(Sha256::digest(&archive)),
            size: archive.len() as u64,
            urls: vec![serve(archive)],
        }),
        exec: "bin/update.sh".into(),
        args: vec![],
        deadline_seconds: 30,
        attempt: 1,
        attempts: 3,
    };
    change(&mut update);
    update
}

fn run(update: &FirmwareUpdate, home: &Path) -> (ReportFirmwareRequest, Vec<String>) {
    let mut told = Vec::new();
    (carry_out(update, home, |line| told.push(line.to_owned())), told)
}

#[test]
fn from_the_server_to_the_report() {
    let home = tempfile::tempdir().unwrap();
    let update = update("echo $HIGUMA_COMPONENT $HIGUMA_SUBJECT to $HIGUMA_WANTED; ls", |_| ());
    let (report, told) = run(&update, home.path());
    assert_eq!((report.attempt_id.as_str(), report.exit_code, report.error.as_str()), ("attempt-1", Some(0), ""));
    assert_eq!(String::from_utf8_lossy(&report.output), "nic 52:54:00:00:00:01 to 2.0.0\nbin\n");
    for words in ["verified (sha256", "1 file(s) unpacked", "for 30 s at most"] {
        assert!(told.iter().any(|line| line.contains(words)), "{words}: {told:?}");
    }
}

#[test]
fn one_attempt_is_never_run_twice() {
    let home = tempfile::tempdir().unwrap();
    let counter = home.path().join("runs");
    let script = format!("echo x >> {}; echo out", counter.display());
    let first = update(&script, |_| ());
    assert_eq!(run(&first, home.path()).0.exit_code, Some(0));
    // As a worker that was started again: the same attempt is given to it.
    let (report, told) = run(&first, home.path());
    assert!(report.exit_code.is_none() && report.error.contains("restarted while"), "{report:?}");
    assert_eq!(report.output, b"out\n", "its output is not lost");
    assert!(told.iter().any(|line| line.contains("not started again")), "{told:?}");
    assert_eq!(std::fs::read_to_string(&counter).unwrap(), "x\n");
    // Another attempt is another matter.
    let second = update(&script, |update| update.attempt_id = "attempt-2".into());
    assert_eq!(run(&second, home.path()).0.exit_code, Some(0));
    assert_eq!(std::fs::read_to_string(&counter).unwrap(), "x\nx\n");
}

#[test]
fn nothing_runs_that_was_not_verified() {
    let home = tempfile::tempdir().unwrap();
    let counter = home.path().join("runs");
    let script = format!("echo x >> {}", counter.display());
    let wrong = update(&script, |update| update.part.as_mut().unwrap().sha256 = "0".repeat(64));
    let (report, _) = run(&wrong, home.path());
    assert!(report.exit_code.is_none() && report.error.contains("wrong bytes"), "{report:?}");
    let (report, _) = run(&update(&script, |update| update.part = None), home.path());
    assert!(report.error.contains("no archive"), "{report:?}");
    let (report, _) = run(&update(&script, |u| u.part.as_mut().unwrap().sha256 = "../x".into()), home.path());
    assert!(report.error.contains("64 hex digits"), "{report:?}");
    assert!(!counter.exists());
}
