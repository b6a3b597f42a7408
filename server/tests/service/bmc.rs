//! BMCs through the use cases, with a simulated BMC on UDP: what an agent is told, what a report leads to, what is polled.

use crate::common::Lab;
use higuma::domain::bmc::BmcAction;
use higuma::domain::boot::Boot;
use higuma::domain::node::AdmissionPolicy;
use higuma::domain::{NodeUuid, Sha256};
use higuma::service::bmc::{self, Hands, Report, Setup};
use higuma::service::jobs::Perform;
use higuma::service::plan::{self, PlanAnswer};
use higuma::service::{credentials, ipam, nodes};
use higuma_ipmi::sim::{Misbehave, Passwords, Settings, Silence, SimBmc, User};
use higuma_proto::agent::{BmcChange, BmcChannel, BmcDevice, BmcFound};
use higuma_proto::api::{NodePatch, SetBmc};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

const ADDRESS: &str = "127.0.0.1";

fn uuid() -> NodeUuid {
    "4c4c4544-0046-3010-8052-b4c000000001".parse().unwrap()
}

fn found(state: &str) -> BmcFound {
    let channel = BmcChannel {
        number: 1,
        mac: "52:54:00:b3:c0:01".into(),
        source: "static".into(),
        address: ADDRESS.into(),
        ..BmcChannel::default()
    };
    let device = BmcDevice { firmware: "2.51".into(), guid: "00".repeat(16), ..BmcDevice::default() };
    BmcFound { state: state.into(), error: String::new(), device: Some(device), channels: vec![channel] }
}

struct Rig {
    lab: Lab,
    sim: SimBmc,
}

impl Rig {
    /// A server, and a BMC whose only account is `user` with `password`.
    async fn new(admission: AdmissionPolicy, user: &str, password: &str) -> Self {
        let lab = crate::common::lab(|s| s.admission = admission).await;
        let user = User { name: user.into(), password: higuma_ipmi::Password::new(password.into()) };
        let settings = Settings { users: vec![user], ..Settings::default() };
        let sim = SimBmc::start(([127, 0, 0, 1], 0).into(), settings).await.unwrap();
        sim.hardware(|h| h.power = true);
        Self { lab, sim }
    }

    /// Registered, with the simulated BMC's port known.
    async fn boot(&self) -> Boot {
        let boot = crate::common::power_on(&self.lab.app, &uuid()).await;
        let port = SetBmc { port: Some(self.sim.address.port()), protocol: Some("ipmi".into()), ..SetBmc::default() };
        bmc::set(&self.lab.app, uuid(), port).await.unwrap();
        boot
    }

    /// As an agent sets it in-band.
    fn set(&self, user: &str, password: &str) {
        self.sim.hardware(|h| {
            h.users = vec![User { name: user.into(), password: higuma_ipmi::Password::new(password.into()) }];
        });
    }

    async fn state(&self) -> (String, String) {
        let shown = bmc::show(&self.lab.app, uuid()).await.unwrap();
        (shown.summary.state, shown.summary.reason)
    }
}

fn set_to(setup: Setup) -> (String, String, Vec<String>, Option<String>) {
    match setup {
        Setup::Set { id, user, passwords, lease } => {
            let passwords = passwords.iter().map(|p| p.reveal().to_owned()).collect();
            (id.to_string(), user, passwords, lease.map(|lease| lease.address.to_string()))
        }
        Setup::Leave(why) => panic!("left alone: {why}"),
    }
}

fn report(plan: &str, password: u32) -> Report {
    let change = BmcChange { what: "user name".into(), after: "higuma".into(), ..BmcChange::default() };
    Report { plan: plan.into(), password, changes: vec![change], found: Some(found("present")), ..Report::default() }
}

#[tokio::test]
async fn a_plan_is_the_same_again_and_proven_before_it_counts() {
    let rig = Rig::new(AdmissionPolicy::Auto, "factory", "factory").await;
    let app = &rig.lab.app;
    let pool = json!({"name": "oob", "kind": "bmc", "cidr": "127.0.0.0/24", "ranges": ["127.0.0.40-127.0.0.50"]});
    ipam::create_pool(app, serde_json::from_value(pool).unwrap()).await.unwrap();
    let boot = rig.boot().await;
    let first = set_to(bmc::plan(app, &boot, found("present")).await.unwrap());
    let again = set_to(bmc::plan(app, &boot, found("present")).await.unwrap());
    assert_eq!(first, again, "a lost answer changes nothing");
    let (plan, user, passwords, address) = first;
    assert_eq!((user.as_str(), address.as_deref(), passwords.len()), ("higuma", Some("127.0.0.40"), 3));
    assert_eq!(rig.state().await.0, "found");

    rig.set(&user, &passwords[1]);
    assert!(!bmc::report(app, &boot, report(&plan, 2)).await.unwrap());
    assert_eq!(rig.state().await, ("managed".to_owned(), String::new()));
    let current = credentials::current(app, uuid()).await.unwrap().unwrap();
    assert_eq!(current.password.reveal(), passwords[1], "the one that the BMC took");
    let shown = bmc::show(app, uuid()).await.unwrap();
    assert_eq!((shown.summary.power.as_str(), shown.summary.firmware.as_str()), ("on", "2.51"));
    assert_eq!(shown.changes.len(), 1);

    // The next boot finds it as it is: the same password, so nothing is to be changed.
    let boot = crate::common::power_on(app, &uuid()).await;
    let (_, _, next, _) = set_to(bmc::plan(app, &boot, found("present")).await.unwrap());
    assert_eq!(next, [passwords[1].clone()]);
    assert!(bmc::report(app, &boot, Report { plan: "nonsense".into(), ..Report::default() }).await.is_err());
}

#[tokio::test]
async fn a_bmc_that_compares_16_bytes_is_believed_with_16() {
    let rig = Rig::new(AdmissionPolicy::Auto, "factory", "factory").await;
    let app = &rig.lab.app;
    let boot = rig.boot().await;
    let (plan, user, passwords, _) = set_to(bmc::plan(app, &boot, found("present")).await.unwrap());
    rig.set(&user, &passwords[0][..16]);
    assert!(!bmc::report(app, &boot, report(&plan, 1)).await.unwrap());
    assert_eq!(rig.state().await.0, "managed");
    let current = credentials::current(app, uuid()).await.unwrap().unwrap();
    assert_eq!(current.password.reveal(), &passwords[0][..16]);
    let boot = crate::common::power_on(app, &uuid()).await;
    let (_, _, next, _) = set_to(bmc::plan(app, &boot, found("present")).await.unwrap());
    assert_eq!(next, [passwords[0][..16].to_owned()]);
}

#[tokio::test]
async fn a_refused_login_asks_for_another_plan_and_a_silent_bmc_for_patience() {
    let rig = Rig::new(AdmissionPolicy::Auto, "higuma", "something else").await;
    let app = &rig.lab.app;
    let boot = rig.boot().await;
    let (plan, _, passwords, _) = set_to(bmc::plan(app, &boot, found("present")).await.unwrap());
    assert!(bmc::report(app, &boot, report(&plan, 1)).await.unwrap(), "another plan");
    assert_eq!(rig.state().await.0, "login-refused");
    let (other, user, more, _) = set_to(bmc::plan(app, &boot, found("present")).await.unwrap());
    assert!(other != plan && more != passwords);

    rig.set(&user, &more[0]);
    rig.sim.misbehave(Misbehave { silence: Some(Silence::Always), ..Misbehave::default() });
    assert!(!bmc::report(app, &boot, report(&other, 1)).await.unwrap(), "another plan would not help");
    let (state, reason) = rig.state().await;
    assert_eq!(state, "configured");
    assert!(reason.contains("no answer"), "{reason}");

    rig.sim.misbehave(Misbehave::default());
    // Two logins a contact, so that no account is locked: each contact begins further on.
    let mut state = String::new();
    for _ in 0..12 {
        state = bmc::check(app, uuid()).await.unwrap().summary.state;
        if state == "managed" {
            break;
        }
    }
    assert_eq!(state, "managed");
}

#[tokio::test]
async fn a_node_that_is_let_in_later_gets_its_bmc_set_up_first() {
    let rig = Rig::new(AdmissionPolicy::Approve, "factory", "factory").await;
    let app = &rig.lab.app;
    let boot = rig.boot().await;
    match bmc::plan(app, &boot, found("present")).await.unwrap() {
        Setup::Leave(why) => assert!(why.contains("approval"), "{why}"),
        Setup::Set { .. } => panic!("a pending node learns nothing but wait"),
    }
    let callback = || Sha256::of("callback");
    assert!(matches!(plan::boot_plan(app, &boot, callback()).await.unwrap(), PlanAnswer::Wait { .. }));
    let assign = NodePatch { profile: Some("p".into()), ..NodePatch::default() };
    nodes::patch(app, uuid(), assign).await.unwrap();
    assert!(matches!(plan::boot_plan(app, &boot, callback()).await.unwrap(), PlanAnswer::SetUpBmc { .. }));
    set_to(bmc::plan(app, &boot, found("present")).await.unwrap());
    assert!(matches!(plan::boot_plan(app, &boot, callback()).await.unwrap(), PlanAnswer::Plan(_)));
}

#[tokio::test]
async fn what_is_not_there_is_told_and_overrules_nothing() {
    let rig = Rig::new(AdmissionPolicy::Auto, "admin", "factory-password").await;
    let app = &rig.lab.app;
    let boot = rig.boot().await;
    let absent = BmcFound { state: "absent".into(), error: "no interface".into(), ..BmcFound::default() };
    assert!(
        matches!(bmc::plan(app, &boot, absent.clone()).await.unwrap(), Setup::Leave(why) if why.contains("no interface"))
    );
    assert_eq!(rig.state().await, ("absent".to_owned(), "no interface".to_owned()));

    // A person knows better.
    let known = SetBmc {
        address: Some(ADDRESS.into()),
        user: Some("admin".into()),
        password: Some("wrong".into()),
        ..SetBmc::default()
    };
    let refused = bmc::set(app, uuid(), known.clone()).await.unwrap_err().to_string();
    assert!(refused.contains("nothing of this account was kept") && !refused.contains("wrong\""), "{refused}");
    let right = SetBmc { password: Some("factory-password".into()), ..known };
    assert_eq!(bmc::set(app, uuid(), right).await.unwrap().summary.state, "managed");
    assert!(matches!(bmc::plan(app, &boot, absent).await.unwrap(), Setup::Leave(_)));
    assert_eq!(rig.state().await.0, "managed", "an agent that sees none does not overrule a login");
}

#[tokio::test]
async fn hands_do_what_is_asked_and_tell_what_is_seen() {
    let rig = Rig::new(AdmissionPolicy::Auto, "higuma", "factory-password").await;
    let app = &rig.lab.app;
    rig.boot().await;
    let account = SetBmc {
        address: Some(ADDRESS.into()),
        user: Some("higuma".into()),
        password: Some("factory-password".into()),
        ..SetBmc::default()
    };
    bmc::set(app, uuid(), account).await.unwrap();
    let hands = Hands { app: app.clone() };
    let act = |action: &str| {
        let action: BmcAction = action.parse().unwrap();
        hands.perform(uuid(), action, Instant::now() + Duration::from_secs(60))
    };
    assert_eq!(act("power-off").await.unwrap(), "powered off");
    assert_eq!(act("power-off").await.unwrap(), "it was off already");
    assert_eq!(bmc::show(app, uuid()).await.unwrap().summary.power, "off");
    assert_eq!(act("power-cycle").await.unwrap(), "it was off: powered on");
    assert_eq!(act("boot-device pxe once uefi").await.unwrap(), "the next boot is from pxe, UEFI");
    assert_eq!(rig.sim.hardware(|h| h.boot)[..2], [0xa0, 0x04]);
    assert_eq!(act("identify 0").await.unwrap(), "the LED is off");
    assert_eq!(act("clear-log").await.unwrap(), "the event log is empty");
    assert!(!bmc::sensors(app, uuid()).await.unwrap().items.is_empty());

    let before = credentials::current(app, uuid()).await.unwrap().unwrap();
    assert!(act("rotate-password").await.unwrap().contains("proven by a login"));
    let after = credentials::current(app, uuid()).await.unwrap().unwrap();
    assert!(after.password != before.password);
    let in_force = rig.sim.hardware(|h| h.users[0].password.reveal().to_owned());
    assert_eq!(after.password.reveal(), in_force);

    // The server died between the BMC's yes and its own note of it: the planned one is in force, the proven one is not.
    let planned = credentials::plan(app, uuid()).await.unwrap();
    rig.set("higuma", planned.passwords[0].reveal());
    rig.sim.forget_sessions();
    app.bmcs.close().await;
    assert!(act("power-off").await.is_ok());
    let found = credentials::current(app, uuid()).await.unwrap().unwrap();
    assert_eq!(found.password, planned.passwords[0]);

    rig.sim.misbehave(Misbehave { silence: Some(Silence::Always), ..Misbehave::default() });
    app.bmcs.close().await;
    let failure = act("power-on").await.unwrap_err();
    assert!(failure.transient && failure.message.contains("no answer"), "{failure:?}");
}

#[tokio::test]
async fn the_fleet_is_polled_when_it_is_due() {
    let rig = Rig::new(AdmissionPolicy::Auto, "higuma", "factory-password").await;
    let app = &rig.lab.app;
    rig.boot().await;
    assert_eq!(bmc::poll_once(app).await.unwrap().asked, 0, "nothing to contact yet");
    let account = SetBmc {
        address: Some(ADDRESS.into()),
        user: Some("higuma".into()),
        password: Some("factory-password".into()),
        ..SetBmc::default()
    };
    bmc::set(app, uuid(), account).await.unwrap();
    assert_eq!(bmc::poll_once(app).await.unwrap().asked, 0, "it was contacted just now");
    let due = || async {
        let now = app.now();
        app.store
            .write(move |tx| {
                tx.bmc(&uuid())?.map_or(Ok(()), |bmc| tx.put_bmc(&higuma::domain::bmc::Bmc { next: now, ..bmc }))
            })
            .await
    };
    due().await.unwrap();
    rig.sim.hardware(|h| h.power = false);
    let polled = bmc::poll_once(app).await.unwrap();
    assert_eq!((polled.asked, polled.failed), (1, 0));
    let shown = bmc::show(app, uuid()).await.unwrap();
    assert_eq!((shown.summary.power.as_str(), shown.summary.state.as_str()), ("off", "managed"));
    assert!(shown.next_us.unwrap() > app.now());

    rig.sim.misbehave(Misbehave { silence: Some(Silence::Always), ..Misbehave::default() });
    app.bmcs.close().await;
    due().await.unwrap();
    assert_eq!(bmc::poll_once(app).await.unwrap().failed, 1);
    let shown = bmc::show(app, uuid()).await.unwrap();
    assert_eq!((shown.summary.power.as_str(), shown.summary.failures), ("off", 1), "what was told last stays");
}

/// A rig whose BMC is managed with the account "higuma".
async fn managed() -> Rig {
    let rig = Rig::new(AdmissionPolicy::Auto, "higuma", "factory-password").await;
    rig.boot().await;
    let (address, user) = (Some(ADDRESS.into()), Some("higuma".into()));
    let account = SetBmc { address, user, password: Some("factory-password".into()), ..SetBmc::default() };
    assert_eq!(bmc::set(&rig.lab.app, uuid(), account).await.unwrap().summary.state, "managed");
    rig
}

async fn rotate(rig: &Rig) -> Result<String, String> {
    let hands = Hands { app: rig.lab.app.clone() };
    let done = hands.perform(uuid(), BmcAction::RotatePassword, Instant::now() + Duration::from_secs(60)).await;
    done.map_err(|failure| failure.message)
}

/// Whatever a BMC does with a new password, the one that it has is known.
#[tokio::test]
async fn a_rotation_at_a_bmc_that_lies_refuses_or_falls_silent() {
    let rig = managed().await;
    let app = &rig.lab.app;
    let in_force = || rig.sim.hardware(|h| h.users[0].password.reveal().to_owned());
    let known = || async { credentials::current(app, uuid()).await.unwrap().unwrap().password.reveal().to_owned() };

    for (passwords, says) in [
        (Passwords::Ignored, "still logs in with the old one"),
        (Passwords::Refused(0xd5), "takes none of the new passwords"),
    ] {
        rig.sim.misbehave(Misbehave { passwords, ..Misbehave::default() });
        let error = rotate(&rig).await.unwrap_err();
        assert!(error.contains(says), "{error}");
        assert_eq!((in_force().as_str(), known().await.as_str()), ("factory-password", "factory-password"));
        let shown = bmc::check(app, uuid()).await.unwrap();
        assert_eq!(shown.summary.state, "managed", "{passwords:?}: {}", shown.summary.reason);
    }

    // It took it, and nobody was told.
    rig.sim.misbehave(Misbehave { passwords: Passwords::TakenInSilence, ..Misbehave::default() });
    let error = rotate(&rig).await.unwrap_err();
    assert!(in_force() != "factory-password", "{error}");
    assert_eq!(known().await, "factory-password", "proven is what logged in");
    rig.sim.misbehave(Misbehave::default());
    let shown = bmc::check(app, uuid()).await.unwrap();
    assert_eq!(shown.summary.state, "managed", "{}", shown.summary.reason);
    assert_eq!(known().await, in_force());
    assert!(rotate(&rig).await.unwrap().contains("proven by a login"));
    assert_eq!(known().await, in_force());
}

#[tokio::test]
async fn another_protocol_is_taken_although_a_session_is_open() {
    let rig = managed().await;
    let set = SetBmc { protocol: Some("redfish".into()), ..SetBmc::default() };
    let shown = bmc::set(&rig.lab.app, uuid(), set).await.unwrap().summary;
    assert!(shown.failures == 1 && shown.reason.contains("https://127.0.0.1"), "{}: {}", shown.state, shown.reason);
    let set = SetBmc { protocol: Some("auto".into()), ..SetBmc::default() };
    let shown = bmc::set(&rig.lab.app, uuid(), set).await.unwrap().summary;
    assert_eq!((shown.state.as_str(), shown.failures, shown.reason.as_str()), ("managed", 0, ""));
}

#[tokio::test]
async fn what_was_learnt_of_another_address_is_not_written_over_what_was_set_meanwhile() {
    let rig = managed().await;
    let app = &rig.lab.app;
    app.bmcs.close().await;
    rig.sim.misbehave(Misbehave { delay: Duration::from_millis(50), ..Misbehave::default() });
    rig.sim.hardware(|h| h.power = false);
    let set_meanwhile = async {
        while rig.sim.sessions() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let change = |tx: &mut higuma::store::Tx<'_>| {
            let bmc = tx.bmc(&uuid())?.expect("a BMC");
            tx.put_bmc(&higuma::domain::bmc::Bmc { address: Some("127.0.0.9".parse().unwrap()), ..bmc })
        };
        app.store.write(change).await.unwrap();
    };
    let (checked, ()) = tokio::join!(bmc::check(app, uuid()), set_meanwhile);
    let shown = checked.unwrap().summary;
    assert_eq!((shown.address.as_deref(), shown.power.as_str()), (Some("127.0.0.9"), "on"));
    assert_eq!(bmc::show(app, uuid()).await.unwrap().summary.power, "on");
}

/// The poller took it before; a person gave another account meanwhile, and that moves nothing but the time of the next contact.
#[tokio::test]
async fn what_the_poller_learnt_is_not_written_over_what_was_set_meanwhile() {
    let rig = managed().await;
    let app = &rig.lab.app;
    let put = |change: fn(&mut higuma::domain::bmc::Bmc, i64)| {
        let now = app.now();
        app.store.write(move |tx| {
            let mut bmc = tx.bmc(&uuid())?.expect("a BMC");
            change(&mut bmc, now);
            tx.put_bmc(&bmc)
        })
    };
    put(|bmc, now| bmc.next = now).await.unwrap();
    app.bmcs.close().await;
    rig.sim.misbehave(Misbehave { delay: Duration::from_millis(50), ..Misbehave::default() });
    rig.sim.hardware(|h| h.power = false);
    let set_meanwhile = async {
        while rig.sim.sessions() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        put(|bmc, now| (bmc.failures, bmc.next, bmc.changed) = (0, now, now)).await.unwrap();
    };
    let (polled, ()) = tokio::join!(bmc::poll_once(app), set_meanwhile);
    assert_eq!(polled.unwrap().asked, 1);
    let shown = bmc::show(app, uuid()).await.unwrap();
    assert_eq!(shown.summary.power, "on", "as it was when it was set");
    assert!(shown.next_us.unwrap() <= app.now(), "and it is asked again at once");
}

#[tokio::test]
async fn the_bmc_of_a_retired_node_is_left_alone_until_it_is_taken_back() {
    let rig = managed().await;
    let app = &rig.lab.app;
    let retire = |retired| nodes::patch(app, uuid(), NodePatch { retired: Some(retired), ..NodePatch::default() });
    retire(true).await.unwrap();
    let heard = rig.sim.sessions();
    let account = SetBmc { address: Some(ADDRESS.into()), ..SetBmc::default() };
    for refused in [
        bmc::check(app, uuid()).await.map(drop),
        bmc::sensors(app, uuid()).await.map(drop),
        bmc::info(app, uuid()).await.map(drop),
        bmc::set(app, uuid(), account).await.map(drop),
    ] {
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("is retired") && error.contains("--retired off"), "{error}");
    }
    assert!(rotate(&rig).await.unwrap_err().contains("is retired"));
    assert!(rig.sim.sessions() <= heard);
    assert_eq!(bmc::poll_once(app).await.unwrap().asked, 0);

    retire(false).await.unwrap();
    let polled = bmc::poll_once(app).await.unwrap();
    assert_eq!((polled.asked, polled.failed), (1, 0), "at once, with what it had");
    assert_eq!(rig.state().await.0, "managed");
}

#[tokio::test]
async fn a_refused_login_is_not_tried_again_at_once() {
    let rig = managed().await;
    let app = &rig.lab.app;
    rig.set("higuma", "changed by somebody");
    rig.sim.forget_sessions();
    app.bmcs.close().await;
    assert_eq!(bmc::check(app, uuid()).await.unwrap().summary.state, "login-refused");
    // It would work now, and nobody asks: a person who clicks again and again locks no account.
    rig.set("higuma", "factory-password");
    let shown = bmc::check(app, uuid()).await.unwrap().summary;
    assert!(shown.state == "login-refused" && shown.reason.contains("not asked again for"), "{}", shown.reason);
    assert!(bmc::sensors(app, uuid()).await.unwrap_err().to_string().contains("not asked again for"));
    let (user, password) = (Some("higuma".into()), Some("factory-password".into()));
    let account = SetBmc { user, password, ..SetBmc::default() };
    assert_eq!(bmc::set(app, uuid(), account).await.unwrap().summary.state, "managed", "whoever sets it may try it");
}
