//! The node page with made data, hostile text included; the makers are used by the timeline's tests too.

#![allow(clippy::unwrap_used)]
use super::*;
use higuma_proto::agent::{
    Bios, Cpu, Dimm, Disk, Event, HostInterface, Inventory, Link, Memory, Neighbour, Nic, PciDevice, SourceError,
    System, Tpm, Virtualisation, Volatile,
};
use higuma_proto::api::{Exchange, IdentityConflict, NodeIdentity, NodeSummary};

pub(in super::super) const NOW: Micros = 1_790_000_000_000_000;
const UUID: &str = "4c4c4544-0046-3010-8052-b4c04f4a4d32";

pub(in super::super) fn event(seq: u32, at_us: i64, step: &str, state: &str, message: &str) -> Event {
    Event { seq, at_us, step: step.into(), state: state.into(), message: message.into() }
}

pub(in super::super) fn boot(phase: &str, events: Vec<Event>) -> BootDetail {
    BootDetail {
        summary: BootSummary {
            id: "0b5a6c1e-5f0e-4a57-9a9a-0d3c6f5c2b11".into(),
            node: UUID.into(),
            phase: phase.into(),
            profile: Some("web".into()),
            revision: Some(3),
            image: Some("debian:12.7".into()),
            plan_hash: None,
            started_us: NOW - 90_000_000,
            deadline_us: None,
            up_us: (phase == "running").then_some(NOW - 30_000_000),
            heartbeat_us: None,
            failed_step: (phase == "failed").then(|| "download".into()),
            failed_reason: (phase == "failed").then(|| "sha256 of rootfs: <i>wrong</i>".into()),
            os: None,
            address: None,
        },
        events,
        exchanges: vec![],
    }
}

fn inventory() -> Inventory {
    Inventory {
        system: Some(System {
            manufacturer: "Dell Inc.".into(),
            product: "PowerEdge R650".into(),
            serial: "<script>alert(1)</script>".into(),
            ..System::default()
        }),
        bios: Some(Bios {
            vendor: "Dell".into(),
            version: "1.9.2".into(),
            date: "11/17/2023".into(),
            ..Bios::default()
        }),
        cpus: vec![Cpu {
            socket: "CPU1".into(),
            model: "Xeon".into(),
            cores: 32,
            threads: 64,
            microcode: "0xd0003a5".into(),
            flags: vec!["aes".into(), "vmx".into()],
            ..Cpu::default()
        }],
        memory: Some(Memory {
            total_bytes: 64 << 30,
            dimms: vec![
                Dimm {
                    locator: "A1".into(),
                    bank: "B0".into(),
                    size_bytes: 64 << 30,
                    speed_mts: 3200,
                    configured_speed_mts: 2933,
                    ecc: true,
                    ..Dimm::default()
                },
                Dimm { locator: "A2".into(), ..Dimm::default() },
            ],
            ..Memory::default()
        }),
        disks: vec![Disk { name: "nvme0n1".into(), size_bytes: 1_920_383_410_176, ..Disk::default() }],
        nics: vec![Nic {
            name: "eth0".into(),
            firmware: "22.39.1002".into(),
            max_speed_mbps: 25_000,
            sriov_total_vfs: 127,
            sriov_vfs: 8,
            pci: "0000:3b:00.0".into(),
            ..Nic::default()
        }],
        secure_boot: "enabled".into(),
        tpm: Some(Tpm { version: "2.0".into(), manufacturer: "IFX".into() }),
        virtualisation: Some(Virtualisation { cpu: "vmx".into(), iommu: true, guest: false }),
        pci_devices: vec![PciDevice {
            address: "0000:3b:00.0".into(),
            vendor_id: "15b3".into(),
            device_id: "1015".into(),
            vendor_name: "Mellanox".into(),
            device_name: "ConnectX-4 Lx <i>".into(),
            numa_node: 1,
            ..PciDevice::default()
        }],
        host_interfaces: vec![HostInterface {
            protocol: "Redfish over IP".into(),
            address: "169.254.1.1".into(),
            port: 443,
            ..HostInterface::default()
        }],
        oem_strings: vec!["Dell System".into(), "5[0000]".into()],
        volatile: Some(Volatile {
            links: vec![Link { nic: "eth0".into(), up: true, speed_mbps: 10_000 }],
            ..Volatile::default()
        }),
        errors: vec![SourceError { source: "ipmi".into(), error: "no device".into(), ..SourceError::default() }],
        ..Inventory::default()
    }
}

fn data(state: &str, admission: &str, boot: Option<BootDetail>) -> NodeData {
    NodeData {
        events: vec![super::super::events::tests::event("warning", "DIMM <i>A1</i> is gone")],
        versions: vec![],
        drift: None,
        bmc: Some(super::super::bmc::tests::bmc("login-refused")),
        node: NodeDetail {
            rule_tags: vec![],
            by_rules: Default::default(),
            summary: NodeSummary {
                cluster: None,
                tags: vec!["gpu".into()],
                uuid: UUID.into(),
                hostname: "hv-12".into(),
                lifecycle: state.into(),
                reason: None,
                admission: admission.into(),
                admitted_by: None,
                profile: Some("web".into()),
                profile_revision: None,
                manufacturer: "Dell Inc.".into(),
                product: "PowerEdge R650".into(),
                serial: "S1".into(),
                boot_mac: None,
                step: None,
                open_events: 0,
                first_seen_us: NOW,
                last_seen_us: NOW,
                conflict: None,
                drift: Some("changed".to_owned()),
                fallback: None,
            },
            inventory: Some(inventory()),
            inventory_hash: Some("0".repeat(64)),
            neighbours: vec![Neighbour {
                interface: "eth0".into(),
                system_name: "leaf-<b>1</b>".into(),
                port_id: "Ethernet12".into(),
                pvid: 42,
                ..Neighbour::default()
            }],
            boot,
            no_boot: vec![],
            maintenance: false,
            retired: false,
            identity: Default::default(),
            disk: Default::default(),
        },
        profiles: vec!["db".into(), "web".into()],
        cabling: CablingData::default(),
        earlier: vec![],
        firmware: None,
    }
}

fn render(data: NodeData) -> String {
    NodePage::new(Shell::bare("hv-12"), data, NOW, None).render().unwrap()
}

#[test]
fn text_from_the_machine_and_its_switch_is_escaped() {
    let body = render(data("failed", "admitted", Some(boot("failed", vec![event(0, NOW, "x", "failed", "<u>")]))));
    for bad in ["<script>", "<b>1", "<i>wrong", "<u>"] {
        assert!(!body.contains(bad), "{bad}: {body}");
    }
    assert!(body.contains("&#60;script&#62;alert(1)&#60;/script&#62;"), "{body}");
}

#[test]
fn the_inventory_reads_as_tables() {
    let body = render(data("running", "admitted", None));
    let wanted = ["64 GiB, 1 of 2 slots used", "1.92 TB", "25 Gbit/s", "32 cores", "3200 MT/s", ">empty<"];
    for text in wanted.into_iter().chain(["Could not be read", "no device", "Ethernet12", "Dell 1.9.2 11/17/2023"]) {
        assert!(body.contains(text), "{text}: {body}");
    }
    let more =
        ["up, 10 Gbit/s", "8 of 127", "22.39.1002", "3200 MT/s, runs at 2933", "0xd0003a5", "2.0 IFX", "5[0000]"];
    for text in more.into_iter().chain(["Intel VT-x, IOMMU on", "169.254.1.1", "Redfish over IP", ">enabled<", ">B0<"])
    {
        assert!(body.contains(text), "{text}: {body}");
    }
    assert!(!body.contains("WWN"), "a column without values is left out: {body}");
}

#[test]
fn long_lists_are_folded() {
    let body = render(data("running", "admitted", None));
    let fold = body.split("<details id=\"fold-pci\">").nth(1).unwrap();
    let fold = fold.split("</details>").next().unwrap();
    assert!(fold.contains("<summary>1 function</summary>") && fold.contains("15b3:1015"), "{fold}");
    assert!(fold.contains("Mellanox ConnectX-4 Lx &#60;i&#62;"), "{fold}");
    assert!(body.contains("<details id=\"fold-flags\"><summary>2 flags</summary>"), "{body}");
}

#[test]
fn who_it_is_and_what_a_person_can_do_about_it() {
    let old = "4c4c4544-0046-3010-8052-b4c04f4a4d33";
    let mut node = data("discovered", "pending", None);
    node.node.identity = NodeIdentity {
        source: "conflict".into(),
        seen: true,
        told_uuid: Some(old.into()),
        aliases: vec!["4c4c4544-0046-3010-8052-b4c04f4a4d34".into()],
        conflicts: vec![IdentityConflict { node: old.into(), differs: "serial <b>S1</b> / S2".into() }],
        merge_candidate: Some(old.into()),
        merge_offers: vec![],
    };
    let body = render(node);
    for text in ["its UUID is another machine", "&#60;b&#62;S1", "b4c04f4a4d34", "value=\"not-same\""] {
        assert!(body.contains(text), "{text}: {body}");
    }
    assert!(body.contains(&format!("name=\"into\" value=\"{old}\"")) && body.contains("value=\"merge\""), "{body}");
    // The old one has the same button, for the new one.
    let mut node = data("running", "admitted", None);
    node.node.identity = NodeIdentity { seen: true, merge_offers: vec![old.into()], ..NodeIdentity::default() };
    let body = render(node);
    assert!(body.contains(&format!("action=\"/nodes/{old}\"")), "{body}");
    assert!(body.contains(&format!("name=\"into\" value=\"{UUID}\"")), "{body}");
    assert!(!render(data("running", "admitted", None)).contains("value=\"merge\""));
}

#[test]
fn forms_fit_the_state() {
    let body = render(data("running", "admitted", None));
    assert!(body.contains("<option selected>web</option>") && body.contains("value=\"reject\""), "{body}");
    assert!(!body.contains("value=\"approve\""), "{body}");
    let body = render(data("discovered", "pending", None));
    assert!(body.contains("value=\"approve\""), "{body}");
    let mut retired = data("retired", "admitted", None);
    retired.node.retired = true;
    let body = render(retired);
    assert!(body.contains("value=\"restore\"") && !body.contains("value=\"assign\""), "{body}");
    let mut none = data("ready", "admitted", None);
    none.profiles.clear();
    assert!(render(none).contains("higuma profile create"));
}

#[test]
fn the_boot_is_a_picture_without_inline_style() {
    let events = vec![event(0, NOW, "mounts", "started", ""), event(1, NOW + 2_000_000, "mounts", "ok", "4 mounts")];
    let view = NodePage::new(Shell::bare("x"), data("running", "admitted", Some(boot("running", events))), NOW, None);
    let body = view.render().unwrap();
    assert!(body.contains("<rect class=\"bar b-ok\"") && body.contains("2 events"), "{body}");
    assert!(body.contains("Up after <strong>1 min") || body.contains("Up after <strong>60.0 s"), "{body}");
    assert!(!body.contains("style=") && !body.contains("<style") && !body.contains("onclick"), "the CSP forbids these");
    let fragment = view.as_live().render().unwrap();
    assert!(fragment.contains("id=\"timeline\"") && !fragment.contains("<html"));
}

#[test]
fn what_it_asked_of_boot_services_is_shown_escaped() {
    let asked = |what: &str, result: &str| Exchange {
        number: 3,
        at_us: NOW - 100_000_000,
        service: "tftp".into(),
        what: what.into(),
        result: result.into(),
        detail: "complete".into(),
        bytes: 265_728,
        took_us: 81_000,
        ..Exchange::default()
    };
    let mut boot = boot("running", vec![event(0, NOW, "register", "ok", "")]);
    boot.exchanges = vec![asked("snponly.efi", "complete"), asked("<b>other</b>", "not_found")];
    let mut node = data("running", "admitted", Some(boot));
    let body = render(NodeData { ..data("running", "admitted", None) });
    assert!(!body.contains("id=\"asked\"") && !body.contains("id=\"no-boot-h\""), "{body}");
    node.node.no_boot = vec![asked("undionly.kpxe", "ended")];
    let body = render(node);
    assert!(!body.contains("<b>other") && body.contains("&#60;b&#62;other"), "{body}");
    for text in ["2 requests to boot services", "266 kB by tftp", "complete, 265728 bytes in 0.1 s", "b-asked"] {
        assert!(body.contains(text), "{text}: {body}");
    }
    let row = body.find("id=\"asked-").unwrap();
    assert!(row < body.find("id=\"step-register\"").unwrap(), "it came before");
    let none = body.split("id=\"no-boot-h\"").nth(1).unwrap();
    assert!(none.contains("undionly.kpxe") && !none.contains("snponly.efi"), "{none}");
}

#[test]
fn captured_output_is_shown_escaped_with_a_button_to_try_again() {
    let mut data = data("registered", "admitted", None);
    let firmware = serde_json::json!({"uuid": UUID, "hostname": "hv-12", "state": "failed", "action": "hold",
        "reason": "BIOS <em>1</em>, wanted 2 (rule r)", "components": [], "attempts": [{"id": "a1", "boot": "b", "rule": "r",
        "component": "bios", "subject": "", "wanted": "2", "n": 3, "before": "1", "after": "1", "started_us": NOW,
        "reported_us": NOW, "exit": "exit code 1", "output": "</pre><script>alert(1)</script>\nline 2", "ended_us": NOW,
        "outcome": "unchanged", "cleared_us": null}]});
    data.firmware = Some(serde_json::from_value(firmware).unwrap());
    let body = render(data);
    assert!(body.contains("&#60;/pre&#62;&#60;script&#62;alert(1)") && !body.contains("<em>1"), "{body}");
    assert!(body.contains("value=\"firmware-retry\"") && body.contains("unchanged, found 1"), "{body}");
}

#[test]
fn the_bmc_has_its_panel_and_its_buttons() {
    let body = render(data("running", "admitted", None));
    assert!(body.contains("id=\"bmc-meaning\" class=\"note bad\"") && body.contains("81h &#60;b&#62;"), "{body}");
    assert!(body.contains("href=\"https://10.9.0.17/\"") && body.contains("10.9.0.17</a>"), "{body}");
    assert!(!body.contains("<script>2.51") && !body.contains("<img src=x>"), "{body}");
    let (now, asked) = (body.find("id=\"f-bmc-now\"").unwrap(), body.find("id=\"f-bmc-asked\"").unwrap());
    let off = body.find("value=\"power-off\"").unwrap();
    assert!(now < body.find("value=\"power-on\"").unwrap() && asked < off, "{body}");
    let mut far = data("running", "admitted", None);
    far.bmc.as_mut().unwrap().summary.address = None;
    assert!(!render(far).contains("f-bmc-now"), "nothing to log in to");
    assert!(render(NodeData { bmc: None, ..data("running", "admitted", None) }).contains("id=\"no-bmc\""));
}
