//! Words, their merge into specs, and what is refused.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::domain::Sha256;
use crate::domain::image::{Arch, Image, Part, Role};
use serde_json::{Value, json};

fn words(value: Value) -> Words {
    serde_json::from_value(value).unwrap()
}

fn spec(value: Value) -> Result<Spec, Wrong> {
    Spec::of(None, &words(value))
}

#[test]
fn a_child_over_its_parent() {
    let parent = spec(json!({
        "image": "debian:12", "cmdline": "quiet", "params": {"ntp": "10.0.0.1", "debug": false},
        "files": {"/etc/motd": {"content": "hi", "mode": "0600", "owner": "root", "group": 50}, "/etc/x": {"content": "x"}},
        "ssh_authorized_keys": ["ssh-ed25519 AAAA a"], "modules": ["kvm"],
        "sysctl": {"net.ipv4.ip_forward": true, "vm.swappiness": 10},
        "units": {"web.service": {"content": "[Service]\n", "enabled": true}, "apt-daily.timer": {"masked": true}},
    }))
    .unwrap();
    assert_eq!(Spec::of(None, &Words::of(&parent)).unwrap(), parent, "the words of a whole make that whole");
    assert_eq!(Spec::of(Some(&parent), &Words::default()).unwrap(), parent, "who says nothing is as the parent");
    let child = words(json!({
        "cmdline": null, "params": {"debug": true}, "files": {"/etc/motd": {"content": "yo"}, "/etc/x": null},
        "ssh_authorized_keys": ["ssh-ed25519 AAAA b"], "sysctl": {"vm.swappiness": 1},
        "units": {"apt-daily.timer": null, "web.service": {"enabled": false}},
    }));
    let whole = Spec::of(Some(&parent), &child).unwrap();
    assert_eq!(whole.image, parent.image);
    assert_eq!(whole.cmdline.as_str(), "");
    let motd = &whole.files[0];
    assert_eq!((motd.content.as_str(), motd.mode, motd.group.as_str(), whole.files.len()), ("yo", 0o600, "50", 1));
    assert_eq!(motd.owner, "", "root has one spelling");
    assert_eq!(whole.ssh_authorized_keys, ["ssh-ed25519 AAAA b"]);
    assert_eq!(whole.sysctl["vm.swappiness"], "1");
    assert_eq!(whole.sysctl["net.ipv4.ip_forward"], "1");
    assert_eq!(whole.params["debug"], Param::Bool(true));
    assert!(!whole.units["web.service"].enabled && whole.units.len() == 1);
    let wrong = Spec::of(Some(&parent), &words(json!({"params": {"debug": "yes"}}))).unwrap_err();
    assert_eq!(wrong.to_string(), "params.debug: expected bool, as in the parent, got string");
}

#[test]
fn what_does_not_fit_is_refused_with_its_place() {
    let long = "x".repeat(FILE_BYTES_MAX + 1);
    for (bad, place) in [
        (json!({"imgae": "a:1"}), "profile"),
        (json!({"imgae": null}), "profile"),
        (json!({"image": "a"}), "image"),
        (json!({"mode": "diskful"}), "mode"),
        (json!({"cmdline": 5}), "cmdline"),
        (json!({"cmdline": "a\nb"}), "cmdline"),
        (json!({"files": []}), "files"),
        (json!({"files": {"/etc/a": {"mode": 420}}}), "files./etc/a.content"),
        (json!({"files": {"/etc/a": {"content": "", "mode": "rwx"}}}), "files./etc/a.mode"),
        (json!({"files": {"/etc/a": {"content": "", "mode": 0o100_644}}}), "files./etc/a.mode"),
        (json!({"files": {"/etc/a": {"content": "", "owner": "a b"}}}), "files./etc/a.owner"),
        (json!({"files": {"/etc/a": {"content": "", "group": u32::MAX}}}), "files./etc/a.group"),
        (json!({"files": {"/etc/a": {"content": "", "colour": 1}}}), "files./etc/a"),
        (json!({"files": {"/etc/a": {"content": long}}}), "files./etc/a.content"),
        (json!({"files": {"/etc/../a": {"content": ""}}}), "files"),
        (json!({"files": {"etc/a": {"content": ""}}}), "files"),
        (json!({"files": {"/a\nb": {"content": ""}}}), "files"),
        (json!({"ssh_authorized_keys": ["a\nb"]}), "ssh_authorized_keys"),
        (json!({"modules": ["kvm; reboot"]}), "modules"),
        (json!({"modules": vec!["m"; 201]}), "modules"),
        (json!({"sysctl": {"a b": 1}}), "sysctl"),
        (json!({"sysctl": {"a.b": "x\ny"}}), "sysctl.a.b"),
        (json!({"sysctl": {"a.b": [1]}}), "sysctl"),
        (json!({"units": {"web": {"enabled": true}}}), "units"),
        (json!({"units": {"../web.service": {"enabled": true}}}), "units"),
        (json!({"units": {"higuma-up.service": {"masked": true}}}), "units"),
        (json!({"units": {"web.service": {}}}), "units.web.service"),
        (json!({"cloud_init": {"user_data": "hello"}}), "cloud_init.user_data"),
        (json!({"cloud_init": "hello"}), "cloud_init"),
        (json!({"cloud_init": {"users": []}}), "cloud_init"),
        (json!({"units": {"web.service": {"masked": true, "enabled": true}}}), "units.web.service.masked"),
        (json!({"params": {"Ntp": "x"}}), "params"),
        (json!({"params": {"ntp": {"a": "b"}}}), "params.ntp"),
        (json!({"params": {"ntp": 1.5}}), "params.ntp"),
        (json!({"script": "echo hi"}), "script"),
    ] {
        let wrong = spec(bad.clone()).err();
        assert_eq!(wrong.as_ref().map(|w| w.place.as_str()), Some(place), "{bad}: {wrong:?}");
    }
}

#[test]
fn modes_need_what_they_boot() {
    let mode = |value: Value| {
        let spec = spec(value).unwrap();
        (spec.missing().map(|w| w.place), spec.check_mode(None).err().map(|w| w.place))
    };
    let at = |place: &str| Some(place.to_owned());
    assert_eq!(mode(json!({})), (at("image"), None), "a base for others");
    assert_eq!(mode(json!({"image": "a:1"})), (None, None));
    assert_eq!(mode(json!({"image": "a:1", "script": "#!ipxe\n"})), (None, at("script")));
    assert_eq!(mode(json!({"mode": "ipxe"})).0, at("script"));
    assert_eq!(mode(json!({"mode": "ipxe", "script": "#!ipxe\n", "image": "a:1"})), (None, None));
    assert_eq!(mode(json!({"mode": "ipxe", "script": "#!ipxe\n"})), (None, None));
    assert_eq!(mode(json!({"mode": "local-disk"})), (None, None));
    assert_eq!(mode(json!({"mode": "local-disk", "image": "a:1"})), (None, at("image")));
    assert_eq!(mode(json!({"mode": "local-disk", "script": "#!ipxe\n"})).1, at("script"));
    assert_eq!(mode(json!({"mode": "installer"})), (at("image"), None));
    assert_eq!(mode(json!({"mode": "installer", "image": "a:1", "answer": "x"})), (None, None));
    assert_eq!(mode(json!({"mode": "installer", "image": "a:1", "script": "#!ipxe\n"})).1, at("script"));
    assert_eq!(mode(json!({"mode": "diskless", "image": "a:1", "answer": "x"})).1, at("answer"));
    assert_eq!(mode(json!({"image": "a:1", "answer": "x"})).1, at("answer"));
}

#[test]
fn a_program_alone_is_booted_by_a_script() {
    let image = |roles: &[Role]| Image {
        reference: "a:1".parse().unwrap(),
        arch: Arch::X86_64,
        cmdline: Default::default(),
        kernel_release: String::new(),
        parts: roles.iter().map(|role| Part { role: *role, sha256: Sha256::of(role.as_str()), size: 1 }).collect(),
        created: 0,
        kept: Default::default(),
    };
    let (program, initrd) = (image(&[Role::Kernel]), image(&[Role::Kernel, Role::Initrd]));
    let check = |mode: Option<&str>, image: &Image| {
        let mut words = json!({"image": "a:1"});
        if let Some(mode) = mode {
            words["mode"] = json!(mode);
        }
        spec(words).unwrap().check_mode(Some(image)).map_err(|wrong| wrong.to_string())
    };
    for (mode, told) in [
        (None, "none"),
        (Some("diskless"), "diskless"),
        (Some("initramfs"), "initramfs"),
        (Some("installer"), "installer"),
    ] {
        let refused = check(mode, &program).unwrap_err();
        assert!(refused.starts_with("mode: expected ipxe for") && refused.ends_with(told), "{refused}");
    }
    assert_eq!((check(Some("ipxe"), &program), check(Some("ipxe"), &initrd)), (Ok(()), Ok(())));
    assert!(check(Some("local-disk"), &program).unwrap_err().starts_with("image: expected no image"));
    assert_eq!(check(None, &initrd), Ok(()));
    // iPXE would run what stands behind such a word.
    let script = |cmdline: &str, script: &str| {
        let image = Image { cmdline: cmdline.parse().unwrap(), ..program.clone() };
        spec(json!({"mode": "ipxe", "image": "a:1", "script": script})).unwrap().check_mode(Some(&image))
    };
    let loads = "#!ipxe\nkernel {{ image.kernel }} {{ image.cmdline }}\n";
    for cmdline in ["a ; b", "a && b", "a || b", "a #b"] {
        assert_eq!(script(cmdline, loads).unwrap_err().place, "script", "{cmdline}");
        assert!(script(cmdline, "#!ipxe\nexit\n").is_ok());
    }
    assert!(script("a=;b c#d", loads).is_ok());
}

proptest::proptest! {
    #[test]
    fn no_words_panic_and_what_is_taken_can_be_said_again(text in "[\\x20-\\x7e]{0,40}", n in proptest::num::i64::ANY) {
        for value in [json!({"files": {&text: {"content": &text, "mode": n, "owner": &text}}}), json!({"sysctl": {&text: n}}),
            json!({"params": {&text: [&text]}}), json!({"units": {&text: {"content": &text}}}), json!({&text: n})] {
            if let Ok(spec) = spec(value) {
                proptest::prop_assert_eq!(Spec::of(None, &Words::of(&spec)), Ok(spec));
            }
        }
    }
}
