//! What an expression or a list of rules would do to the fleet as it is, changing nothing.

use super::{Ready, from_wire, policy, ready};
use crate::domain::NodeUuid;
use crate::domain::facts::Facts;
use crate::domain::node::Node;
use crate::domain::rules::{self, Decision, Receive};
use crate::domain::select::Selector;
use crate::error::{Error, Result};
use crate::service::search::{Step, holds, walk};
use crate::service::{App, facts, wire};
use crate::store::NodeFilter;
use higuma_proto::api;

/// Nodes and changes shown; the rest is counted.
const SHOWN: usize = 100;
/// Failures of rules shown.
const FAILURES: usize = 10;

/// Try an expression, or a whole list. One piece of the fleet a call: `next` says where to go on. Errors: what does not
/// fit; neither or both were given.
pub async fn test(app: &App, test: api::RuleTest) -> Result<api::RuleTestAnswer> {
    let cursor = test.cursor.filter(|c| !c.is_empty()).map(|c| c.parse::<NodeUuid>()).transpose()?;
    match (test.when, test.rules) {
        (Some(when), None) => expression(app, &when, cursor).await,
        (None, Some(list)) => whole_list(app, list, cursor).await,
        _ => Err(Error::BadRequest("expected either `when` (an expression) or `rules` (a list) to test".to_owned())),
    }
}

async fn expression(app: &App, when: &str, cursor: Option<NodeUuid>) -> Result<api::RuleTestAnswer> {
    let selector = Selector::compile(when)?;
    let (now, timeout) = (app.now(), app.settings.heartbeat_timeout);
    app.store
        .read(move |tx| {
            let filter = NodeFilter { equals: selector.equals().to_vec(), ..NodeFilter::default() };
            let mut answer = api::RuleTestAnswer::default();
            let next = walk(tx, &filter, cursor, selector.needs_hardware(), |row, hardware| {
                // As a rule would see it.
                let facts = facts::of_node(&rules::unruled(&row.node), row.boot.as_ref(), hardware, now, timeout);
                answer.scanned += 1;
                if holds(&selector, &facts)? {
                    answer.matching += 1;
                    if answer.nodes.len() < SHOWN {
                        answer.nodes.push(wire::node_summary(&row.node, row.boot.as_ref(), now, timeout));
                    }
                }
                Ok(Step::On)
            })?;
            answer.next = next.map(|uuid| uuid.to_string());
            Ok(answer)
        })
        .await
}

async fn whole_list(app: &App, list: Vec<api::Rule>, cursor: Option<NodeUuid>) -> Result<api::RuleTestAnswer> {
    let list: Vec<_> = list.into_iter().map(from_wire).collect::<Result<_>>()?;
    rules::compile(list.clone()).map_err(|e| Error::BadRequest(e.to_string()))?;
    let proposed = Ready::new(list);
    let (now, settings) = (app.now(), app.settings.clone());
    app.store
        .read(move |tx| {
            let present = ready(tx)?;
            let mut answer = api::RuleTestAnswer::default();
            let next = walk(tx, &NodeFilter::default(), cursor, true, |row, hardware| {
                let facts = facts::of_node(&row.node, row.boot.as_ref(), hardware, now, settings.heartbeat_timeout);
                answer.scanned += 1;
                let unruled = rules::unruled(&row.node);
                let seen = Facts {
                    hardware: facts.hardware.clone(),
                    ..facts::of_node(&unruled, None, Default::default(), now, 0)
                };
                // As a machine is received; only parking is of the node as it stands.
                let mut new = proposed.decide(&seen);
                new.park = proposed.decide(&facts).park;
                for (rule, why) in new.failed.iter().take(FAILURES.saturating_sub(answer.failures.len())) {
                    answer.failures.push(format!("rule {rule}, node {}: {why}", row.node.uuid));
                }
                let changes =
                    changes(&row.node, &present.decide(&facts), &new, policy(&settings), &proposed, (&facts, &seen));
                answer.matching += u64::from(!changes.is_empty());
                let room = SHOWN.saturating_sub(answer.changes.len());
                answer.changes.extend(changes.into_iter().take(room));
                Ok(Step::On)
            })?;
            answer.next = next.map(|uuid| uuid.to_string());
            Ok(answer)
        })
        .await
}

/// The first rule that matches and says this tag.
fn says<'r>(proposed: &'r Ready, facts: &Facts, tag: &crate::domain::Name) -> Option<&'r crate::domain::Name> {
    let of = |compiled: &&'r rules::Compiled| rules::decide([*compiled], facts).tags.contains(tag);
    proposed.compiled.iter().map(|(compiled, _)| compiled).find(of).map(|compiled| &compiled.rule.name)
}

/// What would be different for one node when it registers next.
fn changes(
    node: &Node,
    old: &Decision,
    new: &Decision,
    policy: crate::domain::node::AdmissionPolicy,
    proposed: &Ready,
    (facts, seen): (&Facts, &Facts),
) -> Vec<api::RuleChange> {
    let change = |what: String, rule: Option<&crate::domain::Name>| api::RuleChange {
        node: node.uuid.to_string(),
        hostname: node.hostname.to_string(),
        change: what,
        because: match rule.and_then(|name| proposed.list.iter().find(|rule| rule.name == *name)) {
            Some(rule) => format!("rule {}: {}", rule.name, rule.when),
            None => "no rule matches any more".to_owned(),
        },
    };
    let mut changes = Vec::new();
    let known = Some((node.admission, node.admitted.as_ref().map(|(by, _)| by)));
    if let Receive::Set(admission, _) = rules::receive(known, policy, new.admission.as_ref(), false) {
        let rule = new.admission.as_ref().map(|(name, _)| name);
        changes.push(change(format!("{} -> {admission}", node.admission), rule));
    }
    let parking = |decision: &Decision| decision.park.as_ref().map(|(_, action, after)| (*action, *after));
    if facts.standing.profile.is_empty() && !node.retired && parking(old) != parking(new) {
        let word = |decision: &Decision| match &decision.park {
            Some((_, action, Some(after))) => format!("{action} after {} s", after / 1_000_000),
            Some((_, action, None)) => action.to_string(),
            None => "as the settings say".to_owned(),
        };
        let rule = new.park.as_ref().map(|(name, _, _)| name);
        changes.push(change(format!("parks: {} -> {}", word(old), word(new)), rule));
    }
    let mut after = node.clone();
    let pattern = rules::apply(&mut after, new);
    // Of one that never registered nothing is known: rules are asked when it does.
    if node.retired || node.boot.is_none() {
        return changes;
    }
    let word = |name: &Option<crate::domain::Name>| name.as_ref().map_or("none".to_owned(), ToString::to_string);
    if after.profile != node.profile {
        let rule = new.profile.as_ref().map(|(name, _)| name);
        changes.push(change(format!("profile: {} -> {}", word(&node.profile), word(&after.profile)), rule));
    }
    if after.cluster != node.cluster {
        let rule = new.cluster.as_ref().map(|(name, _)| name);
        changes.push(change(format!("cluster: {} -> {}", word(&node.cluster), word(&after.cluster)), rule));
    }
    let cluster = after.cluster.as_ref().map_or("", crate::domain::Name::as_str);
    if let Some((rule, pattern)) = pattern
        && !pattern.key(&node.serial, cluster).is_some_and(|key| key.made(&node.hostname))
    {
        changes.push(change(format!("host name: {} -> {pattern}", node.hostname), Some(&rule)));
    }
    let list = |tags: &std::collections::BTreeSet<crate::domain::Name>| {
        if tags.is_empty() {
            "none".to_owned()
        } else {
            tags.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        }
    };
    if after.rule_tags != node.rule_tags {
        // The first rule that says one of those that are new; where some only go, no rule says them any more.
        let new = after.rule_tags.difference(&node.rule_tags);
        let rule = new.into_iter().next().and_then(|tag| says(proposed, seen, tag));
        changes.push(change(format!("tags: {} -> {}", list(&node.rule_tags), list(&after.rule_tags)), rule));
    }
    changes
}
