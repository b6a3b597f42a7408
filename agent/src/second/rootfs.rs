//! Where the root file system comes from: the initramfs, or the server. Either way it is verified against the plan here,
//! before it is mounted; nothing else is ever given out.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use higuma_initramfs::second_stage::ROOTFS;
use higuma_proto::agent::Part;
use higuma_proto::steps::SECOND_STAGE;
use sha2::Digest;

use super::handover::Handover;
use super::{blocking, mount};
use crate::fetch::{self, FetchError, Limits, Progress};
use crate::journal::{Journal, State};
use crate::memory::{self, mib};
use crate::net::Wanted;
use crate::steps::{self, backoff, jittered, network};

/// A restart of the whole machine is dear: the server may be away for so long at least.
const SHORTEST_STALL: Duration = Duration::from_secs(30 * 60);
const LONGEST_STALL: Duration = Duration::from_secs(24 * 3_600);
/// A download that stalled, or brought wrong bytes, is taken up so often.
const ROUNDS: u32 = 4;

/// The file in the initramfs. The first stage verified it, but loading and unpacking may have damaged it since.
pub async fn embedded(handover: &Handover, journal: &Journal) -> Result<PathBuf, String> {
    let part = handover.rootfs()?.clone();
    blocking(move || verify(Path::new(ROOTFS), &part)).await?;
    journal.info(SECOND_STAGE, "rootfs: sha256 verified");
    Ok(PathBuf::from(ROOTFS))
}

fn verify(path: &Path, part: &Part) -> Result<(), String> {
    let place = path.display();
    let mut file = File::open(path).map_err(|e| format!("{place} is not in the initramfs: {e}"))?;
    let (hash, size) = fetch::hash_of(&mut file).map_err(|e| format!("cannot read {place}: {e}"))?;
    if size != part.size {
        return Err(format!(
            "{place} has {size} bytes, expected {}: was the initramfs cut off for want of memory?",
            part.size
        ));
    }
    let got = hex::encode(hash.finalize());
    if got != part.sha256 {
        return Err(format!("{place} has wrong bytes: expected sha256 {}, got {got}", part.sha256));
    }
    Ok(())
}

/// Downloaded into a tmpfs of its own.
pub async fn streamed(handover: &Handover, journal: &Journal) -> Result<PathBuf, String> {
    let part = handover.rootfs()?.clone();
    let ipv6 = handover.grpc.starts_with('[') || part.urls.iter().any(|url| url.starts_with("http://["));
    let mut up = network::BringUp {
        wanted: Wanted { boot_mac: handover.boot_mac.clone(), ipv6 },
        journal: journal.clone(),
        name: SECOND_STAGE,
    };
    steps::run(&mut up, journal).await.map_err(|e| e.message)?;
    let available = memory::now()?.available;
    if part.size > available {
        return Err(format!("the root file system has {}, {} of memory is available", mib(part.size), mib(available)));
    }
    let path = mount::room_for_image(part.size)?;
    journal.info(SECOND_STAGE, &format!("streaming the root file system of {}", mib(part.size)));
    let stall = stall_of(handover.plan.deadline_seconds);
    let limits = Limits { stall, ..Limits::default() };
    let told = journal.clone();
    blocking(move || {
        let mut file = File::options()
            .create_new(true)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|e| format!("cannot make {path}: {e}"))?;
        let overall = stall.saturating_mul(2);
        let pace = Pace { limits, overall, pause: Duration::from_secs(15) };
        download(&part, &mut file, &pace, &told)?;
        told.info(SECOND_STAGE, "rootfs: sha256 verified");
        Ok(PathBuf::from(path))
    })
    .await
}

/// As long as the server waits for the boot, and never short.
fn stall_of(deadline_seconds: u32) -> Duration {
    Duration::from_secs(u64::from(deadline_seconds)).clamp(SHORTEST_STALL, LONGEST_STALL)
}

/// How long and how often.
struct Pace {
    /// Of one round.
    limits: Limits,
    /// For all rounds.
    overall: Duration,
    /// Before the second round; it grows.
    pause: Duration,
}

/// Takes a download that stalled up again, with what is in the file.
fn download(part: &Part, file: &mut File, pace: &Pace, journal: &Journal) -> Result<(), String> {
    let overall = pace.overall;
    let began = Instant::now();
    let mut tenths = 0;
    for round in 1.. {
        let outcome = fetch::fetch(part, file, &pace.limits, |progress| {
            match progress {
                Progress::Trouble(why) => journal.record(SECOND_STAGE, State::Retry, &format!("rootfs: {why}")),
                Progress::Bytes(bytes) if bytes.saturating_mul(10) / part.size.max(1) > tenths => {
                    tenths = bytes.saturating_mul(10) / part.size.max(1);
                    journal.info(SECOND_STAGE, &format!("rootfs: {} %", tenths * 10));
                }
                Progress::Bytes(_) => {}
            }
            began.elapsed() < overall
        });
        let why = match outcome {
            Ok(()) => return Ok(()),
            Err(FetchError::Stopped) => format!("not done within {} s", overall.as_secs()),
            Err(e @ (FetchError::Stalled { .. } | FetchError::Wrong { .. }))
                if round < ROUNDS && began.elapsed() < overall =>
            {
                journal.record(SECOND_STAGE, State::Retry, &format!("rootfs: {e}; taken up again"));
                std::thread::sleep(jittered(backoff(pace.pause, round)));
                continue;
            }
            Err(e) => e.to_string(),
        };
        return Err(format!("rootfs ({}): {why}", mib(part.size)));
    }
    Err("rootfs: given up".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write;

    use sha2::Sha256;

    use super::*;

    fn part(content: &[u8]) -> Part {
        Part {
            role: "rootfs".to_owned(),
            sha256: hex::encode(Sha256::digest(content)),
            size: content.len() as u64,
            urls: Vec::new(),
        }
    }

    #[test]
    fn an_embedded_file_is_verified_to_the_last_byte() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"squashfs").unwrap();
        verify(file.path(), &part(b"squashfs")).unwrap();
        let why = verify(file.path(), &part(b"sqUashfs")).unwrap_err();
        assert!(why.contains(&part(b"sqUashfs").sha256) && why.contains(&part(b"squashfs").sha256), "{why}");
        assert!(verify(file.path(), &part(b"squash")).unwrap_err().contains("8 bytes, expected 6"));
        assert!(verify(Path::new("/nonexistent"), &part(b"")).unwrap_err().contains("not in the initramfs"));
    }

    #[test]
    fn a_dead_server_is_tried_for_some_rounds_and_then_given_up() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/blobs/x", listener.local_addr().unwrap());
        drop(listener);
        let mut dead = part(b"squashfs");
        dead.urls.push(url);
        let journal = Journal::starting_at(0);
        let short = Duration::from_millis(5);
        let limits = Limits { stall: short, pause: short, read: Duration::from_secs(2), ..Limits::default() };
        let pace = Pace { limits, overall: Duration::from_secs(600), pause: short };
        let mut file = tempfile::tempfile().unwrap();
        let why = download(&dead, &mut file, &pace, &journal).unwrap_err();
        assert!(why.contains("no byte came"), "{why}");
        let again = journal.batch(100).iter().filter(|e| e.message.contains("taken up again")).count();
        assert_eq!(again, 3);
        let limits = Limits { stall: pace.overall, ..limits };
        let over = Pace { limits, overall: Duration::ZERO, ..pace };
        let why = download(&dead, &mut file, &over, &journal).unwrap_err();
        assert!(why.contains("not done within"), "{why}");
    }

    #[test]
    fn the_stall_follows_the_server_within_reason() {
        assert_eq!(stall_of(60), SHORTEST_STALL);
        assert_eq!(stall_of(7_200), Duration::from_secs(7_200));
        assert_eq!(stall_of(u32::MAX), LONGEST_STALL);
    }
}
