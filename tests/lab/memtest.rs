//! A program that is no system, kept as an image: Debian's memtest86+ is imported, and iPXE starts it from the server by the
//! script of a profile. No first stage is there, and the node calls nobody.

use higuma_proto::api::{NewProfile, NodeDetail, NodePatch};
use higuma_tests::error::ensure;
use higuma_tests::programs::run;
use higuma_tests::{Context, Lab, LabResult, NodeSpec, ServerSpec, stock};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const IMAGE: &str = "memtest:6";
/// Its console, and what a virtual machine on a busy one has no time for.
const CMDLINE: &str = "console=ttyS0,115200 nobench nosm nopause";
/// Firmware, iPXE, and the program's first screen.
const TO_SCREEN: Duration = Duration::from_secs(120);

/// The program out of Debian's package, which is not installed: it would enter itself into a boot loader's menu.
fn program(dir: &Path) -> LabResult<PathBuf> {
    let root = dir.join("memtest");
    std::fs::create_dir(&root)?;
    let mut apt = Command::new("apt-get");
    apt.args(["-q", "-o", "APT::Sandbox::User=root", "download", "memtest86+"]).current_dir(&root);
    run(&mut apt).context("getting memtest86+; apt may need `apt-get update`")?;
    let deb = std::fs::read_dir(&root)?.next().context("apt-get left no package")??.path();
    run(Command::new("dpkg-deb").arg("-x").arg(deb).arg(&root))?;
    // The same file for BIOS and UEFI.
    Ok(root.join("boot/memtest86+x64.efi"))
}

#[test]
fn memtest() -> LabResult {
    let lab = Lab::new("memtest")?;
    let server = lab.server(ServerSpec::new(&[])?)?;
    let program = program(lab.dir())?.display().to_string();
    let import =
        ["image", "import", "--name", "memtest", "--version", "6", "--program", &program, "--cmdline", CMDLINE];
    server.cli(&import)?;
    let script = "#!ipxe\nkernel {{ image.kernel }} {{ image.cmdline }}\nboot\n";
    let words = serde_json::json!({"mode": "ipxe", "image": IMAGE, "script": script});
    let words = words.as_object().cloned();
    stock::profile(&server, &NewProfile { name: "memtest".to_owned(), words, ..NewProfile::default() })?;
    let node = lab.node(NodeSpec { memory_mib: 256, ..NodeSpec::new("n1", &server.bootfile()) })?;
    let planned = NodePatch { profile: Some("memtest".to_owned()), ..NodePatch::default() };
    let _: NodeDetail = server.api()?.call("PUT", &format!("/api/v1/nodes/{}", node.uuid()), Some(&planned))?;
    node.power_on()?;
    let screen = node.wait_for("Memtest86+ v", TO_SCREEN);
    screen.map_err(|error| higuma_tests::LabError::new(format!("{error}\n{}", server.explain())))?;
    let detail = server.api()?.node(node.uuid())?.context("the node is gone")?;
    ensure(detail.boot.is_none(), format!("it went by a first stage: {:?}", detail.boot))?;
    ensure(
        detail.disk.left.is_some_and(|left| left.way == "ipxe"),
        "the server does not tell that a script was given",
    )?;
    let deleted = server.api()?.send("DELETE", "/api/v1/images/memtest/6", None::<&()>)?;
    ensure(deleted.status == 409 && deleted.body.contains("used by profiles: memtest"), format!("{deleted:?}"))?;
    lab.finish()
}
