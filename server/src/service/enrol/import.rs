//! Take a file of BMCs: all of it, or nothing and every reason with its line. The same file again changes nothing.

use super::{open, seal};
use crate::domain::bmc::Power;
use crate::domain::enrol::file::{self, Format, Wanted};
use crate::domain::enrol::{Enrolment, State};
use crate::domain::{Micros, Name, NodeUuid};
use crate::error::{Error, Result};
use crate::service::App;
use crate::store::Tx;
use crate::vault::Vault;
use higuma_proto::api::{Enrolled, NewEnrolments};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Errors told at most.
const ERRORS_MAX: usize = 50;

/// Import; `by`: who. Errors: `BadRequest` with a line for each line that does not fit, and nothing is written.
pub async fn import(app: &App, new: NewEnrolments, by: &str) -> Result<Enrolled> {
    let NewEnrolments { format, text, dry_run, restart } = new;
    let text = Zeroizing::new(text);
    let format: Format = format.parse()?;
    let mut wanted = tokio::task::spawn_blocking(move || file::parse(format, &text))
        .await
        .map_err(Error::internal)?
        .map_err(refused)?;
    wanted.iter_mut().for_each(|one| one.restart |= restart);
    let run =
        Arc::new(Run { wanted, vault: app.vault.clone(), batch: Uuid::now_v7(), by: by.to_owned(), now: app.now() });
    let (addresses, batch) = (run.wanted.len(), run.batch);
    let counts = if dry_run {
        app.store.read(move |tx| run.look(tx).map(|found| found.counts)).await?
    } else {
        app.store
            .write(move |tx| {
                let found = run.look(tx)?;
                for (one, known) in &found.todo {
                    let enrolment = run.enrolment(tx, one, known.as_ref())?;
                    tx.put_enrolment(&enrolment)?;
                }
                Ok(found.counts)
            })
            .await?
    };
    if !dry_run {
        let Counts { new, changed, .. } = counts;
        tracing::info!(%batch, by, "{by} enrols {addresses} BMCs: {new} new, {changed} changed");
    }
    let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    Ok(Enrolled {
        batch: batch.to_string(),
        addresses: number(addresses),
        new: number(counts.new),
        changed: number(counts.changed),
        unchanged: number(counts.unchanged),
        written: !dry_run,
    })
}

fn refused(errors: Vec<String>) -> Error {
    Error::BadRequest(errors.join("\n"))
}

struct Run {
    wanted: Vec<Wanted>,
    vault: Vault,
    batch: Uuid,
    by: String,
    now: Micros,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    new: usize,
    changed: usize,
    unchanged: usize,
}

/// What is to be written: a BMC, and its enrolment until now.
struct Look<'a> {
    todo: Vec<(&'a Wanted, Option<Enrolment>)>,
    counts: Counts,
}

/// What follows for one BMC of the file.
enum Verdict {
    New,
    /// As before; only what a person asks for anew.
    Retry,
    Unchanged,
    /// What was there is over.
    Replace,
    Refused(String),
}

impl Run {
    /// Compare the file with what is known. Errors: all that does not fit.
    fn look(&self, tx: &mut Tx<'_>) -> Result<Look<'_>> {
        let addresses: Vec<IpAddr> = self.wanted.iter().map(|one| one.address).collect();
        let mut known: HashMap<IpAddr, Enrolment> =
            tx.enrolments_at(&addresses)?.into_iter().map(|e| (e.address, e)).collect();
        let reached: HashMap<IpAddr, NodeUuid> = tx.bmcs_reached_at(&addresses)?.into_iter().collect();
        let (mut profiles, mut missing): (HashSet<&Name>, HashSet<&Name>) = Default::default();
        let mut found = Look { todo: Vec::new(), counts: Counts::default() };
        let mut errors = Vec::new();
        for one in &self.wanted {
            if errors.len() >= ERRORS_MAX {
                errors.push("and perhaps more".to_owned());
                break;
            }
            if let Some(profile) = one.profile.as_ref().filter(|profile| !profiles.contains(profile)) {
                if missing.contains(profile) || tx.profile(profile)?.is_none() {
                    missing.insert(profile);
                    let line = one.line;
                    errors.push(format!("line {line}: there is no profile {profile}: see `higuma profile list`"));
                    continue;
                }
                profiles.insert(profile);
            }
            let before = known.remove(&one.address);
            match self.verdict(tx, one, before.as_ref(), reached.get(&one.address))? {
                Verdict::Refused(why) => errors.push(format!("line {}: {why}", one.line)),
                Verdict::Unchanged => found.counts.unchanged += 1,
                Verdict::New => {
                    found.counts.new += 1;
                    found.todo.push((one, None));
                }
                Verdict::Retry | Verdict::Replace => {
                    found.counts.changed += 1;
                    found.todo.push((one, before));
                }
            }
        }
        if errors.is_empty() { Ok(found) } else { Err(refused(errors)) }
    }

    fn verdict(
        &self,
        tx: &mut Tx<'_>,
        one: &Wanted,
        before: Option<&Enrolment>,
        reached: Option<&NodeUuid>,
    ) -> Result<Verdict> {
        let (address, taken) = (one.address, |node: &NodeUuid| {
            Verdict::Refused(format!("{} is the BMC of node {node} already: see `higuma bmc show {node}`", one.address))
        });
        let Some(before) = before else {
            if let Some(node) = reached {
                return Ok(taken(node));
            }
            if let Some(name) = &one.name
                && let Some(node) = tx.nodes_named(name.as_str(), "")?.first()
            {
                return Ok(Verdict::Refused(format!("name {name} is that of node {node} already: leave it out")));
            }
            return Ok(Verdict::New);
        };
        if self.same(one, before)? {
            return Ok(if one.restart && before.is_held() { Verdict::Retry } else { Verdict::Unchanged });
        }
        if let (State::Cancelled, Some(busy)) = (before.state, before.busy(self.now)) {
            return Ok(Verdict::Refused(format!("{address} was cancelled, and {busy}: send the file again then")));
        }
        Ok(match (before.state, reached) {
            (State::Failed | State::Cancelled, _) | (State::Matched, None) => Verdict::Replace,
            (State::Matched, Some(node)) => taken(node),
            (state, _) => Verdict::Refused(format!(
                "{address} is being enrolled with other values already ({state}): first `higuma enrol cancel {address}`"
            )),
        })
    }

    /// Whether the file says of a BMC what it said before.
    fn same(&self, one: &Wanted, before: &Enrolment) -> Result<bool> {
        let Wanted { port, protocol, user, name, cluster, profile, uefi, .. } = one;
        let values = before.port == *port
            && before.protocol == *protocol
            && before.user == *user
            && before.name == *name
            && before.cluster == *cluster
            && before.profile == *profile
            && before.uefi == *uefi;
        // Of one that is matched the password is not kept here.
        Ok(values && (before.sealed.is_none() || open(&self.vault, before)? == one.password))
    }

    fn enrolment(&self, tx: &mut Tx<'_>, one: &Wanted, before: Option<&Enrolment>) -> Result<Enrolment> {
        if let Some(before) = before.filter(|before| before.state.is_open()) {
            let mut again = Enrolment { batch: self.batch, ..before.clone() };
            again.retry(true, self.now);
            return Ok(again);
        }
        let id = before.map_or_else(Uuid::now_v7, |before| before.id);
        let one = one.clone();
        Ok(Enrolment {
            id,
            batch: self.batch,
            who: self.by.clone(),
            address: one.address,
            port: one.port,
            protocol: one.protocol,
            sealed: Some(seal(tx, &self.vault, id, &one.password)?),
            user: one.user,
            name: one.name,
            cluster: one.cluster,
            profile: one.profile,
            uefi: one.uefi,
            restart: one.restart,
            state: State::Waiting,
            reason: String::new(),
            sent: None,
            driver: None,
            certificate: None,
            uuids: Vec::new(),
            mac: None,
            firmware: String::new(),
            power: Power::Unknown,
            node: None,
            attempts: 0,
            next: Some(self.now),
            claim: None,
            made: self.now,
            changed: self.now,
        })
    }
}
