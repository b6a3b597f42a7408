//! Hardware, firmware and virtual media with made data, hostile text included.

#![allow(clippy::unwrap_used)]
use super::super::bmc::tests::{NOW, bmc};
use super::super::bmc_parts::what;
use super::*;
use higuma_proto::api::{BmcFirmware, BmcFirmwareList, BmcHardware, BmcPart};

const HOSTILE: &str = "<script>alert(1)</script>\" onmouseover='x'";

fn redfish() -> BmcDetail {
    let mut detail = bmc("managed");
    detail.summary.driver = Some("redfish".into());
    detail
}

fn seen(boot_mode: &str) -> Seen {
    Seen { began: NOW - 1_500_000, ended: NOW, boot_mode: boot_mode.into() }
}

fn page(overview: Overview, boot_mode: &str) -> String {
    RedfishPage::new(Shell::bare("BMC"), redfish(), seen(boot_mode), Ok(overview)).render().unwrap()
}

fn nothing() -> Overview {
    Overview { media: Ok(vec![]), hardware: Ok(BmcHardware::default()), firmware: Ok(BmcFirmwareList::default()) }
}

fn drive(slot: &str, kinds: &[&str], image: &str) -> BmcMedia {
    BmcMedia {
        slot: slot.into(),
        name: slot.into(),
        kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        image: image.into(),
        inserted: !image.is_empty(),
        write_protected: Some(true),
    }
}

#[test]
fn what_a_bmc_tells_is_text() {
    let part = |kind: &str| BmcPart {
        kind: kind.into(),
        place: HOSTILE.into(),
        manufacturer: HOSTILE.into(),
        model: HOSTILE.into(),
        serial: HOSTILE.into(),
        size_bytes: Some(u64::MAX),
        detail: HOSTILE.into(),
        health: HOSTILE.into(),
    };
    let hardware = BmcHardware {
        manufacturer: HOSTILE.into(),
        parts: ["memory", "memory", "drive", "nic", "processor"].map(part).into(),
        problems: vec![HOSTILE.into()],
        ..BmcHardware::default()
    };
    let item =
        BmcFirmware { id: HOSTILE.into(), name: HOSTILE.into(), version: HOSTILE.into(), updateable: Some(false) };
    let firmware = BmcFirmwareList { items: vec![item], problems: vec![HOSTILE.into()] };
    let media = vec![BmcMedia { name: "other".into(), ..drive(HOSTILE, &[HOSTILE], HOSTILE) }];
    let body = page(Overview { media: Ok(media), hardware: Ok(hardware), firmware: Ok(firmware) }, HOSTILE);
    assert!(!body.contains("<script>alert") && !body.contains("\" onmouseover"), "{body}");
    for id in ["media", "hardware", "firmware", "memory", "drives", "nics", "processors", "hardware-problems"] {
        assert!(body.contains(&format!("id=\"{id}\"")), "{id}: {body}");
    }
}

#[test]
fn parts_stand_by_kind_and_what_is_ill_stands_first() {
    let memory = |place: &str| BmcPart {
        kind: "memory".into(),
        place: place.into(),
        size_bytes: Some(32 << 30),
        ..BmcPart::default()
    };
    let ill = BmcPart {
        kind: "drive".into(),
        place: "Bay 3".into(),
        size_bytes: Some(1_920_000_000_000),
        health: "critical".into(),
        ..BmcPart::default()
    };
    let hardware = BmcHardware { parts: vec![memory("A1"), ill, memory("A2")], ..BmcHardware::default() };
    let body = page(Overview { hardware: Ok(hardware), ..nothing() }, "uefi");
    assert!(body.contains("2, 64 GiB") && body.contains("1.92 TB") && body.contains("drive Bay 3: critical"), "{body}");
    let cpu = BmcPart { manufacturer: "Intel".into(), model: "INTEL(R) Xeon".into(), ..BmcPart::default() };
    assert_eq!(what(&cpu), "INTEL(R) Xeon");
    assert_eq!(what(&BmcPart { manufacturer: "Hynix".into(), ..cpu }), "Hynix INTEL(R) Xeon");
    assert!(!body.contains(">Serial<") && !body.contains("id=\"nics\""), "what nobody tells has no column: {body}");
    assert!(body.contains("in 1.5 s") && body.contains("id=\"no-media\"") && body.contains("id=\"no-firmware\""));
}

#[test]
fn a_node_is_offered_to_start_from_what_is_attached() {
    let with = |media, mode| page(Overview { media: Ok(media), ..nothing() }, mode);
    let body =
        with(vec![drive("Cd1", &["CD", "DVD"], "https://s3/a.iso?..."), drive("Usb", &["USBStick"], "")], "uefi");
    assert!(body.contains("id=\"boot-offer\"") && body.contains("value=\"boot-device cd once uefi\""), "{body}");
    assert!(!body.contains("value=\"boot-device cd once\"") && body.contains("https://s3/a.iso?..."), "{body}");
    assert_eq!(body.matches("value=\"detach\"").count(), 1, "of what is empty there is nothing to detach: {body}");
    assert!(body.contains("<option value=\"Usb\">Usb (USBStick)</option>"), "{body}");
    let stick = with(vec![drive("Cd1", &["CD"], ""), drive("Usb", &["USBStick"], "https://s3/a.img")], "uefi");
    assert!(!stick.contains("id=\"boot-offer\"") && stick.contains("id=\"f-attach\""), "{stick}");
    assert_eq!(with(vec![drive("x", &[], "https://h/a")], "").matches("value=\"boot-device cd once").count(), 2);
}

#[test]
fn a_part_that_failed_says_so_and_leaves_the_others() {
    let lost = |why: &str| format!("{why} <b>");
    let body = page(Overview { media: Err(lost("virtual media")), ..nothing() }, "");
    assert!(body.contains("id=\"media-trouble\"") && body.contains("virtual media &#60;b&#62;"), "{body}");
    assert!(!body.contains("id=\"f-attach\"") && body.contains("id=\"no-parts\""), "{body}");
    let body = page(Overview { hardware: Err(lost("a")), firmware: Err(lost("b")), ..nothing() }, "");
    assert!(body.contains("id=\"hardware-trouble\"") && body.contains("id=\"firmware-trouble\""), "{body}");
    assert!(!body.contains("id=\"no-parts\"") && !body.contains("id=\"no-firmware\""), "nobody knows that: {body}");
}

#[test]
fn one_that_does_not_answer_or_is_no_redfish_is_a_page() {
    let told =
        |detail| RedfishPage::new(Shell::bare("BMC"), detail, seen(""), Err("no answer".into())).render().unwrap();
    let body = told(redfish());
    assert!(body.contains("id=\"no-answer\"") && body.contains("Asked ") && body.contains("Log in now"), "{body}");
    assert!(body.contains("TCP 443") && body.contains("--password-file"), "what to do: {body}");
    assert!(!body.contains("id=\"media\"") && !body.contains("--protocol redfish"), "{body}");
    assert!(told(bmc("managed")).contains("--protocol redfish"), "of one by IPMI");
}

#[test]
fn a_form_that_failed_is_there_again_without_what_is_secret() {
    let again = |url: &str, slot: &str| {
        let form = MediaForm { action: "attach".into(), url: url.into(), slot: slot.into() };
        let page = RedfishPage::with_error(Shell::bare("BMC"), redfish(), seen(""), &form, "no <i>".into());
        page.render().unwrap()
    };
    let body = again("http://10.0.0.1/a.iso", "Cd<1>");
    assert!(body.contains("no &#60;i&#62;") && body.contains("value=\"http://10.0.0.1/a.iso\""), "{body}");
    assert!(body.contains("<option value=\"Cd&#60;1&#62;\" selected>"), "{body}");
    for secret in ["https://s3/a.iso?sig=hunter2", "https://u:hunter2@nas/a.iso", "hunter2"] {
        assert!(!again(secret, "").contains("hunter2"), "{secret}");
    }
}
