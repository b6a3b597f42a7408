#![allow(clippy::unwrap_used)]
//! The tables of decisions.

use super::*;
use crate::domain::facts::{Hardware, Standing};
use proptest::prelude::*;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn rule(of: &str, when: &str, admission: Option<Admission>, park: Option<ParkAction>) -> Rule {
    Rule { name: name(of), when: when.into(), admission, park, park_after: None, sets: Sets::default() }
}

fn facts(serial: &str) -> Facts {
    Facts { standing: Standing { serial: serial.into(), ..Standing::default() }, hardware: Hardware::default() }
}

#[test]
fn the_first_that_matches_and_says_something_counts() {
    let rules = compile(vec![
        rule("broken", "node.nics[0].name == 'x'", Some(Admission::Rejected), None),
        rule("off", "node.serial == 'A' || node.serial == 'B'", None, Some(ParkAction::Poweroff)),
        rule("in", "node.serial == 'A'", Some(Admission::Admitted), Some(ParkAction::Reboot)),
        rule("out", "true", Some(Admission::Rejected), None),
    ])
    .unwrap();
    let of = |serial: &str| decide(&rules, &facts(serial));
    let a = of("A");
    assert_eq!(a.admission, Some((name("in"), Admission::Admitted)));
    assert_eq!(a.park, Some((name("off"), ParkAction::Poweroff, None)));
    assert_eq!(a.failed[0].0, name("broken"));
    assert!(a.failed[0].1.contains("out of range"));
    assert_eq!(of("B").admission, Some((name("out"), Admission::Rejected)));
    assert_eq!((of("C").park, of("C").admission), (None, Some((name("out"), Admission::Rejected))));
    assert_eq!(decide([], &facts("A")), Decision::default());
}

fn any_rules() -> impl Strategy<Value = Vec<Rule>> {
    let when = prop_oneof![
        Just("true"),
        Just("false"),
        Just("node.serial == 'A'"),
        Just("node.serial != 'A'"),
        Just("node.nics[0].name == 'x'"),
    ];
    let says = (
        prop::option::of(prop_oneof![Just(Admission::Admitted), Just(Admission::Rejected)]),
        prop::option::of(prop_oneof![Just(ParkAction::Wait), Just(ParkAction::Reboot)]),
        prop::option::of("[p-r]"),
        prop::option::of("[c-e]"),
        prop::collection::btree_set("[t-w]", 1..3),
    );
    prop::collection::vec((when, says), 0..8).prop_map(|rules| {
        let one = |(n, (when, (admission, park, profile, cluster, tags))): (usize, _)| {
            let (profile, cluster): (Option<String>, Option<String>) = (profile, cluster);
            let tags: BTreeSet<String> = tags;
            let sets = Sets {
                profile: profile.map(|text| name(&text)),
                cluster: cluster.map(|text| name(&text)),
                tags: tags.iter().map(|text| name(text)).collect(),
                ..Sets::default()
            };
            Rule { sets, ..rule(&format!("r{n}"), when, admission, park) }
        };
        rules.into_iter().enumerate().map(one).collect()
    })
}

proptest! {
    /// The order is all that counts: each thing is said by the first rule that matches and says it, whatever comes after.
    #[test]
    fn the_first_says_it_and_later_ones_change_nothing(rules in any_rules(), serial in "[AB]", cut in 0usize..8) {
        let facts = facts(&serial);
        let compiled = compile(rules).unwrap();
        let all = decide(&compiled, &facts);
        let matching: Vec<&Rule> =
            compiled.iter().filter(|c| c.selector.matches(&facts) == Ok(true)).map(|c| &c.rule).collect();
        let first = |says: fn(&Rule) -> bool| matching.iter().find(|rule| says(rule)).map(|rule| rule.name.clone());
        prop_assert_eq!(all.admission.as_ref().map(|(by, _)| by.clone()), first(|r| r.admission.is_some()));
        prop_assert_eq!(all.park.as_ref().map(|(by, _, _)| by.clone()), first(|r| r.park.is_some()));
        prop_assert_eq!(all.profile.as_ref().map(|(by, _)| by.clone()), first(|r| r.sets.profile.is_some()));
        prop_assert_eq!(all.cluster.as_ref().map(|(by, _)| by.clone()), first(|r| r.sets.cluster.is_some()));
        let tags: BTreeSet<Name> = matching.iter().flat_map(|rule| rule.sets.tags.iter().cloned()).collect();
        prop_assert_eq!(&all.tags, &tags);
        // What the first rules decide stays decided, whatever is put behind them.
        let some = decide(compiled.iter().take(cut), &facts);
        prop_assert!(some.admission.is_none() || some.admission == all.admission);
        prop_assert!(some.park.is_none() || some.park == all.park);
        prop_assert!(some.profile.is_none() || some.profile == all.profile);
        prop_assert!(some.cluster.is_none() || some.cluster == all.cluster);
        prop_assert!(some.tags.is_subset(&all.tags));
    }
}

#[test]
fn a_list_is_refused_with_the_name_of_the_rule() {
    let twice = vec![rule("a", "true", None, Some(ParkAction::Wait)), rule("a", "true", None, Some(ParkAction::Wait))];
    assert_eq!(compile(twice).unwrap_err().to_string(), "rule a: there is another of this name");
    let bad = compile(vec![rule("b", "node.serail == 'x'", Some(Admission::Admitted), None)]).unwrap_err().to_string();
    assert!(bad.starts_with("rule b: character 6:") && bad.contains("did you mean serial?"), "{bad}");
    assert!(compile(vec![rule("c", "true", None, None)]).unwrap_err().problem.contains("says nothing"));
    for (park, after, says) in [
        (ParkAction::Wait, 1, "needs park"),
        (ParkAction::Reboot, -1, "at most 30 days"),
        (ParkAction::Reboot, AFTER_MAX + 1, "at most 30 days"),
    ] {
        let rule = Rule { park_after: Some(after), ..rule("d", "true", None, Some(park)) };
        assert!(compile(vec![rule]).unwrap_err().problem.contains(says));
    }
    let many = (0..=RULES_MAX).map(|n| rule(&format!("r{n}"), "true", None, Some(ParkAction::Wait))).collect();
    assert!(compile(many).unwrap_err().problem.contains("at most 200"));
}

#[test]
fn how_a_machine_is_received() {
    use Admission::{Admitted, Pending, Rejected};
    use AdmissionPolicy::{Approve, Auto, KnownOnly};
    let rule = |admission| Some((name("r"), admission));
    let person = By::Person("ana".into());
    let by_rule = |admission| Receive::Set(admission, By::Rule(name("r")));
    let by_policy = |admission| Receive::Set(admission, By::Policy);
    for (known, policy, says, conflict, expected) in [
        // Never seen, no rule: the policy.
        (None, Auto, None, false, by_policy(Admitted)),
        (None, Approve, None, false, by_policy(Pending)),
        (None, KnownOnly, None, false, Receive::Refuse),
        // Never seen, a rule.
        (None, Approve, rule(Admitted), false, by_rule(Admitted)),
        (None, Auto, rule(Rejected), false, by_rule(Rejected)),
        (None, KnownOnly, rule(Admitted), false, by_rule(Admitted)),
        (None, KnownOnly, rule(Pending), false, by_rule(Pending)),
        // In conflict nothing admits.
        (None, Auto, rule(Admitted), true, by_policy(Pending)),
        (None, KnownOnly, rule(Admitted), true, by_policy(Pending)),
        (Some((Pending, None)), Approve, rule(Admitted), true, Receive::Keep),
        // Known and not decided by a person.
        (Some((Pending, None)), Approve, rule(Admitted), false, by_rule(Admitted)),
        (Some((Pending, Some(&By::Policy))), Approve, rule(Rejected), false, by_rule(Rejected)),
        (Some((Pending, Some(&By::Policy))), Approve, rule(Pending), false, Receive::Keep),
        (Some((Pending, None)), Auto, None, false, Receive::Keep),
        // Decided.
        (Some((Pending, Some(&person))), Approve, rule(Admitted), false, Receive::Keep),
        (Some((Admitted, Some(&person))), Approve, rule(Rejected), false, Receive::Keep),
        (Some((Admitted, Some(&By::Policy))), Approve, rule(Rejected), false, Receive::Keep),
        (Some((Rejected, None)), Auto, rule(Admitted), false, Receive::Keep),
    ] {
        assert_eq!(receive(known, policy, says.as_ref(), conflict), expected, "{known:?} {policy} {says:?} {conflict}");
    }
}

#[test]
fn of_each_thing_the_first_that_speaks_of_it_and_tags_add_up() {
    let sets = |profile: Option<&str>, cluster: Option<&str>, tags: &[&str]| Sets {
        profile: profile.map(name),
        cluster: cluster.map(name),
        tags: tags.iter().map(|tag| name(tag)).collect(),
        hostname: None,
    };
    let says = |of: &str, when: &str, sets: Sets| Rule { sets, ..rule(of, when, None, None) };
    let rules = compile(vec![
        says("a", "node.serial == 'A'", sets(Some("web"), None, &["x"])),
        says("b", "true", sets(Some("db"), Some("east"), &["y"])),
        says("c", "node.serial == 'A'", sets(None, Some("west"), &["x", "z"])),
        says("d", "node.serial == 'other'", sets(None, None, &["never"])),
    ])
    .unwrap();
    let a = decide(&rules, &facts("A"));
    assert_eq!(a.profile, Some((name("a"), name("web"))));
    assert_eq!(a.cluster, Some((name("b"), name("east"))));
    assert_eq!(a.tags.iter().map(Name::as_str).collect::<Vec<_>>(), ["x", "y", "z"]);
    let b = decide(&rules, &facts("B"));
    assert_eq!((b.profile, b.tags.len()), (Some((name("b"), name("db"))), 1));
    let many = (0..=TAGS_MAX).map(|n| name(&format!("t{n}"))).collect();
    let many = says("m", "true", Sets { tags: many, ..Sets::default() });
    assert!(compile(vec![many]).unwrap_err().problem.contains("at most 64 tags"));
}

#[test]
fn a_rule_that_takes_all_is_known() {
    for (when, all) in [("true", true), ("1 < 2", true), ("false", false), ("node.serial == ''", false)] {
        assert_eq!(rule("r", when, Some(Admission::Admitted), None).takes_all(), all, "{when}");
    }
}
