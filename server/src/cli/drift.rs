//! `higuma node drift`: would a reboot change this node, and what?

use super::client::{Client, encode};
use super::error::Result;
use super::node::resolve;
use super::output::{self, answer};
use super::{Global, difference};
use higuma_proto::api::{NodeDrift, PlanName};
use std::fmt::Write as _;

pub(super) fn show(global: &Global, client: &Client, node: &str) -> Result<()> {
    let value = client.get(&format!("/api/v1/nodes/{}/drift", encode(&resolve(client, node)?)))?;
    answer(global.format, value, |drift: NodeDrift| text(&drift))
}

fn text(drift: &NodeDrift) -> String {
    let name = |plan: &Option<PlanName>| match plan {
        Some(plan) => format!("{} revision {}, image {}", plan.profile, plan.revision, plan.image),
        None => String::new(),
    };
    let meaning = match drift.drift.as_str() {
        "none" => "it runs nothing",
        "same" => "a reboot changes nothing",
        "changed" => "a reboot changes it",
        "unplanned" => "a reboot leaves it without a system",
        _ => "it booted with a release that did not keep what it got: its next boot tells",
    };
    let mut fields = vec![("Drift", format!("{} ({meaning})", drift.drift)), ("Runs", name(&drift.runs))];
    fields.push(("Would boot", drift.reason.clone().unwrap_or_else(|| name(&drift.would))));
    if let Some(fallback) = &drift.fallback {
        fields.push(("Fallback", format!("{fallback}, until `higuma node retry`")));
    }
    let mut text = output::fields(&fields);
    for one in &drift.differences {
        let _ = write!(text, "\n{}\n", output::clean(&one.what));
        text += &difference::lines(one, "  ");
    }
    if drift.more {
        text += "\nThere are more differences than are told.\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use higuma_proto::api::PlanDifference;

    #[test]
    fn what_a_reboot_changes() {
        let plan = |revision| Some(PlanName { profile: "web".into(), revision, image: "debian:12".into() });
        let drift = NodeDrift {
            node: "n".into(),
            drift: "changed".into(),
            runs: plan(1),
            would: plan(2),
            reason: None,
            fallback: None,
            differences: vec![PlanDifference {
                what: "cmdline".into(),
                old: Some("quiet".into()),
                new: Some("debug".into()),
                lines: None,
            }],
            more: false,
        };
        assert_eq!(
            text(&drift),
            "Drift:       changed (a reboot changes it)\nRuns:        web revision 1, image debian:12\n\
             Would boot:  web revision 2, image debian:12\n\ncmdline\n  - quiet\n  + debug\n"
        );
    }
}
