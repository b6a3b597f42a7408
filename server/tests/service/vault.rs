//! BMC credentials and the master key over SQLite, without any listener: what is sealed, what opens where, rotations that are
//! cut off at each step, and a server that must not start.

use crate::common::Lab;
use higuma::domain::credential::{Credential, Password, State, Via};
use higuma::domain::node::{Admission, Node};
use higuma::domain::{NodeUuid, node_event::Kind};
use higuma::error::Error;
use higuma::service::{App, credentials, identity, node_events, nodes, vault};
use higuma::store::NodeEventFilter;
use higuma::vault::Vault;
use higuma_proto::api::NodePatch;

fn uuid(n: u32) -> NodeUuid {
    format!("4c4c4544-0046-3010-8052-b4c0{n:08x}").parse().unwrap()
}

async fn lab(nodes: u32) -> Lab {
    let lab = crate::common::lab(|_| {}).await;
    for n in 1..=nodes {
        let node = Node::new(uuid(n), Admission::Admitted, 1);
        lab.app.store.write(move |tx| tx.put_node(&node)).await.unwrap();
    }
    lab
}

fn texts(passwords: &[Password]) -> Vec<String> {
    passwords.iter().map(|p| p.reveal().to_owned()).collect()
}

fn key_file(lab: &Lab) -> String {
    std::fs::read_to_string(lab.path("master.key")).unwrap()
}

/// The same data folder and database, as after a kill -9.
async fn restarted(lab: &Lab) -> App {
    let vault = Vault::open(&lab.path(""), None, None).unwrap();
    let app = App { vault, ..lab.app.clone() };
    vault::start(&app).await.unwrap();
    app
}

#[tokio::test]
async fn a_plan_stays_the_same_until_it_is_settled() {
    let lab = lab(1).await;
    let app = &lab.app;
    let first = credentials::plan(app, uuid(1)).await.unwrap();
    assert_eq!(first.user, "higuma");
    assert_eq!(first.passwords.iter().map(|p| p.reveal().len()).collect::<Vec<_>>(), [20, 20, 16]);
    assert_eq!(credentials::plan(app, uuid(1)).await.unwrap(), first);
    assert_eq!(credentials::plan(&restarted(&lab).await, uuid(1)).await.unwrap(), first, "also after a restart");
    assert_eq!(credentials::current(app, uuid(1)).await.unwrap(), None, "planned is not in force");
    let beyond = credentials::settle(app, first.id, 3, Via::InBand).await;
    assert!(matches!(&beyond, Err(Error::BadRequest(text)) if text.contains("3 passwords")), "{beyond:?}");
    for _ in 0..2 {
        credentials::settle(app, first.id, 1, Via::InBand).await.unwrap();
    }
    let current = credentials::current(app, uuid(1)).await.unwrap().unwrap();
    assert_eq!((current.id, &current.password), (first.id, &first.passwords[1]));

    let second = credentials::plan(app, uuid(1)).await.unwrap();
    assert_ne!(second.passwords, first.passwords);
    assert_eq!(credentials::current(app, uuid(1)).await.unwrap().unwrap(), current, "a plan replaces nothing");
    credentials::fail(app, second.id, "the BMC said: busy\u{7}").await.unwrap();
    credentials::fail(app, second.id, "again").await.unwrap();
    let in_force = credentials::fail(app, first.id, "x").await;
    assert!(matches!(in_force, Err(Error::Conflict(_))), "{in_force:?}");
    let third = credentials::plan(app, uuid(1)).await.unwrap();
    assert_ne!(third.id, second.id);
    let states = |found: Vec<credentials::Candidate>| found.iter().map(|c| (c.id, c.state)).collect::<Vec<_>>();
    assert_eq!(
        states(credentials::candidates(app, uuid(1)).await.unwrap()),
        [(first.id, State::Proven), (third.id, State::Planned), (second.id, State::Failed)]
    );
    // The report of the second was lost, but the BMC has it.
    credentials::settle(app, second.id, 0, Via::Lan).await.unwrap();
    assert_eq!(credentials::current(app, uuid(1)).await.unwrap().unwrap().password, second.passwords[0]);
    assert_eq!(
        states(credentials::candidates(app, uuid(1)).await.unwrap()),
        [(second.id, State::Proven), (third.id, State::Planned), (first.id, State::Retired)]
    );
    let unknown = credentials::settle(app, uuid::Uuid::nil(), 0, Via::Lan).await;
    assert!(matches!(unknown, Err(Error::NotFound(_))), "{unknown:?}");
}

#[tokio::test]
async fn what_was_enrolled_is_in_force_at_once_and_again_is_no_change() {
    let lab = lab(1).await;
    let app = &lab.app;
    let planned = credentials::plan(app, uuid(1)).await.unwrap();
    let factory: Password = "ADMIN".parse().unwrap();
    let id = credentials::adopt(app, uuid(1), "ADMIN", &factory, Via::Enrolled).await.unwrap();
    assert_eq!(credentials::adopt(app, uuid(1), "ADMIN", &factory, Via::Enrolled).await.unwrap(), id);
    let current = credentials::current(app, uuid(1)).await.unwrap().unwrap();
    assert_eq!((current.user.as_str(), current.password.reveal()), ("ADMIN", "ADMIN"));
    // A planned one that somebody logged in with is the planned one.
    let again = credentials::adopt(app, uuid(1), "higuma", &planned.passwords[2], Via::Enrolled).await.unwrap();
    assert_eq!(again, planned.id);
    assert_eq!(credentials::current(app, uuid(1)).await.unwrap().unwrap().password, planned.passwords[2]);
    for (user, password) in [("", "x"), ("a b", "x")] {
        assert!(credentials::adopt(app, uuid(1), user, &password.parse().unwrap(), Via::Enrolled).await.is_err());
    }
    assert!(matches!(credentials::adopt(app, uuid(9), "a", &factory, Via::Enrolled).await, Err(Error::NotFound(_))));
}

#[tokio::test]
async fn a_swapped_row_does_not_open() {
    let lab = lab(2).await;
    let (one, two) =
        (credentials::plan(&lab.app, uuid(1)).await.unwrap(), credentials::plan(&lab.app, uuid(2)).await.unwrap());
    let (a, b) = (one.id, two.id);
    let swap = lab.app.store.write(move |tx| {
        let theirs = tx.credential(b)?.unwrap().sealed;
        let mine = tx.credential(a)?.unwrap();
        tx.put_credential(&Credential { sealed: theirs, ..mine })
    });
    swap.await.unwrap();
    let error = credentials::plan(&lab.app, uuid(1)).await.unwrap_err();
    assert!(matches!(error, Error::Internal(_)) && format!("{error:?}").contains("Closed"), "{error:?}");
    assert_eq!(credentials::plan(&lab.app, uuid(2)).await.unwrap(), two);
}

#[tokio::test]
async fn nothing_in_the_database_is_a_password() {
    let lab = lab(1).await;
    let planned = credentials::plan(&lab.app, uuid(1)).await.unwrap();
    credentials::settle(&lab.app, planned.id, 0, Via::InBand).await.unwrap();
    credentials::reveal(&lab.app, uuid(1), "ana").await.unwrap();
    let mut bytes = Vec::new();
    for file in std::fs::read_dir(lab.path("")).unwrap().flatten().filter(|f| f.file_name() != "master.key") {
        bytes.extend(std::fs::read(file.path()).unwrap());
    }
    assert!(bytes.len() > 10_000);
    let has = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
    assert!(has(uuid(1).as_str()), "what is looked for would be found");
    for text in texts(&planned.passwords) {
        assert!(!has(&text) && !has(&hex::encode(&text)), "a password is in the database");
    }
    assert!(!has(key_file(&lab).split_whitespace().nth(1).unwrap()));
    assert!(!format!("{planned:?}").contains(planned.passwords[0].reveal()));
}

#[tokio::test]
async fn that_a_password_was_shown_is_written_down_each_time() {
    let lab = lab(2).await;
    let planned = credentials::plan(&lab.app, uuid(1)).await.unwrap();
    for who in ["ana", "bo", "ana"] {
        let shown = credentials::reveal(&lab.app, uuid(1), who).await.unwrap();
        assert_eq!(shown.credentials[0].passwords, texts(&planned.passwords));
        assert!(!format!("{shown:?}").contains(planned.passwords[0].reveal()));
    }
    let none = credentials::reveal(&lab.app, uuid(2), "ana").await;
    assert!(matches!(none, Err(Error::NotFound(_))), "{none:?}");
    let filter = NodeEventFilter { kind: Some(Kind::Bmc), ..NodeEventFilter::default() };
    let query = node_events::NodeEventQuery { filter, ..Default::default() };
    let events = node_events::list(&lab.app, query).await.unwrap().items;
    let who: Vec<&str> = events.iter().map(|e| e.message.split(" to ").nth(1).unwrap()).collect();
    assert!(who[0].starts_with("ana at 20") && who[1].starts_with("bo at ") && who.len() == 3, "{who:?}");
    assert!(events.iter().all(|e| e.node == uuid(1).as_str()));
}

#[tokio::test]
async fn a_retired_node_keeps_what_may_be_in_force_and_plans_nothing() {
    let lab = lab(1).await;
    let app = &lab.app;
    let planned = credentials::plan(app, uuid(1)).await.unwrap();
    credentials::settle(app, planned.id, 0, Via::InBand).await.unwrap();
    let retired = |retired| NodePatch { retired: Some(retired), ..NodePatch::default() };
    nodes::patch(app, uuid(1), retired(true)).await.unwrap();
    assert_eq!(credentials::current(app, uuid(1)).await.unwrap(), None);
    assert!(matches!(credentials::plan(app, uuid(1)).await, Err(Error::Conflict(_))));
    let kept = credentials::candidates(app, uuid(1)).await.unwrap();
    assert_eq!((kept.len(), kept[0].state, &kept[0].passwords[0]), (1, State::Retired, &planned.passwords[0]));
    nodes::patch(app, uuid(1), retired(false)).await.unwrap();
    credentials::settle(app, planned.id, 0, Via::Lan).await.unwrap();
    assert!(credentials::current(app, uuid(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn credentials_move_with_a_merge_and_open_at_the_node_that_stays() {
    let lab = lab(3).await;
    let app = &lab.app;
    let settle = async |n: u32| {
        let planned = credentials::plan(app, uuid(n)).await.unwrap();
        credentials::settle(app, planned.id, 0, Via::InBand).await.unwrap();
        planned.passwords[0].clone()
    };
    let (old, new) = (settle(1).await, settle(2).await);
    identity::merge(app, uuid(2), uuid(1)).await.unwrap();
    assert_eq!(credentials::current(app, uuid(1)).await.unwrap().unwrap().password, new, "the board that is there");
    let all = credentials::candidates(app, uuid(1)).await.unwrap();
    assert_eq!(all.iter().map(|c| c.passwords[0].clone()).collect::<Vec<_>>(), [new.clone(), old]);
    // One that never had a BMC takes nothing away.
    identity::merge(app, uuid(3), uuid(1)).await.unwrap();
    assert_eq!(credentials::current(app, uuid(1)).await.unwrap().unwrap().password, new);
}

#[tokio::test]
async fn a_rotation_can_be_cut_off_after_each_step() {
    const NODES: u32 = 230;
    for killed_after in 0..=5 {
        let lab = lab(NODES).await;
        let mut plans = Vec::new();
        for n in 1..=NODES {
            plans.push(credentials::plan(&lab.app, uuid(n)).await.unwrap());
        }
        let before = key_file(&lab);
        vault::begin(&lab.app).await.unwrap();
        assert_eq!(key_file(&lab).lines().count(), 2, "both are on the disk before any row is touched");
        assert!(key_file(&lab).ends_with(&before));
        let mut app = lab.app.clone();
        if killed_after == 0 {
            // Between the file and the database: the database still names the old key.
            let old = before.split(' ').next().unwrap();
            let old = old.to_owned();
            app.store.write(move |tx| tx.put_setting("master-key", &old)).await.unwrap();
        }
        for _ in 1..=killed_after.min(4) {
            vault::reseal_some(&app).await.unwrap();
        }
        if killed_after == 5 {
            assert!(vault::finish(&app).await.unwrap());
        }
        app = restarted(&lab).await;
        let status = vault::status(&app).await.unwrap();
        let left = u64::from(NODES).saturating_sub(100 * killed_after.min(4) as u64);
        assert_eq!((status.waiting, status.rotating), (left, killed_after < 5), "killed after {killed_after}");
        assert_eq!(credentials::plan(&app, uuid(NODES)).await.unwrap(), plans[NODES as usize - 1], "both keys open");
        if killed_after < 5 {
            let again = vault::begin(&app).await;
            assert!(matches!(again, Err(Error::Conflict(_))), "{again:?}");
            assert_eq!(vault::finish(&app).await.unwrap(), left == 0, "the old key stays while a row needs it");
        }
        vault::resume(&app).await.unwrap();
        let status = vault::status(&app).await.unwrap();
        assert_eq!((status.waiting, status.rotating, status.sealed), (0, false, NODES.into()));
        let after = key_file(&lab);
        assert!(after.lines().count() == 1 && after != before);
        let app = restarted(&lab).await;
        for (n, plan) in (1..).zip(&plans) {
            assert_eq!(credentials::plan(&app, uuid(n)).await.unwrap(), *plan);
        }
    }
}

#[tokio::test]
async fn what_is_sealed_during_a_rotation_is_sealed_with_the_new_key() {
    let lab = lab(2).await;
    credentials::plan(&lab.app, uuid(1)).await.unwrap();
    vault::begin(&lab.app).await.unwrap();
    credentials::plan(&lab.app, uuid(2)).await.unwrap();
    assert_eq!(vault::status(&lab.app).await.unwrap().waiting, 1);
    vault::rotate(&lab.app, "ana").await.unwrap_err();
    vault::resume(&lab.app).await.unwrap();
    assert!(!vault::status(&lab.app).await.unwrap().rotating);
}

#[tokio::test]
async fn a_server_without_the_key_of_its_rows_does_not_start() {
    let lab = lab(1).await;
    // Without sealed rows a lost key is no loss.
    std::fs::remove_file(lab.path("master.key")).unwrap();
    let app = restarted(&lab).await;
    credentials::plan(&app, uuid(1)).await.unwrap();
    let good = key_file(&lab);
    let start = async || {
        let vault = Vault::open(&lab.path(""), None, None).unwrap();
        vault::start(&App { vault, ..lab.app.clone() }).await
    };
    std::fs::remove_file(lab.path("master.key")).unwrap();
    let missing = start().await.unwrap_err().to_string();
    assert!(missing.contains("no master key is there") && missing.contains("backup"), "{missing}");
    assert!(!lab.path("master.key").exists(), "no new key where the old one is missing");
    std::fs::write(lab.path("master.key"), "07".repeat(32)).unwrap();
    let wrong = start().await.unwrap_err().to_string();
    assert!(wrong.contains(good.split(' ').next().unwrap()), "{wrong}");
    std::fs::write(lab.path("master.key"), good).unwrap();
    start().await.unwrap();
}

#[tokio::test]
async fn another_server_that_replaced_the_key_is_noticed() {
    let lab = lab(2).await;
    let other = restarted(&lab).await;
    credentials::plan(&other, uuid(1)).await.unwrap();
    vault::begin(&other).await.unwrap();
    vault::resume(&other).await.unwrap();
    // It has not got the file yet.
    let (file, away) = (lab.path("master.key"), lab.path("away"));
    std::fs::rename(&file, &away).unwrap();
    for n in 1..=2 {
        let error = credentials::plan(&lab.app, uuid(n)).await.unwrap_err();
        assert!(matches!(&error, Error::Unavailable(text) if text.contains("not held by this server")), "{error:?}");
    }
    let error = vault::begin(&lab.app).await.unwrap_err();
    assert!(matches!(&error, Error::Conflict(text) if text.contains("another server")), "{error:?}");
    // It is copied, and found without a restart: at the latest after the second in which it is not looked for again.
    std::fs::rename(&away, &file).unwrap();
    let since = std::time::Instant::now();
    while credentials::plan(&lab.app, uuid(1)).await.is_err() {
        assert!(since.elapsed() < std::time::Duration::from_secs(30), "it is not found");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    credentials::plan(&lab.app, uuid(2)).await.unwrap();
}
