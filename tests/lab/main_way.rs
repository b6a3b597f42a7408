//! The main job, the same for both firmwares: unknown -> pending -> assigned -> running Debian -> power cut -> the same
//! again, with another boot id, and nothing written to the node's disk.

use crate::steps::{TO_DEBIAN, boot_id, wait_registered, wait_running};
use higuma_proto::api::{NewProfile, NodeDetail};
use higuma_proto::steps as step;
use higuma_tests::error::ensure;
use higuma_tests::stock::{self, CONSOLE};
use higuma_tests::{Context, Firmware, Lab, LabResult, NodeSpec, ServerSpec, Stock};
use std::time::Duration;

/// Written by the profile; systemd prints it on the console before the login prompt.
const ISSUE: &str = "bear cave number seven\n";
/// Of secrets: a file's content, and what `openssl passwd -6` prints. Nothing but the node may have them.
const SECRET: &str = "canary-lab-5b1f\n";
const HASH: &str = "$6$cavecave$NwuCaITfV6.aG3fYWfU3u3rO3XNHQcAmT16VH3fvW/nO6n5MZdtM3GWtHPjdtZDqoXm5DMZswgFtxa7jA4i4T/";
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ bear";
/// A profile's unit tells what became of its other words: a file's owners and its rendered text, a setting, a module; its users
/// as the image's own programs see them; a secret, by its checksum alone.
const TELLS: &str = "[Unit]
After=systemd-sysctl.service systemd-modules-load.service
Before=serial-getty@ttyS0.service
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo CAVE:$$(stat -c %%U:%%G:%%a /etc/cave):$$(cat /etc/cave):$$(cat /proc/sys/vm/swappiness):$$(grep -c ^dummy /proc/modules): >/dev/console'
ExecStart=/bin/sh -c 'echo DEN:$$(getent passwd bear):$$(id -nG bear):$$(su - bear -c pwd):$$(stat -c %%U:%%a .ssh .ssh/authorized_keys | paste -sd+): >/dev/console'
ExecStart=/bin/sh -c 'echo HONEY:$$(stat -c %%U:%%G:%%a /etc/honey):$$(md5sum </etc/honey | cut -c1-8):$$(md5sum <.ssh/authorized_keys | cut -c1-8):$$(getent shadow bear | cut -d: -f2 | md5sum | cut -c1-8): >/dev/console'
WorkingDirectory=/home/bear
[Install]
WantedBy=multi-user.target
";

pub fn run(name: &str, firmware: Firmware) -> LabResult {
    let lab = Lab::new(name)?;
    let server = lab.server(ServerSpec::new(&[])?)?;
    ensure(!server.api()?.status()?.ready, "a server without a first stage must not be ready")?;
    stock::first_stage(&server)?;
    stock::image(&server, Stock::Debian)?;
    let words = serde_json::json!({
        "image": Stock::Debian.reference(),
        "cmdline": CONSOLE,
        "params": {"den": "deep"},
        "files": {
            "/etc/issue": {"content": ISSUE},
            "/etc/cave": {"content": "{{ params.den }}-{{ node.cpu.sockets }}", "template": true, "mode": "0640", "owner": "daemon",
                "group": "games"},
            "/etc/honey": {"secret": "honey", "mode": "0640", "owner": "bear", "group": "games"},
        },
        "users": {"bear": {"uid": 4711, "groups": ["games", "adm"], "shell": "/bin/sh", "comment": "Brown",
            "ssh_authorized_keys": [KEY], "password_hash": {"secret": "bear-password"}}},
        "sysctl": {"vm.swappiness": 7},
        "modules": ["dummy"],
        "units": {"cave.service": {"content": TELLS, "enabled": true}},
    });
    for (name, value) in [("honey", SECRET), ("bear-password", HASH)] {
        let file = lab.dir().join(name);
        std::fs::write(&file, value)?;
        server.cli(&["secret", "set", name, "-f", &file.display().to_string()])?;
    }
    let words = words.as_object().cloned();
    stock::profile(&server, &NewProfile { name: "cave".to_owned(), words, ..NewProfile::default() })?;
    ensure(server.api()?.status()?.ready, "a server with a first stage is ready")?;

    let node = lab.node(NodeSpec { firmware, memory_mib: 2048, ..NodeSpec::new("n1", &server.bootfile()) })?;
    ensure(server.api()?.node(node.uuid())?.is_none(), "the server must not know the node before it was on")?;
    node.power_on()?;
    let pending = wait_registered(&lab, &server, &node)?;
    check_inventory(&pending, firmware)?;
    ensure(pending.summary.admission == "pending", format!("admission {}", pending.summary.admission))?;

    server.api()?.assign(node.uuid(), "cave")?;
    let first = wait_running(&lab, &server, &node, TO_DEBIAN, None)?;
    ensure(first.summary.admission == "admitted", "assigning a profile admits")?;
    check_steps(&first)?;
    node.wait_for("CAVE:daemon:games:640:deep-1:7:1:", Duration::from_secs(60))?;
    let den = "DEN:bear:x:4711:4711:Brown:/home/bear:/bin/sh:bear adm games:/home/bear:bear:700+bear:600:";
    node.wait_for(den, Duration::from_secs(60))?;
    node.wait_for("HONEY:bear:games:640:1fa2d658:f4c630b6:b7f8f4cc:", Duration::from_secs(60))?;
    node.wait_for(ISSUE.trim(), Duration::from_secs(60))?;
    let first_login = node.wait_for("login:", Duration::from_secs(60))?;

    node.power_off();
    node.power_on()?;
    let second = wait_running(&lab, &server, &node, TO_DEBIAN, boot_id(&first))?;
    node.wait_for(ISSUE.trim(), Duration::from_secs(60))?;
    let second_login = node.wait_for("login:", Duration::from_secs(60))?;
    same_again(&first, &second)?;
    ensure(first_login == second_login, format!("prompts {first_login:?} and {second_login:?}"))?;
    ensure(first_login.contains(&first.summary.hostname), format!("{first_login:?} has not the host name"))?;
    ensure(server.api()?.boots(node.uuid())?.len() == 2, "two boots are stored")?;

    node.power_off();
    ensure(node.disk_is_blank()?, "something was written to the node's disk")?;
    no_secrets(&server, &node)?;
    lab.finish()
}

fn check_inventory(detail: &NodeDetail, firmware: Firmware) -> LabResult {
    let inventory = detail.inventory.as_ref().context("no inventory was stored")?;
    let system = inventory.system.as_ref().context("no system in the inventory")?;
    ensure(
        system.manufacturer == "Kuma Systems" && system.product == "Higuma One" && system.serial.starts_with("SN-"),
        format!("{system:?}"),
    )?;
    let mode = if firmware == Firmware::Bios { "bios" } else { "uefi" };
    ensure(inventory.boot_mode == mode, format!("boot mode {:?}, expected {mode}", inventory.boot_mode))?;
    // The lab's OVMF has no Secure Boot; which word that is depends on its build, but there must be one.
    let secure = inventory.secure_boot.as_str();
    let known = if firmware == Firmware::Bios { secure == "unsupported" } else { !secure.is_empty() };
    ensure(known, format!("Secure Boot {secure:?} of {mode}: {:?}", inventory.errors))?;
    ensure(!inventory.cpus.is_empty() && !inventory.nics.is_empty(), format!("{inventory:?}"))?;
    ensure(inventory.disks.iter().any(|disk| disk.size_bytes == 64 * 1024 * 1024), format!("{:?}", inventory.disks))?;
    ensure(detail.summary.product == "Higuma One", format!("summary: {:?}", detail.summary))
}

/// Every step of the picture left its mark, and none failed.
fn check_steps(detail: &NodeDetail) -> LabResult {
    let boot = detail.boot.as_ref().context("no boot")?;
    for name in [step::NETWORK, step::REGISTER, step::PLAN, step::DOWNLOAD, step::LOAD, step::KEXEC] {
        ensure(boot.events.iter().any(|event| event.step == name), format!("no event of step {name}: {boot:?}"))?;
    }
    ensure(boot.events.iter().all(|event| event.state != "failed"), format!("a step failed: {boot:?}"))?;
    ensure(boot.summary.up_us.is_some(), "no time of ReportUp")?;
    let os = boot.summary.os.clone().unwrap_or_default();
    ensure(os.contains("Debian GNU/Linux 12"), format!("the node says it is {os:?}"))
}

fn same_again(first: &NodeDetail, second: &NodeDetail) -> LabResult {
    let (a, b) = (first.boot.as_ref().context("no first boot")?, second.boot.as_ref().context("no second boot")?);
    ensure(a.summary.id != b.summary.id, "the second boot has the id of the first")?;
    ensure(a.summary.plan_hash.is_some() && a.summary.plan_hash == b.summary.plan_hash, "another plan")?;
    ensure(a.summary.image == b.summary.image && a.summary.os == b.summary.os, "another image")?;
    ensure(first.summary.hostname == second.summary.hostname, "another host name")
}

/// Nonces and credentials are 64 hex digits; the admin token is known. Neither belongs on the server's log.
fn no_secrets(server: &higuma_tests::Server, node: &higuma_tests::Node) -> LabResult {
    let token = std::fs::read_to_string(server.data_dir().join("admin.token")).context("reading the admin token")?;
    let log = server.log()?;
    ensure(!log.contains(token.trim()), "the admin token is in the log")?;
    let console = String::from_utf8_lossy(&std::fs::read(node.console_file())?).into_owned();
    ensure(!console.contains(token.trim()), "the admin token is on a console")?;
    for secret in [SECRET.trim(), HASH] {
        ensure(
            !log.contains(secret) && !console.contains(secret),
            "a profile's secret is in the log, or on a console",
        )?;
    }
    for nonce in console.split("higuma.nonce=").skip(1).filter_map(|rest| rest.get(..64)) {
        ensure(!log.contains(nonce), "a boot nonce is in the log")?;
    }
    Ok(())
}
