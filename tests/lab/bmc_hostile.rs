//! BMCs that misbehave. In-band, QEMU's own `ipmi-bmc-sim` has no LAN channel and refuses: it is told, and the boot goes on.
//! Over the LAN, a BMC of ours delays, loses, doubles, lies and forgets: each ends in a clear state and the server serves on.

use crate::steps::{TO_RUNNING, wait_running};
use higuma_ipmi::Password;
use higuma_ipmi::sim::{Misbehave, Settings, Silence, SimBmc, User};
use higuma_proto::api::{BmcDetail, NewProfile, NodeDetail, NodePatch, SetBmc};
use higuma_tests::error::ensure;
use higuma_tests::stock::{self, CONSOLE};
use higuma_tests::{Context, Lab, LabResult, NodeSpec, Server, ServerSpec, Stock};
use std::net::Ipv4Addr;
use std::time::Duration;

#[test]
fn bmc_hostile() -> LabResult {
    let lab = Lab::new("bmc-hostile")?;
    let server = lab.server(ServerSpec::new(&[])?)?;
    stock::first_stage(&server)?;
    stock::image(&server, Stock::Tiny)?;
    let profile = NewProfile {
        name: "hv".to_owned(),
        image: Stock::Tiny.reference(),
        cmdline: CONSOLE.to_owned(),
        files: Vec::new(),
        ssh_authorized_keys: Vec::new(),
        ..NewProfile::default()
    };
    stock::profile(&server, &profile)?;
    let mut spec = NodeSpec::new("n1", &server.bootfile());
    spec.extra.extend(["-device", "ipmi-bmc-sim,id=bmc0", "-device", "isa-ipmi-kcs,bmc=bmc0"].map(str::to_owned));
    let node = lab.node(spec)?;
    let planned = NodePatch { profile: Some("hv".to_owned()), ..NodePatch::default() };
    let _: NodeDetail = server.api()?.call("PUT", &format!("/api/v1/nodes/{}", node.uuid()), Some(&planned))?;
    node.power_on()?;
    // While it boots: those on the LAN.
    on_the_lan(&server)?;
    let running = wait_running(&lab, &server, &node, TO_RUNNING, None)?;
    let bmc: BmcDetail = server.api()?.call("GET", &format!("/api/v1/nodes/{}/bmc", node.uuid()), None::<&()>)?;
    println!("bmc_hostile: {} ({}): {:?}", bmc.summary.state, bmc.summary.reason, bmc.found);
    let told = running.boot.context("no boot")?.events;
    let told: Vec<_> = told.iter().filter(|event| event.step == "bmc").collect();
    ensure(!told.is_empty() && told.iter().all(|event| event.state != "failed"), format!("{told:?}"))?;
    let found = bmc.found.context("nothing was found")?;
    ensure(bmc.summary.state != "managed" && found.device.is_some(), format!("{:?}", bmc.summary))?;
    // What it refuses has its completion code in words.
    let words = format!("{} {:?}", found.error, told);
    ensure(words.contains("invalid command (C1h)") || found.channels.is_empty(), words)?;
    lab.finish()
}

/// What it does, and how a contact with it must end: state of the BMC, words of the reason.
fn cases() -> Vec<(&'static str, Misbehave, &'static [&'static str])> {
    let still = Misbehave::default;
    vec![
        ("slow", Misbehave { delay: Duration::from_millis(400), ..still() }, &["managed"]),
        ("doubles", Misbehave { twice: true, ..still() }, &["managed"]),
        ("loses", Misbehave { lose_every: Some(3), ..still() }, &["managed"]),
        ("lies in lengths", Misbehave { wrong_lengths: true, ..still() }, &["configured"]),
        ("garbage besides", Misbehave { garbage: true, ..still() }, &["managed"]),
        ("wrong codes", Misbehave { wrong_code: true, ..still() }, &["configured", "login-refused", "refused"]),
        ("silent", Misbehave { silence: Some(Silence::Always), ..still() }, &["configured"]),
        ("forgets sessions", Misbehave { forget_after: Some(2), ..still() }, &["managed", "configured"]),
    ]
}

fn on_the_lan(server: &Server) -> LabResult {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    for (what, misbehave, states) in cases() {
        let user = User { name: "admin".to_owned(), password: Password::new("factory-password".to_owned()) };
        let settings = Settings { users: vec![user], ..Settings::default() };
        let bmc = runtime.block_on(SimBmc::start((Ipv4Addr::LOCALHOST, 0).into(), settings))?;
        let uuid = uuid::Uuid::new_v4().to_string();
        let api = server.api()?;
        let _: NodeDetail = api.call("PUT", &format!("/api/v1/nodes/{uuid}"), Some(&NodePatch::default()))?;
        let set = SetBmc {
            address: Some("127.0.0.1".to_owned()),
            port: Some(bmc.address.port()),
            protocol: Some("ipmi".to_owned()),
            user: Some("admin".to_owned()),
            password: Some("factory-password".to_owned()),
            forget_certificate: false,
        };
        bmc.misbehave(misbehave);
        let answer = api.send("PUT", &format!("/api/v1/nodes/{uuid}/bmc"), Some(&set))?;
        let shown: BmcDetail = api.call("GET", &format!("/api/v1/nodes/{uuid}/bmc"), None::<&()>)?;
        // 409: the login was refused at once, and nothing was kept of the account.
        let refused = answer.status == 409;
        let state = if refused { "refused" } else { shown.summary.state.as_str() };
        let reason = shown.summary.reason.as_str();
        println!("bmc_hostile: {what}: {} -> {state}: {reason}", answer.status);
        ensure(states.contains(&state), format!("{what}: {state} ({reason}), expected {states:?}"))?;
        ensure(state == "managed" || refused || !reason.is_empty(), format!("{what}: no reason is told"))?;
        ensure(api.status()?.ready, format!("{what}: the server is not ready any more"))?;
    }
    Ok(())
}
