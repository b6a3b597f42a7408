//! The policy as tables, and the promise that holds whatever happens: never more than three tries.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::domain::ids::{Name, NodeUuid, Sha256};
use crate::domain::node_event::Severity;
use higuma_proto::agent::{Bios, Disk, Inventory, IpmiInterface, Nic, PciDevice, System};
use proptest::prelude::*;
use std::collections::BTreeMap;
use uuid::Uuid;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn rule(text: &str, component: Kind, mode: Mode) -> Rule {
    let target = Target {
        blob: Sha256::of("archive"),
        exec: "busybox".into(),
        args: vec!["sh".into(), "update.sh".into()],
        deadline_seconds: 60,
    };
    Rule {
        name: name(text),
        component,
        vendor: "*".parse().unwrap(),
        model: "*".parse().unwrap(),
        wanted: "2.0.0".into(),
        allowed: vec!["2.0.1".into()],
        mode,
        on_failure: OnFailure::Hold,
        update: (mode == Mode::Update).then_some(target),
        changed: 0,
    }
}

fn part(kind: Kind, subject: &str, version: &str) -> Component {
    Component { kind, subject: subject.into(), vendor: "Kuma".into(), model: "One".into(), version: version.into() }
}

fn tried(rule: &str, component: &str, times: usize) -> Vec<Tried> {
    vec![Tried { rule: name(rule), component: component.into(), wanted: "2.0.0".into() }; times]
}

fn attempt(rule: &Rule, boot: u128, before: &str, n: u32) -> Attempt {
    Attempt {
        id: Uuid::nil(),
        node: "4c4c4544-0046-3010-8052-b4c04f4a4d32".parse::<NodeUuid>().unwrap(),
        boot: Uuid::from_u128(boot),
        rule: rule.name.clone(),
        kind: Kind::Bios,
        subject: String::new(),
        wanted: rule.wanted.clone(),
        n,
        before: before.to_owned(),
        program: rule.update.clone().unwrap(),
        started: 0,
        deadline: 1,
        report: None,
        ended: None,
        after: None,
        cleared: None,
    }
}

#[test]
fn patterns_match_whole_texts_without_case() {
    for (pattern, text, fits) in [
        ("*", "", true),
        ("*", "anything", true),
        ("PowerEdge R6?0", "poweredge r650", true),
        ("PowerEdge R6?0", "PowerEdge R650xs", false),
        ("PowerEdge R6?0*", "PowerEdge R650xs", true),
        ("*r650*", "Dell PowerEdge R650 ", true),
        ("a*b*c", "aXbYbc", true),
        ("a*b*c", "aXbYb", false),
        ("?", "", false),
        ("???", "äöü", true),
        ("15B3:10*", "15b3:1017", true),
        ("a.c", "abc", false),
    ] {
        assert_eq!(pattern.parse::<Glob>().unwrap().matches(text), fits, "{pattern} on {text}");
    }
    for bad in ["", "  ", "a\nb", &"x".repeat(201)] {
        assert!(bad.parse::<Glob>().is_err(), "{bad:?}");
    }
    let slow: Glob = format!("{}b", "*a".repeat(90)).parse().unwrap();
    assert!(!slow.matches(&"a".repeat(300)), "in time proportional to both lengths");
}

#[test]
fn parts_come_from_the_inventory() {
    let nic = |mac: &str, pci: &str| Nic {
        mac: mac.into(),
        driver: "mlx5_core".into(),
        pci: pci.into(),
        firmware: "22.39.1002 ".into(),
        ..Nic::default()
    };
    let disk = |transport: &str, serial: &str| Disk {
        name: "nvme0n1".into(),
        transport: transport.into(),
        serial: serial.into(),
        model: "MZQL2".into(),
        firmware: "GDC5".into(),
        ..Disk::default()
    };
    let inventory = Inventory {
        system: Some(System { product: "Higuma One".into(), ..System::default() }),
        bios: Some(Bios { vendor: "Kuma".into(), version: "1.2.3".into(), ..Bios::default() }),
        ipmi: Some(IpmiInterface { firmware: "2.51".into(), ..IpmiInterface::default() }),
        nics: vec![nic("52:54:00:00:00:01", "0000:3b:00.0"), nic("", ""), nic("52:54:00:00:00:01", "")],
        disks: vec![disk("nvme", "S1"), disk("sata", "")],
        pci_devices: vec![PciDevice {
            address: "0000:3b:00.0".into(),
            vendor_id: "15b3".into(),
            device_id: "1017".into(),
            ..PciDevice::default()
        }],
        ..Inventory::default()
    };
    let shown: Vec<String> =
        components(&inventory).iter().map(|c| format!("{}|{}|{}|{}", c.key(), c.vendor, c.model, c.version)).collect();
    assert_eq!(
        shown,
        [
            "bios|Kuma|Higuma One|1.2.3",
            "bmc||Higuma One|2.51",
            "nic:52:54:00:00:00:01|mlx5_core|15b3:1017|22.39.1002",
            "nvme:S1||MZQL2|GDC5",
            "disk:nvme0n1||MZQL2|GDC5"
        ]
    );
    assert!(components(&Inventory::default()).is_empty());
    // Announced by SMBIOS, but it did not tell its version: nothing that a rule can judge.
    assert!(components(&Inventory { ipmi: Some(IpmiInterface::default()), ..Inventory::default() }).is_empty());
    let many = Inventory { disks: (0..9_999).map(|n| disk("sata", &n.to_string())).collect(), ..Inventory::default() };
    assert_eq!(components(&many).len(), COMPONENTS_MAX);
}

#[test]
fn rules_that_cannot_be_carried_out_are_refused_with_the_reason() {
    let good = rule("r", Kind::Bios, Mode::Update);
    check(&good).unwrap();
    let refused = |change: fn(&mut Rule), word: &str| {
        let mut bad = good.clone();
        change(&mut bad);
        let error = check(&bad).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    };
    refused(|r| r.update = None, "an archive");
    refused(|r| r.mode = Mode::Report, "mode update only");
    refused(|r| r.wanted = String::new(), "firmware version");
    refused(|r| r.wanted = "2.0 ".into(), "without spaces around");
    refused(|r| r.allowed = vec!["x".into(); 51], "at most 50");
    refused(|r| (r.component, r.vendor) = (Kind::Disk, "Samsung*".parse().unwrap()), "match that");
    for exec in ["", "/bin/sh", "../x", "a//b", "a/./b", "a/..", "a\nb"] {
        let mut bad = good.clone();
        bad.update.as_mut().unwrap().exec = exec.into();
        assert!(check(&bad).is_err(), "{exec:?}");
    }
    refused(|r| r.update.as_mut().unwrap().args = vec!["a\0b".into()], "control characters");
    refused(|r| r.update.as_mut().unwrap().args = vec![String::new(); 65], "at most 64");
    refused(|r| r.update.as_mut().unwrap().deadline_seconds = 4, "5 to 14,400");
}

#[test]
fn the_first_rule_that_fits_counts() {
    let mut special = rule("special", Kind::Bios, Mode::Hold);
    special.model = "Higuma Two".parse().unwrap();
    let rules = [special, rule("all", Kind::Bios, Mode::Report), rule("late", Kind::Bios, Mode::Hold)];
    let verdict = |model: &str, version: &str| {
        let part = Component { model: model.into(), ..part(Kind::Bios, "", version) };
        assess(&rules, &[part], &[])[0].verdict
    };
    assert_eq!(verdict("Higuma One", "1.0"), Verdict::Differs(1, 0));
    assert_eq!(verdict("higuma two", "1.0"), Verdict::Differs(0, 0));
    assert_eq!(verdict("Higuma One", "2.0.0"), Verdict::Compliant(1));
    assert_eq!(verdict("Higuma One", "2.0.1"), Verdict::Compliant(1), "an allowed version");
    assert_eq!(verdict("Higuma One", "2.0"), Verdict::Differs(1, 0), "exact, no comparison of numbers");
    assert_eq!(verdict("Higuma One", ""), Verdict::Unknown(1));
    assert_eq!(assess(&rules, &[part(Kind::Nic, "m", "1")], &[])[0].verdict, Verdict::NoRule);
    assert_eq!(assess(&[], &[part(Kind::Bios, "", "1")], &[])[0].verdict, Verdict::NoRule);
}

/// Mode, on-failure, version, tries; then decision, state and action in words.
#[test]
fn what_a_boot_may_do() {
    use Mode::{Hold, Report, Update};
    for (mode, on_failure, version, times, expected) in [
        (Report, OnFailure::Hold, "1.0", 0, "boot differs boot"),
        (Report, OnFailure::Hold, "2.0.0", 0, "boot compliant boot"),
        (Hold, OnFailure::Hold, "1.0", 0, "hold held hold"),
        (Hold, OnFailure::Boot, "1.0", 0, "hold held hold"),
        (Hold, OnFailure::Hold, "2.0.1", 0, "boot compliant boot"),
        (Hold, OnFailure::Hold, "", 0, "boot unknown boot"),
        (Update, OnFailure::Hold, "1.0", 0, "update 1 differs update"),
        (Update, OnFailure::Hold, "1.0", 2, "update 3 differs update"),
        (Update, OnFailure::Hold, "1.0", 3, "hold failed hold"),
        (Update, OnFailure::Boot, "1.0", 2, "update 3 differs update"),
        (Update, OnFailure::Boot, "1.0", 3, "boot failed boot"),
        (Update, OnFailure::Boot, "1.0", 9, "boot failed boot"),
        (Update, OnFailure::Hold, "2.0.0", 3, "boot compliant boot"),
        (Update, OnFailure::Hold, "", 0, "boot unknown boot"),
    ] {
        let rules = [Rule { on_failure, ..rule("r", Kind::Bios, mode) }];
        let assessed = assess(&rules, &[part(Kind::Bios, "", version)], &tried("r", "bios", times));
        let decision = decide(&rules, &assessed);
        let words = match &decision {
            Decision::Boot => "boot".to_owned(),
            Decision::Hold(reason) => {
                assert!(reason.contains("BIOS 1.0, wanted 2.0.0 (rule r)"), "{reason}");
                "hold".to_owned()
            }
            Decision::Update { n, .. } => format!("update {n}"),
        };
        let is = standing(&rules, &assessed, &decision, None);
        assert_eq!(format!("{words} {} {}", is.state, is.action), expected, "{mode} {on_failure} {version:?} {times}");
    }
    let none = standing(&[], &[], &Decision::Boot, None);
    assert_eq!((none.state, none.action, none.reason.as_str()), (State::NoRule, Action::Boot, ""));
}

#[test]
fn only_tries_of_the_same_rule_component_and_version_count() {
    let rules = [rule("r", Kind::Bios, Mode::Update)];
    let count = |tried: &[Tried]| assess(&rules, &[part(Kind::Bios, "", "1.0")], tried)[0].verdict;
    assert_eq!(count(&tried("r", "bios", 3)), Verdict::Differs(0, 3));
    assert_eq!(count(&tried("other", "bios", 3)), Verdict::Differs(0, 0));
    assert_eq!(count(&tried("r", "nic:x", 3)), Verdict::Differs(0, 0));
    let older = Tried { wanted: "1.9".into(), ..tried("r", "bios", 1)[0].clone() };
    assert_eq!(count(&[older]), Verdict::Differs(0, 0), "the wanted version changed");
}

#[test]
fn a_failed_update_stops_everything_else_and_updates_come_before_holds() {
    let rules = [
        rule("nic", Kind::Nic, Mode::Hold),
        rule("bios", Kind::Bios, Mode::Update),
        rule("disk", Kind::Disk, Mode::Update),
    ];
    let parts = [part(Kind::Nic, "m", "1.0"), part(Kind::Bios, "", "1.0"), part(Kind::Disk, "s", "1.0")];
    let decision = |tried: &[Tried]| decide(&rules, &assess(&rules, &parts, tried));
    assert_eq!(decision(&[]), Decision::Update { component: 1, rule: 1, n: 1 });
    let bios = tried("bios", "bios", 3);
    assert!(matches!(decision(&bios), Decision::Hold(reason) if reason.contains("after all tries: BIOS")));
    let good = [parts[0].clone(), part(Kind::Bios, "", "2.0.0"), part(Kind::Disk, "s", "2.0.0")];
    assert!(matches!(decide(&rules, &assess(&rules, &good, &[])), Decision::Hold(reason) if reason.contains("NIC m")));
}

#[test]
fn what_is_told_of_a_machine() {
    let told = |mode, on_failure, times, ended: Option<Option<Outcome>>| {
        let rules = [Rule { on_failure, ..rule("r", Kind::Bios, mode) }];
        let assessed = assess(&rules, &[part(Kind::Bios, "", "1.2.3")], &tried("r", "bios", times));
        let newest = ended.map(|ended| Attempt {
            ended: ended.map(|outcome| (1, outcome)),
            ..attempt(&rules[0], 1, "1.2.3", u32::try_from(times).unwrap())
        });
        let mut all = notices(&rules, &assessed, newest.as_ref());
        assert_eq!(all.len(), 1);
        let one = all.remove(0);
        assert_eq!(one.subject, "firmware:bios");
        let is = standing(&rules, &assessed, &decide(&rules, &assessed), newest.as_ref());
        (one.severity, one.message, is.state)
    };
    let found = "BIOS 1.2.3, wanted 2.0.0 (rule r)";
    assert_eq!(told(Mode::Report, OnFailure::Hold, 0, None), (Severity::Warning, found.to_owned(), State::Differs));
    assert!(told(Mode::Hold, OnFailure::Hold, 0, None).1.contains("does not boot with it"));
    assert!(told(Mode::Update, OnFailure::Hold, 2, Some(Some(Outcome::Unchanged))).1.contains("tried 2 of 3"));
    let third = told(Mode::Update, OnFailure::Hold, 3, Some(None));
    assert!(third.0 == Severity::Warning && third.1.contains("update 3 of 3 is handed out"), "{third:?}");
    assert_eq!(third.2, State::Updating);
    let alarm = told(Mode::Update, OnFailure::Hold, 3, Some(Some(Outcome::Unchanged)));
    assert!(alarm.0 == Severity::Alarm && alarm.1.contains("held") && alarm.2 == State::Failed, "{alarm:?}");
    assert!(told(Mode::Update, OnFailure::Boot, 3, None).1.contains("boots with it"));
    let lost = told(Mode::Update, OnFailure::Hold, 1, Some(Some(Outcome::Lost)));
    assert!(lost.0 == Severity::Alarm && lost.1.contains("did not come back") && lost.2 == State::Failed, "{lost:?}");
    let rules = [rule("r", Kind::Bios, Mode::Hold)];
    let quiet = |version: &str| notices(&rules, &assess(&rules, &[part(Kind::Bios, "", version)], &[]), None);
    assert!(quiet("2.0.0").is_empty());
    assert_eq!(quiet("")[0].severity, Severity::Info);
}

#[test]
fn outcomes_are_told_by_the_version_found() {
    for (after, expected) in [
        (Some("2.0.0"), Outcome::Succeeded),
        (Some("1.0"), Outcome::Unchanged),
        (Some("1.9"), Outcome::Changed),
        (Some(""), Outcome::Missing),
        (None, Outcome::Missing),
    ] {
        assert_eq!(outcome("2.0.0", "1.0", after), expected, "{after:?}");
    }
}

#[test]
fn output_is_its_end_and_steers_no_terminal() {
    assert_eq!(clean_output(b"10 %\r20 %\r\n\x1b[2Jok\n\tx\0"), "10 %\n20 %\n [2Jok\n\tx ");
    let long = clean_output(&[&[0xff; 70_000][..], b"the end"].concat());
    assert!(long.len() <= OUTPUT_MAX && long.ends_with("the end"));
}

/// The store and the service in ten lines: what the property below runs.
#[derive(Default)]
struct Machine {
    attempts: Vec<Attempt>,
    boot: u128,
    version: String,
    handed_out: BTreeMap<u128, Vec<Uuid>>,
}

impl Machine {
    fn register(&mut self, version: &str) {
        self.boot += 1;
        version.clone_into(&mut self.version);
        for attempt in self.attempts.iter_mut().filter(|a| a.ended.is_none()) {
            attempt.ended = Some((0, outcome(&attempt.wanted, &attempt.before, Some(version))));
        }
    }

    fn ask(&mut self, rules: &[Rule]) {
        let parts = [part(Kind::Bios, "", &self.version)];
        let tried: Vec<Tried> = self.attempts.iter().map(Tried::from).collect();
        let assessed = assess(rules, &parts, &tried);
        let boot = Uuid::from_u128(self.boot);
        let last = self.attempts.iter().rev().find(|a| a.ended.is_none() || a.boot == boot);
        match next(decide(rules, &assessed), boot, last) {
            Next::Start { rule, n, .. } => {
                let rule = &rules[rule];
                let id = Uuid::from_u128(self.attempts.len() as u128);
                self.attempts.push(Attempt { id, ..attempt(rule, self.boot, &self.version, n) });
                self.handed_out.entry(self.boot).or_default().push(id);
            }
            Next::Again => {
                let open = last.map(|a| a.id).unwrap();
                self.handed_out.entry(self.boot).or_default().push(open);
            }
            Next::Boot | Next::Hold(_) | Next::Restart => {}
        }
    }
}

proptest! {
    #[test]
    fn never_more_than_three_tries_whatever_happens(steps in prop::collection::vec((0..6u8, 0..4u8), 0..200)) {
        let versions = ["1.0", "2.0.0", "", "1.9"];
        let mut rules = vec![rule("a", Kind::Bios, Mode::Update), rule("b", Kind::Bios, Mode::Update)];
        let mut machine = Machine { version: "1.0".into(), boot: 1, ..Machine::default() };
        for (step, pick) in steps {
            match step {
                // Whatever version comes back, again and again: a BIOS that falls back is not updated for ever.
                0 => machine.register(versions[usize::from(pick)]),
                1 | 2 => machine.ask(&rules),
                3 => machine.attempts.iter_mut().filter(|a| a.report.is_none() && a.boot == Uuid::from_u128(machine.boot))
                    .for_each(|a| a.report = Some(Report::new(0, "exit code 1", b"no"))),
                4 => machine.attempts.iter_mut().filter(|a| a.ended.is_none())
                    .for_each(|a| a.ended = Some((0, Outcome::Lost))),
                _ => match pick {
                    0 => rules.reverse(),
                    1 => rules[0].on_failure = OnFailure::Boot,
                    2 => rules[0].wanted = "3.0".into(),
                    _ => rules[0].wanted = "2.0.0".into(),
                },
            }
        }
        let mut counts: BTreeMap<(String, String), u32> = BTreeMap::new();
        for attempt in &machine.attempts {
            *counts.entry((attempt.rule.to_string(), attempt.wanted.clone())).or_default() += 1;
            prop_assert!((1..=TRIES).contains(&attempt.n));
        }
        prop_assert!(counts.values().all(|count| *count <= TRIES), "{counts:?}");
        for ids in machine.handed_out.values_mut() {
            ids.dedup();
            prop_assert!(ids.len() == 1, "one boot gets one attempt, the same each time");
        }
        prop_assert!(machine.attempts.iter().filter(|a| a.ended.is_none()).count() <= 1);
    }
}
