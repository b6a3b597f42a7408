//! The serial console: ours against the simulated BMC, with its faults.

use std::time::Duration;

use higuma_ipmi::command::{ChassisControl, GetChassisStatus, GetSolActivation};
use higuma_ipmi::lan::{Console, ConsoleError, LanError, PayloadKind, Session};
use higuma_ipmi::sim::{Misbehave, Settings, SimBmc, SolFaults};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{ends, misbehaving, open, sim, target};

async fn console(session: &mut Session, take: bool) -> Console {
    ends(Console::open(session, take)).await.unwrap_or_else(|e| panic!("open: {e}"))
}

/// Pumps until this much came and all that was typed has arrived.
async fn talk(console: &mut Console, session: &mut Session, bytes: usize) -> Result<Vec<u8>, ConsoleError> {
    let mut all = Vec::new();
    while all.len() < bytes || !console.is_idle() {
        let until = Instant::now() + Duration::from_millis(200);
        all.extend(ends(console.pump(session, until)).await?);
    }
    Ok(all)
}

/// Some text in which no piece is like another.
fn text(bytes: usize) -> Vec<u8> {
    (0u32..).flat_map(|line| format!("line {line} of the console\r\n").into_bytes()).take(bytes).collect()
}

/// All of both ways, while they run at once.
async fn both_ways(bmc: &SimBmc, typed: &[u8], wrote: &[u8]) {
    let mut session = open(&target(bmc.address)).await;
    let mut console = console(&mut session, false).await;
    assert!(bmc.serial_active());
    bmc.serial_output(wrote);
    assert_eq!(console.write(typed), typed.len());
    let all = talk(&mut console, &mut session, wrote.len()).await.unwrap_or_else(|e| panic!("{e}"));
    assert!(all == wrote, "{}", String::from_utf8_lossy(&all));
    assert_eq!(String::from_utf8_lossy(&bmc.serial_input()), String::from_utf8_lossy(typed));
    assert_eq!(ends(console.close(&mut session)).await, Ok(()));
    assert!(!bmc.serial_active());
    assert!(session.call(&GetChassisStatus).await.is_ok(), "the session goes on");
}

#[tokio::test]
async fn both_ways_with_breaks_and_commands_between() {
    let bmc = sim(Settings::default()).await;
    both_ways(&bmc, &text(1_000), &text(5_000)).await;

    let mut session = open(&target(bmc.address)).await;
    assert_eq!(session.call(&GetSolActivation).await.map(|state| state.active), Ok(false));
    let mut console = console(&mut session, false).await;
    assert_eq!(session.call(&GetSolActivation).await.map(|state| state.active), Ok(true));
    let begun = Instant::now();
    let quiet = ends(console.pump(&mut session, begun + Duration::from_millis(50))).await;
    assert!(quiet == Ok(Vec::new()) && begun.elapsed() >= Duration::from_millis(50));
    console.write(b"a");
    assert!(console.send_break());
    console.write(b"b");
    assert!(!console.is_idle());
    bmc.serial_output(b"out of the way: ");
    // What comes while an answer is awaited is not lost.
    assert_eq!(ends(session.call(&ChassisControl::On)).await, Ok(()));
    bmc.serial_output(b"power is on");
    let all = talk(&mut console, &mut session, 27).await;
    assert_eq!(all.map(|all| String::from_utf8_lossy(&all).into_owned()).as_deref(), Ok("out of the way: power is on"));
    assert_eq!((bmc.serial_input().as_slice(), bmc.serial_breaks()), (b"ab".as_slice(), 1));
}

#[tokio::test]
async fn faults_of_a_bmc_lose_and_double_nothing() {
    let cases = [
        SolFaults { lose_every: Some(4), ..SolFaults::default() },
        SolFaults { lose_every: Some(3), ..SolFaults::default() },
        SolFaults { accept: Some(7), ..SolFaults::default() },
        SolFaults { nack: 2, ..SolFaults::default() },
        SolFaults { nack: 1, accept: Some(150), lose_every: Some(3), ..SolFaults::default() },
    ];
    let mut faults: Vec<_> = cases.into_iter().map(|sol| Misbehave { sol, ..Misbehave::default() }).collect();
    faults.push(Misbehave { twice: true, garbage: true, seed: 99, ..Misbehave::default() });
    faults.push(Misbehave { delay: Duration::from_millis(60), ..Misbehave::default() });
    // All at once: most of the time they wait.
    let mut all = JoinSet::new();
    for misbehave in faults {
        all.spawn(async move {
            let bmc = misbehaving(misbehave).await;
            both_ways(&bmc, &text(400), &text(2_000)).await;
        });
    }
    ends(all.join_all()).await;
}

#[tokio::test]
async fn one_has_it_and_whoever_loses_it_is_told() {
    let bmc = sim(Settings::default()).await;
    let (mut ours, mut theirs) = (open(&target(bmc.address)).await, open(&target(bmc.address)).await);
    let mut first = console(&mut theirs, true).await;
    let refused = ends(Console::open(&mut ours, false)).await;
    assert_eq!(refused.err(), Some(ConsoleError::Taken));
    let mut second = console(&mut ours, true).await;
    bmc.serial_output(b"for the second");
    assert_eq!(talk(&mut first, &mut theirs, 1).await, Err(ConsoleError::Ended));
    assert_eq!(talk(&mut second, &mut ours, 14).await.as_deref(), Ok(b"for the second".as_slice()));
    // The end of a session is the end of its console.
    assert_eq!(ours.close().await, Ok(()));
    assert!(!bmc.serial_active());
    console(&mut theirs, false).await;
}

#[tokio::test]
async fn a_console_that_is_opened_again_hears_nothing_of_the_one_before() {
    let bmc = sim(Settings::default()).await;
    let mut session = open(&target(bmc.address)).await;
    let before = console(&mut session, false).await;
    bmc.serial_output(b"old");
    assert!(session.call(&GetChassisStatus).await.is_ok());
    assert_eq!(ends(before.close(&mut session)).await, Ok(()));
    let mut again = console(&mut session, false).await;
    bmc.serial_output(b"new");
    assert_eq!(talk(&mut again, &mut session, 3).await.as_deref(), Ok(b"new".as_slice()));
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let sol = SolFaults { disabled: true, ..SolFaults::default() };
    let bmc = misbehaving(Misbehave { sol, ..Misbehave::default() }).await;
    let mut session = open(&target(bmc.address)).await;
    let why = ends(Console::open(&mut session, true)).await.err();
    let text = why.as_ref().map(ToString::to_string).unwrap_or_default();
    assert!(matches!(why, Some(ConsoleError::Refused(_))) && text.contains("turn SOL on in the BMC"), "{text}");
    assert!(!bmc.serial_active() && session.call(&GetChassisStatus).await.is_ok());
}

#[tokio::test]
async fn the_port_that_a_bmc_names_is_its_own_matter() {
    // Behind a forwarded port it is another than the one that we reach.
    let sol = SolFaults { port: Some(9_999), ..SolFaults::default() };
    let bmc = misbehaving(Misbehave { sol, ..Misbehave::default() }).await;
    let mut session = open(&target(bmc.address)).await;
    let mut line = console(&mut session, false).await;
    bmc.serial_output(b"here");
    assert_eq!(talk(&mut line, &mut session, 4).await.as_deref(), Ok(b"here".as_slice()));
}

#[tokio::test]
async fn a_bmc_that_falls_silent_ends_in_its_reason() {
    let bmc = sim(Settings::default()).await;
    let mut session = open(&target(bmc.address)).await;
    let mut deaf = console(&mut session, false).await;
    let sol = SolFaults { lose_every: Some(1), ..SolFaults::default() };
    bmc.misbehave(Misbehave { sol, ..Misbehave::default() });
    deaf.write(b"anybody?");
    assert_eq!(talk(&mut deaf, &mut session, 0).await, Err(ConsoleError::Silent));
    assert!(session.call(&GetChassisStatus).await.is_ok(), "only the console is lost");
    let mut lost = console(&mut session, true).await;
    bmc.forget_sessions();
    assert!(ends(session.call(&GetChassisStatus)).await.is_err());
    let until = Instant::now() + Duration::from_millis(50);
    assert!(matches!(ends(lost.pump(&mut session, until)).await, Err(ConsoleError::Lan(LanError::SessionLost(_)))));
}

/// Bytes that are no packets, both ways; after them the console still works.
#[tokio::test]
async fn random_payloads_do_no_harm() {
    let bmc = sim(Settings::default()).await;
    let mut session = open(&target(bmc.address)).await;
    let mut random = 0x2545_f491_4f6c_dd1du64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 32) as u8
    };
    let mut taken = console(&mut session, false).await;
    for _ in 0..300 {
        let mut payload: Vec<u8> = (0..next() % 40).map(|_| next()).collect();
        assert!(session.send_payload(PayloadKind::SOL, &payload).await.is_ok());
        // Not "deactivating": that is the end, rightly.
        payload.get_mut(3).into_iter().for_each(|status| *status &= !0x10);
        bmc.serial_payload(&payload);
        let until = Instant::now() + Duration::from_millis(2);
        assert!(ends(taken.pump(&mut session, until)).await.is_ok());
    }
    assert_eq!(ends(taken.close(&mut session)).await, Ok(()));
    bmc.serial_input();
    let mut again = console(&mut session, false).await;
    bmc.serial_output(b"still here");
    again.write(b"good");
    assert_eq!(talk(&mut again, &mut session, 10).await.as_deref(), Ok(b"still here".as_slice()));
    assert_eq!(bmc.serial_input(), b"good");
}
