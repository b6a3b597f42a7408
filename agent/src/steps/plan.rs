//! Asks what to boot until there is an answer. Waiting has no end of its own: a node without a profile waits for a person.
//! A plan that this agent cannot carry out is refused here, before anything is downloaded.

use std::env::consts::ARCH;
use std::time::{Duration, Instant};

use higuma_proto::agent::get_boot_plan_response::Answer;
use higuma_proto::agent::{BootPlan, Park};
use higuma_proto::steps::PLAN;

use super::{StepError, backoff, jittered, register};
use crate::bootargs::is_secret;
use crate::client::Client;
use crate::explain;
use crate::journal::{Journal, State};

/// What the server decided.
pub enum Decision {
    /// Boot this.
    Boot(Box<BootPlan>),
    /// Nothing to boot: end this boot now, because of this.
    Park(Ending, String),
    /// The BMC is to be set up first: the node was let in after it was asked for.
    Bmc,
    /// The firmware policy comes first: ask for it after this pause.
    Firmware(Duration),
}

/// How a boot ends that has nothing to boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The machine is powered off.
    Off,
    /// The machine is restarted.
    Restart,
}

/// What to do about being parked.
#[derive(Debug, PartialEq, Eq)]
enum Parked {
    /// Now.
    End(Ending),
    /// Say this, and ask again after so long: a profile may have come.
    AskAgain(String, Duration),
}

/// A parked node asks at least so often.
const PARKED_ASKS: Duration = Duration::from_secs(10);
/// As often as this with an action that it does not know.
const UNKNOWN_ASKS: Duration = Duration::from_secs(60);

impl Parked {
    /// Only the server counts down: a node that cannot reach it waits.
    fn of(park: &Park) -> Parked {
        let (ending, what) = match park.action.as_str() {
            "poweroff" => (Ending::Off, "powers off"),
            "reboot" => (Ending::Restart, "restarts"),
            other => {
                let line = format!("parked: {} (the action {other:?} is not known: waiting)", park.reason);
                return Parked::AskAgain(line, UNKNOWN_ASKS);
            }
        };
        if park.after_seconds == 0 {
            return Parked::End(ending);
        }
        let pause = Duration::from_secs(u64::from(park.after_seconds)).min(PARKED_ASKS);
        Parked::AskAgain(format!("parked: {what} in {}: {}", rounded(park.after_seconds), park.reason), pause)
    }
}

/// "5 min", "40 s".
fn rounded(seconds: u32) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h", seconds.div_ceil(3_600)),
    }
}

/// Plans in a row that this agent could not carry out.
#[derive(Debug, Default)]
pub struct Refused {
    /// How many.
    pub times: u32,
    last: String,
}

impl Refused {
    /// Counts one; whether its reason is another than before, so that it is worth an event.
    fn is_news(&mut self, why: &str) -> bool {
        self.times = self.times.saturating_add(1);
        let news = self.last != why;
        why.clone_into(&mut self.last);
        news
    }
}

/// Waits until the server decides; a final error means that this session is over, another one that the plan was refused.
pub async fn wait_for(
    client: &Client,
    callback_sha256: &str,
    journal: &Journal,
    refused: &mut Refused,
) -> Result<Decision, StepError> {
    let began = Instant::now();
    if refused.times == 0 {
        journal.record(PLAN, State::Started, "");
    }
    let mut told = String::new();
    let mut tell = |line: String| {
        if line != told {
            journal.info(PLAN, &line);
            told = line;
        }
    };
    let mut failures = 0u32;
    let mut parked = None;
    loop {
        let pause = match client.boot_plan(callback_sha256.to_owned()).await.map(|answer| answer.answer) {
            Ok(Some(Answer::Plan(plan))) => {
                if let Err(why) = check(&plan) {
                    if refused.is_news(&why) {
                        journal.record(PLAN, State::Failed, &why);
                    }
                    return Err(StepError::again(why));
                }
                *refused = Refused::default();
                let seconds = began.elapsed().as_secs_f32();
                let what = format!(
                    "profile {} revision {}, image {}, {} part(s) ({seconds:.1} s)",
                    plan.profile,
                    plan.revision,
                    plan.image,
                    plan.parts.len()
                );
                journal.record(PLAN, State::Ok, &what);
                return Ok(Decision::Boot(Box::new(plan)));
            }
            Ok(Some(Answer::Wait(wait))) => {
                failures = 0;
                parked = None;
                tell(format!("waiting: {}", wait.reason));
                let pause = Duration::from_secs(u64::from(wait.retry_after_seconds.clamp(1, 3_600)));
                if wait.ask_bmc {
                    return Ok(Decision::Bmc);
                }
                if wait.ask_firmware {
                    return Ok(Decision::Firmware(pause));
                }
                pause
            }
            Ok(Some(Answer::Park(park))) => {
                failures = 0;
                match Parked::of(&park) {
                    Parked::End(ending) => {
                        journal.record(PLAN, State::Ok, &format!("park: {}: {}", park.action, park.reason));
                        return Ok(Decision::Park(ending, park.reason));
                    }
                    Parked::AskAgain(line, pause) => {
                        // Told once, not with each second of the countdown.
                        if parked.as_ref() != Some(&(park.action.clone(), park.reason.clone())) {
                            tell(line);
                            parked = Some((park.action, park.reason));
                        }
                        pause
                    }
                }
            }
            Ok(None) => {
                tell("the server's answer was empty: is this agent older than the server?".to_owned());
                Duration::from_secs(30)
            }
            Err(status) if register::is_refusal(status.code()) => {
                let why = format!("the server refused: {}", explain::status(&status));
                journal.record(PLAN, State::Failed, &why);
                return Err(StepError::last(why));
            }
            Err(status) => {
                failures = failures.saturating_add(1);
                tell(format!("no answer: {}", explain::status(&status)));
                backoff(Duration::from_secs(1), failures)
            }
        };
        tokio::time::sleep(jittered(pause)).await;
    }
}

/// Whether this agent can carry the plan out; if not, why.
fn check(plan: &BootPlan) -> Result<(), String> {
    if plan.version != higuma_proto::BOOT_PLAN_VERSION {
        return Err(format!(
            "the plan has version {}, this agent knows {}: build the first stage anew with this release",
            plan.version,
            higuma_proto::BOOT_PLAN_VERSION
        ));
    }
    if !plan.arch.is_empty() && plan.arch != ARCH {
        return Err(format!(
            "image {} is for {}, this machine runs {ARCH}: assign a profile with an image for {ARCH}",
            plan.image, plan.arch
        ));
    }
    for part in &plan.parts {
        if !is_secret(&part.sha256) {
            return Err(format!("the plan's sha256 of the {} is not 64 hex digits", part.role));
        }
        if part.size == 0 {
            return Err(format!("the plan's {} is empty", part.role));
        }
    }
    let count = |role: &str| plan.parts.iter().filter(|p| p.role == role).count();
    if count("kernel") != 1 {
        return Err(format!("the plan has {} kernels, expected one", count("kernel")));
    }
    if let Some(twice) = ["initrd", "modules", "rootfs"].iter().find(|role| count(role) > 1) {
        return Err(format!("the plan has more than one {twice}"));
    }
    if count("rootfs") == 1 && count("modules") == 0 {
        return Err("the plan has a rootfs but no modules for it".to_owned());
    }
    if count("rootfs") == 0 && count("initrd") == 0 {
        return Err("the plan has neither a rootfs nor an initrd".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use higuma_proto::agent::Part;

    use super::*;

    fn plan(roles: &[&str]) -> BootPlan {
        let part = |role: &&str| Part { role: (*role).to_owned(), sha256: "a".repeat(64), size: 1, urls: Vec::new() };
        BootPlan { version: 1, parts: roles.iter().map(part).collect(), ..BootPlan::default() }
    }

    #[test]
    fn the_same_refusal_is_told_once() {
        let mut refused = Refused::default();
        assert!(refused.is_news("version 2"));
        assert!(!refused.is_news("version 2"));
        assert!(refused.is_news("no kernel"));
        assert_eq!(refused.times, 3);
    }

    #[test]
    fn a_parked_node_asks_again_until_its_time_has_come() {
        let of = |action: &str, after_seconds| {
            Parked::of(&Park { reason: "no profile".to_owned(), action: action.to_owned(), after_seconds })
        };
        assert_eq!(of("poweroff", 0), Parked::End(Ending::Off));
        assert_eq!(of("reboot", 0), Parked::End(Ending::Restart));
        let ask = |line: &str, seconds| Parked::AskAgain(line.to_owned(), Duration::from_secs(seconds));
        assert_eq!(of("poweroff", 300), ask("parked: powers off in 5 min: no profile", 10));
        assert_eq!(of("reboot", 3), ask("parked: restarts in 3 s: no profile", 3));
        assert_eq!(of("reboot", 86_400), ask("parked: restarts in 24 h: no profile", 10));
        assert_eq!(of("hop", 0), ask("parked: no profile (the action \"hop\" is not known: waiting)", 60));
    }

    #[test]
    fn only_complete_plans_are_carried_out() {
        assert!(check(&plan(&["kernel", "modules", "rootfs"])).is_ok());
        assert!(check(&plan(&["kernel", "initrd"])).is_ok());
        for bad in [&["modules", "rootfs"][..], &["kernel"], &["kernel", "rootfs"], &["kernel", "kernel", "initrd"]] {
            assert!(check(&plan(bad)).is_err(), "{bad:?}");
        }
        assert!(check(&BootPlan { version: 2, ..plan(&["kernel", "initrd"]) }).is_err_and(|e| e.contains("version 2")));
        assert!(check(&BootPlan { arch: ARCH.to_owned(), ..plan(&["kernel", "initrd"]) }).is_ok());
        let other = BootPlan { arch: "sparc64".to_owned(), image: "sun:1".to_owned(), ..plan(&["kernel", "initrd"]) };
        assert!(check(&other).is_err_and(|e| e.contains("image sun:1 is for sparc64")));
        let mut broken = plan(&["kernel", "initrd"]);
        broken.parts.iter_mut().for_each(|p| p.sha256 = "../../etc".to_owned());
        assert!(check(&broken).is_err());
    }
}
