//! Does what the server's firmware policy asks for, before a plan is asked for: nothing, wait, or an update after which the
//! machine restarts, whatever came of it: only a restart shows which version is there. The server counts the tries.

use std::path::Path;
use std::time::{Duration, Instant};

use higuma_proto::agent::get_firmware_plan_response::Answer;
use higuma_proto::agent::{FirmwareUpdate, ReportFirmwareRequest};
use higuma_proto::steps::FIRMWARE;
use tonic::Code;

use super::{StepError, backoff, jittered, register};
use crate::client::Client;
use crate::journal::{Journal, State};
use crate::{explain, firmware};

/// What the policy leaves to do.
pub enum Settled {
    /// Go on with the plan.
    Go,
    /// Restart the machine.
    Restart(String),
}

/// The report is given up after so long: a NIC that was just updated may have no link until the restart.
const REPORT: Duration = Duration::from_secs(180);

/// Asks until there is something to do; a final error means that this session is over. `first`: nothing was told of
/// this step yet.
pub async fn settle(client: &Client, journal: &Journal, first: bool) -> Result<Settled, StepError> {
    let mut told = String::new();
    let mut tell = |line: String| {
        if line != told {
            journal.info(FIRMWARE, &line);
            told = line;
        }
    };
    let mut failures = 0u32;
    loop {
        let pause = match client.firmware_plan().await.map(|answer| answer.answer) {
            Ok(None | Some(Answer::Nothing(_))) => {
                if first || failures > 0 {
                    journal.record(FIRMWARE, State::Ok, "nothing to do");
                }
                return Ok(Settled::Go);
            }
            Ok(Some(Answer::Hold(hold))) => {
                failures = 0;
                tell(format!("held: {}", hold.reason));
                Duration::from_secs(u64::from(hold.retry_after_seconds.clamp(1, 3_600)))
            }
            Ok(Some(Answer::Restart(restart))) => return Ok(Settled::Restart(restart.reason)),
            Ok(Some(Answer::Update(update))) => return Ok(Settled::Restart(carry_out(client, journal, update).await)),
            // A server that is older than this agent.
            Err(status) if status.code() == Code::Unimplemented => return Ok(Settled::Go),
            Err(status) if register::is_refusal(status.code()) => {
                let why = format!("the server refused: {}", explain::status(&status));
                journal.record(FIRMWARE, State::Failed, &why);
                return Err(StepError::last(why));
            }
            Err(status) => {
                failures = failures.saturating_add(1);
                tell(format!("no answer: {}", explain::status(&status)));
                backoff(Duration::from_secs(1), failures)
            }
        };
        tokio::time::sleep(jittered(pause)).await;
    }
}

/// One attempt and its report; gives the reason for the restart.
async fn carry_out(client: &Client, journal: &Journal, update: FirmwareUpdate) -> String {
    let what = format!("{} {}", update.component, update.subject).trim_end().to_owned();
    let (attempt, attempts, wanted) = (update.attempt, update.attempts, update.wanted.clone());
    journal.record(FIRMWARE, State::Started, &format!("update {attempt} of {attempts} of {what} to {wanted}"));
    let lines = journal.clone();
    let id = update.attempt_id.clone();
    let work = tokio::task::spawn_blocking(move || {
        firmware::carry_out(&update, Path::new(firmware::HOME), |line| lines.info(FIRMWARE, line))
    });
    let report = work.await.unwrap_or_else(|_| ReportFirmwareRequest {
        attempt_id: id,
        error: "the agent's helper broke off while it carried the update out".to_owned(),
        ..ReportFirmwareRequest::default()
    });
    let (state, words) = outcome(&report);
    journal.record(FIRMWARE, state, &words);
    send(client, journal, report).await;
    format!("update of {what} to {wanted}: {words}; the restart shows what became of it")
}

/// How an attempt went, in words.
fn outcome(report: &ReportFirmwareRequest) -> (State, String) {
    let end = match (report.timed_out, report.signal, report.exit_code) {
        (true, ..) => "killed at its deadline".to_owned(),
        (_, signal @ 1.., _) => format!("ended by signal {signal}"),
        (_, _, Some(code)) => format!("exit code {code}"),
        _ => String::new(),
    };
    let good = !report.timed_out && report.exit_code == Some(0) && report.error.is_empty();
    let words = [end, report.error.clone()].into_iter().filter(|w| !w.is_empty()).collect::<Vec<_>>().join("; ");
    (if good { State::Ok } else { State::Failed }, words)
}

/// The server keeps the report once, so a lost answer costs nothing.
async fn send(client: &Client, journal: &Journal, report: ReportFirmwareRequest) {
    let began = Instant::now();
    let mut failures = 0u32;
    loop {
        let Err(status) = client.report_firmware(report.clone()).await else { return };
        let why = explain::status(&status);
        failures = failures.saturating_add(1);
        if register::is_refusal(status.code()) || began.elapsed() > REPORT {
            journal.info(FIRMWARE, &format!("the server has no report of it: {why}"));
            return;
        }
        if failures == 1 {
            journal.info(FIRMWARE, &format!("the report waits for the server: {why}"));
        }
        tokio::time::sleep(jittered(backoff(Duration::from_secs(1), failures)).min(Duration::from_secs(15))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exit_code_0_without_trouble_is_good() {
        let report = |exit_code, signal, timed_out, error: &str| ReportFirmwareRequest {
            exit_code,
            signal,
            timed_out,
            error: error.to_owned(),
            ..ReportFirmwareRequest::default()
        };
        for (report, good, words) in [
            (report(Some(0), 0, false, ""), true, "exit code 0"),
            (report(Some(3), 0, false, ""), false, "exit code 3"),
            (report(None, 11, false, ""), false, "ended by signal 11"),
            (report(None, 9, true, ""), false, "killed at its deadline"),
            (report(None, 0, false, "no archive"), false, "no archive"),
            (report(Some(0), 0, false, "odd"), false, "exit code 0; odd"),
        ] {
            let (state, said) = outcome(&report);
            assert_eq!((state == State::Ok, said.as_str()), (good, words));
        }
    }
}
