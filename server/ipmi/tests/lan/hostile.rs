//! Every bad habit of a BMC: nothing hangs, nothing panics, each ends in a clear state.

use std::time::Duration;

use higuma_ipmi::command::{ChassisControl, GetChassisStatus, GetDeviceId};
use higuma_ipmi::lan::{LanError, Step, Suite};
use higuma_ipmi::ops::{clear_sel, read_sel, read_sensors};
use higuma_ipmi::sim::{Misbehave, Settings, Silence};

use super::{ends, misbehaving, open, refusal, sim, target, with_suite};

/// Silence at each stage names the stage.
#[tokio::test]
async fn silence_names_its_place() {
    let bmc = misbehaving(Misbehave { silence: Some(Silence::Always), ..Misbehave::default() }).await;
    let why = refusal(&target(bmc.address)).await;
    assert_eq!(why, LanError::NoAnswer { step: Step::Capabilities, tries: 4, noticed: None });
    let bmc = misbehaving(Misbehave { silence: Some(Silence::LogIn), ..Misbehave::default() }).await;
    let why = refusal(&target(bmc.address)).await;
    assert_eq!(why, LanError::NoAnswer { step: Step::Rakp1, tries: 4, noticed: None });
    assert!(!why.may_be_done() && why.may_pass());
}

#[tokio::test]
async fn nobody_there_is_no_answer_and_says_what_the_network_said() {
    let bmc = sim(Settings::default()).await;
    let address = bmc.address;
    drop(bmc);
    let why = refusal(&target(address)).await;
    assert!(matches!(why, LanError::NoAnswer { step: Step::Capabilities, .. }), "{why}");
}

#[tokio::test]
async fn a_session_that_the_bmc_forgot_is_lost_and_a_new_one_works() {
    for suite in [Suite::Three, Suite::Seventeen] {
        let bmc = sim(Settings::default()).await;
        let target = with_suite(bmc.address, suite);
        let mut session = open(&target).await;
        bmc.forget_sessions();
        let why = ends(session.call(&GetChassisStatus)).await.err();
        assert!(matches!(why, Some(LanError::SessionLost(_))), "{why:?}");
        assert!(why.is_some_and(|e| e.ends_session() && e.may_be_done()));
        // At once, and without a packet.
        bmc.misbehave(Misbehave { silence: Some(Silence::Always), ..Misbehave::default() });
        assert!(session.is_over());
        assert!(matches!(session.call(&GetDeviceId).await, Err(LanError::SessionLost(_))));
        bmc.misbehave(Misbehave::default());
        assert!(open(&target).await.call(&GetDeviceId).await.is_ok());
    }
}

#[tokio::test]
async fn a_session_that_is_given_up_leaves_its_slot() {
    let bmc = sim(Settings::default()).await;
    let mut session = open(&target(bmc.address)).await;
    // It hears all, and nothing of what it says arrives.
    bmc.misbehave(Misbehave { lose_percent: 100, ..Misbehave::default() });
    assert!(matches!(ends(session.call(&GetChassisStatus)).await, Err(LanError::NoAnswer { .. })));
    assert_eq!(bmc.sessions(), 0);
}

#[tokio::test]
async fn a_bmc_that_falls_silent_is_told_from_one_that_lost_the_session() {
    let bmc = sim(Settings::default()).await;
    let mut session = open(&target(bmc.address)).await;
    bmc.misbehave(Misbehave { silence: Some(Silence::Always), ..Misbehave::default() });
    let why = ends(session.call(&ChassisControl::Cycle)).await.err();
    let step = Step::Command("Chassis Control");
    assert_eq!(why, Some(LanError::NoAnswer { step, tries: 4, noticed: None }));
    assert!(why.is_some_and(|e| e.may_be_done()));
}

#[tokio::test]
async fn lost_answers_are_asked_for_again_and_nothing_is_done_twice() {
    for lose_every in [2, 3] {
        let bmc = misbehaving(Misbehave { lose_every: Some(lose_every), ..Misbehave::default() }).await;
        bmc.hardware(|hardware| hardware.power = true);
        let mut session = open(&target(bmc.address)).await;
        for _ in 0..6 {
            assert_eq!(ends(session.call(&ChassisControl::Reset)).await, Ok(()));
        }
        bmc.hardware(|hardware| assert_eq!(hardware.controls, [3; 6]));
    }
}

#[tokio::test]
async fn a_third_of_all_answers_lost_at_random() {
    for seed in [0x1234_5678_9abc, 0xfeed_beef_0001, 77_777] {
        let bmc = misbehaving(Misbehave { lose_percent: 33, seed, ..Misbehave::default() }).await;
        let mut patient = target(bmc.address);
        (patient.timing.tries, patient.timing.answer) = (10, Duration::from_millis(30));
        let mut session = open(&patient).await;
        for _ in 0..30 {
            let done = ends(session.call(&GetChassisStatus)).await;
            assert!(done.is_ok(), "{done:?} with seed {seed}");
        }
    }
}

#[tokio::test]
async fn delay_doubles_and_garbage_do_no_harm() {
    let late = Misbehave { delay: Duration::from_millis(40), ..Misbehave::default() };
    let slower = Misbehave { delay: Duration::from_millis(150), ..Misbehave::default() };
    let twice = Misbehave { twice: true, ..Misbehave::default() };
    let garbage = Misbehave { garbage: true, seed: 0x9e37_79b9, ..Misbehave::default() };
    for misbehave in [late, slower, twice, garbage] {
        let text = format!("{misbehave:?}");
        let bmc = misbehaving(misbehave).await;
        let mut session = open(&target(bmc.address)).await;
        for control in [ChassisControl::On, ChassisControl::Reset, ChassisControl::Off] {
            assert_eq!(ends(session.call(&control)).await, Ok(()), "{text}");
        }
        bmc.hardware(|hardware| assert_eq!(hardware.controls, [1, 3, 0], "{text}"));
    }
}

#[tokio::test]
async fn answers_out_of_order_are_matched_to_their_requests() {
    let bmc = sim(Settings::default()).await;
    let mut session = open(&target(bmc.address)).await;
    bmc.misbehave(Misbehave { late: true, ..Misbehave::default() });
    for round in 0..8 {
        let control = if round % 2 == 0 { ChassisControl::On } else { ChassisControl::Off };
        assert_eq!(ends(session.call(&control)).await, Ok(()));
        let status = ends(session.call(&GetChassisStatus)).await;
        assert_eq!(status.map(|s| s.power), Ok(round % 2 == 0));
    }
}

/// What is wrong in every packet leaves nothing to use, and the error says what was wrong.
#[tokio::test]
async fn packets_that_lie_end_in_their_reason() {
    let cases = [
        (Misbehave { wrong_code: true, ..Misbehave::default() }, "a wrong authentication code"),
        (Misbehave { old_number: true, ..Misbehave::default() }, "the answer to something else"),
        (Misbehave { wrong_lengths: true, ..Misbehave::default() }, ""),
    ];
    for (misbehave, reason) in cases {
        let text = format!("{misbehave:?}");
        let bmc = sim(Settings::default()).await;
        let mut session = open(&target(bmc.address)).await;
        bmc.misbehave(misbehave.clone());
        let why = ends(session.call(&GetChassisStatus)).await.err();
        let why = why.unwrap_or_else(|| panic!("answered: {text}"));
        assert!(why.ends_session() && why.to_string().contains(reason), "{why}: {text}");
        // The same from the first packet on.
        let bmc = misbehaving(misbehave).await;
        if !text.contains("old_number: true") {
            let why = refusal(&target(bmc.address)).await;
            assert!(matches!(why, LanError::NoAnswer { .. } | LanError::Password(_)), "{why}: {text}");
        }
    }
}

#[tokio::test]
async fn busy_passes_or_is_told() {
    let bmc = sim(Settings::default()).await;
    let mut session = open(&target(bmc.address)).await;
    bmc.misbehave(Misbehave { refuse: Some((0xc0, 2)), ..Misbehave::default() });
    assert_eq!(ends(session.call(&ChassisControl::On)).await, Ok(()));
    bmc.misbehave(Misbehave { refuse: Some((0xc0, u32::MAX)), ..Misbehave::default() });
    let why = ends(session.call(&ChassisControl::On)).await.err();
    assert_eq!(why.map(|e| e.to_string()).as_deref(), Some("Chassis Control: node busy (C0h)"));
    // "Timeout" does not say whether it was done: never asked again by us.
    bmc.misbehave(Misbehave { refuse: Some((0xc3, 1)), ..Misbehave::default() });
    let why = ends(session.call(&ChassisControl::Cycle)).await.err();
    assert!(why.is_some_and(|e| e.may_be_done() && !e.ends_session()));
    bmc.hardware(|hardware| assert_eq!(hardware.controls, [1]));
    assert!(!session.is_over());
}

#[tokio::test]
async fn a_privilege_that_is_refused_after_the_log_in_is_a_matter_of_the_user() {
    let bmc = misbehaving(Misbehave { refuse: Some((0x81, 1)), ..Misbehave::default() }).await;
    assert!(matches!(refusal(&target(bmc.address)).await, LanError::User(_)));
}

#[tokio::test]
async fn answers_without_data_are_malformed_and_the_session_lives() {
    let bmc = sim(Settings::default()).await;
    bmc.hardware(|hardware| hardware.log(1, 1, 1, [0x57, 0, 0]));
    let mut session = open(&target(bmc.address)).await;
    bmc.misbehave(Misbehave { empty: true, ..Misbehave::default() });
    assert!(matches!(ends(session.call(&GetChassisStatus)).await, Err(LanError::Malformed(_))));
    assert!(matches!(ends(read_sel(&mut session, 0, 9)).await, Err(LanError::Malformed(_))));
    assert!(matches!(ends(clear_sel(&mut session)).await, Err(LanError::Malformed(_))));
    assert!(matches!(ends(read_sensors(&mut session, 9)).await, Err(LanError::Malformed(_))));
    bmc.misbehave(Misbehave::default());
    assert!(ends(session.call(&GetChassisStatus)).await.is_ok());
}

#[tokio::test]
async fn sessions_closed_at_will_are_opened_again() {
    // Set Session Privilege Level counts: three commands for us.
    let bmc = misbehaving(Misbehave { forget_after: Some(4), ..Misbehave::default() }).await;
    let mut done = 0;
    let mut lost = 0;
    let mut session = open(&target(bmc.address)).await;
    while done < 9 {
        match ends(session.call(&GetChassisStatus)).await {
            Ok(_) => done += 1,
            Err(why) if why.ends_session() => {
                lost += 1;
                session = open(&target(bmc.address)).await;
            }
            Err(why) => panic!("{why}"),
        }
    }
    assert_eq!(lost, 2);
}
