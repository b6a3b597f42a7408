//! Secrets come back as they were put, are found by their master key, and their users and nodes are those that count.

use crate::fixture::*;
use higuma::domain::Name;
use higuma::domain::fallback::{Exact, Tries};
use higuma::domain::node::Node;
use higuma::domain::profile::{File, PasswordHash, Profile, Spec, User};
use higuma::domain::sealed::{Head, Mark, Sealed};
use higuma::store::SecretUsers;
use std::collections::BTreeSet;

fn secret(key: &str, revision: u32, master_key: &str) -> Sealed {
    let mark = Mark { revision, fingerprint: format!("f{revision}"), is_hash: revision == 2 };
    let head = Head { name: name(key), mark, size: 7, created: 1, changed: 2, changed_by: "Änn".into() };
    let n = u128::from(key.bytes().last().unwrap());
    Sealed { head, id: id(n), sealed: format!("sealed {key}"), master_key: master_key.into() }
}

pub async fn rows_come_back_and_go(db: Empty) {
    let db = db.open();
    db.put(|tx| {
        tx.put_secret(&secret("b", 1, "old"))?;
        tx.put_secret(&secret("a", 1, "old"))?;
        tx.put_secret(&secret("c", 1, "new"))?;
        tx.put_secret(&secret("b", 2, "old"))
    })
    .await;
    let (b, none) = db.get(|tx| Ok((tx.secret(&name("b"))?, tx.secret(&name("d"))?))).await;
    assert_eq!((b, none), (Some(secret("b", 2, "old")), None));
    let heads = db.get(|tx| tx.secrets(Some(&name("a")), 9)).await;
    assert_eq!(heads, [secret("b", 2, "").head, secret("c", 1, "").head]);
    assert_eq!(db.get(|tx| tx.secrets(None, 1)).await.len(), 1);
    assert_eq!(db.get(|tx| tx.count_secrets()).await, 3);
    let (all, d) = (name("b"), name("d"));
    let marks = db.get(move |tx| tx.secret_marks(&[&all, &d].into())).await;
    assert_eq!(marks.into_iter().collect::<Vec<_>>(), [(name("b"), secret("b", 2, "").head.mark)]);
    let sealed = db.get(|tx| tx.secrets_sealed_with("old", 9)).await;
    assert_eq!(sealed, [secret("a", 1, "old"), secret("b", 2, "old")]);
    let mut by_key = db.get(|tx| tx.sealed_by_key()).await;
    by_key.sort();
    assert_eq!(by_key, [("new".to_owned(), 1), ("old".to_owned(), 2)]);
    assert!(db.put(|tx| tx.delete_secret(&name("b"))).await);
    assert!(!db.put(|tx| tx.delete_secret(&name("b"))).await);
}

fn revision(profile: &str, revision: u32, files: &[&str], passwords: &[&str]) -> Profile {
    let file = |secret: &&str| {
        let path = format!("/{secret}");
        File { path, mode: 0o600, secret: Some(name(secret)), ..File::default() }
    };
    let user = |secret: &&str| {
        let hash = PasswordHash::Sealed { secret: name(secret) };
        ((*secret).to_owned(), User { uid: Some(1_000), password_hash: Some(hash), ..User::default() })
    };
    let spec = Spec {
        files: files.iter().map(file).collect(),
        users: passwords.iter().map(user).collect(),
        ..Spec::default()
    };
    let (name, made_by) = (name(profile), String::new());
    Profile { name, revision, parent: None, words: Default::default(), spec, created: 0, made_by }
}

fn names(all: &[&str]) -> BTreeSet<Name> {
    all.iter().map(|text| name(text)).collect()
}

pub async fn users_and_nodes_are_those_that_count(db: Empty) {
    let db = db.open();
    db.put(|tx| {
        // Active, newest, pinned, and one of the past.
        for (n, files, passwords) in [
            (1, &["past"][..], &[][..]),
            (2, &["pinned", "both"], &["both"]),
            (3, &["active"], &[]),
            (4, &["newest"], &["hash"]),
        ] {
            tx.insert_profile_revision(&revision("web", n, files, passwords))?;
        }
        tx.insert_profile_revision(&revision("db", 1, &["active"], &[]))?;
        tx.activate_profile(&name("web"), 3, 9)?;
        for (n, profile, pin) in
            [(1, "web", None), (2, "web", Some(2)), (3, "db", None), (4, "web", Some(4)), (5, "web", None)]
        {
            tx.put_node(&Node { profile: Some(name(profile)), profile_revision: pin, ..node(n) })?;
        }
        tx.put_node(&node(6))
    })
    .await;
    let stored = db.get(|tx| tx.profile_revision(&name("web"), 4)).await.unwrap();
    assert_eq!(stored.spec, revision("web", 4, &["newest"], &["hash"]).spec, "what names them comes back");
    let users = db.get(|tx| tx.secret_users(&name("a"), &name("z"))).await;
    let of =
        |profiles: &[&str], passwords: &[&str]| SecretUsers { profiles: names(profiles), passwords: names(passwords) };
    let expected = [
        ("active", of(&["db", "web"], &[])),
        ("both", of(&["web"], &["web"])),
        ("hash", of(&["web"], &["web"])),
        ("newest", of(&["web"], &[])),
        ("pinned", of(&["web"], &[])),
    ];
    assert_eq!(users, expected.into_iter().map(|(key, users)| (name(key), users)).collect());
    assert_eq!(db.get(|tx| tx.secret_users(&name("both"), &name("hash"))).await.len(), 2);
    let nodes = async |key: &'static str, after: Option<u32>, limit: usize| {
        db.get(move |tx| tx.nodes_with_secret(&name(key), after.map(uuid).as_ref(), limit)).await
    };
    assert_eq!(nodes("active", None, 9).await, [uuid(1), uuid(3), uuid(5)]);
    assert_eq!(nodes("active", Some(1), 1).await, [uuid(3)]);
    assert_eq!(nodes("both", None, 9).await, [uuid(2)], "once, though it is named twice");
    assert_eq!(nodes("hash", None, 9).await, [uuid(4)]);
    assert!(nodes("past", None, 9).await.is_empty());
    // What a node ran last is what it falls back to.
    assert_eq!(db.get(|tx| tx.secret_users(&name("past"), &name("past"))).await.len(), 0);
    let up = Some(Exact { profile: name("web"), revision: 1 });
    db.put(move |tx| tx.put_tries(&uuid(6), &Tries { up: up.clone(), ..Tries::default() })).await;
    assert_eq!(db.get(|tx| tx.secret_users(&name("past"), &name("past"))).await.len(), 1);
    // They go with the profile.
    db.put(|tx| {
        tx.put_node(&node(3))?;
        tx.delete_profile(&name("db"))
    })
    .await;
    assert_eq!(nodes("active", None, 9).await, [uuid(1), uuid(5)]);
    assert_eq!(
        db.get(|tx| tx.secret_users(&name("active"), &name("active"))).await[&name("active")],
        of(&["web"], &[])
    );
}

pub async fn a_mark_is_settled_by_who_saw_it(db: Empty) {
    let db = db.open();
    db.put(|tx| tx.stale_secret(&name("a"), 100)).await;
    let seen = db.get(|tx| tx.stale_secrets()).await;
    assert_eq!(seen.len(), 1);
    let epoch = seen[0].1;
    db.put(|tx| tx.stale_secret(&name("a"), 100)).await;
    db.put(move |tx| tx.settle_secret(&name("a"), epoch)).await;
    let next = db.get(|tx| tx.stale_secrets()).await;
    assert_eq!(next.len(), 1, "it changed meanwhile");
    let now = next[0].1;
    db.put(move |tx| tx.settle_secret(&name("a"), now)).await;
    assert!(db.get(|tx| tx.stale_secrets()).await.is_empty());
    // A later mark has no count of before.
    db.put(|tx| tx.stale_secret(&name("a"), 200)).await;
    db.put(move |tx| tx.settle_secret(&name("a"), epoch)).await;
    assert_eq!(db.get(|tx| tx.stale_secrets()).await.len(), 1);
}
