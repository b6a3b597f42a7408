//! `kill -9` in the middle of an enrolment: twenty BMCs out of a file, some told to boot, some identified, some not reached yet.
//! On restart each goes on to where it would have come without the kill, no machine is started twice, none stays in a dead
//! server's hands, and every account is still known.

use higuma_ipmi::Password;
use higuma_ipmi::command::ChassisControl;
use higuma_ipmi::sim::{Misbehave, Settings, Silence, SimBmc, User};
use higuma_proto::api::{
    BmcDetail, Enrolment, EnrolmentCounts, NodeDetail, NodePatch, Page, RetryEnrolment, RevealedCredentials,
};
use higuma_tests::error::ensure;
use higuma_tests::{Context, Lab, LabResult, Server, ServerSpec, wait};
use std::net::Ipv4Addr;
use std::time::Duration;

const MACHINES: u8 = 20;
/// To the state in which the server is killed.
const TO_THE_MIDDLE: Duration = Duration::from_secs(60);
/// Another server takes what a dead one had when the lease of four minutes is over.
const TO_THE_END: Duration = Duration::from_secs(480);
const TO_MANAGED: Duration = Duration::from_secs(120);
const USER: &str = "ADMIN";
const FACTORY: &str = "factory-7q";

/// What a machine is before anybody enrols it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Off, and nobody knows its node.
    Off,
    /// Off, and its node was added by hand: matched as soon as it is started.
    Known,
    /// On, and the file says that it may be restarted.
    Restart,
    /// Off, and its BMC says nothing until the server was killed.
    Late,
}

struct Machine {
    kind: Kind,
    uuid: String,
    address: String,
    bmc: SimBmc,
}

impl Machine {
    /// How often it was told to start, by which commands.
    fn starts(&self) -> Vec<u8> {
        let starts = [ChassisControl::On, ChassisControl::Cycle, ChassisControl::Reset].map(ChassisControl::code);
        self.bmc.hardware(|hardware| hardware.controls.iter().copied().filter(|c| starts.contains(c)).collect())
    }
}

#[test]
fn enrol_survives_kill() -> LabResult {
    let lab = Lab::new("enrol-kill")?;
    // The longest pause between two starts that there is: time to look at the middle.
    let server = lab.server(ServerSpec::new(&[("job-stagger", "800ms")])?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let machines = (1..=MACHINES).map(|n| runtime.block_on(machine(n))).collect::<LabResult<Vec<_>>>()?;
    for one in machines.iter().filter(|one| one.kind == Kind::Known) {
        let path = format!("/api/v1/nodes/{}", one.uuid);
        let _: NodeDetail = server.api()?.call("PUT", &path, Some(&NodePatch::default()))?;
    }

    let mut text = "address,port,user,password,protocol,restart\n".to_owned();
    for Machine { address, bmc, kind, .. } in &machines {
        let restart = if *kind == Kind::Restart { "yes" } else { "no" };
        text.push_str(&format!("{address},{},{USER},{FACTORY},ipmi,{restart}\n", bmc.address.port()));
    }
    let file = lab.dir().join("rack.csv");
    std::fs::write(&file, text)?;
    let taken = cli(&server, &["enrol", "import", &file.display().to_string()])?;
    ensure(taken.contains("20 new"), taken)?;

    wait::until("some machines to be started and some not", TO_THE_MIDDLE, || {
        let now = counts(&server)?;
        let middle = now.booting + now.matched >= 3 && now.identified >= 8 && now.waiting + now.contacting >= 3;
        Ok(middle.then_some(()))
    })
    .context(format!("{:?}\n{}", list(&server)?, server.explain()))?;
    // The next power cycle is answered slowly: the server dies after it was done, and before it knows.
    let slow = Misbehave { delay: Duration::from_secs(1), ..Misbehave::default() };
    let next = |one: &&Machine| one.kind == Kind::Restart && one.starts().is_empty();
    let next: Vec<&Machine> = machines.iter().filter(next).collect();
    next.iter().for_each(|one| one.bmc.misbehave(slow.clone()));
    wait::until("a power cycle to be under way", TO_THE_MIDDLE, || {
        Ok(next.iter().any(|one| !one.starts().is_empty()).then_some(()))
    })
    .context(format!("{:?}\n{}", list(&server)?, server.explain()))?;
    server.kill9();
    let before: Vec<Vec<u8>> = machines.iter().map(Machine::starts).collect();
    let started = before.iter().filter(|starts| !starts.is_empty()).count();
    println!("enrol_survives_kill: killed when {started} machines were told to start");
    ensure((3..machines.len() - 3).contains(&started), "it was not in the middle")?;
    machines.iter().for_each(|one| one.bmc.misbehave(Misbehave::default()));
    server.start_again()?;

    // A person in a hurry does not start a second contact beside one that may still be under way.
    let claimed = list(&server)?.into_iter().find(|e| e.state == "identified" && e.next_us.is_some());
    let claimed = claimed.context("no enrolment is in the dead server's hands")?;
    let path = format!("/api/v1/enrolments/{}/retry", claimed.id);
    let answer = server.api()?.send("POST", &path, Some(&RetryEnrolment { restart: true }))?;
    ensure(answer.status == 409 && answer.body.contains("a server works on it now"), format!("{answer:?}"))?;

    let ended = wait::until("every machine to be started", TO_THE_END, || {
        let all = list(&server)?;
        ensure(all.len() == machines.len(), format!("enrolments were lost: {all:?}"))?;
        let over = |e: &Enrolment| matches!(e.state.as_str(), "booting" | "matched") && e.next_us.is_none();
        if let Some(bad) = all.iter().find(|e| e.held || matches!(e.state.as_str(), "failed" | "cancelled")) {
            return Err(format!("{bad:?}").into());
        }
        Ok(all.iter().all(over).then_some(all))
    })
    .context(format!("{:?}\n{}", list(&server)?, server.explain()))?;
    let unclear = ended.iter().filter(|e| is_unclear(e)).count();
    println!("enrol_survives_kill: {:?}; {unclear} of them unclear", counts(&server)?);

    for one in &machines {
        let Machine { kind, uuid, address, bmc } = one;
        let e = ended.iter().find(|e| e.address == *address).context("an enrolment was lost")?;
        let starts = one.starts();
        let told = format!("{kind:?} machine at {address}, told {starts:?}: {e:?}");
        let (on, cycle) = (ChassisControl::On.code(), ChassisControl::Cycle.code());
        match kind {
            Kind::Restart if is_unclear(e) => ensure(starts.is_empty() || starts == [cycle], &told)?,
            Kind::Restart => ensure(starts == [cycle], &told)?,
            Kind::Off | Kind::Known | Kind::Late => ensure(starts == [on] && !is_unclear(e), &told)?,
        }
        // Valid, once, BIOS; from the network.
        let (power, boot) = bmc.hardware(|hardware| (hardware.power, hardware.boot));
        ensure(power && boot.starts_with(&[0x80, 0x04]), format!("{told}: boot flags {boot:?}"))?;
        match kind {
            Kind::Known => ensure(e.state == "matched" && e.node.as_ref() == Some(uuid), &told)?,
            _ => ensure(e.state == "booting" && e.node.is_none(), &told)?,
        }
        let factory = bmc.hardware(|h| matches!(h.users.as_slice(), [one] if one.password.reveal() == FACTORY));
        ensure(factory, format!("{told}: its accounts were changed"))?;
    }
    accounts_are_known(&server, &machines)?;
    ensure(!server.log()?.contains(FACTORY), "the factory password is in the server's log")?;
    lab.finish()
}

/// Every account opens its BMC still: that of a matched one as its node's, that of another when it is tried again; and that
/// starts nothing.
fn accounts_are_known(server: &Server, machines: &[Machine]) -> LabResult {
    let before: Vec<Vec<u8>> = machines.iter().map(Machine::starts).collect();
    for Machine { kind, uuid, address, .. } in machines {
        if *kind != Kind::Known {
            cli(server, &["enrol", "retry", address])?;
            continue;
        }
        let path = format!("/api/v1/nodes/{uuid}/bmc");
        wait::until("the server to manage the BMC", TO_MANAGED, || {
            let bmc: BmcDetail = server.api()?.call("GET", &path, None::<&()>)?;
            Ok((bmc.summary.state == "managed" && bmc.summary.power == "on").then_some(()))
        })
        .context(server.explain())?;
        let known: RevealedCredentials = server.api()?.call("POST", &format!("{path}/password/reveal"), None::<&()>)?;
        let proven = known.credentials.iter().find(|c| c.state == "proven").context("no proven credential")?;
        ensure(proven.user == USER && proven.passwords == [FACTORY], "the server knows another account")?;
    }
    wait::until("every BMC to be logged in to once more", TO_THE_END, || {
        let all = list(server)?;
        let good = |e: &Enrolment| e.state == "matched" || (e.held && e.reason.contains("on already"));
        ensure(all.iter().all(|e| e.state != "failed"), format!("{all:?}"))?;
        Ok(all.iter().all(good).then_some(()))
    })
    .context(format!("{:?}\n{}", list(server)?, server.explain()))?;
    let after: Vec<Vec<u8>> = machines.iter().map(Machine::starts).collect();
    ensure(before == after, "a machine was started without being asked to")
}

/// Whether the server says that it does not know whether the power was cycled.
fn is_unclear(e: &Enrolment) -> bool {
    e.reason.contains("whether its power was cycled is not known")
}

/// Machine number `n`, with its BMC at 127.77.9.n.
async fn machine(n: u8) -> LabResult<Machine> {
    let kind = match n % 20 {
        3 | 9 | 15 => Kind::Known,
        0 | 2 | 5 | 8 | 11 | 14 => Kind::Restart,
        4 | 10 | 16 => Kind::Late,
        _ => Kind::Off,
    };
    let uuid = uuid::Uuid::new_v4();
    let address = Ipv4Addr::new(127, 77, 9, n);
    let users = vec![User { name: USER.to_owned(), password: Password::new(FACTORY.to_owned()) }];
    let silence = (kind == Kind::Late).then_some(Silence::Always);
    let settings = Settings {
        users,
        guid: uuid.to_bytes_le(),
        misbehave: Misbehave { silence, ..Misbehave::default() },
        ..Settings::default()
    };
    let bmc = SimBmc::start((address, 0).into(), settings).await?;
    bmc.hardware(|hardware| hardware.power = kind == Kind::Restart);
    Ok(Machine { kind, uuid: uuid.to_string(), address: address.to_string(), bmc })
}

fn counts(server: &Server) -> LabResult<EnrolmentCounts> {
    server.api()?.call("GET", "/api/v1/enrolments/counts", None::<&()>)
}

fn list(server: &Server) -> LabResult<Vec<Enrolment>> {
    let page: Page<Enrolment> = server.api()?.call("GET", "/api/v1/enrolments", None::<&()>)?;
    Ok(page.items)
}

fn cli(server: &Server, arguments: &[&str]) -> LabResult<String> {
    let output = server.cli(arguments)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
