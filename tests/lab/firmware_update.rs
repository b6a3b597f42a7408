//! A firmware update from rule to compliance: the node's BIOS tells 1.2.3, a rule wants 2.0.0, the agent runs a real program
//! (busybox and a script) that writes the wanted version to the disk, and restarts. QEMU ends at that restart; what was
//! written is what the BIOS tells when the node is powered on again. After that a rule that holds, and one whose update
//! never helps: three tries, then an alarm and no fourth.

use crate::steps::{TO_REGISTER, boot_id};
use higuma_proto::api::{FirmwareAttempt, NodeEvent, NodeFirmware, NodePatch, Page};
use higuma_tests::error::ensure;
use higuma_tests::programs::run;
use higuma_tests::{Context, Lab, LabResult, Node, NodeSpec, Server, ServerSpec, stock};
use std::io::Read;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const BUSYBOX: &str = "/bin/busybox";
/// Writes the version to the disk's first bytes, as a flash tool writes to a chip.
const FLASH: &str = r#"set -e
echo "flashing $HIGUMA_COMPONENT to $HIGUMA_WANTED in $(./busybox pwd)"
test -z "$HOME"
printf '%s\n' "$HIGUMA_WANTED" | ./busybox dd of=/dev/vda bs=512 conv=sync
./busybox sync
echo "bear's flash tool: done" >&2
"#;
/// Says that all is well, and does nothing.
const LIAR: &str = "echo all is well\n";
/// From power-on, or an update's start, to a restart that ends QEMU.
const TO_RESTART: Duration = Duration::from_secs(240);

#[test]
fn firmware_update() -> LabResult {
    let lab = Lab::new("firmware")?;
    let server = lab.server(ServerSpec::new(&[("admission", "auto"), ("poll-interval", "2s")])?)?;
    stock::first_stage(&server)?;
    let flash = archive(&lab, "flash", FLASH)?;
    let flash = flash.display().to_string();
    let add = ["firmware", "rule", "add", "bios", "--component", "bios", "--vendor", "kuma *", "--model", "Higuma ?ne"];
    let runs = ["--mode", "update", "--exec", "busybox", "--arg", "sh", "--arg", "update.sh", "--deadline", "60"];
    server.cli(&[&add[..], &["--wanted", "2.0.0"], &runs[..], &["--archive", &flash]].concat())?;

    let mut node =
        lab.node(NodeSpec { extra: vec!["-no-reboot".to_owned()], ..NodeSpec::new("n1", &server.bootfile()) })?;
    node.power_on()?;
    wait_restart(&node)?;
    let written = on_disk(&node)?;
    ensure(written == "2.0.0", format!("on the disk is {written:?}"))?;
    let under_way = firmware(&server, &node)?;
    ensure(under_way.node.state == "updating", format!("{:?}", under_way.node))?;
    let reported = newest(&under_way)?;
    ensure(reported.exit == "exit code 0" && reported.outcome.is_none(), format!("{reported:?}"))?;

    tells(&mut node, &written)?;
    node.power_on()?;
    let waiting = lab.wait_node(&server, &node, "the updated node to ask for a plan", TO_REGISTER, |detail| {
        detail.boot.as_ref().is_some_and(|boot| boot.events.iter().any(|e| e.message.contains("has no profile")))
    })?;
    let done = firmware(&server, &node)?;
    ensure(done.node.state == "compliant" && done.node.action == "boot", format!("{:?}", done.node))?;
    let attempt = newest(&done)?;
    let outcome = (attempt.outcome.as_deref(), attempt.after.as_deref(), attempt.n);
    ensure(outcome == (Some("succeeded"), Some("2.0.0"), 1), format!("{attempt:?}"))?;
    for words in ["flashing bios to 2.0.0 in /run/higuma/firmware/files\n", "bear's flash tool: done\n"] {
        ensure(attempt.output.contains(words), format!("{words:?} is not in {:?}", attempt.output))?;
    }
    ensure(open_events(&server, &node)?.is_empty(), "an event is open on a node that is as it should be")?;

    // A rule that holds, made while the node waits for a profile: it gets no plan.
    server.cli(&[
        "firmware",
        "rule",
        "change",
        "bios",
        "--component",
        "bios",
        "--wanted",
        "3.0.0",
        "--mode",
        "hold",
    ])?;
    node.wait_for("waiting: firmware: BIOS 2.0.0, wanted 3.0.0", Duration::from_secs(60))?;
    ensure(firmware(&server, &node)?.node.state == "held", "not held")?;

    // An update that does nothing: counted three times, whatever it says, then an alarm and a hold.
    let liar = archive(&lab, "liar", LIAR)?;
    let liar = liar.display().to_string();
    let change = ["firmware", "rule", "change", "bios", "--component", "bios", "--wanted", "3.0.0"];
    server.cli(&[&change[..], &runs[..], &["--archive", &liar]].concat())?;
    let mut boot = boot_id(&waiting).context("no boot")?.to_owned();
    for n in 1..=3 {
        // The first runs at once, in the boot that waits; then each start runs one.
        if n > 1 {
            node.power_on()?;
        }
        wait_restart(&node)?;
        let attempt = newest(&firmware(&server, &node)?)?;
        ensure(attempt.n == n && attempt.output == "all is well\n", format!("try {n}: {attempt:?}"))?;
        ensure((attempt.boot == boot) == (n == 1), format!("try {n} in boot {}", attempt.boot))?;
        boot = attempt.boot;
    }
    node.power_on()?;
    node.wait_for("[firmware] held: ", TO_REGISTER)?;
    let failed = firmware(&server, &node)?;
    ensure(failed.node.state == "failed" && failed.node.action == "hold", format!("{:?}", failed.node))?;
    ensure(failed.attempts.len() == 4, format!("{} attempts in all", failed.attempts.len()))?;
    let unchanged = failed.attempts.iter().filter(|a| a.outcome.as_deref() == Some("unchanged")).count();
    ensure(unchanged == 3, format!("{unchanged} attempts without a change"))?;
    let events = open_events(&server, &node)?;
    ensure(
        events.len() == 1 && events[0].severity == "alarm" && events[0].message.contains("3 updates did not help"),
        format!("{events:?}"),
    )?;
    // A person takes it out of the rule's reach: it goes on without a restart.
    let patch = NodePatch { maintenance: Some(true), ..NodePatch::default() };
    server.api()?.patch_node(node.uuid(), &patch)?;
    node.wait_for("the node is in maintenance", Duration::from_secs(60))?;
    ensure(node.running(), "the node restarted once more")?;
    lab.finish()
}

/// A tar archive by Debian's tar, compressed: busybox and a script.
fn archive(lab: &Lab, name: &str, script: &str) -> LabResult<PathBuf> {
    let folder = lab.dir().join(name);
    std::fs::create_dir(&folder)?;
    std::fs::copy(BUSYBOX, folder.join("busybox")).context("copying busybox (package busybox-static)")?;
    std::fs::write(folder.join("update.sh"), script)?;
    let file = lab.dir().join(format!("{name}.tar.zst"));
    run(Command::new("tar").arg("--zstd").arg("-cf").arg(&file).arg("-C").arg(&folder).arg("."))?;
    Ok(file)
}

/// Until the agent restarts the machine, which ends QEMU.
fn wait_restart(node: &Node) -> LabResult {
    node.wait_for("the machine restarts in", TO_RESTART)?;
    higuma_tests::wait::until("QEMU to end at the restart", Duration::from_secs(60), || {
        Ok((!node.running()).then_some(()))
    })?;
    // Collects the process that has ended.
    node.power_off();
    Ok(())
}

/// The line that the update wrote.
fn on_disk(node: &Node) -> LabResult<String> {
    let mut bytes = Vec::new();
    std::fs::File::open(node.disk_file())?.take(64).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().to_owned())
}

/// From now on the BIOS tells this version.
fn tells(node: &mut Node, version: &str) -> LabResult {
    node.respec(|spec| {
        for value in spec.smbios.iter_mut().filter(|value| value.starts_with("type=0,")) {
            *value = format!("type=0,vendor=Kuma Firmware,version={version},date=01/02/2026");
        }
    })
}

fn firmware(server: &Server, node: &Node) -> LabResult<NodeFirmware> {
    server.api()?.call("GET", &format!("/api/v1/nodes/{}/firmware", node.uuid()), None::<&()>)
}

fn newest(firmware: &NodeFirmware) -> LabResult<FirmwareAttempt> {
    firmware.attempts.first().cloned().context("no attempt is stored")
}

fn open_events(server: &Server, node: &Node) -> LabResult<Vec<NodeEvent>> {
    let path = format!("/api/v1/events?node={}&kind=firmware&open=true", node.uuid());
    Ok(server.api()?.call::<Page<NodeEvent>>("GET", &path, None::<&()>)?.items)
}
