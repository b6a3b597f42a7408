//! One image both ways: embedded in the second stage's initramfs, and streamed by it, chosen by the size limit. And one whose root
//! file system is an erofs.

use crate::steps::{TO_RUNNING, boot_id, wait_registered, wait_running};
use higuma_proto::api::NewProfile;
use higuma_proto::steps as step;
use higuma_tests::error::ensure;
use higuma_tests::images::{self, TINY_UP};
use higuma_tests::{Context, Lab, LabResult, NodeSpec, ServerSpec, Stock, stock};
use std::time::Duration;

/// MiB of the image's ballast.
const SIZE: usize = 48;

#[test]
fn boot_large() -> LabResult {
    let lab = Lab::new("boot-large")?;
    let spec = ServerSpec::new(&[])?;
    let limited =
        |limit: &str| ServerSpec { settings: vec![("embed-limit".to_owned(), limit.to_owned())], ..spec.clone() };
    let server = lab.server(limited("512MiB"))?;
    stock::fill(&server, &[Stock::Large(SIZE)])?;
    let node = lab.node(NodeSpec::new("n1", &server.bootfile()))?;
    node.power_on()?;
    wait_registered(&lab, &server, &node)?;
    server.api()?.assign(node.uuid(), "large")?;
    let embedded = wait_running(&lab, &server, &node, TO_RUNNING, None)?;
    node.wait_for(TINY_UP, Duration::from_secs(30))?;
    let boot = embedded.boot.clone().context("no boot")?;
    let way = |boot: &higuma_proto::api::BootDetail| {
        let lines = boot.events.iter().filter(|event| event.step == step::MEMORY || event.step == step::PACK);
        lines.map(|event| event.message.to_lowercase()).collect::<Vec<_>>().join("; ")
    };
    ensure(way(&boot).contains("embed"), format!("the events do not say that it was embedded: {}", way(&boot)))?;

    node.power_off();
    drop(server);
    // The same folder and ports, a smaller limit.
    let server = lab.server(limited("16MiB"))?;
    node.power_on()?;
    let streamed = wait_running(&lab, &server, &node, TO_RUNNING, boot_id(&embedded))?;
    node.wait_for(TINY_UP, Duration::from_secs(30))?;
    let boot = streamed.boot.clone().context("no boot")?;
    ensure(way(&boot).contains("stream"), format!("the events do not say that it was streamed: {}", way(&boot)))?;
    ensure(streamed.summary.hostname == embedded.summary.hostname, "another host name")?;

    node.power_off();
    let root = images::tiny()?.display().to_string();
    server.cli(&["image", "import", "--name", "ero", "--version", "1", "--rootfs-type", "erofs", "--dir", &root])?;
    let profile = NewProfile {
        name: "ero".to_owned(),
        image: "ero:1".to_owned(),
        cmdline: stock::CONSOLE.to_owned(),
        files: Vec::new(),
        ssh_authorized_keys: Vec::new(),
        ..NewProfile::default()
    };
    stock::profile(&server, &profile)?;
    server.api()?.assign(node.uuid(), "ero")?;
    node.power_on()?;
    let erofs = wait_running(&lab, &server, &node, TO_RUNNING, boot_id(&streamed))?;
    node.wait_for(TINY_UP, Duration::from_secs(30))?;
    let boot = erofs.boot.context("no boot")?;
    ensure(boot.events.iter().any(|event| event.message.contains("erofs")), format!("not from an erofs: {boot:?}"))?;
    lab.finish()
}
