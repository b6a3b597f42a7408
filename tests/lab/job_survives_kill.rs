//! `kill -9` in the middle of jobs over 50 BMCs: what may be repeated goes on to its end, what may not is reported and done to
//! no node twice, and a rotation leaves no BMC with a password that the server does not know.

use higuma_ipmi::Password;
use higuma_ipmi::command::ChassisControl;
use higuma_ipmi::sim::{Settings, SimBmc, User};
use higuma_proto::api::{BmcDetail, Job, NewJob, NodeDetail, NodePatch, RevealedCredentials, SetBmc};
use higuma_tests::error::ensure;
use higuma_tests::{Context, Lab, LabResult, Server, ServerSpec, wait};
use std::net::Ipv4Addr;
use std::time::Duration;

const NODES: usize = 50;
const PATIENCE: Duration = Duration::from_secs(180);
/// The name that the server gives accounts of its own: only those are rotated.
const USER: &str = "higuma";
const FACTORY: &str = "factory-password";

struct Box {
    uuid: String,
    bmc: SimBmc,
}

#[test]
fn job_survives_kill() -> LabResult {
    let lab = Lab::new("job-kill")?;
    let server = lab.server(ServerSpec::new(&[])?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut boxes = Vec::new();
    for _ in 0..NODES {
        let user = User { name: USER.to_owned(), password: Password::new(FACTORY.to_owned()) };
        let settings = Settings { users: vec![user], ..Settings::default() };
        let bmc = runtime.block_on(SimBmc::start((Ipv4Addr::LOCALHOST, 0).into(), settings))?;
        bmc.hardware(|hardware| hardware.power = false);
        boxes.push(Box { uuid: uuid::Uuid::new_v4().to_string(), bmc });
    }
    for one in &boxes {
        let api = server.api()?;
        let _: NodeDetail = api.call("PUT", &format!("/api/v1/nodes/{}", one.uuid), Some(&NodePatch::default()))?;
        let set = SetBmc {
            address: Some("127.0.0.1".to_owned()),
            port: Some(one.bmc.address.port()),
            protocol: Some("ipmi".to_owned()),
            user: Some(USER.to_owned()),
            password: Some(FACTORY.to_owned()),
            forget_certificate: false,
        };
        let set: BmcDetail = api.call("PUT", &format!("/api/v1/nodes/{}/bmc", one.uuid), Some(&set))?;
        ensure(set.summary.state == "managed" && set.summary.power == "off", format!("{:?}", set.summary))?;
    }

    // May be repeated: it goes on.
    let job = killed(&server, &boxes, "power-on", 40)?;
    ensure(job.counts.ok == NODES as u64, format!("power on: {job:?}"))?;
    ensure(boxes.iter().all(|one| one.bmc.hardware(|h| h.power)), "not every node is on")?;

    let job = killed(&server, &boxes, "rotate-password", 0)?;
    ensure(job.counts.ok == NODES as u64, format!("rotation: {job:?}"))?;
    for one in &boxes {
        let in_force = one.bmc.hardware(|h| h.users.first().map(|user| user.password.reveal().to_owned()));
        let in_force = in_force.context("the BMC lost its user")?;
        ensure(in_force != FACTORY, format!("{} has its old password", one.uuid))?;
        let path = format!("/api/v1/nodes/{}/bmc/password/reveal", one.uuid);
        let known: RevealedCredentials = server.api()?.call("POST", &path, None::<&()>)?;
        let proven = known.credentials.iter().find(|c| c.state == "proven").context("no proven credential")?;
        ensure(proven.passwords == [in_force.clone()], format!("{}: the server knows another password", one.uuid))?;
        ensure(!server.log()?.contains(&in_force), "a password is in the log")?;
    }

    // May not be repeated: what was under way is told, and nothing is done twice.
    for one in &boxes {
        one.bmc.hardware(|hardware| hardware.controls.clear());
    }
    let job = killed(&server, &boxes, "power-cycle", 40)?;
    println!("job_survives_kill: power-cycle {:?}", job.counts);
    ensure(job.counts.ok + job.counts.interrupted == NODES as u64, format!("power cycle: {job:?}"))?;
    for one in &boxes {
        let cycles = one.bmc.hardware(|h| h.controls.iter().filter(|c| **c == ChassisControl::Cycle.code()).count());
        ensure(cycles <= 1, format!("{} was cycled {cycles} times", one.uuid))?;
    }
    lab.finish()
}

/// Makes the job, kills the server when some of it is done, starts it again, and waits for the job's end.
fn killed(server: &Server, boxes: &[Box], action: &str, stagger_ms: u32) -> LabResult<Job> {
    let new = NewJob {
        action: action.to_owned(),
        nodes: boxes.iter().map(|one| one.uuid.clone()).collect(),
        stagger_ms: Some(stagger_ms),
        parallel: Some(4),
        ..NewJob::default()
    };
    let job: Job = server.api()?.call("POST", "/api/v1/jobs", Some(&new))?;
    let path = format!("/api/v1/jobs/{}", job.id);
    let look = || server.api()?.call::<Job>("GET", &path, None::<&()>);
    let cut = wait::until("some of the job to be done", PATIENCE, || {
        let job = look()?;
        Ok((job.counts.ok >= 5).then_some(job))
    })?;
    server.kill9();
    ensure(cut.counts.ok < NODES as u64, format!("{action}: the job was over before the server was killed"))?;
    server.start_again()?;
    wait::until("the job to end", PATIENCE, || {
        let job = look()?;
        Ok((job.ended_us.is_some()).then_some(job))
    })
    .context(format!("{action}\n{}", server.explain()))
}
