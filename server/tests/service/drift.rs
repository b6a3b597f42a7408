//! Would a reboot change this node? From the first boot over a change of its profile to the next boot.

use crate::common::{Lab, lab, power_on};
use higuma::domain::drift::Drift;
use higuma::domain::{NodeUuid, Sha256};
use higuma::service::drift::Worked;
use higuma::service::nodes::NodeQuery;
use higuma::service::plan::{self, PlanAnswer};
use higuma::service::{drift, nodes, profiles, up};
use higuma_proto::api::{NewProfile, NodeDrift, NodePatch};
use serde_json::json;

const NODE: &str = "4c4c4544-0046-3010-8052-b4c04f4a4d32";

fn uuid() -> NodeUuid {
    NODE.parse().unwrap()
}

async fn run(lab: &Lab) {
    let boot = power_on(&lab.app, &uuid()).await;
    let patch = NodePatch { profile: Some("p".into()), ..NodePatch::default() };
    nodes::patch(&lab.app, uuid(), patch).await.unwrap();
    let answer = plan::boot_plan(&lab.app, &boot, Sha256::of(boot.id.to_string())).await.unwrap();
    assert!(matches!(answer, PlanAnswer::Plan(_)), "{answer:?}");
    let boot = lab.app.store.read(move |tx| tx.boot(boot.id)).await.unwrap().unwrap();
    up::report_up(&lab.app, &boot, up::Up::default()).await.unwrap();
}

async fn settled(lab: &Lab) {
    while drift::work_once(&lab.app).await.unwrap() == Worked::On {}
}

/// As the node's page and as the list say.
async fn told(lab: &Lab) -> (NodeDrift, String) {
    let item = nodes::list(&lab.app, NodeQuery::default()).await.unwrap().items.remove(0);
    (drift::show(&lab.app, uuid()).await.unwrap(), item.drift.unwrap())
}

#[tokio::test]
async fn a_change_is_drift_until_the_next_boot() {
    let lab = lab(|_| ()).await;
    run(&lab).await;
    assert_eq!(told(&lab).await.1, "unknown", "nobody worked it out yet");
    settled(&lab).await;
    let (shown, listed) = told(&lab).await;
    assert_eq!((shown.drift.as_str(), listed.as_str()), ("same", "same"));
    assert_eq!((shown.runs.clone(), shown.differences.len()), (shown.would, 0));

    let change = json!({"name": "p", "image": "i:1", "cmdline": "debug", "files": [
        {"path": "/etc/motd", "mode": 420, "content": "hello"}]});
    profiles::update(&lab.app, "p".parse().unwrap(), serde_json::from_value(change).unwrap()).await.unwrap();
    settled(&lab).await;
    let (shown, listed) = told(&lab).await;
    assert_eq!((shown.drift.as_str(), listed.as_str()), ("changed", "changed"));
    assert_eq!((shown.runs.unwrap().revision, shown.would.unwrap().revision), (1, 2));
    let what: Vec<&str> = shown.differences.iter().map(|d| d.what.as_str()).collect();
    assert_eq!(what, ["cmdline", "files /etc/motd content", "files /etc/motd mode"]);
    assert_eq!(shown.differences[1].new.as_deref(), Some("hello"));
    assert_eq!(drift::counts(&lab.app).await.unwrap()["changed"], 1);
    for (word, found) in [(Drift::Changed, 1), (Drift::Same, 0)] {
        let query = NodeQuery { drift: Some(word), ..NodeQuery::default() };
        assert_eq!(nodes::list(&lab.app, query).await.unwrap().items.len(), found, "{word}");
    }

    run(&lab).await;
    settled(&lab).await;
    assert_eq!(told(&lab).await.1, "same");
    let patch = NodePatch { profile: Some(String::new()), ..NodePatch::default() };
    nodes::patch(&lab.app, uuid(), patch).await.unwrap();
    settled(&lab).await;
    let (shown, listed) = told(&lab).await;
    assert_eq!((shown.drift.as_str(), listed.as_str()), ("unplanned", "unplanned"));
    assert_eq!(shown.reason.as_deref(), Some("the node has no profile"));
    let patch = NodePatch { hostname: Some("other".into()), profile: Some("p".into()), ..NodePatch::default() };
    nodes::patch(&lab.app, uuid(), patch).await.unwrap();
    settled(&lab).await;
    assert_eq!(told(&lab).await.0.differences[0].what, "hostname");
    drift::forget(&lab.app).await.unwrap();
    assert_eq!(told(&lab).await.0.differences.len(), 1, "what runs is not forgotten");
}

#[tokio::test]
async fn parameters_and_lines_that_differ_are_told() {
    let lab = lab(|_| ()).await;
    let text: String = (0..3_000).map(|n| format!("line {n}\n")).collect();
    let new = |ntp: &str, last: &str| {
        let words = json!({"image": "i:1", "cmdline": "ntp={{ params.ntp }}", "params": {"ntp": ntp, "same": "x"},
            "files": {"/etc/long": {"content": format!("{text}{last}\n")}}});
        NewProfile { name: "p".into(), words: words.as_object().cloned(), ..NewProfile::default() }
    };
    profiles::update(&lab.app, "p".parse().unwrap(), new("a", "old")).await.unwrap();
    run(&lab).await;
    profiles::update(&lab.app, "p".parse().unwrap(), new("b", "new")).await.unwrap();
    settled(&lab).await;
    let found = told(&lab).await.0.differences;
    let what: Vec<&str> = found.iter().map(|d| d.what.as_str()).collect();
    assert_eq!(what, ["cmdline", "files /etc/long content", "params ntp"]);
    let lines = "@@ -2999,3 +2999,3 @@\n line 2998\n line 2999\n-old\n+new\n";
    assert_eq!(found[1].lines.as_deref(), Some(lines), "far down, and not cut off");
    assert_eq!((found[2].old.as_deref(), found[2].new.as_deref()), (Some("a"), Some("b")));

    // It booted with a release that kept no parameters: nothing is said of them.
    let boot = nodes::show(&lab.app, uuid()).await.unwrap().boot.unwrap();
    let hash: Sha256 = boot.summary.plan_hash.unwrap().parse().unwrap();
    let forget = lab.app.store.write(move |tx| {
        let mut content = tx.plan_content(&hash)?.unwrap();
        content.as_object_mut().unwrap().remove("params");
        tx.put_plan_content(&hash, &content.to_string(), 0)
    });
    forget.await.unwrap();
    assert_eq!(told(&lab).await.0.differences.len(), 2);
}
