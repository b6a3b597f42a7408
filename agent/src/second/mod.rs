//! The second stage: init of the image's own kernel. Gets the root file system (from the initramfs, or streamed and
//! verified), mounts it under a writable overlay, makes it this node's, and lets PID 1 hand over to the image's init. It
//! does not hold the session credential; what it has to tell travels with the callback.

mod beside;
mod files;
pub mod handover;
mod mount;
mod network;
mod rootfs;
pub mod switch;
pub mod systemd;
pub mod tree;
mod users;
mod words;

use std::path::Path;
use std::time::Duration;

use higuma_initramfs::second_stage::{BESIDE, PLAN};
use higuma_proto::SECOND_STAGE_SEQ;
use higuma_proto::steps::SECOND_STAGE;

use crate::bootargs::BootArgs;
use crate::decide::Way;
use crate::journal::{Journal, State, now_us};
use crate::power;
use crate::site::Site;
use crate::steps::{self, clock, modules};
use handover::Handover;
use tree::Tree;

/// Programs that an image may have as its init, in order.
pub const INITS: &[&str] = &["/sbin/init", "/lib/systemd/systemd", "/etc/init", "/bin/init"];

/// Whether this initramfs is a second stage.
pub fn is_here() -> bool {
    home().is_some()
}

/// What stands before the paths of our own files.
fn home() -> Option<&'static str> {
    ["", BESIDE].into_iter().find(|home| Path::new(&format!("{home}{PLAN}")).exists())
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
    let home = home().ok_or("the hand-over is gone")?;
    let handover = Handover::read(Path::new(&format!("{home}{PLAN}")))?;
    let site = Site::read(Path::new(&format!("{home}/")));
    mount::clear();
    if now_us() < handover.made_at_us {
        clock::set(handover.made_at_us / 1_000_000 + 1)?;
        journal.info(SECOND_STAGE, "the clock was behind the first stage's: stepped forward");
    }
    if handover.way == Way::Beside {
        return blocking({
            let told = journal.clone();
            move || beside::prepare(&handover, &site, &told)
        })
        .await;
    }
    let streams = handover.way == Way::Streamed;
    // DHCP wants af_packet; no device asks for it or for ipv6. What the image's kernel has built in is not packed.
    let network = ["af_packet", "ipv6"].into_iter().filter(|_| streams);
    let always = ["loop", "overlay"].into_iter().chain(network).map(str::to_owned).collect();
    let mut load = modules::LoadModules { name: SECOND_STAGE, always, by_devices: streams };
    // What is built in needs no module: the mounts will tell.
    steps::run_optional(&mut load, journal).await;

    let image = match handover.way {
        Way::Embedded => rootfs::embedded(&handover, journal).await?,
        Way::Streamed | Way::Beside => rootfs::streamed(&handover, journal).await?,
    };
    let kind = mount::kind(&image)?;
    let name = kind.name();
    let always = kind.helpers().iter().copied().chain([name]).map(str::to_owned).collect();
    let mut load = modules::LoadModules { name: SECOND_STAGE, always, by_devices: false };
    steps::run_optional(&mut load, journal).await;
    let percent = handover.plan.overlay_percent;
    blocking(move || mount::new_root(&image, kind, percent).and_then(|()| mount::share_run())).await?;
    let words = format!("root file system ({name}) mounted, writable overlay of up to {percent} % of memory");
    journal.info(SECOND_STAGE, &words);

    let tree = Tree::open(Path::new(mount::NEW_ROOT)).map_err(|e| format!("cannot open the new root: {e}"))?;
    let init = init_of(&tree, BootArgs::of_this_machine().init)?;
    let systemd = files::runs_systemd(&tree, &init);

    let told = journal.clone();
    let words = format!("handing over to {init}{}", if systemd { " (systemd)" } else { "" });
    blocking(move || {
        for problem in files::write_all(&tree, &handover, systemd) {
            told.info(SECOND_STAGE, &format!("not written: {problem}"));
        }
        told.record(SECOND_STAGE, State::Ok, &words);
        let mut events = handover.events.clone();
        events.extend(told.batch(500));
        // Without it the system could come up and nobody would ever know.
        files::callback(&tree, &handover, &site, events).map_err(|e| format!("cannot write the callback's file: {e}"))
    })
    .await?;
    switch::Switch { init, start_callback: !systemd, beside: false }.write()
}

/// The program to hand over to: what `init=` asks for and nothing else, or what images usually have.
fn init_of(tree: &Tree, asked: Option<String>) -> Result<String, String> {
    match asked {
        Some(asked) if tree.exists(&asked) => Ok(asked),
        Some(asked) => Err(format!(
            "the image has no {asked}, which init= on the kernel command line asks for: correct the profile's command line"
        )),
        None => INITS
            .iter()
            .find(|init| tree.exists(init))
            .map(|init| (*init).to_owned())
            .ok_or_else(|| format!("the image has no init: none of {}", INITS.join(", "))),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|_| "the work broke off".to_owned())?
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_init_that_is_asked_for_is_never_replaced() {
        let root = tempfile::tempdir().unwrap();
        let tree = Tree::open(root.path()).unwrap();
        assert!(init_of(&tree, None).unwrap_err().contains("no init"));
        tree.write("/bin/init", 0o755, b"").unwrap();
        assert_eq!(init_of(&tree, None).unwrap(), "/bin/init");
        assert!(init_of(&tree, Some("/bin/mine".to_owned())).unwrap_err().contains("/bin/mine"));
        tree.write("/bin/mine", 0o755, b"").unwrap();
        assert_eq!(init_of(&tree, Some("/bin/mine".to_owned())).unwrap(), "/bin/mine");
    }
}
