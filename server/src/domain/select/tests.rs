#![allow(clippy::unwrap_used, clippy::panic)]
//! The language on made facts: what holds, what is refused and where, and that no text panics or takes long.

use super::*;
use crate::domain::facts::{Dimm, Disk, Facts, Hardware, Memory, Neighbour, Nic, Standing};
use proptest::prelude::*;

const GIB: i64 = 1 << 30;

fn facts() -> Facts {
    let nic = |name: &str, driver: &str, firmware: &str| Nic {
        name: name.into(),
        driver: driver.into(),
        firmware: firmware.into(),
        max_speed: 25_000,
        ..Nic::default()
    };
    Facts {
        standing: Standing {
            uuid: "4c4c4544-0046-3010-8052-b4c04f4a4d32".into(),
            serial: "SN1".into(),
            lifecycle: "ready".into(),
            ..Standing::default()
        },
        hardware: Hardware {
            memory: Memory {
                total: 768 * GIB,
                dimms: vec![Dimm { slot: "A1".into(), size: 64 * GIB, ecc: true, ..Dimm::default() }],
                ..Memory::default()
            },
            nics: vec![nic("eth0", "igb", "1.63"), nic("eth1", "mlx5_core", "22.36.1010")],
            disks: vec![Disk { name: "sda".into(), rotational: true, size: 4 * GIB, ..Disk::default() }],
            neighbours: vec![Neighbour {
                nic: "eth1".into(),
                switch: "leaf-1".into(),
                vlan: 7,
                ..Neighbour::default()
            }],
            pci: vec!["15b3:1017".into()],
            ..Hardware::default()
        },
    }
}

/// Every list full, every text as long as it gets.
pub(crate) fn largest() -> Facts {
    let text = |n: usize| format!("{n:0>128}");
    let texts = || (0..256).map(text).collect::<Vec<_>>();
    let nic = |n| Nic { name: text(n), mac: text(n), driver: text(n), firmware: text(n), pci: text(n), max_speed: 1 };
    let neighbour = |n| Neighbour { nic: text(n), switch: text(n), port: text(n), port_description: text(n), vlan: 1 };
    Facts {
        standing: Standing::default(),
        hardware: Hardware {
            nics: (0..64).map(nic).collect(),
            neighbours: (0..64).map(neighbour).collect(),
            memory: Memory {
                dimms: (0..192).map(|n| Dimm { slot: text(n), ..Dimm::default() }).collect(),
                ..Memory::default()
            },
            pci: texts(),
            oem_strings: texts(),
            ..Hardware::default()
        },
    }
}

fn holds(text: &str) -> bool {
    Selector::compile(text).unwrap_or_else(|e| panic!("{text}: {e}")).matches(&facts()).unwrap()
}

#[test]
fn questions_that_people_ask() {
    let example =
        r#"node.memory.total >= 512*GiB && node.nics.exists(n, n.driver == "mlx5_core" && n.firmware != "22.39.1002")"#;
    for yes in [
        example,
        "node.serial == 'SN1'",
        "!node.maintenance && node.lifecycle in ['ready', 'assigned']",
        "node.memory.total / GiB == 768 && node.memory.total - 1 < TiB",
        "size(node.nics) == 2 && node.nics.size() > 1",
        "node.disks.all(d, d.size < TiB) && node.disks.exists_one(d, d.rotational)",
        "node.nics.filter(n, n.driver.startsWith('mlx')).size() == 1",
        "'eth1' in node.nics.map(n, n.name)",
        "node.nics.map(n, n.max_speed >= 25000, n.name) == ['eth0', 'eth1']",
        "node.nics[1].driver.contains('mlx5') && node.nics[0].driver.endsWith('gb')",
        "node.nics.exists(n, node.neighbours.exists(x, x.nic == n.name && x.switch == 'leaf-1' && x.vlan == 7))",
        "node.pci.exists(p, p == '15b3:1017') && '15b3:1017' in node.pci",
        "(node.tpm.version == '' ? 'none' : node.tpm.version) == 'none'",
        "int('7') + 1 == 8 && string(7) == '7' && -1 < 0 && 7 % 4 == 3 && 1.5 * 2.0 == 3.0",
        "node.memory.dimms.exists(d, d.slot == 'A1' && d.ecc)",
        "node.memory.total > 0.5 && node.profile == ''",
    ] {
        assert!(holds(yes), "{yes}");
    }
    for no in ["node.retired", "node.cpus.exists(c, c.cores > 0)", "node.nics.exists(n, n.driver == 'ixgbe')", "false"]
    {
        assert!(!holds(no), "{no}");
    }
}

#[test]
fn a_name_that_does_not_exist_is_refused_with_its_place_and_what_is_near() {
    for (text, at, says) in [
        ("node.memroy.total > 0", 6, "node has no field \"memroy\": did you mean memory?"),
        ("node.nics.exists(n, n.frimware == '1')", 23, "n has no field \"frimware\": did you mean firmware?"),
        (
            "node.serial == 'x' || node.bios.vesrion == 'y'",
            33,
            "node.bios has no field \"vesrion\": did you mean version",
        ),
        ("nodes.serial == 'x'", 1, "there is no name \"nodes\": did you mean node?"),
        ("serial == 'x'", 1, "there is no name \"serial\": did you mean node.serial?"),
        ("node.memory.total > 5*GB", 23, "there is no name \"GB\""),
        (
            "node.memory.dimms.exists(d, node.nics.exists(n, d.driver == ''))",
            51,
            "d has no field \"driver\": there are slot",
        ),
        ("node.serial.foo == 'x'", 13, "node.serial is a string and has no field \"foo\""),
        ("node.nics.driver == 'x'", 11, "node.nics is a list and has no field \"driver\": use exists()"),
        ("has(node.tpm)", 10, "always true"),
    ] {
        let error = Selector::compile(text).unwrap_err();
        assert!(error.message.contains(says), "{text}: {error}");
        assert_eq!(error.at, Some(at), "{text}: {error}");
    }
}

#[test]
fn what_does_not_fit_is_refused_and_named() {
    for (text, says) in [
        ("node.serial == 5", "node.serial is a string, 5 is an int"),
        ("node.memory.total > '5'", "node.memory.total is an int, \"5\" is a string"),
        ("node.memory.total", "expected a comparison that is true or false, got an int: node.memory.total"),
        ("node.nics", "got a list"),
        ("node.retired && node.serial", "node.serial is a string"),
        ("node.nics.exists(n, n.name)", "expected a condition that is true or false, got a string: n.name"),
        ("node.tpm == node.tpm", "node.tpm is an object"),
        ("node.serial in node.nics", "around in"),
        ("node.serial + 1 == 'x'", "around +"),
        ("node.serial.matches('x')", "there is no matches()"),
        ("node.nics.exists(n)", "there is no function \"exists\""),
        ("frob(node.serial)", "there is no function \"frob\""),
        ("node.nics.exists(node, true)", "expected one new name"),
        ("node.nics.exists(KiB, true)", "expected one new name"),
        ("{'a': 1}.a == 1", "maps"),
        ("node.serial == null", "nothing is null"),
        ("node.serial in []", "at least one value"),
        ("[1, 'a'].exists(x, true)", "one type"),
        ("node.serial.exists(x, true)", "expected a list to go through, got a string"),
        ("node.memory.total > 5u", "without the letter u"),
        ("", "expected an expression"),
        ("node.serial == ", "this is no CEL expression"),
        ("node.serial = 'x'", "this is no CEL expression"),
        ("node.serial == 'x", "this is no CEL expression"),
    ] {
        let error = Selector::compile(text).unwrap_err();
        assert!(error.to_string().contains(says), "{text}: {error}");
    }
}

#[test]
fn what_costs_too_much_is_refused_before_it_runs() {
    let nested = "node.pci.exists(a, node.pci.exists(b, node.pci.exists(c, a == b && b == c)))";
    assert!(Selector::compile(nested).unwrap_err().message.contains("at most 2 of exists"));
    let wide = "node.pci.exists(a, node.oem_strings.all(b, a == b))";
    assert!(Selector::compile(wide).unwrap_err().message.contains("steps on a node with full lists"));
    let long = format!("node.serial in [{}'x']", "'0123456789',".repeat(400));
    assert!(Selector::compile(&long).unwrap_err().message.contains("at most 4096 bytes"));
    let signs = format!("{}true", "!".repeat(SIGNS_MAX + 1));
    assert!(Selector::compile(&signs).unwrap_err().message.contains("operators, dots and brackets"));
    let doubling = format!("['aaaaaaaaaaaaaaaa']{}.size() == 1", ".map(a, a + a)".repeat(40));
    assert!(Selector::compile(&doubling).unwrap_err().message.contains("of together at most"));
    let ins = format!("[[true]].exists(b, true{})", " in b".repeat(300));
    assert!(Selector::compile(&ins).unwrap_err().message.contains("operators, dots and brackets"));
    // Three hundred serial numbers are no problem.
    let many = format!("node.serial in [{}'x']", "'0123456',".repeat(300));
    assert!(!holds(&many));
}

#[test]
fn a_node_that_is_reached_another_way_has_hardware_too() {
    for text in ["[node].exists(x, x.memory.total > 0)", "[node][0].arch == 'x'", "(true ? node : node).arch == 'x'"] {
        assert!(Selector::compile(text).unwrap().needs_hardware(), "{text}");
    }
    assert!(!Selector::compile("[node].exists(x, x.serial == 'S1')").is_ok_and(|s| s.needs_hardware()));
    assert!(
        Selector::compile(r#"node.serial == "a\u0000b""#).unwrap().equals().is_empty(),
        "no database looks that up"
    );
}

#[test]
fn deep_text_hurts_no_stack() {
    // As deep as the bounds allow, on a stack as small as a worker's.
    let run = || {
        for piece in [
            "!", "-", "(", "[", "[0][", "{", "a.", "a[", "f(", "1+", "1==", "a&&", "a||", "a?b:", "a?", "a.b(", "!(",
            "-(-",
        ] {
            let signs = piece.chars().filter(|c| !c.is_alphanumeric() && *c != ':').count();
            let text = piece.repeat(SIGNS_MAX / signs);
            let _ = Selector::compile(&text);
            let _ = Selector::compile(&format!("{text}1"));
        }
        for (open, close) in [("(", ")"), ("[", "]"), ("{1:", "}"), ("!(", ")"), ("size([", "])"), ("[1][", "]")] {
            let depth = SIGNS_MAX / (open.len() + close.len());
            let _ = Selector::compile(&format!("{}1{} == 1", open.repeat(depth), close.repeat(depth)));
        }
        // What is accepted must be evaluated, too.
        let facts = facts();
        let around = |of: &str, by: &str, end: &str| format!("{}{of}{}", by.repeat(240), end.repeat(240));
        for text in [
            around("true", "!", ""),
            around("1 == 1", "-", ""),
            around("true", "true && ", ""),
            around("true", "false || ", ""),
            around("1", "1 + ", "") + " == 241",
            around("true", "true ? true : ", "").replacen("true ? true : ", "", 120),
            format!("[true].exists(b, true{})", " in [b]".repeat(60)),
            format!("[[true]].exists(b, true{})", " in b".repeat(200)),
        ] {
            if let Ok(selector) = Selector::compile(&text) {
                let _ = selector.matches(&facts);
            }
        }
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
}

/// What it costs is measured by `cargo bench -p higuma --bench search`; here it must end, which the deadline of the test
/// runner watches.
#[test]
fn the_nastiest_accepted_expressions_end() {
    let largest = largest();
    let inner = "n.firmware == x.port_description || n.firmware + n.name == x.port + x.switch";
    for text in [
        "node.nics.exists(n, node.neighbours.exists(x, INNER))".replace("INNER", inner),
        "node.nics.all(n, node.neighbours.all(x, n.name.contains(x.nic) || x.vlan == 1))".to_owned(),
        "node.memory.dimms.map(d, node.neighbours.filter(x, x.vlan == 1)).size() == 1".to_owned(),
        "node.nics.map(n, node.pci).exists(l, '' in l)".to_owned(),
        "node.pci.exists(p, p in node.oem_strings && p == 'x')".to_owned(),
        "node.pci == node.oem_strings && node.pci.map(p, p + p).exists(p, p.contains('xy'))".to_owned(),
    ] {
        let selector = match Selector::compile(&text) {
            Ok(selector) => selector,
            Err(error) if error.message.contains("steps") => continue,
            Err(error) => panic!("{text}: {error}"),
        };
        selector.matches(&largest).unwrap();
    }
}

#[test]
fn what_fails_at_run_time_says_so() {
    let fails = |text: &str| Selector::compile(text).unwrap().matches(&facts()).unwrap_err();
    assert_eq!(fails("1 / size(node.gpus) == 0"), "division by zero");
    assert!(fails("node.nics[7].name == ''").starts_with("an index is out of range"));
    assert!(fails("node.memory.total * 9000000000 > 0").starts_with("a number is too large"));
    assert!(!fails("int(node.serial) == 5").is_empty());
}

#[test]
fn what_the_database_can_look_up() {
    let equals = |text: &str| {
        let selector = Selector::compile(text).unwrap();
        selector.equals().iter().map(|e| (e.column, e.value.clone())).collect::<Vec<_>>()
    };
    let serial = || (Column::Serial, "X".to_owned());
    assert_eq!(equals("node.serial == 'X'"), [serial()]);
    assert_eq!(
        equals("'p' == node.profile && node.serial == 'X' && node.memory.total > 5"),
        [(Column::Profile, "p".to_owned()), serial()]
    );
    for none in [
        "node.serial == 'X' || node.retired",
        "!(node.serial == 'X')",
        "node.serial != 'X'",
        "node.profile == ''",
        "node.nics.exists(n, n.name == 'X')",
        "node.board.serial == 'X'",
    ] {
        assert_eq!(equals(none), [], "{none}");
    }
    assert!(!Selector::compile("node.serial == 'X'").unwrap().needs_hardware());
    assert!(Selector::compile("node.serial == 'X' && node.arch == 'x86_64'").unwrap().needs_hardware());
    assert!(Selector::compile("[1].exists(x, node.arch == '')").unwrap().needs_hardware());
}

/// Any text: an answer or an error, in time.
fn survives(text: &str) {
    if let Ok(selector) = Selector::compile(text) {
        let _ = selector.matches(&facts());
    }
}

const GOOD: [&str; 6] = [
    r#"node.memory.total >= 512*GiB && node.nics.exists(n, n.driver == "mlx5_core" && n.firmware != "22.39.1002")"#,
    "node.nics.filter(n, n.driver.startsWith('mlx')).map(x, x.name + 'a')[0] == b'x' ? true : node.retired",
    "node.serial in ['a', \"b\", '''c''', r'd'] || has(node.tpm) || {1: 2u}[1] == 0x7f",
    "-9223372036854775808 == -1 * 9223372036854775807 && 1e309 > 0.5 && int('x') % 0 == 1",
    "node.memory.dimms.all(d, d.size == 0 || d.ecc) && !node.disks.exists_one(d, d.rotational)",
    "node.pci.map(p, p.size() > 3, [p, '\\u00e9\\x41\\101'])[-1][0] == optional.of('x').value()",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        survives(&text);
    }

    #[test]
    fn no_text_of_the_language_s_own_characters_panics(text in "[a-fnx0-9.()\\[\\]{}'\"?:&|!=<>+*/%, u\\\\r`-]{0,120}") {
        survives(&text);
    }

    #[test]
    fn no_change_of_a_good_expression_panics(
        which in 0..GOOD.len(), at in 0usize..200, drop in 0usize..12, insert in "[ -~é]{0,6}", again in any::<bool>()
    ) {
        let chars: Vec<char> = GOOD[which].chars().collect();
        let at = at.min(chars.len());
        let end = (at + drop).min(chars.len());
        let cut: String = chars[at..end].iter().collect();
        let rest: String = chars[end..].iter().collect();
        let mut text: String = chars[..at].iter().collect();
        text.push_str(&insert);
        if again {
            text.push_str(&cut);
            text.push_str(&cut);
        }
        text.push_str(&rest);
        survives(&text);
    }
}
