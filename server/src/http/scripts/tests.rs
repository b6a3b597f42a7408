#![allow(clippy::unwrap_used)]
//! Golden scripts: the whole text for every decision, in `server/tests/golden/*.ipxe`, so that a person can review what
//! a machine runs. `HIGUMA_WRITE_GOLDEN=1` writes them anew.

use super::*;
use crate::domain::cmdline::Cmdline;
use crate::domain::script;
use crate::domain::secret::Secret;

fn golden(name: &str, got: &str) {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.ipxe"));
    if std::env::var_os("HIGUMA_WRITE_GOLDEN").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, got).unwrap();
    }
    assert_eq!(got, std::fs::read_to_string(&file).unwrap_or_default(), "{}", file.display());
    assert!(got.starts_with("#!ipxe\n") && got.ends_with('\n') && got.is_ascii());
    // Nothing of ours ends in a shell.
    assert!(!got.lines().any(|l| l.trim() == "shell" || l.trim() == "exit"));
}

fn answer(script: Script) -> ScriptAnswer {
    ScriptAnswer {
        script,
        why: String::new(),
        http_base: "http://10.0.0.1:8080".to_owned(),
        grpc: "10.0.0.1:8444".to_owned(),
        node: Some("4c4c4544-0046-3010-8052-b4c04f4a4d32".parse().unwrap()),
        known: true,
        mac: Some("52:54:00:12:34:56".parse().unwrap()),
        cmdline: "console=tty0 console=ttyS0,115200".parse().unwrap(),
        nonce: Some(Secret::from_bytes([0xab; 32])),
    }
}

fn first_stage() -> Script {
    Script::FirstStage(script::FirstStage {
        arch: Arch::X86_64,
        kernel: Sha256::of("kernel"),
        initramfs: Sha256::of("initramfs"),
    })
}

#[test]
fn every_decision() {
    golden("boot", &finished(Boot.render()).unwrap());
    let site = Sha256::of("site");
    let decisions = [
        first_stage(),
        Script::NoFirstStage(Arch::Aarch64),
        Script::LocalDisk,
        Script::Unfit,
        Script::Rejected,
        Script::Unsupported,
        Script::Nameless,
    ];
    for script in decisions {
        let name = script.name();
        golden(name, &render(&answer(script), &site).unwrap());
    }
}

#[test]
fn ipv6_without_mac_and_as_a_preview() {
    let answer = ScriptAnswer {
        http_base: "http://[fd00::1]:8080".to_owned(),
        grpc: "[fd00::1]:8444".to_owned(),
        mac: None,
        node: None,
        nonce: None,
        cmdline: Cmdline::default(),
        ..answer(first_stage())
    };
    golden("first-stage-ipv6-preview", &render(&answer, &Sha256::of("site")).unwrap());
}

#[test]
fn no_line_can_be_injected() {
    for bad in ["http://h:1\nshell", "http://h ${x}", "http://h/../x y"] {
        let answer = ScriptAnswer { http_base: bad.to_owned(), ..answer(Script::Nameless) };
        assert!(render(&answer, &Sha256::of("site")).is_err());
    }
    let answer = ScriptAnswer { grpc: "h:1 init=/bin/sh".to_owned(), ..answer(first_stage()) };
    assert!(render(&answer, &Sha256::of("site")).is_err());
}
