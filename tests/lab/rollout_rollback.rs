//! A rollout over four running nodes with an image whose init never gets anywhere: the canary fails, the rollout goes back
//! by itself, all run the old revision, and the record says why. The server is killed in the middle.

use crate::steps::{TO_RUNNING, boot_id, wait_registered, wait_running};
use higuma_proto::api::{NewProfile, NewRollout, Page, Profile, Rollout, RolloutMember, RolloutOptions};
use higuma_tests::error::ensure;
use higuma_tests::images::{HANG_UP, TINY_UP};
use higuma_tests::stock::{self, CONSOLE};
use higuma_tests::{Context, Lab, LabResult, NodeSpec, Server, ServerSpec, Stock, wait};
use std::time::Duration;

const NODES: usize = 4;
const PROFILE: &str = "fleet";
/// The canary has this long; on the way back, too.
const UP_WITHIN: u32 = 240;
const PATIENCE: Duration = Duration::from_secs(420);

fn profile(image: Stock) -> NewProfile {
    NewProfile {
        name: PROFILE.to_owned(),
        image: image.reference(),
        cmdline: CONSOLE.to_owned(),
        files: Vec::new(),
        ssh_authorized_keys: Vec::new(),
        ..NewProfile::default()
    }
}

fn wait_rollout(server: &Server, id: &str, what: &str, good: impl Fn(&Rollout) -> bool) -> LabResult<Rollout> {
    let path = format!("/api/v1/rollouts/{id}");
    let mut last = None;
    let found = wait::until(what, PATIENCE, || {
        let rollout: Rollout = server.api()?.call("GET", &path, None::<&()>)?;
        last = Some(rollout.clone());
        Ok(good(&rollout).then_some(rollout))
    });
    found.context(format!("{last:?}\n{}", server.explain()))
}

#[test]
fn rollout_rollback() -> LabResult {
    let lab = Lab::new("rollout-rollback")?;
    let server = lab.server(ServerSpec::new(&[("heartbeat-interval", "5s"), ("heartbeat-timeout", "60s")])?)?;
    stock::first_stage(&server)?;
    stock::image(&server, Stock::Tiny)?;
    stock::image(&server, Stock::Hang)?;
    let _: Profile = stock::profile(&server, &profile(Stock::Tiny))?;
    let mut nodes = Vec::new();
    for n in 1..=NODES {
        nodes.push(lab.node(NodeSpec { memory_mib: 768, ..NodeSpec::new(&format!("n{n}"), &server.bootfile()) })?);
    }
    for node in &nodes {
        node.power_on()?;
    }
    for node in &nodes {
        wait_registered(&lab, &server, node)?;
        server.api()?.assign(node.uuid(), PROFILE)?;
    }
    let mut boots = Vec::new();
    for node in &nodes {
        let running = wait_running(&lab, &server, node, TO_RUNNING, None)?;
        node.wait_for(TINY_UP, Duration::from_secs(60))?;
        boots.push(boot_id(&running).context("no boot")?.to_owned());
    }
    let draft: Profile =
        server.api()?.call("PUT", &format!("/api/v1/profiles/{PROFILE}?draft=true"), Some(&profile(Stock::Hang)))?;
    ensure((draft.revision, draft.active) == (2, 1), format!("a draft: {draft:?}"))?;

    let options = RolloutOptions {
        waves: Some("1,100%".to_owned()),
        up_within: Some(UP_WITHIN),
        soak: Some(5),
        ..RolloutOptions::default()
    };
    let new = NewRollout {
        profile: format!("{PROFILE}@2"),
        select: Some(format!("node.profile == '{PROFILE}'")),
        options,
        ..NewRollout::default()
    };
    let begun: Rollout = server.api()?.call("POST", "/api/v1/rollouts", Some(&new))?;
    ensure(begun.total == NODES as u64, format!("{begun:?}"))?;
    let members = |phase: &str| -> LabResult<Vec<RolloutMember>> {
        let path = format!("/api/v1/rollouts/{}/members?phase={phase}", begun.id);
        Ok(server.api()?.call::<Page<RolloutMember>>("GET", &path, None::<&()>)?.items)
    };
    wait_rollout(&server, &begun.id, "the canary to be restarted", |r| r.counts.contains_key("booting"))?;
    let canary = members("booting")?.pop().context("nobody restarts")?.node;
    let at = nodes.iter().position(|node| node.uuid() == canary).context("a node of another lab")?;
    let canary = nodes.get(at).context("no canary")?;
    // Its system restarts itself, since it was asked to.
    canary.wait_for(HANG_UP, TO_RUNNING)?;
    server.kill9();
    println!("rollout_rollback: the server was killed while node {} did not come up", canary.spec().name);
    std::thread::sleep(Duration::from_secs(5));
    server.start_again()?;

    let back = wait_rollout(&server, &begun.id, "the way back", |r| r.counts.contains_key("back-booting"))?;
    println!("rollout_rollback: {}: {}", back.state, back.why);
    ensure(back.state == "rolling-back", format!("{back:?}"))?;
    // It has no BMC and hangs: somebody walks to it.
    canary.power_off();
    canary.power_on()?;
    let ended = wait_rollout(&server, &begun.id, "the rollout to end", |r| r.ended_us.is_some())?;
    println!("rollout_rollback: {}: {:?}", ended.state, ended.counts);
    ensure(ended.state == "rolled-back", format!("{ended:?}"))?;
    ensure(ended.why.contains(canary.uuid()) && ended.why.contains("not up with the revision"), &ended.why)?;
    let counts: Vec<(&str, u64)> = ended.counts.iter().map(|(word, count)| (word.as_str(), *count)).collect();
    ensure(counts == [("back", 1), ("waiting", 3)], format!("{counts:?}"))?;

    for (n, node) in nodes.iter().enumerate() {
        let detail = lab.wait_node(&server, node, "the node to run the old revision", TO_RUNNING, |detail| {
            detail.summary.lifecycle == "running"
        })?;
        let boot = detail.boot.as_ref().context("no boot")?;
        ensure(boot.summary.revision == Some(1), format!("node {n} runs {:?}", boot.summary))?;
        ensure(detail.summary.profile.as_deref() == Some(PROFILE), format!("{:?}", detail.summary))?;
        let same = boot_id(&detail) == boots.get(n).map(String::as_str);
        ensure(same == (n != at), format!("node {n}: was it restarted? {same}"))?;
    }
    let active: Profile = server.api()?.call("GET", &format!("/api/v1/profiles/{PROFILE}"), None::<&()>)?;
    ensure(active.active == 1, format!("{active:?}"))?;
    lab.finish()
}
