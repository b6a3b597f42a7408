//! How the firmware policy reads in a terminal.

use crate::cli::output;
use higuma_proto::api::{FirmwareAttempt, FirmwareCompliance, FirmwareNode, FirmwareRule, NodeFirmware};
use std::fmt::Write as _;

pub(super) fn counts(all: &FirmwareCompliance) -> String {
    let rows: Vec<[String; 2]> = all.nodes.iter().map(|(state, count)| [state.clone(), count.to_string()]).collect();
    output::table(["STATE", "NODES"], &rows)
}

pub(super) fn nodes(nodes: &[FirmwareNode]) -> String {
    let rows: Vec<[String; 4]> =
        nodes.iter().map(|n| [n.uuid.clone(), n.hostname.clone(), n.state.clone(), n.reason.clone()]).collect();
    output::table(["UUID", "HOST NAME", "STATE", "WHAT"], &rows)
}

pub(super) fn rules(rules: &[FirmwareRule]) -> String {
    let rows: Vec<[String; 9]> = rules
        .iter()
        .map(|rule| {
            let spec = &rule.spec;
            let runs = spec.update.as_ref().map(|update| {
                let blob: String = update.blob.chars().take(12).collect();
                format!("{} {} ({blob}…, {} s)", update.exec, update.args.join(" "), update.deadline_seconds)
            });
            [
                rule.position.to_string(),
                spec.name.clone(),
                spec.component.clone(),
                spec.vendor.clone(),
                spec.model.clone(),
                [std::slice::from_ref(&spec.wanted), &spec.allowed[..]].concat().join(", "),
                spec.mode.clone(),
                spec.on_failure.clone(),
                runs.unwrap_or_default(),
            ]
        })
        .collect();
    output::table(["#", "NAME", "COMPONENT", "VENDOR", "MODEL", "WANTED", "MODE", "ON FAILURE", "RUNS"], &rows)
}

pub(super) fn node(node: &NodeFirmware, with_output: bool, now: i64) -> String {
    let mut text = output::fields(&[
        ("Node", format!("{} ({})", node.node.hostname, node.node.uuid)),
        ("State", node.node.state.clone()),
        ("Next boot", node.node.action.clone()),
        ("What", node.node.reason.clone()),
    ]);
    let parts: Vec<[String; 7]> = node
        .components
        .iter()
        .map(|c| {
            [
                c.component.clone(),
                c.subject.clone(),
                format!("{} {}", c.vendor, c.model).trim().to_owned(),
                c.version.clone(),
                c.verdict.clone(),
                c.wanted.clone().unwrap_or_default(),
                c.rule.clone().unwrap_or_default(),
            ]
        })
        .collect();
    text.push('\n');
    text.push_str(&output::table(["COMPONENT", "WHICH", "MODEL", "VERSION", "VERDICT", "WANTED", "RULE"], &parts));
    if !node.attempts.is_empty() {
        let rows: Vec<[String; 6]> = node.attempts.iter().map(|a| attempt(a, now)).collect();
        text.push('\n');
        text.push_str(&output::table(["UPDATE", "TRY", "STARTED", "FROM -> TO", "PROGRAM", "OUTCOME"], &rows));
    }
    if with_output && let Some(newest) = node.attempts.first() {
        let said = output::clean_lines(&newest.output);
        let _ = write!(text, "\nOutput of the newest update:\n{said}");
        if !said.ends_with('\n') {
            text.push('\n');
        }
    }
    text
}

fn attempt(a: &FirmwareAttempt, now: i64) -> [String; 6] {
    let outcome = a.outcome.clone().unwrap_or_else(|| "not known yet".to_owned());
    let cleared = if a.cleared_us.is_some() { " (cleared)" } else { "" };
    let found = a.after.as_ref().map(|v| format!(", found {v}")).unwrap_or_default();
    [
        format!("{} {}", a.component, a.subject).trim().to_owned(),
        a.n.to_string(),
        output::ago(a.started_us, now),
        format!("{} -> {}", a.before, a.wanted),
        if a.reported_us.is_some() { a.exit.clone() } else { "not reported".to_owned() },
        format!("{outcome}{found}{cleared}"),
    ]
}
