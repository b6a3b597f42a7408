//! Wrong bytes are refused before they are used: kernel and squashfs before kexec, a streamed squashfs before it is
//! mounted; of the right size, and cut short. The node says why, and boots once the bytes are right again.

use crate::steps::{TO_REGISTER, TO_RUNNING, boot_id, wait_running};
use higuma_proto::api::{Image, NodeDetail};
use higuma_proto::steps as step;
use higuma_tests::error::ensure;
use higuma_tests::images::TINY_UP;
use higuma_tests::stock::{self, blob_file};
use higuma_tests::{Context, Lab, LabResult, Node, NodeSpec, Server, ServerSpec, Stock};
use std::path::Path;
use std::time::Duration;

#[derive(Debug, Clone, Copy)]
enum Damage {
    /// One byte in the middle is another.
    SameSize,
    /// The last 4 KiB are missing.
    Truncated,
}

/// Which stage must refuse.
#[derive(Debug, Clone, Copy)]
enum Where {
    /// Before kexec: an event of the download says why.
    FirstStage,
    /// Before the mount. It has no credential to report with; its console says why.
    SecondStage,
}

#[test]
fn embedded() -> LabResult {
    refused("512MiB", &["kernel", "rootfs"], Where::FirstStage)
}

#[test]
fn streamed() -> LabResult {
    refused("1MiB", &["rootfs"], Where::SecondStage)
}

fn refused(embed_limit: &str, roles: &[&str], stage: Where) -> LabResult {
    let lab = Lab::new("corrupt-blob")?;
    let server = lab.server(ServerSpec::new(&[("embed-limit", embed_limit)])?)?;
    stock::fill(&server, &[Stock::Tiny])?;
    let image: Image = server.api()?.call("GET", "/api/v1/images/tiny/lab", None::<&()>)?;
    let node = lab.node(NodeSpec::new("n1", &server.bootfile()))?;
    for role in roles {
        let part = image.parts.iter().find(|part| part.role == *role).context(format!("no {role} in the image"))?;
        let file = blob_file(&server, &part.sha256)?;
        let good = std::fs::read(&file)?;
        for damage in [Damage::SameSize, Damage::Truncated] {
            println!("corrupt_blob: {role}, {damage:?}");
            // The kernel is also the first stage's (one blob): it is spoiled only once the first stage runs and waits.
            let waiting = wait_for_profile(&lab, &server, &node)?;
            spoil(&file, &good, damage)?;
            refused_once(&lab, &server, &node, &waiting, stage)?;
            std::fs::write(&file, &good)?;
        }
    }
    // The same node, the right bytes: it was the bytes.
    let before = server.api()?.node(node.uuid())?.context("the node is gone")?;
    node.power_on()?;
    wait_running(&lab, &server, &node, TO_RUNNING, boot_id(&before))?;
    lab.finish()
}

fn spoil(file: &Path, good: &[u8], damage: Damage) -> LabResult {
    let mut bytes = good.to_vec();
    match damage {
        Damage::SameSize => {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x20;
        }
        Damage::Truncated => bytes.truncate(good.len() - 4096),
    }
    Ok(std::fs::write(file, bytes)?)
}

/// Powers on with no profile assigned, until this boot has registered.
fn wait_for_profile(lab: &Lab, server: &Server, node: &Node) -> LabResult<NodeDetail> {
    let before = server.api()?.node(node.uuid())?;
    if before.is_some() {
        server.api()?.assign(node.uuid(), "")?;
    }
    node.power_on()?;
    lab.wait_node(server, node, "the node to register", TO_REGISTER, |detail| {
        detail.boot.is_some() && boot_id(detail) != before.as_ref().and_then(boot_id)
    })
}

/// The rest of this boot must not get anywhere: the refusal is stored or shown, and nothing of the image runs.
fn refused_once(lab: &Lab, server: &Server, node: &Node, waiting: &NodeDetail, stage: Where) -> LabResult {
    server.api()?.assign(node.uuid(), "tiny")?;
    match stage {
        Where::FirstStage => {
            let said = lab.wait_node(server, node, "an event that refuses the bytes", TO_RUNNING, |detail| {
                boot_id(detail) == boot_id(waiting) && refusal(detail).is_some()
            })?;
            println!("corrupt_blob:   {}", refusal(&said).unwrap_or_default());
        }
        Where::SecondStage => {
            println!("corrupt_blob:   {}", node.wait_for("wrong bytes", TO_RUNNING)?);
        }
    }
    // Time enough for a node that would go on after all.
    std::thread::sleep(Duration::from_secs(5));
    ensure(!node.console.has(TINY_UP), "the spoiled image ran")?;
    let now = server.api()?.node(node.uuid())?.context("the node is gone")?;
    ensure(now.summary.lifecycle != "running", "the server thinks that the spoiled image runs")?;
    node.power_off();
    Ok(())
}

/// The message of the download's refusal.
fn refusal(detail: &NodeDetail) -> Option<String> {
    let events = detail.boot.iter().flat_map(|boot| &boot.events);
    let mut refusals =
        events.filter(|event| event.step == step::DOWNLOAD && ["failed", "retry"].contains(&event.state.as_str()));
    refusals.next().map(|event| event.message.clone())
}
