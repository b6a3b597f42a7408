//! An image that is a kernel and an initramfs, and nothing else: it gets its host name and its files, its own init runs, goes into
//! another root as initrds do, and the server hears that it is up, and again and again.

use crate::steps::{TO_RUNNING, boot_id, wait_registered, wait_running};
use higuma_proto::api::{NewProfile, Profile};
use higuma_tests::error::ensure;
use higuma_tests::images::TINY_UP;
use higuma_tests::stock::{self, CONSOLE};
use higuma_tests::{Context, Lab, LabResult, NodeSpec, ServerSpec, Stock};
use std::time::Duration;

const PROFILE: &str = "whole";

#[test]
fn initramfs_whole() -> LabResult {
    let lab = Lab::new("initramfs-whole")?;
    let server = lab.server(ServerSpec::new(&[("heartbeat-interval", "2s"), ("heartbeat-timeout", "15s")])?)?;
    stock::first_stage(&server)?;
    stock::image(&server, Stock::Whole)?;
    // The init of the image shows what it finds: its own script is not touched.
    let word = serde_json::json!({"/etc/hostname": {"content": "by-the-profile\n"}});
    let words = serde_json::json!({"image": Stock::Whole.reference(), "cmdline": CONSOLE, "files": word});
    let words = words.as_object().cloned();
    let _: Profile = stock::profile(&server, &NewProfile { name: PROFILE.to_owned(), words, ..NewProfile::default() })?;
    let node = lab.node(NodeSpec { memory_mib: 768, ..NodeSpec::new("n1", &server.bootfile()) })?;
    node.power_on()?;
    wait_registered(&lab, &server, &node)?;
    server.api()?.assign(node.uuid(), PROFILE)?;
    let line = node.wait_for(TINY_UP, TO_RUNNING)?;
    ensure(line.contains("by-the-profile"), format!("a file of the profile: {line}"))?;
    ensure(
        !std::fs::read_to_string(node.console_file())?.contains("whole: /proc was there"),
        "its init finds the root as the kernel gives it",
    )?;
    let running = wait_running(&lab, &server, &node, TO_RUNNING, None)?;
    let boot = running.boot.as_ref().context("no boot")?;
    println!("initramfs_whole: {:?}", boot.summary);
    // It is the new root's, which the helper followed.
    ensure(boot.summary.os.as_deref() == Some("Tiny of the Higuma lab"), format!("{:?}", boot.summary.os))?;
    // Longer than a node counts as running that is not heard from.
    std::thread::sleep(Duration::from_secs(20));
    let later = lab.wait_node(&server, &node, "the node, later", Duration::from_secs(1), |_| true)?;
    ensure(later.summary.lifecycle == "running", format!("it was not heard from again: {:?}", later.summary))?;
    ensure(boot_id(&later) == boot_id(&running), "it is another boot")?;
    lab.finish()
}
