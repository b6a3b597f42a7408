//! Firmware policy: people make rules, nodes are judged by them, and the agents of those that should get an update are
//! handed one. An attempt is counted when it is handed out, in the same transaction, so no crash gives a fourth.

mod plan;
mod reassess;
mod register;
mod report;
mod rules;
mod show;

pub use plan::{FirmwareAnswer, HandedOut, ask};
pub use reassess::{run as reassess, start as start_reassessing};
pub(super) use register::at_register;
pub use report::{Said, expire, report};
pub use rules::{RULES_MAX, create, delete, list as list_rules, move_before, update};
pub use show::{NodesQuery, compliance, nodes, retry, show};

use super::node_events;
use crate::domain::firmware::{Assessed, Attempt, Component, Decision, Rule, assess, decide, notices, standing};
use crate::domain::{Micros, NodeUuid};
use crate::error::Result;
use crate::store::{NodeFirmware, Tx};

/// The rules as they are now, with their number.
struct Rules {
    list: Vec<Rule>,
    version: i64,
}

/// A node judged by them.
struct Judged {
    assessed: Vec<Assessed>,
    decision: Decision,
    newest: Option<Attempt>,
}

fn rules_now(tx: &mut Tx<'_>) -> Result<Rules> {
    Ok(Rules { list: tx.firmware_rules()?, version: tx.firmware_version()? })
}

fn judge(tx: &mut Tx<'_>, node: &NodeUuid, rules: &Rules, components: &[Component]) -> Result<Judged> {
    let newest = tx.firmware_attempts(node, 1)?.pop();
    // Without an attempt nothing was tried: one query less for most nodes.
    let tried = if newest.is_some() { tx.firmware_tried(node)? } else { Vec::new() };
    let assessed = assess(&rules.list, components, &tried);
    let decision = decide(&rules.list, &assessed);
    Ok(Judged { assessed, decision, newest })
}

/// Judge a node, store how it stands, and tell what is to be told: all that changes with a Register, a report, or a rule.
fn refresh(
    tx: &mut Tx<'_>,
    node: &NodeUuid,
    rules: &Rules,
    components: Vec<Component>,
    now: Micros,
) -> Result<NodeFirmware> {
    let Judged { assessed, decision, newest } = judge(tx, node, rules, &components)?;
    let told = notices(&rules.list, &assessed, newest.as_ref());
    for notice in &told {
        node_events::raise(tx, node, notice, now)?;
    }
    for subject in tx.open_firmware_subjects(node)? {
        if !told.iter().any(|notice| notice.subject == subject) {
            tx.clear_subject(node, &subject, now)?;
        }
    }
    let standing = standing(&rules.list, &assessed, &decision, newest.as_ref());
    let firmware = NodeFirmware { standing, components, rules: rules.version };
    tx.put_node_firmware(node, &firmware)?;
    Ok(firmware)
}

/// A node was merged with another: its tries and its parts are those of both.
pub(super) fn after_merge(tx: &mut Tx<'_>, node: &NodeUuid, now: Micros) -> Result<()> {
    refresh_stored(tx, node, now).map(|_| ())
}

/// As [`refresh`], with the parts that are stored, and the rules as they are now. `None`: it never told any.
fn refresh_stored(tx: &mut Tx<'_>, node: &NodeUuid, now: Micros) -> Result<Option<NodeFirmware>> {
    let rules = rules_now(tx)?;
    let Some(components) = reassess::stored_components(tx, node)? else { return Ok(None) };
    refresh(tx, node, &rules, components, now).map(Some)
}
