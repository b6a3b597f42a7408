//! What a boot would get is stale after a change, and settled only by one who saw that change; contents go with the boots.

use crate::fixture::*;
use higuma::domain::Sha256;
use higuma::domain::boot::{Boot, Phase};
use higuma::domain::drift::Drift;
use higuma::domain::node::Node;
use higuma::domain::profile::Profile;
use higuma::store::{NodeFilter, Tx};

fn running(n: u32, hash: Option<&str>) -> Boot {
    let mut boot = boot(n, n, 0);
    boot.phase = Phase::Running;
    boot.plan_hash = hash.map(Sha256::of);
    boot
}

fn stale(tx: &mut Tx<'_>) -> higuma::error::Result<Vec<(String, i64)>> {
    Ok(tx.stale_nodes(None, 99)?.into_iter().map(|s| (s.node.uuid.to_string(), s.epoch)).collect())
}

pub async fn stale_until_settled_by_who_saw_it(db: Empty) {
    let db = db.open();
    db.put(|tx| (1..=3).try_for_each(|n| tx.put_node(&node(n)))).await;
    let first = db.get(stale).await;
    assert_eq!(first.len(), 3, "new ones are to be worked out");
    assert_eq!(db.get(|tx| tx.stale_nodes(Some(&uuid(1)), 1)).await[0].node.uuid, uuid(2));
    let hash = Sha256::of("plan");
    let settled = hash.clone();
    let epoch = first[0].1;
    assert!(db.put(move |tx| tx.settle_planned(&uuid(1), epoch, None, Some(&settled))).await);
    assert_eq!(db.get(|tx| tx.planned(&uuid(1))).await.as_deref(), Some(hash.as_str()));
    // The same again changes nothing; another host name does, and one who worked it out before that is too late.
    db.put(|tx| tx.put_node(&Node { last_seen: 99, ..node(1) })).await;
    assert_eq!(db.get(stale).await.len(), 2);
    db.put(|tx| tx.put_node(&Node { hostname: "other".parse().unwrap(), ..node(1) })).await;
    assert_eq!(db.get(|tx| tx.planned(&uuid(1))).await, None);
    let late = hash.clone();
    assert!(!db.put(move |tx| tx.settle_planned(&uuid(1), epoch, None, Some(&late))).await);
    assert_eq!(db.get(stale).await.len(), 3);
    let now = db.get(stale).await[0].1;
    assert!(db.put(move |tx| tx.settle_planned(&uuid(1), now, None, None)).await);
    assert_eq!(db.get(|tx| tx.planned(&uuid(1))).await.as_deref(), Some(""), "nothing");
    assert_eq!(db.get(|tx| tx.planned(&uuid(9))).await, None);
}

pub async fn counted_by_what_a_reboot_would_do(db: Empty) {
    let db = db.open();
    db.put(|tx| {
        let all = [(1, Some("a"), Some("a")), (2, Some("a"), Some("b")), (3, Some("a"), None), (4, None, Some("a"))];
        for (n, runs, _) in all {
            tx.put_node(&Node { boot: Some(running(n, None).id), ..node(n) })?;
            tx.put_boot(&running(n, runs))?;
        }
        tx.put_node(&node(5))?;
        let epochs = stale(tx)?;
        for ((n, _, plans), (_, epoch)) in all.into_iter().zip(epochs) {
            tx.settle_planned(&uuid(n), epoch, None, plans.map(Sha256::of).as_ref())?;
        }
        Ok(())
    })
    .await;
    let mut counts = db.get(|tx| tx.drift_counts()).await;
    counts.sort();
    let expected = [(Drift::Same, 1), (Drift::Changed, 1), (Drift::Unplanned, 1), (Drift::Unknown, 1)];
    assert_eq!(counts, expected);
}

pub async fn contents_go_with_the_last_boot(db: Empty) {
    let db = db.open();
    let (named, free) = (Sha256::of("named"), Sha256::of("free"));
    let put = [named.clone(), free.clone()];
    db.put(move |tx| {
        tx.put_node(&Node { boot: Some(running(1, None).id), ..node(1) })?;
        tx.put_boot(&running(1, Some("named")))?;
        // A boot of the past holds nothing.
        tx.put_boot(&Boot { id: id(99), session_hash: Sha256::of("past"), ..running(1, Some("free")) })?;
        // Again: with what is beside it now.
        for content in [r#"{"cmdline":"ü"}"#, r#"{"cmdline":"ü","params":{"ntp":"a"}}"#] {
            put.iter().try_for_each(|hash| tx.put_plan_content(hash, content, 10))?;
        }
        Ok(())
    })
    .await;
    assert_eq!(db.put(|tx| tx.forget_plans(10, 9)).await, 0, "too young");
    assert_eq!(db.put(|tx| tx.forget_plans(11, 9)).await, 1);
    let content = db.get(move |tx| tx.plan_content(&named)).await.unwrap();
    assert_eq!((&content["cmdline"], &content["params"]["ntp"]), (&"ü".into(), &"a".into()));
    assert_eq!(db.get(move |tx| tx.plan_content(&free)).await, None);
}

pub async fn a_new_revision_makes_its_nodes_stale_without_writing_them(db: Empty) {
    let db = db.open();
    let revision = |n: u32| Profile {
        name: name("web"),
        revision: n,
        parent: None,
        words: Default::default(),
        spec: Default::default(),
        created: 0,
        made_by: String::new(),
    };
    db.put(move |tx| {
        tx.insert_profile_revision(&revision(1))?;
        for n in 1..=3 {
            let profile = (n < 3).then(|| name("web"));
            tx.put_node(&Node { profile, boot: Some(running(n, None).id), ..node(n) })?;
            tx.put_boot(&running(n, Some("a")))?;
        }
        for (n, (_, epoch)) in (1..=3).zip(stale(tx)?) {
            tx.settle_planned(&uuid(n), epoch, (n < 3).then_some(1), Some(&Sha256::of("a")))?;
        }
        Ok(())
    })
    .await;
    assert_eq!(db.get(|tx| tx.drift_counts()).await, [(Drift::Same, 3)]);
    db.put(move |tx| tx.insert_profile_revision(&revision(2))).await;
    assert_eq!(db.get(|tx| tx.drift_counts()).await, [(Drift::Same, 3)], "a draft changes nothing");
    db.put(move |tx| {
        assert!(!tx.activate_profile(&name("web"), 3, 1)?);
        assert!(tx.activate_profile(&name("web"), 2, 1)?);
        tx.activate_profile(&name("web"), 2, 1)
    })
    .await;
    assert_eq!(db.get(|tx| tx.stale_profiles()).await, [name("web")]);
    assert_eq!(db.get(|tx| tx.planned(&uuid(1))).await, None, "of another revision");
    assert!(db.get(|tx| tx.planned(&uuid(3))).await.is_some());
    let mut counts = db.get(|tx| tx.drift_counts()).await;
    counts.sort();
    assert_eq!(counts, [(Drift::Same, 1), (Drift::Unknown, 2)]);
    let rows = db.get(|tx| tx.nodes(&NodeFilter::default(), None, 9)).await;
    assert_eq!(rows.iter().filter(|row| row.planned.is_some()).count(), 1);
    assert!(db.get(stale).await.is_empty(), "no node was written");
    let outdated = db.get(|tx| tx.outdated_nodes(&name("web"), None, 9)).await;
    assert_eq!(outdated.len(), 2);
    db.put(move |tx| {
        tx.settle_profile(&name("web"))?;
        tx.settle_planned(&outdated[0].node.uuid, outdated[0].epoch, Some(2), None).map(drop)
    })
    .await;
    assert_eq!(db.get(|tx| tx.stale_profiles()).await.len(), 1, "one is left");
    let left = db.get(|tx| tx.outdated_nodes(&name("web"), Some(&uuid(1)), 9)).await;
    db.put(move |tx| {
        tx.settle_planned(&left[0].node.uuid, left[0].epoch, Some(2), None)?;
        tx.settle_profile(&name("web"))
    })
    .await;
    assert!(db.get(|tx| tx.stale_profiles()).await.is_empty());
}

pub async fn a_pinned_node_is_worked_out_by_its_own_revision(db: Empty) {
    let db = db.open();
    let revision = |n: u32| Profile {
        name: name("web"),
        revision: n,
        parent: None,
        words: Default::default(),
        spec: Default::default(),
        created: 5,
        made_by: String::new(),
    };
    db.put(move |tx| {
        tx.insert_profile_revision(&revision(1))?;
        tx.insert_profile_revision(&revision(2))?;
        for n in 1..=2 {
            let profile_revision = (n == 1).then_some(2);
            let profile = Some(name("web"));
            tx.put_node(&Node { profile, profile_revision, boot: Some(running(n, None).id), ..node(n) })?;
            tx.put_boot(&running(n, Some("a")))?;
        }
        for (n, (_, epoch)) in (1..=2).zip(stale(tx)?) {
            tx.settle_planned(&uuid(n), epoch, Some(if n == 1 { 2 } else { 1 }), Some(&Sha256::of("a")))?;
        }
        Ok(())
    })
    .await;
    assert_eq!(db.get(|tx| tx.drift_counts()).await, [(Drift::Same, 2)]);
    for (pin, revision) in [(None, Some(1)), (Some(2), Some(2)), (Some(3), None)] {
        let found = db.get(move |tx| tx.profile_at(&name("web"), pin)).await;
        assert_eq!(found.map(|profile| profile.revision), revision);
    }
    let rows = db.get(|tx| tx.profile_revisions(&name("web"), None, 9)).await;
    assert_eq!(rows.iter().map(|row| (row.revision, row.pinned)).collect::<Vec<_>>(), [(2, 1), (1, 0)]);
    let rows = db.get(|tx| tx.profile_revisions(&name("web"), Some(2), 9)).await;
    assert_eq!(rows.iter().map(|row| row.revision).collect::<Vec<_>>(), [1]);
    assert_eq!(db.get(|tx| tx.active_revision(&name("web"))).await, Some((1, 5)));

    db.put(move |tx| tx.activate_profile(&name("web"), 2, 7)).await;
    assert_eq!(db.get(|tx| tx.active_revision(&name("web"))).await, Some((2, 7)));
    let outdated = db.get(|tx| tx.outdated_nodes(&name("web"), None, 9)).await;
    assert_eq!(outdated.iter().map(|stale| &stale.node.uuid).collect::<Vec<_>>(), [&uuid(2)]);
    assert!(db.get(|tx| tx.planned(&uuid(1))).await.is_some(), "its own revision is the same");
    // Another pin: to be worked out.
    db.put(move |tx| {
        let node = tx.node(&uuid(1))?.unwrap();
        tx.put_node(&Node { profile_revision: Some(1), ..node })
    })
    .await;
    assert_eq!(db.get(stale).await.len(), 1);
    assert_eq!(db.get(|tx| tx.node(&uuid(1))).await.unwrap().profile_revision, Some(1));
}
