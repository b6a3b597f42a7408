//! Sets the BMC up in-band: it is read while the network comes up, then the server is asked what it should be, and what
//! differs is changed and reported. Whatever happens, the boot goes on. No password is told to anybody.

use std::path::Path;
use std::time::{Duration, Instant};

use higuma_ipmi::command::DeviceId;
use higuma_proto::agent::get_bmc_plan_response::Answer;
use higuma_proto::agent::{BmcPlan, GetBmcPlanResponse, Inventory, ReportBmcRequest, SourceError};
use higuma_proto::steps::BMC;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::Code;

use super::{backoff, jittered, register};
use crate::bmc::device::{self, Device};
use crate::bmc::found::{Found, State as Bmc};
use crate::bmc::wanted::Wanted;
use crate::bmc::{Carrier, Talk, carry_out, read};
use crate::client::Client;
use crate::explain;
use crate::journal::{Journal, State};

/// For reading all of it.
const READ: Duration = Duration::from_secs(90);
/// For a plan, the wait for DHCP apart.
const SET_UP: Duration = Duration::from_secs(180);
/// A helper that has not ended by so much later hangs in the kernel: longer than what is said after the deadline (a lock given
/// back, what came of it read: `bmc/address.rs`, `bmc/apply.rs`) and one answer waited for.
const HANGS: Duration = Duration::from_secs(60);
/// The inventory waits so long for the version of the BMC's firmware: it was asked for before the network came up.
const VERSION: Duration = Duration::from_secs(2);
/// The server is asked, and told, for so long.
const SERVER: Duration = Duration::from_secs(60);

/// The BMC being read, beside everything else.
pub struct Reading {
    met: oneshot::Receiver<Result<DeviceId, String>>,
    read: JoinHandle<(Found, Option<Device>)>,
}

impl Reading {
    /// Begins, when the drivers are loaded. A machine without a BMC is done within milliseconds.
    pub fn start() -> Self {
        let (told, met) = oneshot::channel();
        Self { met, read: tokio::task::spawn_blocking(move || read_here(told)) }
    }

    /// Adds what the inventory has of the BMC.
    pub async fn add_to(&mut self, inventory: &mut Inventory) {
        let device = match tokio::time::timeout(VERSION, &mut self.met).await {
            Ok(Ok(device)) => device,
            // There is none.
            Ok(Err(_)) => return,
            Err(_) => Err(format!("no answer within {} s", VERSION.as_secs())),
        };
        match device {
            Ok(device) => inventory.ipmi.get_or_insert_default().firmware = device.firmware,
            Err(error) => {
                let (source, section) = ("/dev/ipmi0".to_owned(), "firmware".to_owned());
                inventory.errors.push(SourceError { source, error, section });
            }
        }
    }

    /// What was read.
    pub async fn finish(self) -> Known {
        let silent = |error: &str| Found { state: Bmc::Silent, ..Found::absent(error.to_owned()) };
        let (found, device) = match tokio::time::timeout(READ + HANGS, self.read).await {
            Ok(Ok(all)) => all,
            Ok(Err(_)) => (silent("the agent's helper broke off while it read the BMC"), None),
            Err(_) => (silent("the kernel's driver for the BMC hangs"), None),
        };
        Known { found, device }
    }
}

/// The BMC as it is known now.
pub struct Known {
    found: Found,
    /// None: there is none, or it hangs.
    device: Option<Device>,
}

fn read_here(told: oneshot::Sender<Result<DeviceId, String>>) -> (Found, Option<Device>) {
    let mut device = match device::find(Path::new("/")).and_then(|path| Device::open(&path)) {
        Ok(device) => device,
        Err(why) => return (Found::absent(why), None),
    };
    let mut told = Some(told);
    let found = read(&mut Talk::new(&mut device, READ), |id| {
        if let Some(told) = told.take() {
            let _ = told.send(Ok(id.clone()));
        }
    });
    if let Some(told) = told {
        let _ = told.send(Err(found.error.clone()));
    }
    (found, Some(device))
}

/// Plans of one boot: a BMC may refuse over the LAN the password that it took in-band, so the server has another one set.
const PLANS: usize = 3;

/// Asks the server what the BMC should be, and makes it so: after Register, and again when the server says so.
pub async fn set_up(known: &mut Known, client: &Client, journal: &Journal) {
    journal.info(BMC, &known.found.summary());
    for _ in 0..PLANS {
        let answer = match ask(client, &known.found).await {
            Ok(answer) => answer.answer,
            // A server that is older than this agent.
            Err(status) if status.code() == Code::Unimplemented => return,
            Err(status) => {
                journal.info(BMC, &format!("going on without: no plan for it: {}", explain::status(&status)));
                return;
            }
        };
        let plan = match answer {
            Some(Answer::Plan(plan)) => plan,
            Some(Answer::Leave(leave)) => {
                journal.record(BMC, State::Ok, &format!("left alone: {}", leave.reason));
                return;
            }
            None => return,
        };
        journal.record(BMC, State::Started, "");
        let report = make_so(plan, known, journal).await;
        let (state, line) = outcome(&report);
        journal.record(BMC, state, &line);
        if !send(client, journal, report).await {
            return;
        }
        journal.record(
            BMC,
            State::Retry,
            "it refused the login over the LAN with what was set: another plan is asked for",
        );
    }
    journal.info(BMC, "going on without: no login over the LAN worked");
}

async fn make_so(plan: BmcPlan, known: &mut Known, journal: &Journal) -> ReportBmcRequest {
    let plan_id = plan.id.clone();
    let found = known.found.clone();
    let failed = |error: String| ReportBmcRequest {
        plan_id: plan_id.clone(),
        error,
        found: Some(found.to_wire()),
        ..ReportBmcRequest::default()
    };
    let wanted = match Wanted::of(plan) {
        Ok(wanted) => wanted,
        Err(why) => return failed(format!("this plan cannot be carried out: {why}")),
    };
    let Some(mut device) = known.device.take() else {
        return failed(format!("nothing was changed, the BMC is {}: {}", found.state.word(), found.error));
    };
    let (lines, before, time) = (journal.clone(), found.clone(), SET_UP.saturating_add(wanted.wait()));
    let work = tokio::task::spawn_blocking(move || {
        let (report, after) = carry_out_here(&mut device, before, &wanted, time, |line| lines.info(BMC, line));
        (report, after, device)
    });
    match tokio::time::timeout(time + HANGS, work).await {
        Ok(Ok((report, after, device))) => {
            (known.found, known.device) = (after, Some(device));
            report
        }
        Ok(Err(_)) => failed("the agent's helper broke off while it set the BMC up".to_owned()),
        Err(_) => failed("the kernel's driver for the BMC hangs".to_owned()),
    }
}

fn carry_out_here(
    device: &mut dyn Carrier,
    found: Found,
    wanted: &Wanted,
    time: Duration,
    mut tell: impl FnMut(&str),
) -> (ReportBmcRequest, Found) {
    let outcome = carry_out(&mut Talk::new(device, time), found, wanted, &mut tell);
    let report = ReportBmcRequest {
        plan_id: wanted.id.clone(),
        error: outcome.error,
        password: outcome.password,
        changes: outcome.changes,
        found: Some(outcome.found.to_wire()),
    };
    (report, outcome.found)
}

/// How it went, in a line. A failure is no failure of the boot.
fn outcome(report: &ReportBmcRequest) -> (State, String) {
    let failed = report.changes.iter().filter(|change| !change.error.is_empty()).count();
    let done = report.changes.len() - failed;
    if !report.error.is_empty() {
        return (State::Info, format!("going on without: {} ({done} change(s) done)", report.error));
    }
    let line = match (done, failed) {
        (0, 0) => "as planned, nothing to change".to_owned(),
        (done, 0) => format!("{done} change(s) done"),
        (done, failed) => format!("{done} change(s) done, {failed} optional one(s) refused"),
    };
    (State::Ok, line)
}

async fn ask(client: &Client, found: &Found) -> Result<GetBmcPlanResponse, tonic::Status> {
    let began = Instant::now();
    let mut failures = 0u32;
    loop {
        match client.bmc_plan(found.to_wire()).await {
            Ok(answer) => return Ok(answer),
            Err(status) if register::is_refusal(status.code()) || began.elapsed() > SERVER => return Err(status),
            Err(_) => {}
        }
        failures = failures.saturating_add(1);
        tokio::time::sleep(jittered(backoff(Duration::from_secs(1), failures)).min(Duration::from_secs(10))).await;
    }
}

/// The report says the same however often it is sent. Where it is lost, the plan of the next boot is the same. True: another
/// plan is to be asked for.
async fn send(client: &Client, journal: &Journal, report: ReportBmcRequest) -> bool {
    let began = Instant::now();
    let mut failures = 0u32;
    loop {
        let status = match client.report_bmc(report.clone()).await {
            Ok(answer) => return answer.again,
            Err(status) => status,
        };
        if register::is_refusal(status.code()) || began.elapsed() > SERVER {
            journal.info(BMC, &format!("the server has no report of it: {}", explain::status(&status)));
            return false;
        }
        failures = failures.saturating_add(1);
        tokio::time::sleep(jittered(backoff(Duration::from_secs(1), failures)).min(Duration::from_secs(10))).await;
    }
}

#[cfg(test)]
mod tests {
    use higuma_proto::agent::BmcChange;

    use super::*;

    #[test]
    fn only_what_is_not_optional_is_a_failure() {
        let change = |error: &str| BmcChange { error: error.to_owned(), ..BmcChange::default() };
        let report =
            |error: &str, changes| ReportBmcRequest { error: error.to_owned(), changes, ..ReportBmcRequest::default() };
        for (report, state, line) in [
            (report("", vec![]), State::Ok, "as planned, nothing to change"),
            (report("", vec![change("")]), State::Ok, "1 change(s) done"),
            (report("", vec![change(""), change("no")]), State::Ok, "1 change(s) done, 1 optional one(s) refused"),
            (report("no slot", vec![change("")]), State::Info, "going on without: no slot (1 change(s) done)"),
        ] {
            assert_eq!(outcome(&report), (state, line.to_owned()));
        }
    }

    #[tokio::test]
    async fn the_inventory_has_the_version_or_why_not() {
        let id =
            DeviceId { device: 0, firmware: "2.51".to_owned(), ipmi: "2.0".to_owned(), manufacturer: 1, product: 1 };
        let absent = || Found::absent(String::new());
        for (told, firmware, errors) in [
            (Some(Ok(id)), Some("2.51"), 0),
            (Some(Err("Get Device ID: node busy (C0h)".to_owned())), None, 1),
            (None, None, 0),
        ] {
            let (sender, met) = oneshot::channel();
            let mut reading = Reading { met, read: tokio::spawn(async move { (absent(), None) }) };
            match told {
                Some(told) => assert!(sender.send(told).is_ok()),
                None => drop(sender),
            }
            let mut inventory = Inventory::default();
            reading.add_to(&mut inventory).await;
            assert_eq!(inventory.ipmi.map(|ipmi| ipmi.firmware).as_deref(), firmware);
            assert_eq!(inventory.errors.iter().filter(|e| e.section == "firmware").count(), errors);
        }
    }

    #[tokio::test]
    async fn a_plan_that_cannot_be_carried_out_touches_nothing_and_shows_no_password() {
        let journal = Journal::starting_at(0);
        let passwords = vec!["secret-of-24-bytes-is-long".to_owned()];
        let (id, source, user) = ("p1".to_owned(), "keep".to_owned(), "higuma".to_owned());
        let privilege = "administrator".to_owned();
        let plan = BmcPlan { id, source, user, privilege, passwords, ..BmcPlan::default() };
        let mut known = Known { found: Found::absent("none".to_owned()), device: None };
        let report = make_so(plan.clone(), &mut known, &journal).await;
        assert_eq!((report.plan_id.as_str(), report.password), ("p1", 0));
        assert!(report.error.contains("each of 1 to 20 bytes") && !report.error.contains("secret"), "{}", report.error);
        let passwords = vec!["short".to_owned()];
        let report = make_so(BmcPlan { passwords, ..plan }, &mut known, &journal).await;
        assert_eq!(report.error, "nothing was changed, the BMC is absent: none");
    }
}
