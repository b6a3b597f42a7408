//! Our client and our BMC: log-in with each suite, every command, refusals that must be told apart.

use higuma_ipmi::Password;
use higuma_ipmi::command::{
    BootDevice, BootFlags, ChassisControl, ChassisIdentify, ColdReset, GetChassisStatus, GetDeviceId, GetSystemGuid,
    Health, IdentifyState, Privilege,
};
use higuma_ipmi::lan::{LanError, Step, Suite, Target};
use higuma_ipmi::ops::{clear_sel, read_sel, read_sensor, read_sensors, set_boot};
use higuma_ipmi::sim::{Settings, SimBmc};

use super::{localhost_6, open, refusal, sim, target, with_suite};

#[tokio::test]
async fn seventeen_is_preferred_and_three_will_do() {
    for (offered, agreed) in [(vec![3, 17], 17), (vec![17], 17), (vec![0, 2, 3], 3)] {
        let bmc = sim(Settings { suites: offered, ..Settings::default() }).await;
        let mut session = open(&target(bmc.address)).await;
        assert_eq!(session.suite().id(), agreed);
        assert_eq!(session.guid(), *b"higuma-sim-guid!");
        assert_eq!(session.call(&GetSystemGuid).await, Ok(*b"higuma-sim-guid!"));
        assert_eq!(session.call(&GetDeviceId).await.map(|id| id.manufacturer), Ok(0x157));
        assert_eq!(session.keep_alive().await, Ok(()));
        assert_eq!(session.close().await, Ok(()));
        assert_eq!(bmc.sessions(), 0);
    }
}

#[tokio::test]
async fn a_bmc_that_offers_less_is_refused() {
    let bmc = sim(Settings { suites: vec![0, 2], ..Settings::default() }).await;
    let why = refusal(&target(bmc.address)).await;
    assert_eq!(
        why.to_string(),
        "no common cipher suite: we accept [17, 3], the BMC offers [0, 2]; enable one of ours in the BMC"
    );
    let bmc = sim(Settings { suites: vec![3], ..Settings::default() }).await;
    let why = refusal(&with_suite(bmc.address, Suite::Seventeen)).await;
    assert_eq!(why, LanError::NoSuite { accepted: vec![17], offered: vec![3] });
    assert_eq!(bmc.sessions(), 0, "nothing was begun");
}

#[tokio::test]
async fn a_bmc_without_a_list_of_suites_is_asked_by_trying() {
    let bmc = sim(Settings { suites: Vec::new(), ..Settings::default() }).await;
    let why = refusal(&target(bmc.address)).await;
    assert_eq!(why, LanError::NoSuite { accepted: vec![17, 3], offered: Vec::new() });
}

#[tokio::test]
async fn wrong_user_and_wrong_password_are_told_apart() {
    for suite in [Suite::Three, Suite::Seventeen] {
        let bmc = sim(Settings::default()).await;
        let good = with_suite(bmc.address, suite);
        let stranger = Target { user: "stranger".to_owned(), ..good.clone() };
        assert!(matches!(refusal(&stranger).await, LanError::User(_)));
        let wrong = Target { password: Password::new("Secret".to_owned()), ..good.clone() };
        assert!(matches!(refusal(&wrong).await, LanError::Password(_)));
        let key = Target { bmc_key: Some(Password::new("key".to_owned())), ..good.clone() };
        let why = refusal(&key).await;
        assert!(why.to_string().contains("KG") && !why.to_string().contains("secret"), "{why}");
    }
}

#[tokio::test]
async fn sessions_run_out_and_a_dropped_one_is_given_back() {
    let bmc = sim(Settings { sessions: 1, ..Settings::default() }).await;
    let first = open(&target(bmc.address)).await;
    let why = refusal(&target(bmc.address)).await;
    assert!(matches!(why, LanError::Refused { step: Step::Open, .. }) && why.may_pass(), "{why}");
    drop(first);
    // The farewell of a dropped session has no answer, but it is in front of the next packet in the BMC's queue.
    open(&target(bmc.address)).await;
}

#[tokio::test]
async fn power_boot_and_led() {
    let bmc = SimBmc::start(localhost_6(), Settings::default()).await.unwrap_or_else(|e| panic!("IPv6: {e}"));
    let operator = Target { privilege: Privilege::Operator, ..target(bmc.address) };
    let mut session = open(&operator).await;
    let off = session.call(&GetChassisStatus).await.unwrap_or_else(|e| panic!("{e}"));
    assert!(!off.power && off.identify == IdentifyState::Off);
    let refused = session.call(&ChassisControl::Cycle).await;
    assert!(matches!(refused, Err(LanError::Completion { code, .. }) if code.0 == 0xd5), "{refused:?}");
    let flags = BootFlags { valid: true, persistent: true, efi: true, device: BootDevice::Pxe };
    assert_eq!(set_boot(&mut session, flags).await, Ok(flags));
    for control in [ChassisControl::On, ChassisControl::Reset, ChassisControl::DiagnosticInterrupt] {
        assert_eq!(session.call(&control).await, Ok(()));
    }
    assert_eq!(session.call(&ChassisIdentify::On).await, Ok(()));
    let on = session.call(&GetChassisStatus).await.unwrap_or_else(|e| panic!("{e}"));
    assert!(on.power && on.identify == IdentifyState::On);
    assert_eq!(session.call(&ColdReset).await, Ok(()));
    bmc.hardware(|hardware| {
        assert_eq!(hardware.controls, [1, 3, 4]);
        assert_eq!((hardware.boot, hardware.boot_locked), ([0xe0, 0x04, 0, 0, 0], false));
        assert_eq!(hardware.resets, 1);
    });
}

#[tokio::test]
async fn log_and_sensors_are_read_whole() {
    let bmc = sim(Settings::default()).await;
    bmc.hardware(|hardware| {
        (0..25).for_each(|_| hardware.log(0x08, 0x51, 0x6f, [3, 0xff, 0xff]));
        hardware.power = true;
        hardware.temperature = 91;
    });
    let mut session = open(&target(bmc.address)).await;
    let first = read_sel(&mut session, 0, 20).await.unwrap_or_else(|e| panic!("{e}"));
    let last = read_sel(&mut session, first.next.unwrap_or(0), 20).await.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((first.records.len(), last.records.len(), last.next), (20, 5, None));
    assert_eq!(last.records[4].words(), "Power Supply 51h: input lost, asserted");
    assert_eq!(clear_sel(&mut session).await, Ok(()));
    assert_eq!(read_sel(&mut session, 0, 20).await.map(|page| page.records.len()), Ok(0));

    let found = read_sensors(&mut session, 100).await.unwrap_or_else(|e| panic!("{e}"));
    let mut seen = Vec::new();
    for sensor in &found.sensors {
        let reading = read_sensor(&mut session, sensor).await.unwrap_or_else(|e| panic!("{e}"));
        let reading = reading.unwrap_or_else(|| panic!("{} is the BMC's own", sensor.name));
        seen.push((sensor.name.as_str(), reading.value.map(f64::round), sensor.unit.as_str(), reading.health));
    }
    let critical = Some(Health::Critical);
    let ok = Some(Health::Ok);
    assert_eq!(
        seen,
        [
            ("CPU Temp", Some(91.0), "degrees C", critical),
            ("FAN 1", Some(6000.0), "RPM", ok),
            ("12V", Some(12.0), "volts", ok),
            ("PSU 1", None, "", None)
        ]
    );
    assert_eq!(found.left_out, Vec::<String>::new());
}
