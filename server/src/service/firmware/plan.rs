//! GetFirmwarePlan: what the policy has for one boot. Asking again is safe: the same boot gets the same attempt.

use super::{Judged, judge, refresh, rules_now};
use crate::domain::Micros;
use crate::domain::boot::Boot;
use crate::domain::firmware::{Attempt, Next, TRIES, next};
use crate::error::{Error, Result};
use crate::service::{App, cabling, plan};
use crate::store::Tx;
use uuid::Uuid;

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirmwareAnswer {
    /// Go on with the boot plan.
    Nothing,
    /// Ask again after so many seconds.
    Hold {
        /// For a person.
        reason: String,
        /// Seconds.
        retry_after: u32,
    },
    /// Carry this out.
    Update(Box<HandedOut>),
    /// An update was done in this boot.
    Restart,
}

/// An attempt for an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandedOut {
    /// The attempt as stored.
    pub attempt: Attempt,
    /// Bytes of its archive.
    pub size: u64,
    /// Base URL under which the node reaches our plain HTTP listener.
    pub http_base: String,
}

/// For fetching and unpacking before the program, and for the restart after it, microseconds.
const AROUND: Micros = 3_600 * 1_000_000;

/// What the policy has for this boot. Errors: the boot was ended by a newer one; the database.
pub async fn ask(app: &App, boot: &Boot) -> Result<FirmwareAnswer> {
    let (id, now) = (boot.id, app.now());
    let retry_after = plan::retry_after(&app.settings);
    if let Some(answer) = unchanged(app, id, now).await? {
        return Ok(finish(answer, retry_after));
    }
    let (new_id, cables) = (Uuid::now_v7(), cabling::Rules::of(app));
    let answer = app.store.write(move |tx| decide_now(tx, id, new_id, cables, now)).await?;
    if let Answer::Started(handed) = &answer {
        let Attempt { node, rule, n, .. } = &handed.attempt;
        let (part, wanted) = (handed.attempt.component(), &handed.attempt.wanted);
        tracing::info!(%node, attempt = %handed.attempt.id, %rule, n, "node {node} gets update {n} of {part} to {wanted}");
        metrics::counter!("higuma_firmware_updates_total").increment(1);
    }
    Ok(finish(answer, retry_after))
}

enum Answer {
    Nothing,
    Hold(String),
    Again(Box<HandedOut>),
    Started(Box<HandedOut>),
    Restart,
}

fn finish(answer: Answer, retry_after: u32) -> FirmwareAnswer {
    match answer {
        Answer::Nothing => FirmwareAnswer::Nothing,
        Answer::Hold(reason) => FirmwareAnswer::Hold { reason, retry_after },
        Answer::Again(handed) | Answer::Started(handed) => FirmwareAnswer::Update(handed),
        Answer::Restart => FirmwareAnswer::Restart,
    }
}

/// Held nodes ask every few seconds: as long as nothing changes, that is a read.
async fn unchanged(app: &App, id: Uuid, now: Micros) -> Result<Option<Answer>> {
    let cables = cabling::Rules::of(app);
    app.store
        .read(move |tx| {
            let Some(boot) = tx.boot(id)? else { return Ok(None) };
            let node = plan::owner(tx, &boot)?;
            if now - node.last_seen > plan::LAST_SEEN_EVERY {
                return Ok(None);
            }
            if plan::kept_back(tx, &node, &boot, cables)?.is_some() {
                return Ok(Some(Answer::Nothing));
            }
            let rules = rules_now(tx)?;
            let Some(stored) = tx.node_firmware(&node.uuid)?.filter(|stored| stored.rules == rules.version) else {
                return Ok(None);
            };
            let Judged { decision, .. } = judge(tx, &node.uuid, &rules, &stored.components)?;
            let last = tx.last_firmware_attempt(&node.uuid, id)?;
            Ok(match next(decision, id, last.as_ref()) {
                Next::Boot => Some(Answer::Nothing),
                Next::Hold(reason) => Some(Answer::Hold(reason)),
                Next::Restart => Some(Answer::Restart),
                Next::Again | Next::Start { .. } => None,
            })
        })
        .await
}

fn decide_now(tx: &mut Tx<'_>, id: Uuid, new_id: Uuid, cables: cabling::Rules, now: Micros) -> Result<Answer> {
    let boot = tx.boot(id)?.ok_or_else(|| Error::Unauthorized("this boot is not known any more".into()))?;
    let mut node = plan::owner(tx, &boot)?;
    node.last_seen = now;
    tx.put_node(&node)?;
    if plan::kept_back(tx, &node, &boot, cables)?.is_some() {
        return Ok(Answer::Nothing);
    }
    let rules = rules_now(tx)?;
    let Some(components) = super::reassess::stored_components(tx, &node.uuid)? else { return Ok(Answer::Nothing) };
    let Judged { assessed, decision, .. } = judge(tx, &node.uuid, &rules, &components)?;
    let last = tx.last_firmware_attempt(&node.uuid, id)?;
    let answer = match (next(decision, id, last.as_ref()), last) {
        (Next::Boot, _) => Answer::Nothing,
        (Next::Hold(reason), _) => Answer::Hold(reason),
        (Next::Restart, _) => Answer::Restart,
        (Next::Again, Some(attempt)) => Answer::Again(Box::new(handed(tx, attempt, &boot)?)),
        (Next::Again, None) => return Err(Error::internal("an attempt is to be given again, and there is none")),
        (Next::Start { component, rule, n }, _) => {
            let (Some(part), Some(rule)) = (assessed.get(component), rules.list.get(rule)) else {
                return Err(Error::internal("a decision names a component or a rule that is not there"));
            };
            let program = rule.update.clone();
            let program = program.ok_or_else(|| Error::internal(format!("rule {} has no update", rule.name)))?;
            let attempt = Attempt {
                id: new_id,
                node: node.uuid.clone(),
                boot: id,
                rule: rule.name.clone(),
                kind: part.component.kind,
                subject: part.component.subject.clone(),
                wanted: rule.wanted.clone(),
                n: n.min(TRIES),
                before: part.component.version.clone(),
                deadline: now + AROUND + Micros::from(program.deadline_seconds) * 1_000_000,
                program,
                started: now,
                report: None,
                ended: None,
                after: None,
                cleared: None,
            };
            tx.put_firmware_attempt(&attempt)?;
            Answer::Started(Box::new(handed(tx, attempt, &boot)?))
        }
    };
    refresh(tx, &node.uuid, &rules, components, now)?;
    Ok(answer)
}

fn handed(tx: &mut Tx<'_>, attempt: Attempt, boot: &Boot) -> Result<HandedOut> {
    let sha256 = &attempt.program.blob;
    let size = tx.blob(sha256)?.ok_or_else(|| Error::internal(format!("the archive {sha256} of an update is gone")))?;
    Ok(HandedOut { size, http_base: boot.http_base.clone(), attempt })
}
