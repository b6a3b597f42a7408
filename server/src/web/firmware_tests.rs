//! The firmware pages with made data, hostile text included.

#![allow(clippy::unwrap_used)]
use super::*;
use higuma_proto::api::{FirmwareProgram, NewFirmwareRule};

pub(super) fn rule(name: &str, wanted: &str) -> FirmwareRule {
    FirmwareRule {
        spec: NewFirmwareRule {
            name: name.into(),
            component: "bios".into(),
            vendor: "Kuma*".into(),
            model: "<b>One</b>".into(),
            wanted: wanted.into(),
            allowed: vec!["2.0.1".into()],
            mode: "update".into(),
            on_failure: "hold".into(),
            update: Some(FirmwareProgram {
                blob: "0".repeat(64),
                exec: "busybox".into(),
                args: vec!["sh".into(), "<i>x</i>".into()],
                deadline_seconds: 600,
            }),
        },
        position: 1,
        changed_us: 1,
    }
}

fn node(state: &str) -> FirmwareNode {
    FirmwareNode {
        uuid: "4c4c4544-0046-3010-8052-b4c04f4a4d32".into(),
        hostname: "hv-12".into(),
        state: state.into(),
        action: "hold".into(),
        reason: "BIOS <script>1</script>, wanted 2".into(),
    }
}

#[test]
fn rules_and_nodes_read_as_tables_and_are_escaped() {
    let page = Page { items: vec![node("held")], next: Some("4c4c".into()) };
    let count = |state| if state == FirmwareState::Held { 3 } else { 0 };
    let wanted = Some(FirmwareState::Held);
    let view = FirmwarePage::new(Shell::bare("Firmware"), wanted, vec![rule("r", "2.0.0")], count, page);
    let body = view.render().unwrap();
    for text in ["2.0.0 or 2.0.1", "update, then hold", "busybox sh", "<b>3</b>", "state=held&#38;cursor=4c4c", "hv-12"]
    {
        assert!(body.contains(text), "{text}: {body}");
    }
    assert!(!body.contains("<script>1") && !body.contains("<b>One") && !body.contains("<i>x"), "{body}");
    assert!(!view.as_live().render().unwrap().contains("<html"));
    let empty = Page { items: vec![], next: None };
    let body = FirmwarePage::new(Shell::bare("Firmware"), None, vec![], |_| 0, empty).render().unwrap();
    assert!(body.contains("higuma firmware rule add"), "{body}");
}

#[test]
fn a_node_s_part_says_what_was_tried() {
    let part = |verdict: &str, version: &str| FirmwareComponent {
        component: "nic".into(),
        subject: "52:54:00:00:00:01".into(),
        vendor: "mlx5_core".into(),
        model: "15b3:1017".into(),
        version: version.into(),
        verdict: verdict.into(),
        rule: Some("r".into()),
        wanted: Some("2".into()),
        mode: Some("update".into()),
        tried: 1,
    };
    let attempt = |outcome: Option<&str>, cleared_us| FirmwareAttempt {
        id: "x".into(),
        boot: "y".into(),
        rule: "r".into(),
        component: "bios".into(),
        subject: String::new(),
        wanted: "2".into(),
        n: 1,
        before: "1".into(),
        after: outcome.map(|_| "1.9".into()),
        started_us: 1,
        reported_us: None,
        exit: String::new(),
        output: String::new(),
        ended_us: outcome.map(|_| 2),
        outcome: outcome.map(Into::into),
        cleared_us,
    };
    let view = |parts, attempts| NodeView::new(NodeFirmware { node: node("failed"), components: parts, attempts });
    assert!(view(vec![], vec![]).is_none());
    let shown = view(vec![part("unknown", ""), part("no-rule", "1")], vec![attempt(Some("changed"), None)]).unwrap();
    assert!(shown.may_retry && shown.trouble);
    assert_eq!((shown.parts[0].version.as_str(), shown.parts[0].word), ("not told", "retry"));
    assert_eq!((shown.parts[1].verdict.as_str(), shown.parts[1].part.as_str()), ("", "nic 52:54:00:00:00:01"));
    let row = &shown.attempts[0];
    assert_eq!(
        (row.what.as_str(), row.outcome.as_str(), row.exit.as_str()),
        ("bios, try 1", "changed, found 1.9", "not reported")
    );
    for (outcome, cleared) in [(None, None), (Some("succeeded"), None), (Some("lost"), Some(3))] {
        assert!(!view(vec![], vec![attempt(outcome, cleared)]).unwrap().may_retry, "{outcome:?}");
    }
}
