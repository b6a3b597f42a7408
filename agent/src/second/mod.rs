//! The second stage: init of the image's own kernel. Gets the root file system (from the initramfs, or streamed and
//! verified), mounts it under a writable overlay, makes it this node's, and lets PID 1 hand over to the image's init. It
//! does not hold the session credential; what it has to tell travels with the callback.

mod files;
pub mod handover;
mod mount;
pub mod switch;
pub mod systemd;
pub mod tree;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use higuma_initramfs::second_stage::{PLAN, ROOTFS};
use higuma_proto::SECOND_STAGE_SEQ;
use higuma_proto::steps::SECOND_STAGE;

use crate::bootargs::BootArgs;
use crate::decide::Way;
use crate::fetch::{self, Limits, Progress};
use crate::journal::{Journal, State, now_us};
use crate::memory::{self, mib};
use crate::net::Wanted;
use crate::power;
use crate::site::Site;
use crate::steps::{self, clock, modules, network};
use handover::Handover;
use tree::Tree;

/// Programs that an image may have as its init, in order.
pub const INITS: &[&str] = &["/sbin/init", "/lib/systemd/systemd", "/etc/init", "/bin/init"];

/// Whether this initramfs is a second stage.
pub fn is_here() -> bool {
    Path::new(PLAN).exists()
}

/// Prepares the new root. A failure restarts the machine: the server's deadline tells people where it stopped.
pub async fn run() {
    let journal = Journal::starting_at(SECOND_STAGE_SEQ);
    journal.record(SECOND_STAGE, State::Started, &format!("second stage, agent {}", crate::VERSION));
    if let Err(why) = prepare(&journal).await {
        journal.record(SECOND_STAGE, State::Failed, &why);
        power::restart(&why, Duration::from_secs(60));
    }
}

async fn prepare(journal: &Journal) -> Result<(), String> {
    let handover = Handover::read(Path::new(PLAN))?;
    let site = Site::read(Path::new("/"));
    if now_us() < handover.made_at_us {
        clock::set(handover.made_at_us / 1_000_000 + 1)?;
        journal.info(SECOND_STAGE, "the clock was behind the first stage's: stepped forward");
    }
    let always = ["loop", "squashfs", "overlay"].map(str::to_owned).to_vec();
    let mut load = modules::LoadModules { name: SECOND_STAGE, always, by_devices: handover.way == Way::Streamed };
    // What is built in needs no module: the mounts will tell.
    let _ = steps::run(&mut load, journal).await;

    let image = match handover.way {
        Way::Embedded => embedded(&handover)?,
        Way::Streamed => streamed(&handover, journal).await?,
    };
    let percent = handover.plan.overlay_percent;
    blocking(move || mount::new_root(&image, percent).and_then(|()| mount::share_run())).await?;
    journal.info(SECOND_STAGE, &format!("root file system mounted, writable overlay of up to {percent} % of memory"));

    let tree = Tree::open(Path::new(mount::NEW_ROOT)).map_err(|e| format!("cannot open the new root: {e}"))?;
    let asked = BootArgs::of_this_machine().init;
    let init = asked
        .into_iter()
        .chain(INITS.iter().map(|init| (*init).to_owned()))
        .find(|init| tree.exists(init))
        .ok_or_else(|| format!("the image has no init: none of {}", INITS.join(", ")))?;
    let systemd = files::runs_systemd(&tree, &init);
    journal.record(
        SECOND_STAGE,
        State::Ok,
        &format!("handing over to {init}{}", if systemd { " (systemd)" } else { "" }),
    );

    let mut events = handover.events.clone();
    events.extend(journal.batch(500));
    let pair = (site.ca_pem.clone().unwrap_or_default(), site.server_name.clone().unwrap_or_default());
    let problems =
        blocking(move || Ok(files::write_all(&tree, &handover, (&pair.0, &pair.1), systemd, events))).await?;
    for problem in problems {
        journal.info(SECOND_STAGE, &format!("not written: {problem}"));
    }
    let switch = switch::Switch { init, start_callback: !systemd };
    let text = serde_json::to_vec(&switch).map_err(|e| e.to_string())?;
    std::fs::write(switch::FILE, text).map_err(|e| format!("cannot write {}: {e}", switch::FILE))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|_| "the work broke off".to_owned())?
}

/// The first stage verified it; unpacking can only have cut it off.
fn embedded(handover: &Handover) -> Result<PathBuf, String> {
    let expected = handover.rootfs()?.size;
    let got = std::fs::metadata(ROOTFS).map_err(|e| format!("{ROOTFS} is not in the initramfs: {e}"))?.len();
    if got != expected {
        return Err(format!(
            "{ROOTFS} has {got} bytes, expected {expected}: was the initramfs cut off for want of memory?"
        ));
    }
    Ok(PathBuf::from(ROOTFS))
}

async fn streamed(handover: &Handover, journal: &Journal) -> Result<PathBuf, String> {
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
    let told = journal.clone();
    let work = move || {
        let mut file = File::options()
            .create_new(true)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|e| format!("cannot make {path}: {e}"))?;
        let mut tenths = 0;
        let outcome = fetch::fetch(&part, &mut file, &Limits::default(), |progress| {
            match progress {
                Progress::Trouble(why) => told.record(SECOND_STAGE, State::Retry, &format!("rootfs: {why}")),
                Progress::Bytes(bytes) if bytes * 10 / part.size.max(1) > tenths => {
                    tenths = bytes * 10 / part.size.max(1);
                    told.info(SECOND_STAGE, &format!("rootfs: {} %", tenths * 10));
                }
                Progress::Bytes(_) => {}
            }
            true
        });
        outcome.map_err(|e| format!("rootfs ({}): {e}", mib(part.size)))?;
        told.info(SECOND_STAGE, "rootfs: sha256 verified");
        Ok(PathBuf::from(path))
    };
    blocking(work).await
}
