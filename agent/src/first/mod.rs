//! The first stage: from a kernel that knows nothing to the jump into the node's own system. A list of steps, then the loop of
//! boot attempts. Everything that fails is reported, tried again, and ends in a restart or a park, never in an exit.

mod attempt;
mod dry_run;
pub mod reporter;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use higuma_proto::agent::{BootPlan, RegisterRequest};
use higuma_proto::steps as names;

pub use dry_run::dry_run;

use crate::bootargs::BootArgs;
use crate::client::{Address, Client};
use crate::console::say;
use crate::journal::{Journal, SEQ_PER_RUN, State};
use crate::net::Wanted;
use crate::power;
use crate::session::{self, Session};
use crate::site::Site;
use crate::steps::firmware::{self, Settled};
use crate::steps::{self, backoff, bmc, clock, inventory, jittered, lldp, modules, network, plan, register};
use reporter::Reporter;

/// Before a restart: time for a person to read the console, and for the server to breathe.
const BEFORE_RESTART: Duration = Duration::from_secs(60);
/// After an update of firmware.
const AFTER_UPDATE: Duration = Duration::from_secs(3);
/// Before a park: time to read the console; the server has counted down already.
const BEFORE_PARK: Duration = Duration::from_secs(5);
/// For telling the server before it is asked again, or before a restart.
const FLUSH: Duration = Duration::from_secs(8);
/// After so many plans that this agent cannot carry out it restarts: the server may have a newer agent by then.
const MAX_REFUSED: u32 = 6;

/// All that the attempts share.
struct Stage {
    args: BootArgs,
    address: Address,
    session: Session,
    journal: Journal,
    reporter: Reporter,
    neighbours: lldp::Later,
    bmc: bmc::Known,
}

/// Runs until the jump or a restart; `run` counts the workers of this boot.
pub async fn run(run: u32) -> ExitCode {
    let journal = Journal::starting_at(run.saturating_mul(SEQ_PER_RUN));
    journal.record(names::MOUNTS, State::Ok, &format!("first stage, agent {}, worker {}", crate::VERSION, run + 1));
    // A worker before this one may have left a program that flashes: no restart may come in its way.
    let told = journal.clone();
    let waited = tokio::task::spawn_blocking(move || {
        crate::firmware::wait_for_leftover(Path::new(crate::firmware::HOME), |line| told.info(names::FIRMWARE, line));
    });
    let _ = waited.await;
    match to_the_plan(&journal).await {
        Ok(stage) => boot_until_it_works(stage).await,
        Err(why) => power::restart(&why, jittered(BEFORE_RESTART)),
    }
}

/// The steps up to the registration; an error is the reason for a restart.
async fn to_the_plan(journal: &Journal) -> Result<Stage, String> {
    let args = BootArgs::of_this_machine();
    let site = Site::read(Path::new("/"));
    for problem in &site.problems {
        say(names::MOUNTS, &format!("not there: {problem}"));
    }
    say(
        names::MOUNTS,
        &format!("first stage of {} ({})", site.first_stage.kernel_package, site.first_stage.kernel_release),
    );

    let mut load =
        modules::LoadModules { name: names::MODULES, always: site.first_stage.load.clone(), by_devices: true };
    // Without a module the NIC's driver may still be built in: the network step will tell.
    steps::run_optional(&mut load, journal).await;
    // It takes a second or more: beside the network's coming up it costs nothing.
    let mut reading = bmc::Reading::start();

    // Before the links come up: a switch that sees the link answers while DHCP is still under way.
    let neighbours = lldp::Listening::start(journal).await;
    let mut up = network::BringUp {
        wanted: Wanted { boot_mac: args.boot_mac.clone(), ipv6: args.server_is_ipv6() },
        journal: journal.clone(),
        name: names::NETWORK,
    };
    steps::run(&mut up, journal).await.map_err(|e| e.message)?;
    let mut set_clock = clock::Clock {
        http: args.http.clone(),
        not_before: site.not_before.max(crate::build_time()),
        journal: journal.clone(),
    };
    // A clock that stays wrong makes TLS fail, which says so itself.
    let _ = steps::run(&mut set_clock, journal).await;
    let mut inventory = steps::run(&mut inventory::Collect, journal).await.unwrap_or_default();
    reading.add_to(&mut inventory).await;

    let missing = |what: &str| format!("{what} is missing: this boot was not started by this server's script");
    let nonce = args.nonce.clone().ok_or_else(|| missing("higuma.nonce on the kernel command line"))?;
    let address = Address {
        grpc: args.grpc.clone().ok_or_else(|| missing("higuma.grpc on the kernel command line"))?,
        ca_pem: site.ca_pem.clone().ok_or_else(|| missing("/etc/higuma/ca.pem"))?,
        server_name: site.server_name.clone().ok_or_else(|| missing("/etc/higuma/server-name"))?,
    };
    let (session, not_kept) = Session::load_or_create(Path::new(session::FILE));
    if let Some(e) = not_kept {
        journal.info(
            names::REGISTER,
            &format!("the credential cannot be kept ({e}): a restarted worker will need a new boot"),
        );
    }
    let client = Client::new(&address, &session.credential)?;
    let (heard, told) = neighbours.heard_so_far();
    let request = RegisterRequest {
        nonce,
        credential: session.credential.clone(),
        uuid: inventory.system.as_ref().map(|s| s.uuid.clone()).unwrap_or_default(),
        boot_mac: args.boot_mac.clone().unwrap_or_default(),
        agent_version: crate::VERSION.to_owned(),
        inventory: Some(register::bounded(inventory)),
        neighbours: heard,
        node: args.node.clone().unwrap_or_default(),
    };
    let node = args.node.as_deref().unwrap_or("that is not named yet");
    say(names::REGISTER, &format!("node {node}, server {} as {}", address.grpc, address.server_name));
    let mut step = register::Register { client: client.clone(), request };
    let registered = steps::run(&mut step, journal).await.map_err(|e| format!("not registered: {e}"))?;
    let reporter = Reporter { client: client.clone(), journal: journal.clone() };
    reporter.start();
    let allowed = Duration::from_millis(u64::from(registered.lldp_wait_ms));
    let bmc = async {
        let mut known = reading.finish().await;
        bmc::set_up(&mut known, &client, journal).await;
        known
    };
    let (neighbours, bmc) = tokio::join!(neighbours.wait(allowed, told, client.clone(), journal), bmc);
    neighbours.watch(journal.clone());
    Ok(Stage { args, address, session, journal: journal.clone(), reporter, neighbours, bmc })
}

/// Does what the firmware policy asks for, asks for a plan and carries it out, again and again.
async fn boot_until_it_works(mut stage: Stage) -> ! {
    let mut failures = 0u32;
    let mut refused = plan::Refused::default();
    let mut parts = attempt::Parts::new();
    let mut first = true;
    loop {
        match firmware::settle(&stage.reporter.client, &stage.journal, std::mem::take(&mut first)).await {
            Ok(Settled::Go) => {}
            Ok(Settled::Restart(why)) => {
                stage.reporter.flush(FLUSH).await;
                power::restart(&why, AFTER_UPDATE);
            }
            Err(e) => power::restart(&e.message, jittered(BEFORE_RESTART)),
        }
        let callback = stage.session.callback_sha256();
        let decision = plan::wait_for(&stage.reporter.client, &callback, &stage.journal, &mut refused).await;
        let plan = match decision {
            Ok(plan::Decision::Boot(plan)) => plan,
            Ok(plan::Decision::Park(ending, reason)) => {
                stage.reporter.flush(FLUSH).await;
                let why = format!("the server parks this node: {reason}");
                match ending {
                    plan::Ending::Off => power::off(&why, BEFORE_PARK),
                    plan::Ending::Restart => power::restart(&why, BEFORE_PARK),
                }
            }
            Ok(plan::Decision::Bmc) => {
                bmc::set_up(&mut stage.bmc, &stage.reporter.client, &stage.journal).await;
                continue;
            }
            Ok(plan::Decision::Firmware(pause)) => {
                tokio::time::sleep(jittered(pause)).await;
                continue;
            }
            Err(e) if e.is_final => power::restart(&e.message, jittered(BEFORE_RESTART)),
            Err(e) => {
                stage.reporter.flush(FLUSH).await;
                if refused.times >= MAX_REFUSED {
                    let why = format!("{} plan(s) refused, last: {e}", refused.times);
                    power::restart(&why, jittered(BEFORE_RESTART));
                }
                tokio::time::sleep(jittered(backoff(Duration::from_secs(10), refused.times))).await;
                continue;
            }
        };
        // Comes back only when it failed; the step has said why.
        let error = attempt::boot(&stage, &plan, &mut parts).await;
        failures = failures.saturating_add(1);
        let limit = plan.max_attempts.max(1);
        if failures >= limit {
            last_resort(&stage, &plan, &format!("{failures} attempt(s) failed, last: {error}")).await;
            failures = 0;
            continue;
        }
        let pause = jittered(backoff(Duration::from_secs(5), failures));
        stage.journal.record(
            names::PLAN,
            State::Retry,
            &format!("boot attempt {failures} of {limit} failed; again in {} s", pause.as_secs()),
        );
        // The server must know of the failure before it is asked for the next plan.
        stage.reporter.flush(FLUSH).await;
        tokio::time::sleep(pause).await;
    }
}

/// What the plan says for a node that cannot boot it. Returns only when parked long enough to ask anew.
async fn last_resort(stage: &Stage, plan: &BootPlan, why: &str) {
    if plan.on_failure == "park" {
        stage.journal.record(
            names::PLAN,
            State::Failed,
            &format!("parked: {why}; asking for a plan again in 10 minutes"),
        );
        tokio::time::sleep(jittered(Duration::from_secs(600))).await;
        return;
    }
    stage.journal.record(names::PLAN, State::Failed, &format!("restarting: {why}"));
    stage.reporter.flush(FLUSH).await;
    power::restart(why, jittered(BEFORE_RESTART));
}
