//! Templates: what they see, what they give, what is refused.

#![allow(clippy::unwrap_used)]
use super::super::spec::Param;
use super::*;
use crate::domain::Sha256;
use crate::domain::facts::{Hardware, Nic, Standing};
use crate::domain::image::{Arch, Part, Role};
use crate::domain::profile::Words;
use serde_json::json;
use std::collections::BTreeMap;

fn context() -> Context {
    let standing =
        Standing { uuid: "u".into(), hostname: "hv-1".into(), lifecycle: "booting".into(), ..Standing::default() };
    let nic = |name: &str, mac: &str| Nic { name: name.into(), mac: mac.into(), ..Nic::default() };
    let nics = vec![nic("eth0", "52:54:00:00:00:01"), nic("eth1", "52:54:00:00:00:02")];
    let facts = Facts { standing, hardware: Hardware { nics, ..Hardware::default() } };
    let params: BTreeMap<String, Param> =
        serde_json::from_value(json!({"ntp": ["a", "b"], "debug": false, "n": 7, "t": "x"})).unwrap();
    Context::new(&facts, &Spec { params, ..Spec::default() }, "web", 3, None, None)
}

fn one(text: &str) -> Result<String, Failed> {
    let file = File { path: "/f".into(), content: text.into(), template: true, ..File::default() };
    let spec = Spec { files: vec![file], ..Spec::default() };
    spec.check_templates()?;
    Ok(spec.render(&context())?.files.remove(0).content)
}

#[test]
fn what_a_template_sees() {
    for (template, text) in [
        ("{{ node.hostname }} {{ profile.name }}@{{ profile.revision }}\n", "hv-1 web@3\n"),
        ("{% for s in params.ntp %}\nserver {{ s }}\n{% endfor %}\n", "server a\nserver b\n"),
        ("{{ params.ntp | join(',') }} {{ params.n + 1 }}{% if params.debug %} debug{% endif %}", "a,b 8"),
        ("{{ node.nics | map(attribute='mac') | join(' ') }}", "52:54:00:00:00:01 52:54:00:00:00:02"),
        ("{{ node.nics[1].driver }}.{{ node.cpu.cores }}.{{ node.bios.vendor }}.{{ node.gpus | length }}", ".0..0"),
        ("{{ params.none | default('d') }}{{ node.hostname | replace('-', '_') | upper }}", "dHV_1"),
        ("{% if node.serial == '' and 'a' in params.ntp and params.x is undefined %}y{% endif %}", "y"),
        ("<{{ '&' }}> ${HOME} { x }", "<&> ${HOME} { x }"),
    ] {
        assert_eq!(one(template).as_deref(), Ok(text), "{template}");
    }
}

#[test]
fn an_error_names_the_line_and_what_is_missing() {
    let told = |template: &str| one(template).unwrap_err().to_string();
    assert_eq!(told("a\n{{ node.rack }}"), "files./f, line 2: node.rack is not defined");
    assert_eq!(told("{{ nothing }}"), "files./f, line 1: nothing is not defined");
    assert_eq!(told("\n\n{{ params.ntp.x.y }}"), "files./f, line 3: params.ntp.x.y is not defined");
    assert!(told("{% if params.nope %}{% endif %}").contains("params.nope is not defined"));
    assert!(told("x\n{{ a b }}").starts_with("files./f, line 2: "), "{}", told("x\n{{ a b }}"));
    assert!(told("{{ params.t | format }}").starts_with("files./f, line 1: "));
    for volatile in LEFT_OUT {
        assert!(told(&format!("{{{{ node.{volatile} }}}}")).contains("is not defined"));
    }
    let spec = Spec { cmdline: "ip={{ params.t }} {{ params.ntp }}{{ node.x }}".parse().unwrap(), ..Spec::default() };
    assert_eq!(spec.render(&context()).unwrap_err().place, "cmdline");
}

#[test]
fn addresses_are_told_where_a_mode_has_some() {
    let of = |mode, urls: Option<&Urls>| {
        let spec =
            Spec { mode, cmdline: "a={{ urls.answer }} {{ urls.installed }}".parse().unwrap(), ..Spec::default() };
        let facts = Facts { standing: Standing::default(), hardware: Hardware::default() };
        spec.render(&Context::new(&facts, &spec, "p", 1, None, urls)).map(|spec| spec.cmdline.to_string())
    };
    let told = of(Some(Mode::Diskless), None).unwrap_err().problem;
    assert!(told.contains("urls.answer is not defined"), "{told}");
    assert!(of(Some(Mode::Ipxe), None).is_err(), "a script has no answer file");
    let in_place = of(Some(Mode::Installer), None).unwrap();
    assert!(in_place.starts_with("a=http://boot.server.invalid:8080/install/xxxx"), "{in_place}");
    let urls = Urls::of_installer("http://10.0.0.1:8080", "t");
    let told = of(Some(Mode::Installer), Some(&urls)).unwrap();
    assert_eq!(told, "a=http://10.0.0.1:8080/install/t/answer http://10.0.0.1:8080/install/t/installed");
}

#[test]
fn a_script_sees_where_the_parts_of_its_image_are() {
    let part = |role| Part { role, sha256: Sha256::of("k"), size: 1 };
    let image = Image {
        reference: "m:1".parse().unwrap(),
        arch: Arch::X86_64,
        cmdline: "console=ttyS0".parse().unwrap(),
        kernel_release: String::new(),
        parts: vec![part(Role::Kernel)],
        created: 0,
        kept: Default::default(),
    };
    let of = |mode, script: &str, urls: Option<&Urls>| {
        let spec = Spec { mode: Some(mode), script: script.into(), ..Spec::default() };
        let facts = Facts { standing: Standing::default(), hardware: Hardware::default() };
        spec.render(&Context::new(&facts, &spec, "p", 1, Some(&image), urls)).map(|spec| spec.script)
    };
    let (script, at) = ("kernel {{ image.kernel }} {{ image.cmdline }}", format!("/blobs/{}", Sha256::of("k")));
    let real = Urls::of_script("http://10.0.0.1:8080");
    let told = of(Mode::Ipxe, script, Some(&real)).unwrap();
    assert_eq!(told, format!("kernel http://10.0.0.1:8080{at} console=ttyS0"));
    // In place of the server's own address, so the plan's hash has the blob.
    assert!(of(Mode::Ipxe, script, None).unwrap().contains(&format!(".invalid:8080{at} ")));
    let none = of(Mode::Ipxe, "initrd {{ image.initrd }}", None).unwrap_err().problem;
    assert_eq!(none, "image.initrd is not defined");
    assert!(of(Mode::Installer, script, None).is_err(), "its kernel and initrd go by the first stage");
}

#[test]
fn steps_and_bytes_are_bounded() {
    let range = "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}";
    assert!(one(range).unwrap_err().problem.contains("steps"));
    let long = "x".repeat(200);
    let large = format!("{{% for a in range(20000) %}}{long}{{% endfor %}}");
    assert!(one(&large).unwrap_err().problem.contains("over 1048576 bytes"));
    for grows in [
        "{{ params.ntp | join('x') | replace('x', params.ntp | join('y')) | replace('y', 'z') }}",
        "{{ range(90000) | join(' ') }}",
    ] {
        let _ = one(grows);
    }
    assert!(one("{{ range(90000) | join(' ') }}").unwrap_err().problem.contains("over 16384 bytes"));
    assert!(one("{{ 'xxxxxxxxxx' | replace('', range(4000) | join) }}").unwrap_err().problem.contains("over 16384"));
    let deep = format!("{{{{ {}1{} }}}}", "(".repeat(10_000), ")".repeat(10_000));
    assert!(one(&deep).is_err());
    // Five files of a megabyte each are more than a node may have.
    let full = format!("{{% for a in range(10400) %}}{}{{% endfor %}}", "x".repeat(100));
    let file = |n: usize| File { path: format!("/{n}"), content: full.clone(), template: true, ..File::default() };
    let spec = Spec { files: (0..5).map(file).collect(), ..Spec::default() };
    assert_eq!(spec.render(&context()).unwrap_err().place, "files./4");
}

#[test]
fn rendered_is_no_template_any_more() {
    let words: Words = serde_json::from_value(json!({"cmdline": "host={{ node.hostname }} ${x}",
        "units": {"a.service": {"content": "{{ params.t }}", "template": true, "enabled": true}},
        "cloud_init": {"user_data": "#cloud-config\n# {{ params.t }}\n", "network_config": "version: 2\n", "template": true},
        "files": {"/a": {"content": "{{ as it is }}"}}}))
    .unwrap();
    assert!(Spec::of(None, &words).is_err(), "iPXE would expand it");
    let mut words = words;
    words.0.insert("cmdline".into(), json!("host={{ node.hostname }}"));
    let spec = Spec::of(None, &words).unwrap();
    assert!(spec.has_templates());
    let spec = spec.render(&context()).unwrap();
    assert_eq!(spec.cmdline.as_str(), "host=hv-1");
    assert_eq!(spec.units["a.service"].content, "x");
    assert_eq!(spec.cloud_init.user_data, "#cloud-config\n# x\n");
    assert_eq!(spec.files[0].content, "{{ as it is }}", "not said to be one");
    assert_eq!(spec.render(&context()).map(|s| s.files), Ok(spec.files.clone()));
    let bad: Words = serde_json::from_value(json!({"cmdline": "x={% if %}"})).unwrap();
    assert_eq!(Spec::of(None, &bad).unwrap_err().place, "cmdline, line 1");
    let quiet = Spec { cmdline: "{{ params.t }} higuma.x=1".parse().unwrap_or_default(), ..Spec::default() };
    assert!(!quiet.has_templates(), "refused before");
}

proptest::proptest! {
    #[test]
    fn no_template_panics(text in "[{}%#'|.()\\[\\]a-d0-9 ]{0,50}") {
        let _ = one(&text);
        let _ = one(&format!("{{{{ {text} }}}}"));
        let _ = one(&format!("{{% if {text} %}}{{% endif %}}"));
    }
}
