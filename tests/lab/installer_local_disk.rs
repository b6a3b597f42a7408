//! An installer writes a node's disk, calls, and never runs again by itself: the node boots its disk, also after a power
//! cut. A diskless profile leaves the disk as it is, and the way back does not install. One that never calls has failed.

use crate::steps::{TO_REGISTER, TO_RUNNING, boot_id, wait_registered, wait_running};
use higuma_proto::api::{NewProfile, NodeDetail, Profile};
use higuma_tests::error::ensure;
use higuma_tests::images::{self, DISK_UP, INSTALLED};
use higuma_tests::{Context, Lab, LabResult, Node, NodeSpec, Server, ServerSpec, Stock, stock};
use serde_json::json;
use sha2::{Digest, Sha256};

/// The image `installer:lab` and the profile `inst`, which installs from it.
fn installer(server: &Server) -> LabResult {
    let files = images::installer()?;
    let (kernel, initrd) = (files.kernel.display().to_string(), files.initrd.display().to_string());
    server.cli(&[
        "image",
        "import",
        "--kernel",
        &kernel,
        "--initrd",
        &initrd,
        "--name",
        "installer",
        "--version",
        "lab",
    ])?;
    profile(server, "inst", "console=ttyS0 answer={{ urls.answer }} done={{ urls.installed }}")
}

fn profile(server: &Server, name: &str, cmdline: &str) -> LabResult {
    let answer = format!("# {{{{ node.hostname }}}}\n{}\n", images::bootable_disk("/dev/vda"));
    let words = json!({"mode": "installer", "image": "installer:lab", "cmdline": cmdline, "answer": answer});
    let new = NewProfile { name: name.to_owned(), words: words.as_object().cloned(), ..NewProfile::default() };
    server.api()?.call::<Profile>("POST", "/api/v1/profiles", Some(&new)).map(drop)
}

fn disk(node: &Node) -> LabResult<String> {
    Ok(hex::encode(Sha256::digest(std::fs::read(node.disk_file())?)))
}

fn boots(server: &Server, node: &Node) -> LabResult<usize> {
    Ok(server.api()?.boots(node.uuid())?.len())
}

fn installed(detail: &NodeDetail) -> bool {
    detail.disk.install.as_ref().is_some_and(|install| install.installed_us.is_some())
}

#[test]
fn installer_local_disk() -> LabResult {
    let lab = Lab::new("installer")?;
    let server = lab.server(ServerSpec::new(&[])?)?;
    stock::fill(&server, &[Stock::Tiny])?;
    installer(&server)?;
    let node = lab.node(NodeSpec::new("n1", &server.bootfile()))?;
    node.power_on()?;
    wait_registered(&lab, &server, &node)?;
    server.api()?.assign(node.uuid(), "inst")?;
    node.wait_for(INSTALLED, TO_RUNNING)?;
    let done = lab.wait_node(&server, &node, "the installer's call", TO_REGISTER, installed)?;
    ensure(done.summary.lifecycle == "assigned", format!("{done:?}"))?;
    // It restarted by itself: from the disk it comes, now and after a power cut, and registers no more.
    node.wait_for(DISK_UP, TO_REGISTER)?;
    let known = boots(&server, &node)?;
    node.power_off();
    node.power_on()?;
    node.wait_for(DISK_UP, TO_REGISTER)?;
    ensure(boots(&server, &node)? == known, "it registered, though it boots from its disk")?;
    let left = server.api()?.node(node.uuid())?.context("the node is gone")?.disk.left;
    ensure(left.is_some_and(|left| left.way == "local-disk"), "the server does not tell that it was left to its disk")?;

    // In RAM: the disk stays as it is, byte for byte.
    let before = disk(&node)?;
    server.api()?.assign(node.uuid(), "tiny")?;
    node.power_off();
    node.power_on()?;
    let running = wait_running(&lab, &server, &node, TO_RUNNING, None)?;
    ensure(disk(&node)? == before, "a diskless boot wrote the disk")?;
    // And back: what is installed is not installed again.
    server.api()?.assign(node.uuid(), "inst")?;
    node.power_off();
    node.power_on()?;
    node.wait_for(DISK_UP, TO_REGISTER)?;
    ensure(disk(&node)? == before, "the way back wrote the disk")?;
    // Until it is asked for.
    let detail: NodeDetail =
        server.api()?.call("POST", &format!("/api/v1/nodes/{}/reinstall", node.uuid()), None::<&()>)?;
    ensure(detail.disk.install.is_none(), format!("{:?}", detail.disk))?;
    node.power_off();
    node.power_on()?;
    node.wait_for(INSTALLED, TO_RUNNING)?;
    lab.wait_node(&server, &node, "the second installation", TO_REGISTER, |detail| {
        installed(detail) && boot_id(detail) != boot_id(&running)
    })?;
    lab.finish()
}

#[test]
fn installer_never_calls() -> LabResult {
    let lab = Lab::new("installer-mute")?;
    let server = lab.server(ServerSpec::new(&[("install-deadline", "60s")])?)?;
    stock::fill(&server, &[])?;
    installer(&server)?;
    profile(&server, "mute", "console=ttyS0 mute")?;
    let node = lab.node(NodeSpec::new("n1", &server.bootfile()))?;
    node.power_on()?;
    wait_registered(&lab, &server, &node)?;
    server.api()?.assign(node.uuid(), "mute")?;
    for attempt in 1..=3 {
        node.wait_for("installer: started", TO_RUNNING)?;
        let failed = lab.wait_node(&server, &node, "the attempt to fail", TO_REGISTER, |detail| {
            detail.summary.reason.as_ref().is_some_and(|r| r.contains(&format!("attempt {attempt} of 3")))
        })?;
        ensure(failed.summary.lifecycle == "failed", format!("{:?}", failed.summary))?;
        node.power_off();
        node.power_on()?;
    }
    // The fourth time it waits, and says why; another profile takes it on from there.
    lab.wait_node(&server, &node, "the installer to be given up", TO_REGISTER, |detail| {
        detail.summary.reason.as_ref().is_some_and(|r| r.contains("did not call back in 3 attempts"))
    })?;
    ensure(node.disk_is_blank()?, "the mute installer wrote the disk")?;
    server.api()?.assign(node.uuid(), "inst")?;
    node.wait_for(INSTALLED, TO_RUNNING)?;
    lab.finish()
}
