//! Firmware policy: rules in order, attempts with their limits, standings, and archives that must stay.

use crate::fixture::*;
use higuma::domain::Sha256;
use higuma::domain::firmware::{
    Action, Attempt, Component, Kind, Mode, OnFailure, Outcome, Report, Rule, Standing, State, Target, Tried,
};
use higuma::error::Error;
use higuma::store::NodeFirmware;

fn target(blob: &str) -> Target {
    Target {
        blob: Sha256::of(blob),
        exec: "bin/flash".into(),
        args: vec!["-f".into(), "a b".into()],
        deadline_seconds: 600,
    }
}

fn rule(text: &str, update: Option<Target>) -> Rule {
    Rule {
        name: name(text),
        component: Kind::Nic,
        vendor: "mlx5_core".parse().unwrap(),
        model: "15b3:10?7".parse().unwrap(),
        wanted: "22.39".into(),
        allowed: vec!["22.40".into(), "22.41 (x, \"y\")".into()],
        mode: if update.is_some() { Mode::Update } else { Mode::Hold },
        on_failure: OnFailure::Boot,
        update,
        changed: 7,
    }
}

fn attempt(n: u128, of: u32) -> Attempt {
    Attempt {
        id: id(n),
        node: uuid(of),
        boot: id(900 + n),
        rule: name("r"),
        kind: Kind::Nic,
        subject: "52:54:00:00:00:01".into(),
        wanted: "2.0".into(),
        n: 1,
        before: "1.0".into(),
        program: target("archive"),
        started: 10,
        deadline: 100 + i64::try_from(n).unwrap(),
        report: None,
        ended: None,
        after: None,
        cleared: None,
    }
}

pub async fn rules_keep_their_order(db: Empty) {
    let db = db.open();
    assert_eq!(db.get(|tx| Ok((tx.firmware_rules()?, tx.firmware_version()?))).await, (vec![], 0));
    db.put(|tx| tx.put_blob(&Sha256::of("archive"), 5, 1)).await;
    let all = vec![rule("b", None), rule("a", Some(target("archive"))), rule("c", None)];
    let put = |rules: Vec<Rule>| db.put(move |tx| tx.put_firmware_rules(&rules));
    put(all.clone()).await;
    assert_eq!(db.get(|tx| tx.firmware_rules()).await, all);
    let mut changed = vec![all[2].clone(), Rule { update: None, mode: Mode::Report, ..all[1].clone() }];
    put(changed.clone()).await;
    assert_eq!(db.get(|tx| tx.firmware_rules()).await, changed);
    assert_eq!(db.get(|tx| tx.firmware_version()).await, 2, "each change counts");
    changed.clear();
    put(changed).await;
    assert_eq!(db.get(|tx| tx.firmware_rules()).await, []);
    let missing = db.store.write(|tx| tx.put_firmware_rules(&[rule("x", Some(target("not here")))])).await;
    assert!(matches!(missing, Err(Error::Conflict(_))), "{missing:?}");
}

pub async fn attempts_are_handed_out_reported_and_judged(db: Empty) {
    let db = db.open();
    db.put(|tx| tx.put_node(&node(1)).and_then(|()| tx.put_node(&node(2)))).await;
    let mut one = attempt(1, 1);
    let put = |attempt: &Attempt| {
        let attempt = attempt.clone();
        db.put(move |tx| tx.put_firmware_attempt(&attempt))
    };
    put(&one).await;
    let last = |of: u32, boot: u128| db.get(move |tx| tx.last_firmware_attempt(&uuid(of), id(boot)));
    assert_eq!(db.get(|tx| tx.firmware_attempt(id(1))).await, Some(one.clone()));
    assert_eq!(last(1, 0).await, Some(one.clone()), "the open one");
    assert_eq!(last(2, 901).await, None);
    assert_eq!(db.get(|tx| tx.overdue_firmware_attempts(101, 9)).await, []);
    assert_eq!(db.get(|tx| tx.overdue_firmware_attempts(102, 9)).await, vec![one.clone()]);

    one.report = Some(Report { at: 20, exit: "exit code 3".into(), output: "lines\nof it\t<x>".into() });
    put(&one).await;
    (one.ended, one.after) = (Some((30, Outcome::Changed)), Some("1.9".into()));
    put(&one).await;
    assert_eq!(db.get(|tx| tx.firmware_attempt(id(1))).await, Some(one.clone()));
    assert_eq!((last(1, 0).await, last(1, 901).await), (None, Some(one.clone())), "of its own boot alone");
    assert_eq!(db.get(|tx| tx.overdue_firmware_attempts(999, 9)).await, []);
    put(&attempt(2, 1)).await;
    assert_eq!(last(1, 901).await.unwrap().id, id(2), "the open one comes first");
    let ids = |limit| {
        db.get(move |tx| Ok(tx.firmware_attempts(&uuid(1), limit)?.iter().map(|a| a.id.as_u128()).collect::<Vec<_>>()))
    };
    assert_eq!((ids(9).await, ids(1).await), (vec![2, 1], vec![2]));

    let tried = || db.get(|tx| tx.firmware_tried(&uuid(1)));
    let counts = Tried { rule: name("r"), component: "nic:52:54:00:00:00:01".into(), wanted: "2.0".into() };
    assert_eq!(tried().await, vec![counts.clone(), counts]);
    assert_eq!(db.put(|tx| tx.clear_firmware_attempts(&uuid(1), 77)).await, 2);
    assert_eq!(tried().await, []);
    assert_eq!(db.get(|tx| tx.firmware_attempt(id(1))).await.unwrap().cleared, Some(77));
}

pub async fn a_node_has_one_open_attempt(db: Empty) {
    let db = db.open();
    db.put(|tx| tx.put_node(&node(1)).and_then(|()| tx.put_node(&node(2)))).await;
    db.put(|tx| tx.put_firmware_attempt(&attempt(1, 1))).await;
    db.put(|tx| tx.put_firmware_attempt(&attempt(2, 2))).await;
    let second = db.store.write(|tx| tx.put_firmware_attempt(&attempt(3, 1))).await;
    assert!(matches!(second, Err(Error::Conflict(_))), "{second:?}");
    db.put(|tx| tx.put_firmware_attempt(&Attempt { ended: Some((1, Outcome::Lost)), ..attempt(1, 1) })).await;
    db.put(|tx| tx.put_firmware_attempt(&attempt(3, 1))).await;
}

pub async fn what_counts_is_never_pruned(db: Empty) {
    let db = db.open();
    db.put(|tx| tx.put_node(&node(1))).await;
    for n in 1..=6u128 {
        db.put(move |tx| {
            tx.put_firmware_attempt(&Attempt {
                ended: (n != 6).then_some((1, Outcome::Unchanged)),
                report: Some(Report { at: 1, exit: "exit code 0".into(), output: format!("run {n}") }),
                cleared: (n <= 3 || n == 6).then_some(5),
                ..attempt(n, 1)
            })
        })
        .await;
    }
    db.put(|tx| tx.prune_firmware_attempts(&uuid(1), 2, 2)).await;
    let left = db.get(|tx| tx.firmware_attempts(&uuid(1), 9)).await;
    let shown: Vec<(u128, String)> = left.into_iter().map(|a| (a.id.as_u128(), a.report.unwrap().output)).collect();
    assert_eq!(shown, [(6, "run 6".into()), (5, "run 5".into()), (4, String::new())], "4 and 5 count, 6 is open");
}

pub async fn standings_are_counted_and_paged(db: Empty) {
    let db = db.open();
    let stands = |state, action, rules| NodeFirmware {
        standing: Standing { state, action, reason: "BIOS 1, wanted 2 (rule r)".into() },
        components: vec![Component {
            kind: Kind::Nvme,
            subject: "S 1".into(),
            vendor: String::new(),
            model: "MZ".into(),
            version: "G".into(),
        }],
        rules,
    };
    let all = [
        (1, stands(State::Held, Action::Hold, 3)),
        (2, stands(State::Compliant, Action::Boot, 4)),
        (3, stands(State::Held, Action::Hold, 4)),
        (4, stands(State::Failed, Action::Boot, 4)),
    ];
    for (n, firmware) in all.clone() {
        db.put(move |tx| {
            let mut node = node(n);
            node.retired = n == 4;
            tx.put_node(&node)?;
            tx.put_node_firmware(&uuid(n), &stands_before())?;
            tx.put_node_firmware(&uuid(n), &firmware)
        })
        .await;
    }
    // One that registered before firmware was looked at, and one that never told what it is made of.
    db.put(|tx| {
        let mut old = node(5);
        old.inventory_hash = Some(Sha256::of("inventory"));
        tx.put_node(&old)?;
        tx.put_node(&node(6))
    })
    .await;
    assert_eq!(db.get(|tx| tx.node_firmware(&uuid(1))).await, Some(all[0].1.clone()));
    assert_eq!(db.get(|tx| tx.node_firmware(&uuid(5))).await, None);
    let action = db.get(|tx| tx.firmware_action(&uuid(1))).await;
    assert_eq!(action, Some((Action::Hold, "BIOS 1, wanted 2 (rule r)".into())));
    let mut counts = db.get(|tx| tx.firmware_counts()).await;
    counts.sort_by_key(|c| c.state);
    let counts: Vec<_> = counts.into_iter().map(|c| (c.state, c.nodes)).collect();
    assert_eq!(counts, [(State::Compliant, 1), (State::Held, 2)], "the retired one does not count");
    let page = |state, after: Option<u32>, limit| {
        db.get(move |tx| {
            let rows = tx.nodes_by_firmware(state, after.map(uuid).as_ref(), limit)?;
            Ok(rows.into_iter().map(|row| row.node).collect::<Vec<_>>())
        })
    };
    assert_eq!(page(Some(State::Held), None, 1).await, [uuid(1)]);
    assert_eq!(page(Some(State::Held), Some(1), 9).await, [uuid(3)]);
    assert_eq!(page(None, None, 9).await, [uuid(1), uuid(2), uuid(3)]);
    let mut outdated = db.get(|tx| tx.firmware_outdated(4, 9)).await;
    outdated.sort();
    assert_eq!(outdated, [uuid(1), uuid(5)]);
    assert_eq!(db.get(|tx| tx.firmware_outdated(4, 1)).await.len(), 1);
}

fn stands_before() -> NodeFirmware {
    let standing = Standing { state: State::NoRule, action: Action::Boot, reason: String::new() };
    NodeFirmware { standing, components: vec![], rules: 0 }
}

pub async fn archives_in_use_are_never_forgotten(db: Empty) {
    let db = db.open();
    db.put(|tx| {
        tx.put_node(&node(1))?;
        ["of a rule", "of an open attempt", "of an ended attempt", "free"]
            .iter()
            .try_for_each(|blob| tx.put_blob(&Sha256::of(blob), 5, 10))?;
        tx.put_firmware_rules(&[rule("r", Some(target("of a rule"))), rule("s", None)])?;
        let ended = Some((1, Outcome::Unchanged));
        tx.put_firmware_attempt(&Attempt { program: target("of an ended attempt"), ended, ..attempt(1, 1) })?;
        tx.put_firmware_attempt(&Attempt { program: target("of an open attempt"), ..attempt(2, 1) })
    })
    .await;
    let forget = async || {
        let mut gone = db.put(|tx| tx.forget_unused_blobs(99, 100)).await;
        gone.sort();
        gone
    };
    let hashes = |names: &[&str]| {
        let mut hashes: Vec<Sha256> = names.iter().map(Sha256::of).collect();
        hashes.sort();
        hashes
    };
    assert_eq!(forget().await, hashes(&["of an ended attempt", "free"]));
    db.put(|tx| tx.put_firmware_rules(&[])).await;
    assert_eq!(forget().await, hashes(&["of a rule"]));
}
