//! Enrolment from the outside: a file, simulated BMCs that it names, and the machines behind them that register. Over SQLite,
//! without any listener but those of the BMCs.

use crate::common::{Lab, lab};
use higuma::domain::bmc::{Bmc, BmcState};
use higuma::domain::credential::{State as CredentialState, Via};
use higuma::domain::enrol::{Enrolment, Order, State};
use higuma::domain::identity::Told;
use higuma::domain::image::Arch;
use higuma::domain::node::AdmissionPolicy;
use higuma::domain::script::Machine;
use higuma::domain::{Mac, NodeUuid};
use higuma::error::Error;
use higuma::service::register::Registration;
use higuma::service::{App, bmc, credentials, enrol, new_secret, nodes, register, scripts, vault};
use higuma::store::EnrolmentFilter;
use higuma_ipmi::Password;
use higuma_ipmi::sim::{Misbehave, Settings, Silence, SimBmc, User};
use higuma_proto::agent::{BmcChannel, BmcFound, Inventory, Nic, System};
use higuma_proto::api::{Enrolled, EnrolmentCounts, NewEnrolments, NodePatch};
use uuid::Uuid;

const PASSWORD: &str = "factory-7";

fn uuid(n: u8) -> Uuid {
    format!("4c4c4544-0046-3010-8052-b4c04f4a4d{n:02x}").parse().unwrap()
}

fn node(n: u8) -> NodeUuid {
    uuid(n).to_string().parse().unwrap()
}

fn bmc_mac(n: u8) -> String {
    format!("00:25:90:bc:00:{n:02x}")
}

/// BMC number `n` at 127.0.8.n, whose GUID is this.
async fn sim(n: u8, guid: [u8; 16]) -> SimBmc {
    let users = vec![User { name: "ADMIN".into(), password: Password::new(PASSWORD.into()) }];
    let settings = Settings { users, guid, ..Settings::default() };
    let bmc = SimBmc::start(([127, 0, 8, n], 0).into(), settings).await.unwrap();
    bmc.hardware(|h| h.lan.insert(5, vec![0, 0x25, 0x90, 0xbc, 0, n]));
    bmc
}

fn csv(bmcs: &[&SimBmc], more: &str) -> String {
    let mut text = "address,port,user,password,name,profile,uefi\n".to_owned();
    for bmc in bmcs {
        text.push_str(&format!("{},{},ADMIN,{PASSWORD},{more}\n", bmc.address.ip(), bmc.address.port()));
    }
    text
}

async fn import(app: &App, text: &str, dry_run: bool, restart: bool) -> Result<Enrolled, Error> {
    enrol::import(app, NewEnrolments { format: "csv".into(), text: text.into(), dry_run, restart }, "ana").await
}

async fn enrolled(app: &App, bmcs: &[&SimBmc]) {
    import(app, &csv(bmcs, ",p,"), false, false).await.unwrap();
    assert_eq!(enrol::work_once(app).await.unwrap().contacted, bmcs.len());
}

async fn at(app: &App, n: u8) -> Enrolment {
    let address = [127, 0, 8, n].into();
    app.store.read(move |tx| tx.enrolments_at(&[address])).await.unwrap().pop().unwrap()
}

async fn record(app: &App, n: u8) -> Bmc {
    app.store.read(move |tx| tx.bmc(&node(n))).await.unwrap().unwrap()
}

/// Due now, whatever the pause or the lease.
async fn hurry(app: &App, n: u8) {
    let mut e = at(app, n).await;
    e.next = e.next.map(|_| 0);
    app.store.write(move |tx| tx.put_enrolment(&e)).await.unwrap();
}

async fn counts(app: &App) -> EnrolmentCounts {
    enrol::counts(app, None).await.unwrap()
}

/// The machine with this UUID boots from the network, as far as its registration.
async fn try_register(app: &App, n: u8) -> Result<register::Registered, Error> {
    let port: Mac = format!("00:25:90:00:00:{n:02x}").parse().unwrap();
    let told = Told { uuid: Some(node(n)), serial: format!("SN-{n}"), ..Told::default() };
    let machine = Machine { told, mac: Some(port.clone()), arch: Some(Arch::X86_64) };
    let nonce = scripts::script(app, machine, "10.0.0.1:8080").await?.nonce.unwrap();
    let system = System { serial: format!("SN-{n}"), uuid: uuid(n).to_string(), ..System::default() };
    let nic = Nic { mac: port.to_string(), driver: "ixgbe".into(), ..Nic::default() };
    let registration = Registration {
        nonce,
        credential: new_secret()?,
        uuid: Some(node(n)),
        node: None,
        boot_mac: Some(port),
        inventory: Inventory { system: Some(system), nics: vec![nic], ..Inventory::default() },
        neighbours: vec![],
    };
    register::register(app, registration).await
}

async fn register(app: &App, n: u8) -> register::Registered {
    try_register(app, n).await.unwrap()
}

/// Its agent tells what it read of the BMC.
async fn in_band(app: &App, registered: &register::Registered, mac: &str, address: &str) {
    let id = registered.boot;
    let boot = app.store.read(move |tx| tx.boot(id)).await.unwrap().unwrap();
    let channel = BmcChannel { number: 1, mac: mac.into(), address: address.into(), ..BmcChannel::default() };
    let found = BmcFound { state: "present".into(), channels: vec![channel], ..BmcFound::default() };
    bmc::plan(app, &boot, found).await.unwrap();
}

fn restarted(lab: &Lab) -> App {
    let store = higuma::store::Store::open(&format!("sqlite:{}", lab.path("t.db").display())).unwrap();
    let keys = higuma::vault::Vault::open(lab.path("t.db").parent().unwrap(), None, None).unwrap();
    App::new(store, higuma::service::Settings::default()).with_vault(keys)
}

#[tokio::test]
async fn three_are_started_and_each_finds_its_node_by_its_guid() {
    let lab = lab(|s| s.admission = AdmissionPolicy::KnownOnly).await;
    let app = &lab.app;
    // As SMBIOS has it, as the text has it, and turned around.
    let turned = uuid(3).into_bytes().into_iter().rev().collect::<Vec<u8>>().try_into().unwrap();
    let bmcs = [sim(1, uuid(1).to_bytes_le()).await, sim(2, uuid(2).into_bytes()).await, sim(3, turned).await];
    let [a, b, c] = &bmcs;
    assert!(matches!(try_register(app, 1).await, Err(Error::Forbidden(_))), "nobody knows it");
    enrolled(app, &[a, b, c]).await;
    assert_eq!(counts(app).await, EnrolmentCounts { total: 3, booting: 3, ..EnrolmentCounts::default() });
    for (n, bmc) in [(1, a), (2, b), (3, c)] {
        let e = at(app, n).await;
        assert!(e.uuids.contains(&node(n)) && e.mac.as_ref().unwrap().as_str() == bmc_mac(n), "{e:?}");
        // Boot device PXE (4 << 2), valid, once, BIOS; and power on (1), and nothing else.
        let (power, controls, boot) = bmc.hardware(|h| (h.power, h.controls.clone(), h.boot));
        assert_eq!((power, controls, boot[0], boot[1]), (true, vec![1], 0x80, 0x04), "{n}");
        assert_eq!(bmc.sessions(), 0, "logged out");
    }
    for n in [3, 1, 2] {
        let registered = register(app, n).await;
        assert_eq!(registered.node, node(n));
        let e = at(app, n).await;
        assert_eq!((e.state, e.node.clone(), e.sealed.clone()), (State::Matched, Some(node(n)), None), "{e:?}");
        let shown = nodes::show(app, node(n)).await.unwrap();
        assert_eq!((shown.summary.admission.as_str(), shown.summary.profile.as_deref()), ("admitted", Some("p")));
        let known = credentials::candidates(app, node(n)).await.unwrap();
        // It was logged in with when the BMC was told to boot, and since then nobody knows.
        assert_eq!((known.len(), known[0].state, known[0].via), (1, CredentialState::Failed, Via::Enrolled));
        assert!(credentials::current(app, node(n)).await.unwrap().is_none());
        assert_eq!((known[0].user.as_str(), known[0].passwords[0].reveal()), ("ADMIN", PASSWORD));
    }
    // The poller of BMCs logs in to them as to any other.
    assert_eq!(bmc::poll_once(app).await.unwrap().failed, 0);
    for n in 1..=3 {
        let record = record(app, n).await;
        assert_eq!((record.state, record.address), (BmcState::Managed, Some([127, 0, 8, n].into())));
        let current = credentials::current(app, node(n)).await.unwrap().unwrap();
        assert_eq!((current.user.as_str(), current.password.reveal()), ("ADMIN", PASSWORD), "proven by the poller");
    }
    assert_eq!(counts(app).await.matched, 3);
    let again = import(app, &csv(&[a, b, c], ",p,"), false, true).await.unwrap();
    assert_eq!((again.new, again.changed, again.unchanged), (0, 0, 3), "the same file changes nothing");
    app.bmcs.close().await;
}

#[tokio::test]
async fn by_the_mac_or_the_address_that_the_node_reads_and_never_by_a_guess() {
    let lab = lab(|s| s.admission = AdmissionPolicy::Auto).await;
    let app = &lab.app;
    // GUIDs that say nothing; and one of two boards.
    let (a, b) = (sim(1, [0; 16]).await, sim(2, [0xff; 16]).await);
    let (c, d) = (sim(3, uuid(3).to_bytes_le()).await, sim(4, uuid(3).to_bytes_le()).await);
    enrolled(app, &[&a, &b, &c, &d]).await;
    assert!(at(app, 1).await.uuids.is_empty());
    let one = register(app, 1).await;
    assert_eq!(at(app, 1).await.state, State::Booting);
    in_band(app, &one, &bmc_mac(1), "10.9.9.9").await;
    assert_eq!(at(app, 1).await.node, Some(node(1)), "by its MAC address");
    // The address fits, and the MAC address says that it is another BMC.
    let two = register(app, 2).await;
    in_band(app, &two, "00:25:90:bc:00:77", "127.0.8.2").await;
    assert_eq!(at(app, 2).await.state, State::Booting);
    let two = register(app, 2).await;
    in_band(app, &two, "", "127.0.8.2").await;
    assert_eq!(at(app, 2).await.node, Some(node(2)), "by its address");
    let three = register(app, 3).await;
    for n in [3, 4] {
        let e = at(app, n).await;
        assert_eq!(e.state, State::Booting);
        assert!(e.reason.contains(node(3).as_str()) && e.reason.contains("127.0.8.3 or 127.0.8.4"), "{}", e.reason);
    }
    in_band(app, &three, &bmc_mac(4), "").await;
    assert_eq!((at(app, 3).await.node, at(app, 4).await.node), (None, Some(node(3))), "now it can be told");
}

#[tokio::test]
async fn a_node_that_is_known_is_matched_at_once_and_left_alone_when_it_has_booted() {
    let lab = lab(|s| s.admission = AdmissionPolicy::Auto).await;
    let app = &lab.app;
    register(app, 1).await;
    nodes::add(app, node(2), NodePatch { hostname: Some("web-2".into()), ..NodePatch::default() }).await.unwrap();
    let (a, b) = (sim(1, uuid(1).to_bytes_le()).await, sim(2, uuid(2).to_bytes_le()).await);
    enrolled(app, &[&a, &b]).await;
    assert_eq!(counts(app).await.matched, 2);
    for n in [1, 2] {
        let current = credentials::current(app, node(n)).await.unwrap().unwrap();
        assert_eq!(current.password.reveal(), PASSWORD, "logged in with just now");
    }
    assert!(a.hardware(|h| !h.power && h.controls.is_empty()), "it has booted before: not ours to switch");
    assert!(b.hardware(|h| h.power), "it was never seen: started");
    let text = "address,user,password,name\n10.7.0.1,a,b,web-2\n127.0.8.1,a,b,\n10.7.0.2,a,b,web-9\n";
    let error = import(app, text, false, false).await.unwrap_err().to_string();
    assert!(
        error.contains("line 2: name web-2 is that of node") && error.contains("line 3: 127.0.8.1 is the BMC of"),
        "{error}"
    );
}

#[tokio::test]
async fn one_that_is_on_is_not_touched_unless_it_may_be_restarted() {
    let lab = lab(|_| ()).await;
    let app = &lab.app;
    let a = sim(1, uuid(1).to_bytes_le()).await;
    a.hardware(|h| h.power = true);
    enrolled(app, &[&a]).await;
    let e = at(app, 1).await;
    assert!(e.is_held() && e.reason.contains("on already"), "{e:?}");
    assert!(a.hardware(|h| h.controls.is_empty() && h.boot == [0; 5]));
    assert_eq!(enrol::work_once(app).await.unwrap().contacted, 0, "it waits for a person");
    let again = import(app, &csv(&[&a], ",p,"), false, true).await.unwrap();
    assert_eq!((again.changed, again.unchanged), (1, 0));
    enrol::work_once(app).await.unwrap();
    assert_eq!(a.hardware(|h| (h.controls.clone(), h.boot[1])), (vec![2], 0x04), "cycled, from the network");
    assert_eq!(at(app, 1).await.state, State::Booting);
    let again = import(app, &csv(&[&a], ",p,"), false, true).await.unwrap();
    assert_eq!(again.unchanged, 1);
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_and_a_better_file_helps() {
    let lab = lab(|_| ()).await;
    let app = &lab.app;
    let a = sim(1, uuid(1).to_bytes_le()).await;
    let wrong = csv(&[&a], ",p,").replace(PASSWORD, "wrong-secret");
    import(app, &wrong, false, false).await.unwrap();
    enrol::work_once(app).await.unwrap();
    let e = at(app, 1).await;
    assert_eq!((e.state, e.next), (State::Failed, None), "{e:?}");
    assert!(!format!("{e:?}").contains("wrong-secret"));
    assert_eq!(enrol::work_once(app).await.unwrap().contacted, 0, "not by itself again");
    assert_eq!(import(app, &wrong, false, false).await.unwrap().unchanged, 1);
    assert_eq!(import(app, &csv(&[&a], ",p,"), false, false).await.unwrap().changed, 1);
    enrol::work_once(app).await.unwrap();
    assert_eq!(at(app, 1).await.state, State::Booting);
    let other = csv(&[&a], ",p,yes");
    let error = import(app, &other, false, false).await.unwrap_err().to_string();
    assert!(error.contains("line 2: 127.0.8.1 is being enrolled with other values"), "{error}");
    assert_eq!(enrol::cancel(app, "127.0.8.1", "ana").await.unwrap().state, "cancelled");
    assert_eq!(enrol::cancel(app, "127.0.8.1", "ana").await.unwrap().state, "cancelled");
    assert_eq!(import(app, &other, false, false).await.unwrap().changed, 1);
    let shown = enrol::list(app, enrol::EnrolmentQuery::default()).await.unwrap();
    assert!(!serde_json::to_string(&shown).unwrap().contains(PASSWORD));
}

#[tokio::test]
async fn one_that_does_not_answer_is_asked_again() {
    let lab = lab(|_| ()).await;
    let app = &lab.app;
    let a = sim(1, uuid(1).to_bytes_le()).await;
    let text = csv(&[&a], ",,").replacen("profile,uefi", "protocol,uefi", 1).replace(",,,", ",,ipmi,");
    drop(a);
    import(app, &text, false, false).await.unwrap();
    enrol::work_once(app).await.unwrap();
    let e = at(app, 1).await;
    assert_eq!((e.state, e.attempts), (State::Waiting, 1), "{e:?}");
    assert!(e.next.unwrap() > app.now() && !e.reason.is_empty());
    let again = enrol::retry(app, &e.id.to_string(), false, "ana").await.unwrap();
    assert_eq!((again.state.as_str(), again.attempts), ("waiting", 0));
}

#[tokio::test]
async fn an_account_that_was_changed_since_its_login_is_not_called_proven() {
    let lab = lab(|s| s.admission = AdmissionPolicy::Auto).await;
    let app = &lab.app;
    let a = sim(1, uuid(1).to_bytes_le()).await;
    enrolled(app, &[&a]).await;
    // Hours go by until somebody plugs the network in; meanwhile another one sets the BMC's password.
    a.hardware(|h| h.users[0].password = Password::new("another".into()));
    register(app, 1).await;
    assert_eq!(at(app, 1).await.state, State::Matched);
    assert_eq!(record(app, 1).await.state, BmcState::Configured);
    assert!(credentials::current(app, node(1)).await.unwrap().is_none(), "nobody has logged in with it since");
    assert_eq!(bmc::poll_once(app).await.unwrap().failed, 1);
    assert_eq!(record(app, 1).await.state, BmcState::LoginRefused);
    let kept = credentials::candidates(app, node(1)).await.unwrap();
    assert_eq!((kept.len(), kept[0].passwords[0].reveal()), (1, PASSWORD), "kept, to be tried");
    app.bmcs.close().await;
}

#[tokio::test]
async fn what_a_server_works_on_is_not_tried_again_by_anybody_else() {
    let lab = lab(|_| ()).await;
    let app = &lab.app;
    let a = sim(1, uuid(1).to_bytes_le()).await;
    a.hardware(|h| h.power = true);
    // It lets nobody finish a login: whoever takes it has it for a while.
    let silent = Misbehave { silence: Some(Silence::LogIn), ..Misbehave::default() };
    a.misbehave(silent);
    let text = csv(&[&a], ",,").replacen("profile,uefi", "protocol,uefi", 1).replace(",,,", ",,ipmi,");
    import(app, &text, false, true).await.unwrap();
    let refused = |error: Error| {
        assert_eq!(error.code(), "conflict");
        let words = error.to_string();
        assert!(words.contains("a server works on it now, until ") && words.contains(" UTC at the latest"), "{words}");
    };
    let asked = async {
        while at(app, 1).await.state != State::Contacting {
            tokio::task::yield_now().await;
        }
        refused(enrol::retry(app, "127.0.8.1", true, "ana").await.unwrap_err());
        // Giving it up is possible at any time; and another file does not start a second contact beside the first either.
        assert_eq!(enrol::cancel(app, "127.0.8.1", "ana").await.unwrap().next_us, None);
        refused(enrol::retry(app, "127.0.8.1", true, "ana").await.unwrap_err());
        let other = import(app, &text.replace(",ipmi,", ",ipmi,yes"), false, true).await.unwrap_err().to_string();
        assert!(other.contains("line 2: 127.0.8.1 was cancelled, and a server works on it now"), "{other}");
        a.misbehave(Misbehave::default());
    };
    let (worked, ()) = tokio::join!(enrol::work_once(app), asked);
    assert_eq!(worked.unwrap().contacted, 1);
    let e = at(app, 1).await;
    assert_eq!((e.state, e.claim, e.next), (State::Cancelled, None, None), "it has stopped, and let go");
    assert!(a.hardware(|h| h.controls.is_empty() && h.boot == [0; 5]), "before its next step");
    enrol::retry(app, "127.0.8.1", true, "ana").await.unwrap();
    enrol::work_once(app).await.unwrap();
    assert_eq!(a.hardware(|h| h.controls.clone()), [2], "cycled, once");
    // The order of a server that died is nobody else's until its lease is over.
    let mut e = at(app, 1).await;
    e.next = Some(0);
    let lease = app.now() + 600_000_000;
    assert!(e.take(Uuid::from_u128(1), lease, 1));
    let stored = e.clone();
    app.store.write(move |tx| tx.put_enrolment(&stored)).await.unwrap();
    refused(enrol::retry(app, "127.0.8.1", true, "ana").await.unwrap_err());
    assert_eq!(at(app, 1).await, e, "nothing changed");
    hurry(app, 1).await;
    assert_eq!(enrol::retry(app, "127.0.8.1", true, "ana").await.unwrap().state, "waiting");
}

#[tokio::test]
async fn a_server_that_dies_in_the_middle_leaves_it_to_the_next() {
    let lab = lab(|_| ()).await;
    let (a, b) = (sim(1, uuid(1).to_bytes_le()).await, sim(2, uuid(2).to_bytes_le()).await);
    import(&lab.app, &csv(&[&a, &b], ",p,"), false, true).await.unwrap();
    // It took both and died; of the second it had ordered a power cycle, and nobody knows whether that was sent.
    b.hardware(|h| h.power = true);
    lab.app
        .store
        .write(|tx| {
            for mut e in tx.due_enrolments(i64::MAX, 9)? {
                assert!(e.take(Uuid::from_u128(1), i64::MAX, 1));
                if e.address == std::net::IpAddr::from([127, 0, 8, 2]) {
                    let found = higuma::domain::enrol::Found {
                        driver: higuma::domain::bmc::Protocol::Ipmi,
                        certificate: None,
                        uuids: vec![node(2)],
                        mac: None,
                        firmware: String::new(),
                        power: higuma::domain::bmc::Power::On,
                    };
                    assert!(e.identified(found, 2) && e.ordering(Order::Cycle, 3));
                }
                tx.put_enrolment(&e)?;
            }
            Ok(())
        })
        .await
        .unwrap();
    let app = restarted(&lab);
    assert_eq!(enrol::work_once(&app).await.unwrap().contacted, 0, "the other server's, until its lease is over");
    hurry(&app, 1).await;
    hurry(&app, 2).await;
    assert_eq!(enrol::work_once(&app).await.unwrap().contacted, 2);
    assert_eq!((at(&app, 1).await.state, a.hardware(|h| h.controls.clone())), (State::Booting, vec![1]));
    let unclear = at(&app, 2).await;
    assert!(unclear.reason.contains("not known") && unclear.next.is_none(), "{unclear:?}");
    assert!(b.hardware(|h| h.controls.is_empty()), "a power cycle is not done twice");
    register(&app, 2).await;
    assert_eq!(at(&app, 2).await.node, Some(node(2)), "it was done after all");
}

#[tokio::test]
async fn a_dry_run_and_a_bad_file_write_nothing() {
    let lab = lab(|_| ()).await;
    let app = &lab.app;
    let text = "address,user,password\n10.0.8.0/24,a,b\n";
    let checked = import(app, text, true, false).await.unwrap();
    assert_eq!((checked.new, checked.written), (254, false));
    let error = import(app, "address,user,password,profile\n10.0.8.1,a,b,\n10.0.8.2,a,b,none\n", false, false).await;
    assert!(error.unwrap_err().to_string().contains("line 3: there is no profile none"));
    let all = app.store.read(|tx| tx.enrolments(&EnrolmentFilter::default(), None, 9)).await.unwrap();
    assert!(all.is_empty());
}

#[tokio::test]
async fn passwords_are_sealed_and_go_with_the_master_key() {
    let lab = lab(|_| ()).await;
    let app = &lab.app;
    let a = sim(1, uuid(1).to_bytes_le()).await;
    import(app, &csv(&[&a], ",p,"), false, false).await.unwrap();
    let before = at(app, 1).await.sealed.unwrap();
    vault::begin(app).await.unwrap();
    vault::resume(app).await.unwrap();
    let after = at(app, 1).await.sealed.unwrap();
    assert!(before.1 != after.1 && app.vault.keys().len() == 1 && app.vault.keys()[0].id() == after.1);
    for file in ["t.db", "t.db-wal"] {
        let bytes = std::fs::read(lab.path(file)).unwrap_or_default();
        assert!(!bytes.windows(PASSWORD.len()).any(|w| w == PASSWORD.as_bytes()), "{file}");
    }
    enrol::work_once(app).await.unwrap();
    assert_eq!(at(app, 1).await.state, State::Booting, "it opens with the new one");
}
