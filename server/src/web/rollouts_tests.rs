//! The pages of rollouts: what they show, where they lead, and what they never let through.
#![allow(clippy::unwrap_used)]

use super::*;
use higuma_proto::api::{RolloutOptions, RolloutWave};

const NOW: Micros = 1_790_000_000_000_000;
const ID: &str = "0198c2ab-5f0e-7cc2-8a30-1be0ffd4c1a3";

fn counts(words: &[(&str, u64)]) -> BTreeMap<String, u64> {
    words.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect()
}

fn rollout() -> Rollout {
    Rollout {
        id: ID.into(),
        profile: "web".into(),
        revision: 7,
        state: "running".into(),
        selector: "where node.serial == '<b>'".into(),
        who: "ana".into(),
        made_us: NOW - 60_000_000,
        total: 50,
        down: 2,
        counts: counts(&[("failed", 1), ("up", 4), ("booting", 2), ("waiting", 43)]),
        wave: 2,
        waves: vec![
            RolloutWave { nodes: 1, counts: counts(&[("up", 1)]) },
            RolloutWave { nodes: 49, counts: counts(&[("up", 3), ("failed", 1), ("booting", 2)]) },
        ],
        options: RolloutOptions {
            max_down: Some(2),
            check: Some("http://{address}/".into()),
            ..RolloutOptions::default()
        },
        ..Rollout::default()
    }
}

fn member(phase: &str, hostname: &str) -> RolloutMember {
    RolloutMember {
        n: 7,
        node: "4c4c4544-0046-3010-8052-b4c04f4a4d32".into(),
        hostname: hostname.into(),
        before: "web@6".into(),
        phase: phase.into(),
        wave: Some(2),
        since_us: NOW,
        begun_us: Some(NOW),
        up_us: None,
        message: "<script>".into(),
        failure: None,
    }
}

#[test]
fn the_list_has_progress_and_pages() {
    let query = RolloutsPageQuery { state: "running".into(), cursor: "x".into(), ..RolloutsPageQuery::default() };
    let page = Page { items: vec![rollout()], next: Some("c".into()) };
    let body = RolloutsPage::new(Shell::bare("Rollouts"), &query, page, NOW).render().unwrap();
    assert!(body.contains("<progress value=\"5\" max=\"50\"") && body.contains("1 failed, 2 booting, 4 up"), "{body}");
    assert!(body.contains("&#60;b&#62;") && !body.contains("'<b>'"), "{body}");
    assert!(body.contains("href=\"/rollouts?state=running&#38;cursor=c\""), "{body}");
    let none = RolloutsPage::new(Shell::bare("Rollouts"), &query, Page { items: vec![], next: None }, NOW);
    assert!(none.render().unwrap().contains("id=\"no-rollouts\""));
}

#[test]
fn one_rollout_has_its_waves_as_bars_and_its_buttons() {
    let query = RolloutsPageQuery { phase: "failed".into(), ..RolloutsPageQuery::default() };
    let page = |rollout: &Rollout| {
        let items =
            Page { items: vec![member("failed", "hv-12"), member("skipped", "")], next: Some("failed:9".into()) };
        RolloutPage::new(Shell::bare("Rollout"), &query, rollout, items, NOW).render().unwrap()
    };
    let body = page(&rollout());
    assert!(body.contains("Wave 1 <progress class=\"wide\" value=\"1\" max=\"1\"></progress>"), "{body}");
    assert!(
        body.contains("Wave 2 (now) <progress class=\"wide troubled\" value=\"4\" max=\"49\"></progress>"),
        "{body}"
    );
    assert!(body.contains("&#60;script&#62;") && !body.contains("<script>"), "{body}");
    assert_eq!(body.matches("href=\"/nodes/").count(), 1, "a node that is gone has no page: {body}");
    assert!(body.contains("phase=failed&#38;cursor=failed%3A9"), "{body}");
    let buttons = |body: &str| {
        let all = ["pause", "resume", "abort", "rollback"];
        all.into_iter().filter(|word| body.contains(&format!("/rollouts/{ID}/{word}\""))).collect::<Vec<_>>()
    };
    assert_eq!(buttons(&body), ["pause", "abort", "rollback"]);
    assert_eq!(
        buttons(&page(&Rollout { paused_by: Some("bob".into()), ..rollout() })),
        ["resume", "abort", "rollback"]
    );
    let back = Rollout { state: "rolling-back".into(), why: "wave 2: <i>".into(), ..rollout() };
    assert_eq!(buttons(&page(&back)), ["pause"]);
    assert!(page(&back).contains("<strong>wave 2: &#60;i&#62;</strong>"));
    assert!(buttons(&page(&Rollout { state: "done".into(), ended_us: Some(NOW), ..rollout() })).is_empty());
}
