//! Tests of which images go.
#![allow(clippy::unwrap_used)]

use super::*;

const NOW: Micros = 1_000;

fn image(reference: &str, created: Micros, blobs: &[&str]) -> Candidate {
    let blobs = blobs.iter().map(|blob| (Sha256::of(blob), 10)).collect();
    Candidate { image: reference.parse().unwrap(), created, blobs, users: Users::default() }
}

fn used(candidate: Candidate, users: Users) -> Candidate {
    Candidate { users, ..candidate }
}

fn gone(decision: &Decision) -> Vec<String> {
    decision.verdicts.iter().filter(|v| v.stays.is_empty()).map(|v| v.image.to_string()).collect()
}

fn why(decision: &Decision, of: &str) -> Vec<String> {
    let verdict = decision.verdicts.iter().find(|v| v.image.to_string() == of).unwrap();
    verdict.stays.iter().map(ToString::to_string).collect()
}

const ALL: Policy = Policy { keep: 0, older_than: 0 };

#[test]
fn what_is_named_stays_whatever_is_asked() {
    let names = |n: &[&str]| -> Vec<Name> { n.iter().map(|n| n.parse().unwrap()).collect() };
    let node: NodeUuid = "4c4c4544-0046-3010-8052-b4c04f4a4d32".parse().unwrap();
    let images = [
        used(image("a:1", 1, &["x"]), Users { profiles: names(&["web", "db"]), ..Users::default() }),
        used(image("a:2", 2, &["y"]), Users { labels: names(&["stable"]), ..Users::default() }),
        used(image("a:3", 3, &["z"]), Users { nodes: 1, node: Some(node.clone()), ..Users::default() }),
        used(image("a:4", 4, &["z"]), Users { nodes: 7, node: Some(node.clone()), ..Users::default() }),
        image("a:5", 5, &["z", "free"]),
        used(image("a:6", 6, &["w"]), Users { ran: 2, ran_on: Some(node.clone()), ..Users::default() }),
        used(image("a:7", 7, &["w"]), Users { ran: 2, labels: names(&["new"]), ..Users::default() }),
    ];
    let decision = decide(&images, ALL, NOW, 100);
    assert_eq!(gone(&decision), ["a:5"]);
    assert_eq!(why(&decision, "a:1"), ["used by profiles: web, db"]);
    assert_eq!(why(&decision, "a:2"), ["has labels: stable"]);
    assert_eq!(why(&decision, "a:3"), [format!("node {node} boots or runs it")]);
    assert_eq!(why(&decision, "a:4"), [format!("7 nodes boot or run it, e.g. {node}")]);
    assert_eq!(why(&decision, "a:6"), [format!("2 nodes ran it last and may fall back to it, e.g. {node}")]);
    assert_eq!(why(&decision, "a:7"), ["has labels: new"], "what is used needs no other reason");
    // z is still named.
    assert_eq!((decision.freed, decision.verdicts[4].size), (10, 20));
}

#[test]
fn the_newest_of_each_name_and_the_young_stay_when_asked() {
    let images =
        [image("a:1", 900, &["1"]), image("a:2", 800, &["2"]), image("a:3", 700, &["3"]), image("b:1", 1, &["4"])];
    let keep = |keep, older_than| decide(&images, Policy { keep, older_than }, NOW, 100);
    assert_eq!(gone(&keep(0, 0)), ["a:1", "a:2", "a:3", "b:1"]);
    assert_eq!(gone(&keep(1, 0)), ["a:2", "a:3"], "newest by time, not by version");
    assert_eq!(gone(&keep(2, 0)), ["a:3"]);
    assert_eq!(gone(&keep(0, 201)), ["a:3", "b:1"]);
    assert_eq!(gone(&keep(0, 200)), ["a:2", "a:3", "b:1"]);
    assert_eq!(gone(&keep(1, 201)), ["a:3"]);
    assert_eq!(why(&keep(2, 201), "a:1"), ["one of the newest 2 of its name", "younger than asked for"]);
    // Made in the future, by a clock that was set back since.
    let future = [image("a:1", NOW + 5, &["1"])];
    assert_eq!(gone(&decide(&future, Policy { keep: 0, older_than: 1 }, NOW, 100)), [] as [&str; 0]);
}

#[test]
fn shared_blobs_are_counted_once_and_the_rest_is_for_the_next_time() {
    let images = [image("a:1", 1, &["s", "1"]), image("a:2", 2, &["s", "2"]), image("a:3", 3, &["s", "3"])];
    let all = decide(&images, ALL, NOW, 100);
    assert_eq!((all.freed, all.more), (40, false));
    let two = decide(&images, ALL, NOW, 2);
    assert_eq!((gone(&two).len(), two.freed, two.more), (2, 20, true));
    assert_eq!(decide(&[], ALL, NOW, 2), Decision::default());
}

#[test]
fn long_lists_of_users_are_cut() {
    let profiles: Vec<Name> = (0..13).map(|n| format!("p{n}").parse().unwrap()).collect();
    let text = Reason::Profiles(profiles).to_string();
    assert!(text.ends_with("p9 and 3 more"), "{text}");
}
