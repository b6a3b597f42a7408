//! A BMC that is busy, silent, refusing, or talks nonsense: told in words, within the time, and nothing panics.

use std::time::Duration;

use higuma_agent::bmc::found::{Found, State};
use higuma_agent::bmc::wanted::Wanted;
use higuma_agent::bmc::{Carrier, NoAnswer, Talk, carry_out, read};
use higuma_ipmi::Request;
use higuma_proto::agent::BmcPlan;
use proptest::prelude::*;

use super::fake::{Fake, Quirks, Slot};
use super::{TIME, found, plan, set_up};

#[test]
fn busy_for_half_a_minute_is_normal() {
    let mut bmc = Fake::new();
    bmc.quirks.busy_until = Duration::from_secs(30);
    let outcome = set_up(&mut bmc, plan());
    assert_eq!((outcome.error.as_str(), outcome.password), ("", 1));
    // In the middle of it, too.
    let mut bmc = Fake::new();
    let before = found(&mut bmc);
    bmc.quirks.busy_until = bmc.time + Duration::from_secs(35);
    let outcome = carry_out(&mut Talk::new(&mut bmc, TIME), before, &Wanted::of(plan()).unwrap(), &mut |_| ());
    assert_eq!((outcome.error.as_str(), outcome.password), ("", 1));
}

#[test]
fn busy_for_ever_ends_with_the_code_in_words() {
    let mut bmc = Fake::new();
    bmc.quirks.busy_until = Duration::MAX;
    let told = found(&mut bmc);
    assert_eq!((told.state, told.error.as_str()), (State::Refused, "Get Device ID: node busy (C0h)"));
    assert!(bmc.time < Duration::from_secs(45), "{:?}", bmc.time);
    let mut bmc = Fake::new();
    let before = found(&mut bmc);
    bmc.quirks.busy_until = Duration::MAX;
    let began = bmc.time;
    let outcome = carry_out(&mut Talk::new(&mut bmc, TIME), before, &Wanted::of(plan()).unwrap(), &mut |_| ());
    assert!(outcome.error.contains("node busy (C0h)") && outcome.password == 0, "{}", outcome.error);
    assert!(bmc.time - began < TIME + Duration::from_secs(30), "{:?}", bmc.time - began);
}

#[test]
fn a_silent_bmc_is_told_from_one_that_refuses_and_from_none() {
    let mut bmc = Fake::new();
    bmc.quirks.silent_from = Some(0);
    let told = found(&mut bmc);
    assert_eq!((told.state, told.error.as_str()), (State::Silent, "Get Device ID: no answer within 10 s"));
    assert!(bmc.time <= Duration::from_secs(40), "{:?}", bmc.time);
    let mut bmc = Fake::new();
    bmc.quirks.refuses_all = true;
    let told = found(&mut bmc);
    assert_eq!((told.state, told.error.as_str()), (State::Refused, "Get Channel Info: invalid command (C1h)"));
    assert_eq!(told.device.as_ref().unwrap().firmware, "2.51");
    let outcome = set_up(&mut bmc, plan());
    assert_eq!(outcome.error, "nothing was changed, the BMC is refused: Get Channel Info: invalid command (C1h)");
    let absent = Found::absent("no driver".to_owned()).to_wire();
    assert_eq!((absent.state.as_str(), absent.error.as_str(), absent.device), ("absent", "no driver", None));
    let mut bmc = Fake { lan: 12, ..Fake::new() };
    assert_eq!(set_up(&mut bmc, plan()).error, "the BMC has no LAN channel");
}

/// Slots with which somebody can log in: one that was closed by half is closed.
fn usable(bmc: &Fake) -> Vec<&Slot> {
    bmc.slots.iter().filter(|slot| slot.enabled && slot.messaging && slot.privilege != 0x0f).collect()
}

#[test]
fn a_bmc_that_falls_silent_at_any_request_ends_in_time_and_the_next_boot_goes_on() {
    let mut whole = Fake::new();
    set_up(&mut whole, plan());
    let total = whole.heard.len();
    assert!(total > 60);
    for from in 1..total {
        let mut bmc = Fake::new();
        bmc.quirks.silent_from = Some(from);
        let outcome = set_up(&mut bmc, plan());
        let known = outcome.error.is_empty();
        // Only what comes after the last change, or is optional, may be missing without an error.
        assert!(!known || outcome.password == 1, "request {from}: {outcome:?}");
        // The next boot: the same plan again.
        bmc.quirks = Quirks::default();
        bmc.heard.clear();
        let outcome = set_up(&mut bmc, plan());
        assert_eq!((outcome.error.as_str(), outcome.password), ("", 1), "request {from}");
        assert_eq!((usable(&bmc), &bmc.lan_parameters), (usable(&whole), &whole.lan_parameters), "request {from}");
        // A lock that could not be given back is broken by whoever writes next (address.rs).
    }
}

#[test]
fn a_slot_whose_access_is_not_told_is_still_ours() {
    let mut bmc = Fake::new();
    set_up(&mut bmc, plan());
    let ours = bmc.slots.iter().position(|slot| slot.name == "higuma").unwrap() as u8 + 1;
    bmc.quirks.hides_access = Some(ours);
    let before = found(&mut bmc);
    bmc.quirks = Quirks::default();
    let outcome = carry_out(&mut Talk::new(&mut bmc, TIME), before, &Wanted::of(plan()).unwrap(), &mut |_| ());
    assert_eq!((outcome.error.as_str(), outcome.password), ("", 1));
    assert!(outcome.changes.iter().all(|change| !change.what.starts_with("name of")), "{:?}", outcome.changes);
    assert_eq!(bmc.slots.iter().filter(|slot| slot.name == "higuma").count(), 1);
}

#[test]
fn answers_that_are_cut_off_are_errors_in_words() {
    for cut in 0..16 {
        let mut bmc = Fake::new();
        bmc.quirks.cut = Some(cut);
        let told = found(&mut bmc);
        if cut < 12 {
            assert_eq!(told.state, State::Refused, "{cut}");
            assert!(told.error.starts_with("Get Device ID: expected"), "{}", told.error);
        }
        set_up(&mut bmc, plan());
    }
}

#[test]
fn a_plan_that_makes_no_sense_is_refused_in_words() {
    let text = str::to_owned;
    for (plan, error) in [
        (BmcPlan { user: String::new(), ..plan() }, "user: expected 1 to 16"),
        (BmcPlan { user: text("a-name-of-17-bytes"), ..plan() }, "user: expected 1 to 16"),
        (BmcPlan { privilege: text("root"), ..plan() }, "privilege: expected operator or administrator"),
        (BmcPlan { address: text("10.1.2"), ..plan() }, "address: expected an IPv4 address, got \"10.1.2\""),
        (BmcPlan { source: text("magic"), ..plan() }, "source of the address"),
        (BmcPlan { vlan: 4095, ..plan() }, "VLAN: expected 1 to 4094"),
        (BmcPlan { channel: 15, ..plan() }, "channel: expected 1 to 11"),
        (BmcPlan { passwords: vec![], ..plan() }, "passwords: expected 1 to"),
        (BmcPlan { passwords: vec![String::new()], ..plan() }, "passwords: expected 1 to"),
        (BmcPlan { remove_users: vec![text("higuma")], ..plan() }, "is to be set and to be removed"),
        (BmcPlan { remove_users: vec![String::new()], ..plan() }, "users to remove"),
    ] {
        let refused = Wanted::of(plan).unwrap_err();
        assert!(refused.contains(error), "{refused}");
    }
}

/// Answers anything at all.
struct Noise {
    time: Duration,
    answers: Vec<Vec<u8>>,
    next: usize,
}

impl Carrier for Noise {
    fn call(&mut self, _: &Request, within: Duration) -> Result<Vec<u8>, NoAnswer> {
        self.time += Duration::from_millis(20);
        self.next += 1;
        match self.answers.get(self.next % (self.answers.len() + 1)) {
            Some(answer) => Ok(answer.clone()),
            None => {
                self.time += within;
                Err(NoAnswer::Silent(within))
            }
        }
    }

    fn now(&self) -> Duration {
        self.time
    }

    fn pause(&mut self, time: Duration) {
        self.time += time;
    }
}

proptest! {
    #[test]
    fn no_answer_makes_it_panic_or_hang(
        answers in proptest::collection::vec(
            (prop_oneof![4 => Just(0_u8), 1 => any::<u8>()], proptest::collection::vec(any::<u8>(), 0..24))
                .prop_map(|(code, data)| [vec![code], data].concat()),
            1..40,
        ),
        dhcp: bool,
    ) {
        let mut bmc = Noise { time: Duration::ZERO, answers, next: 0 };
        let told = read(&mut Talk::new(&mut bmc, Duration::from_secs(90)), |_| ());
        let _ = told.to_wire();
        let mut plan = plan();
        if dhcp {
            plan.source = "dhcp".to_owned();
        }
        let before = Found { state: State::Present, ..told };
        let began = bmc.time;
        let wanted = Wanted::of(plan).unwrap();
        let outcome = carry_out(&mut Talk::new(&mut bmc, TIME), before, &wanted, &mut |_| ());
        let _ = outcome.found.to_wire();
        prop_assert!(bmc.time - began < TIME + Duration::from_secs(60), "{:?}", bmc.time - began);
    }
}
