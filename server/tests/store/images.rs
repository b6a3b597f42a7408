//! Images, blobs, first stages, profiles.

use crate::fixture::*;
use higuma::domain::Sha256;
use higuma::domain::image::{Arch, Image, ImageRef, Part, Role};
use higuma::domain::image_kept::{Kept, Label};
use higuma::domain::node::Node;
use higuma::domain::profile::{CloudInit, File, Mode, Param, Profile, Spec, Unit, User};
use higuma::error::Error;
use higuma::store::{ProfileBrief, ProfileRow};
use higuma_proto::api::{FirstStage, NewFirstStage};

fn image(reference: &str, kernel: &str, initrd: &str) -> Image {
    let part = |role, of: &str| Part { role, sha256: Sha256::of(of), size: of.len() as u64 };
    Image {
        reference: reference.parse().unwrap(),
        arch: Arch::X86_64,
        cmdline: "quiet".parse().unwrap(),
        kernel_release: "6.1".into(),
        parts: vec![part(Role::Kernel, kernel), part(Role::Initrd, initrd)],
        created: 3,
        kept: Kept { made_by: "me".into(), notes: "two\nlines".into(), recipe: "suite = 'x'".into(), contents: None },
    }
}

fn stage(arch: Arch, kernel: &str, created_us: i64) -> FirstStage {
    FirstStage {
        spec: NewFirstStage {
            arch: arch.to_string(),
            kernel: Sha256::of(kernel).to_string(),
            initramfs: Sha256::of("initramfs").to_string(),
            kernel_package: "6.1.1 sha256:..".into(),
            agent_version: "0.1.0".into(),
            drivers: "lab".into(),
        },
        kernel_size: u64::MAX >> 1,
        initramfs_size: 2,
        created_us,
    }
}

pub async fn images_are_immutable_and_paged(db: Empty) {
    let db = db.open();
    let missing = db.store.write(|tx| tx.insert_image(&image("debian:12", "k", "i"))).await.unwrap_err();
    assert!(
        matches!(&missing, Error::Conflict(words) if words.contains("kernel") && words.contains("upload")),
        "{missing}"
    );
    let names = ["a:2", "a:10", "a-b:1", "a.b:1", "b:1"];
    db.put(move |tx| {
        tx.put_blob(&Sha256::of("k"), 1, 1)?;
        tx.put_blob(&Sha256::of("i"), 1, 1)?;
        names.iter().try_for_each(|n| tx.insert_image(&image(n, "k", "i")))
    })
    .await;
    let again = db.store.write(|tx| tx.insert_image(&image("b:1", "i", "k"))).await.unwrap_err();
    assert!(matches!(&again, Error::Conflict(words) if words.contains("b:1")), "{again}");
    assert_eq!(db.get(|tx| tx.image(&"b:1".parse()?)).await, Some(image("b:1", "k", "i")));
    let mut sorted: Vec<ImageRef> = names.iter().map(|n| n.parse().unwrap()).collect();
    sorted.sort();
    let mut paged: Vec<Image> = vec![];
    loop {
        let after = paged.last().map(|i| i.reference.clone());
        let more = db.get(move |tx| tx.images(after.as_ref(), 2)).await;
        if more.is_empty() {
            break;
        }
        paged.extend(more);
    }
    assert!(paged.iter().all(|i| i.parts == image("b:1", "k", "i").parts));
    assert_eq!(paged.into_iter().map(|i| i.reference).collect::<Vec<_>>(), sorted);
    assert!(db.put(|tx| tx.delete_image(&"b:1".parse()?)).await);
    assert!(!db.put(|tx| tx.delete_image(&"b:1".parse()?)).await);
    assert_eq!(db.get(|tx| tx.image(&"b:1".parse()?)).await, None);
}

pub async fn blobs_in_use_are_never_forgotten(db: Empty) {
    let db = db.open();
    let blobs = ["k1", "i1", "k2", "i2", "old", "before", "inuse", "arm", "initramfs", "free"];
    db.put(move |tx| {
        blobs.iter().try_for_each(|blob| tx.put_blob(&Sha256::of(blob), 5, 10))?;
        tx.insert_image(&image("a:1", "k1", "i1"))?;
        tx.insert_image(&image("a:2", "k2", "i1"))?;
        for kernel in ["old", "before", "inuse"] {
            tx.put_first_stage(&stage(Arch::X86_64, kernel, 10))?;
        }
        tx.put_first_stage(&stage(Arch::Aarch64, "arm", 10))
    })
    .await;
    let forget = async |before| {
        let mut gone = db.put(move |tx| tx.forget_unused_blobs(before, 100)).await;
        gone.sort();
        gone
    };
    let hashes = |names: &[&str]| {
        let mut hashes: Vec<Sha256> = names.iter().map(Sha256::of).collect();
        hashes.sort();
        hashes
    };
    assert_eq!(forget(10).await, []);
    // Uploaded again: young again.
    db.put(|tx| tx.put_blob(&Sha256::of("free"), 5, 20)).await;
    assert_eq!(forget(20).await, hashes(&["i2", "old"]));
    assert_eq!(db.get(|tx| tx.blob(&Sha256::of("old"))).await, None);
    assert_eq!(db.get(|tx| tx.blob(&Sha256::of("k1"))).await, Some(5));
    assert!(db.put(|tx| tx.delete_image(&"a:2".parse()?)).await);
    assert_eq!(db.put(|tx| tx.forget_unused_blobs(21, 1)).await.len(), 1);
    assert_eq!(db.put(|tx| tx.forget_unused_blobs(21, 100)).await.len(), 1);
    for used in ["k1", "i1", "before", "inuse", "arm", "initramfs"] {
        assert!(db.get(move |tx| tx.blob(&Sha256::of(used))).await.is_some(), "{used}");
    }
}

pub async fn first_stages_replace_each_other(db: Empty) {
    let db = db.open();
    assert_eq!(db.get(|tx| tx.first_stage(Arch::X86_64)).await, None);
    for (kernel, at) in [("a", 5), ("b", 5), ("c", 4)] {
        db.put(move |tx| tx.put_first_stage(&stage(Arch::X86_64, kernel, at))).await;
        assert_eq!(db.get(|tx| tx.first_stage(Arch::X86_64)).await, Some(stage(Arch::X86_64, kernel, at)));
    }
    assert_eq!(db.get(|tx| tx.first_stage(Arch::Aarch64)).await, None);
}

pub async fn profiles_and_revisions(db: Empty) {
    let db = db.open();
    let profile = |called: &str, revision, image: &str| Profile {
        name: name(called),
        revision,
        parent: None,
        words: serde_json::from_value(serde_json::json!({"image": image, "cmdline": null})).unwrap(),
        spec: Spec {
            image: Some(image.parse().unwrap()),
            mode: Some(Mode::Initramfs),
            cmdline: "a=b".parse().unwrap(),
            script: "#!ipxe\n".into(),
            answer: "d-i x\n".into(),
            params: [("n".to_owned(), Param::Int(-1)), ("l".to_owned(), Param::List(vec!["x".into()]))].into(),
            files: vec![File {
                path: "/etc/motd".into(),
                mode: 0o644,
                content: "hi \u{0}\n\"ü\"".into(),
                owner: "www".into(),
                group: "50".into(),
                secret: Some(name("web-key")),
                template: true,
            }],
            ssh_authorized_keys: vec!["ssh-ed25519 AAAA me".into()],
            modules: vec!["kvm".into()],
            sysctl: [("vm.swappiness".to_owned(), "1".to_owned())].into(),
            units: [("a.service".to_owned(), Unit { content: "[Unit]".into(), enabled: true, ..Unit::default() })]
                .into(),
            users: [("ann".to_owned(), User { uid: Some(1_000), groups: vec!["sudo".into()], ..User::default() })]
                .into(),
            cloud_init: CloudInit { user_data: "#cloud-config\n".into(), template: true, ..CloudInit::default() },
            network: serde_json::from_value(serde_json::json!({
                "lan0": {"match": {"boot": true}, "dhcp4": true},
                "v20": {"vlan": 20, "over": "lan0", "address": [{"pool": "storage"}, "10.0.0.7/24"]},
            }))
            .unwrap(),
            setup: None,
        },
        created: 4,
        made_by: "person ann".into(),
    };
    db.put(move |tx| {
        tx.insert_profile_revision(&profile("web", 1, "debian:12"))?;
        tx.insert_profile_revision(&profile("web", 2, "debian:13"))?;
        tx.insert_profile_revision(&profile("db", 1, "debian:12"))?;
        tx.insert_profile_revision(&profile("cache", 1, "debian:12"))?;
        tx.put_node(&Node { profile: Some(name("web")), ..node(1) })?;
        tx.put_node(&Node { profile: Some(name("web")), ..node(2) })?;
        tx.put_node(&Node { profile: Some(name("cache")), ..node(3) })?;
        tx.put_node(&node(4))
    })
    .await;
    assert_eq!(db.get(|tx| tx.profile(&name("web"))).await, Some(profile("web", 2, "debian:13")));
    for revision in [1, 2] {
        let again = db.store.write(move |tx| tx.insert_profile_revision(&profile("web", revision, "x:1"))).await;
        assert!(matches!(&again, Err(Error::Conflict(words)) if words.contains("web")), "{again:?}");
    }
    let row = |profile, newest, nodes| ProfileRow { profile, newest, nodes };
    let page = db.get(|tx| tx.profiles(None, 2)).await;
    assert_eq!(page, [row(profile("cache", 1, "debian:12"), 1, 1), row(profile("db", 1, "debian:12"), 1, 0)]);
    let page = db.get(|tx| tx.profiles(Some(&name("db")), 2)).await;
    assert_eq!(page, [row(profile("web", 1, "debian:12"), 2, 2)]);
    let briefs = db.get(|tx| tx.profile_briefs(Some(&name("cache")), 9)).await;
    let brief = |p: Profile, newest, nodes| ProfileBrief {
        name: p.name,
        active: p.revision,
        newest,
        image: p.spec.image,
        parent: None,
        created: p.created,
        made_by: p.made_by,
        nodes,
    };
    let [web, database] = [profile("web", 1, "debian:12"), profile("db", 1, "debian:12")];
    assert_eq!(briefs, [brief(database, 1, 0), brief(web, 2, 2)]);
    assert_eq!(db.get(|tx| tx.nodes_with_profile(&name("web"))).await, 2);
    // The newest and the active revision count.
    let users = db.get(|tx| tx.image_users(None, 0, None)).await;
    assert_eq!(users[&"debian:12".parse().unwrap()].profiles, [name("cache"), name("db"), name("web")]);
    assert_eq!(users[&"debian:13".parse().unwrap()].profiles, [name("web")]);
    db.put(|tx| tx.activate_profile(&name("web"), 2, 9)).await;
    let users = db.get(|tx| tx.image_users(None, 0, None)).await;
    assert_eq!(users[&"debian:12".parse().unwrap()].profiles, [name("cache"), name("db")]);
    assert_eq!(users[&"debian:13".parse().unwrap()].profiles, [name("web")]);
    // As does that of a pin.
    let pin = |revision| {
        move |tx: &mut higuma::store::Tx<'_>| {
            let node = tx.node(&uuid(1))?.unwrap();
            tx.put_node(&Node { profile_revision: revision, ..node })
        }
    };
    db.put(pin(Some(1))).await;
    let users = db.get(|tx| tx.image_users(None, 0, None)).await;
    assert_eq!(users[&"debian:12".parse().unwrap()].profiles, [name("cache"), name("db"), name("web")]);
    db.put(pin(None)).await;
    let one = db.get(|tx| tx.image_users(Some(&"debian:13".parse()?), 0, None)).await;
    assert_eq!(one.into_values().map(|u| u.profiles).collect::<Vec<_>>(), [[name("web")]]);
    assert!(db.put(|tx| tx.delete_profile(&name("db"))).await);
    assert!(!db.put(|tx| tx.delete_profile(&name("db"))).await);
    assert_eq!(db.get(|tx| tx.profile(&name("db"))).await, None);
}

pub async fn a_blob_arrives_or_leaves(db: Empty) {
    let db = db.open();
    let sha = || Sha256::of("shared");
    // Each of the two keeps the other out, until its end.
    assert!(db.put(move |tx| tx.claim_arriving(&sha(), 10, 20)).await);
    assert!(db.put(move |tx| tx.claim_arriving(&sha(), 11, 15)).await, "two uploads of one blob");
    assert!(db.get(move |tx| tx.is_arriving(&sha(), 19)).await, "the later end counts");
    assert!(!db.put(move |tx| tx.claim_leaving(&sha(), 19, 40)).await);
    assert!(db.put(move |tx| tx.claim_leaving(&sha(), 20, 40)).await, "the upload's server died");
    assert!(!db.get(move |tx| tx.is_arriving(&sha(), 20)).await);
    assert!(!db.put(move |tx| tx.claim_arriving(&sha(), 39, 60)).await);
    assert!(!db.put(move |tx| tx.claim_leaving(&sha(), 39, 60)).await, "one server removes it");
    assert!(db.put(move |tx| tx.claim_arriving(&sha(), 40, 60)).await, "the removal's server died");
    // The end of a removal is none of an upload.
    db.put(move |tx| tx.end_leaving(&sha())).await;
    assert!(db.get(move |tx| tx.is_arriving(&sha(), 41)).await);
    // What is recorded does not leave, and a claim that is over is forgotten.
    db.put(move |tx| tx.put_blob(&sha(), 6, 50)).await;
    assert!(!db.put(move |tx| tx.claim_leaving(&sha(), 100, 200)).await);
    db.put(|tx| tx.forget_blob_claims(59)).await;
    assert!(db.get(move |tx| tx.is_arriving(&sha(), 59)).await);
    db.put(|tx| tx.forget_blob_claims(60)).await;
    assert!(!db.get(move |tx| tx.is_arriving(&sha(), 1)).await);
    assert_eq!(db.put(|tx| tx.forget_unused_blobs(60, 10)).await, [sha()]);
    assert!(db.put(move |tx| tx.claim_leaving(&sha(), 100, 200)).await);
    db.put(move |tx| tx.end_leaving(&sha())).await;
    assert!(db.put(move |tx| tx.claim_arriving(&sha(), 101, 200)).await);
}

pub async fn labels_and_notes(db: Empty) {
    let db = db.open();
    db.put(|tx| {
        tx.put_blob(&Sha256::of("k"), 1, 1)?;
        tx.put_blob(&Sha256::of("i"), 1, 1)?;
        ["d:12", "d:13", "e:1"].iter().try_for_each(|n| tx.insert_image(&image(n, "k", "i")))
    })
    .await;
    let label = |of: &str, version: &str, moved| Label {
        label: of.parse().unwrap(),
        version: name(version),
        moved_by: "me".into(),
        moved,
    };
    let nowhere = db.store.write(move |tx| tx.put_label(&label("d:x", "14", 1))).await;
    assert!(matches!(nowhere, Err(Error::Conflict(_))), "{nowhere:?}");
    for (of, version, at) in [("d:stable", "12", 1), ("d:old", "12", 2), ("e:stable", "1", 3), ("d:stable", "13", 4)] {
        db.put(move |tx| tx.put_label(&label(of, version, at))).await;
    }
    assert_eq!(db.get(|tx| tx.label(&"d:stable".parse()?)).await, Some(label("d:stable", "13", 4)));
    let all = [label("d:old", "12", 2), label("d:stable", "13", 4), label("e:stable", "1", 3)];
    assert_eq!(db.get(|tx| tx.labels(&name("d"), &name("e"))).await, all);
    assert_eq!(db.get(|tx| tx.labels(&name("d"), &name("d"))).await, all[..2]);
    assert_eq!(db.get(|tx| tx.labels_of(&"d:12".parse()?)).await, [name("old")]);
    for (named, meant) in [("d:stable", Some("d:13")), ("d:12", Some("d:12")), ("d:14", None), ("e:old", None)] {
        let meant: Option<ImageRef> = meant.map(|m| m.parse().unwrap());
        assert_eq!(db.get(move |tx| tx.resolve_image(&named.parse()?)).await, meant, "{named}");
    }
    // What is labelled cannot go.
    let labelled = db.store.write(|tx| tx.delete_image(&"d:13".parse()?)).await;
    assert!(labelled.is_err(), "the service refuses it first, in words");
    assert!(db.put(|tx| tx.delete_label(&"d:stable".parse()?)).await);
    assert!(!db.put(|tx| tx.delete_label(&"d:stable".parse()?)).await);
    assert!(db.put(|tx| tx.delete_image(&"d:13".parse()?)).await);

    assert!(db.put(|tx| tx.set_image_notes(&"d:12".parse()?, "ü\nnew")).await);
    assert!(!db.put(|tx| tx.set_image_notes(&"d:14".parse()?, "")).await);
    let kept = db.get(|tx| tx.image(&"d:12".parse()?)).await.unwrap().kept;
    assert_eq!((kept.notes.as_str(), kept.recipe.as_str(), kept.made_by.as_str()), ("ü\nnew", "suite = 'x'", "me"));
}
