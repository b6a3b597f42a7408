//! An image whose init hangs: the boot ends as failed at its deadline, with the step where it stopped, and never as running.

use crate::steps::{TO_RUNNING, wait_registered};
use higuma_tests::error::ensure;
use higuma_tests::images::HANG_UP;
use higuma_tests::{Context, Lab, LabResult, NodeSpec, ServerSpec, Stock, stock};

#[test]
fn never_up() -> LabResult {
    let lab = Lab::new("never-up")?;
    let server = lab.server(ServerSpec::new(&[("boot-deadline", "40s")])?)?;
    stock::fill(&server, &[Stock::Hang])?;
    let node = lab.node(NodeSpec::new("n1", &server.bootfile()))?;
    node.power_on()?;
    wait_registered(&lab, &server, &node)?;
    server.api()?.assign(node.uuid(), "hang")?;
    node.wait_for(HANG_UP, TO_RUNNING)?;
    let failed = lab.wait_node(&server, &node, "the boot to be given up", TO_RUNNING, |detail| {
        detail.boot.as_ref().is_some_and(|boot| boot.summary.phase == "failed")
    })?;
    let boot = failed.boot.as_ref().context("no boot")?;
    println!("never_up: {:?}, {:?}", boot.summary.failed_step, boot.summary.failed_reason);
    ensure(failed.summary.lifecycle == "failed", format!("lifecycle {}", failed.summary.lifecycle))?;
    ensure(boot.summary.failed_step.is_some() && boot.summary.failed_reason.is_some(), "no step or no reason")?;
    ensure(boot.summary.up_us.is_none(), "it never was up")?;
    lab.finish()
}
