//! A node whose new revision does not come up gets the one that it ran last, from firmware to the second stage, and says so.

use crate::steps::{TO_RUNNING, boot_id, wait_registered, wait_running};
use higuma_proto::api::{NewProfile, NodeEvent, NodeFallback, Page, Profile};
use higuma_tests::error::ensure;
use higuma_tests::images::{HANG_UP, TINY_UP};
use higuma_tests::stock::{self, CONSOLE};
use higuma_tests::{Context, Lab, LabResult, NodeSpec, ServerSpec, Stock};
use std::time::Duration;

const PROFILE: &str = "web";

fn profile(image: Stock) -> NewProfile {
    NewProfile {
        name: PROFILE.to_owned(),
        image: image.reference(),
        cmdline: CONSOLE.to_owned(),
        files: Vec::new(),
        ssh_authorized_keys: Vec::new(),
        ..NewProfile::default()
    }
}

#[test]
fn fallback_boot() -> LabResult {
    let lab = Lab::new("fallback-boot")?;
    let server = lab.server(ServerSpec::new(&[("fallback-after", "1"), ("heartbeat-interval", "5s")])?)?;
    stock::first_stage(&server)?;
    stock::image(&server, Stock::Tiny)?;
    stock::image(&server, Stock::Hang)?;
    let _: Profile = stock::profile(&server, &profile(Stock::Tiny))?;
    let node = lab.node(NodeSpec { memory_mib: 768, ..NodeSpec::new("n1", &server.bootfile()) })?;
    node.power_on()?;
    wait_registered(&lab, &server, &node)?;
    server.api()?.assign(node.uuid(), PROFILE)?;
    let first = wait_running(&lab, &server, &node, TO_RUNNING, None)?;
    node.wait_for(TINY_UP, Duration::from_secs(60))?;
    ensure(first.summary.fallback.is_none(), format!("{:?}", first.summary))?;

    // Its next revision hangs in its init.
    let path = format!("/api/v1/profiles/{PROFILE}");
    let next: Profile = server.api()?.call("PUT", &path, Some(&profile(Stock::Hang)))?;
    ensure((next.revision, next.active) == (2, 2), format!("{next:?}"))?;
    node.power_off();
    node.power_on()?;
    node.wait_for(HANG_UP, TO_RUNNING)?;
    let hung = lab.wait_node(&server, &node, "its second boot", TO_RUNNING, |detail| {
        boot_id(detail) != boot_id(&first) && detail.boot.as_ref().is_some_and(|boot| boot.summary.revision == Some(2))
    })?;
    ensure(hung.summary.fallback.is_none(), "one that is on its way has not failed")?;

    // Somebody walks to it. That boot did not come up, and this one gets what ran last.
    node.power_off();
    node.power_on()?;
    let back = wait_running(&lab, &server, &node, TO_RUNNING, boot_id(&hung))?;
    node.wait_for(TINY_UP, Duration::from_secs(60))?;
    let boot = back.boot.as_ref().context("no boot")?;
    ensure(boot.summary.revision == Some(1), format!("{:?}", boot.summary))?;
    let Some(NodeFallback { from, to, .. }) = &back.summary.fallback else {
        return Err(higuma_tests::LabError::new(format!("it does not say so: {:?}", back.summary)));
    };
    ensure((from.as_str(), to.as_str()) == ("web@2", "web@1"), format!("{from} {to}"))?;
    let path = format!("/api/v1/events?open=true&kind=boot&node={}", node.uuid());
    let events: Page<NodeEvent> = server.api()?.call("GET", &path, None::<&()>)?;
    let [event] = events.items.as_slice() else {
        return Err(higuma_tests::LabError::new(format!("one alarm was expected: {events:?}")));
    };
    println!("fallback_boot: {}: {}", event.severity, event.message);
    ensure(event.severity == "alarm" && event.message.contains("it gets web@1"), format!("{event:?}"))?;
    lab.finish()
}
