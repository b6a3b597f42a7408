//! Rollouts whose hooks are programs, and the gate that looks at what nodes have lost.

use crate::rollouts::{Fleet, asked, counts, uuid};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use higuma::service::rollouts::{self, Asked, Caller, Ran};
use higuma_proto::agent::{Disk, Inventory};
use higuma_proto::api::RolloutOptions;
use serde_json::json;
use std::sync::Mutex;

/// Hooks that are programs: this says what each run says.
struct Programs {
    ran: Mutex<Vec<Ran>>,
    says: fn(usize) -> Result<bool, String>,
}

impl Caller for Programs {
    fn ask(&self, _: Asked) -> BoxFuture<'_, Result<u16, String>> {
        async { Err("no address is expected".to_owned()) }.boxed()
    }

    fn run(&self, ran: Ran) -> BoxFuture<'_, Result<bool, String>> {
        let mut all = self.ran.lock().unwrap();
        all.push(ran);
        let says = (self.says)(all.len());
        async move { says }.boxed()
    }
}

#[tokio::test]
async fn a_hook_may_be_a_program_of_the_operator() {
    let mut fleet = Fleet::new(1, &[]).await;
    let options = RolloutOptions {
        drain: Some("command:drain".into()),
        undrain: Some("command:undrain".into()),
        hook_within: Some(60),
        ..RolloutOptions::default()
    };
    let refused = async |fleet: &Fleet, options: &RolloutOptions| {
        let made = rollouts::create(fleet.app(), asked(options.clone()), "ann").await.unwrap_err().to_string();
        let planned = rollouts::plan(fleet.app(), asked(options.clone())).await.unwrap_err().to_string();
        assert_eq!(made, planned);
        made
    };
    assert!(refused(&fleet, &options).await.contains("set hook-dir"));
    let dir = fleet.lab.path("hooks");
    std::fs::create_dir(&dir).unwrap();
    let write = |name: &str, mode: u32| {
        std::fs::write(dir.join(name), "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(dir.join(name), std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    write("drain", 0o755);
    write("undrain", 0o644);
    let settings = higuma::service::Settings { hook_dir: Some(dir.clone()), ..(*fleet.app().settings).clone() };
    fleet.lab.app.settings = std::sync::Arc::new(settings);
    assert!(refused(&fleet, &options).await.contains("command:undrain: expected an executable file"));
    write("undrain", 0o755);

    // No secret is needed: nothing goes over the wire. It says "not yet", then no, then yes.
    let rollout = fleet.start(options).await;
    let programs = Programs {
        ran: Mutex::default(),
        says: |n| match n {
            1 => Ok(false),
            2 => Err("drain ended with 3: busy".into()),
            _ => Ok(true),
        },
    };
    let done = fleet.until(&rollout.id, &programs, |r| r.ended_us.is_some()).await;
    assert_eq!((done.state.as_str(), done.counts), ("done", counts(&[("up", 1)])), "{}", done.why);
    let ran = programs.ran.lock().unwrap();
    let names: Vec<_> = ran.iter().map(|ran| ran.program.clone()).collect();
    assert_eq!(names, ["drain", "drain", "drain", "undrain"].map(|name| dir.join(name)));
    let value = |ran: &Ran, name: &str| ran.env.iter().find(|(n, _)| *n == name).unwrap().1.clone();
    assert_eq!(value(&ran[0], "HIGUMA_ID"), value(&ran[2], "HIGUMA_ID"), "the same wish");
    assert_eq!((value(&ran[2], "HIGUMA_ATTEMPT"), value(&ran[2], "HIGUMA_NODE")), ("3".into(), uuid(0).to_string()));
    assert_eq!((value(&ran[3], "HIGUMA_ACTION"), value(&ran[3], "HIGUMA_REVISION")), ("undrain".into(), "2".into()));
    let addresses: Vec<_> = ran.iter().map(|ran| value(ran, "HIGUMA_ADDRESS")).collect();
    assert_eq!(
        addresses, ["192.0.2.1"; 4],
        "neither a pool nor our DHCP server knows it: from there its system was heard"
    );
    let body: serde_json::Value = serde_json::from_str(&ran[2].body).unwrap();
    assert_eq!((&body["action"], &body["attempt"]), (&json!("drain"), &json!(3)));
}

#[tokio::test]
async fn a_program_that_does_not_end_is_stopped_at_its_deadline() {
    let mut fleet = Fleet::new(1, &[]).await;
    let dir = fleet.lab.path("hooks");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("drain"), "#!/bin/sh\nexec sleep 1000\n").unwrap();
    std::fs::set_permissions(dir.join("drain"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let settings = higuma::service::Settings { hook_dir: Some(dir), ..(*fleet.app().settings).clone() };
    fleet.lab.app.settings = std::sync::Arc::new(settings);
    let options = RolloutOptions {
        drain: Some("command:drain".into()),
        hook_within: Some(2),
        hook_deadline: Some("go-on".into()),
        ..RolloutOptions::default()
    };
    let rollout = fleet.start(options).await;
    let outside = higuma::hooks::Outside::new().unwrap();
    let done = fleet.until(&rollout.id, &outside, |r| r.ended_us.is_some()).await;
    assert_eq!((done.state.as_str(), done.counts), ("done", counts(&[("up", 1)])), "{}", done.why);
    let id = rollout.id.parse().unwrap();
    let calls = fleet.app().store.read(move |tx| tx.ended_calls_of(id, &[0])).await.unwrap();
    assert_eq!(calls[0].message, "it had not ended by its deadline, and was stopped");
}

#[tokio::test]
async fn a_node_that_lost_a_part_has_failed() {
    let disk = |serial: &str| Disk {
        name: format!("sd{serial}"),
        serial: serial.into(),
        size_bytes: 1 << 30,
        ..Disk::default()
    };
    let whole = Inventory { disks: vec![disk("a"), disk("b")], ..Inventory::default() };
    for (looks, ends) in [(true, "rolled-back"), (false, "done")] {
        let mut fleet = Fleet::with(1, &[], whole.clone()).await;
        let options = RolloutOptions { inventory: Some(looks), ..RolloutOptions::default() };
        let rollout = fleet.start(options).await;
        // It comes up with the revision, and with one disk.
        fleet.inventory.disks.pop();
        let nobody = Programs { ran: Mutex::default(), says: |_| Err("nobody is asked".into()) };
        let ended = fleet.until(&rollout.id, &nobody, |r| r.ended_us.is_some()).await;
        assert_eq!(ended.state, ends, "{}", ended.why);
        assert_eq!(ended.why.contains("its inventory lost parts"), looks, "{}", ended.why);
    }
}
