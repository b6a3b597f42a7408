//! Deletion beside everything else: a person deletes all that nothing uses, over and over, while images are imported and a
//! node boots. What the node boots, runs or may boot next stays; the rest goes, its bytes too.

use crate::steps::{TO_RUNNING, boot_id, wait_registered, wait_running};
use higuma_proto::api::{Image, ImageGc, ImageGcAnswer, NewProfile};
use higuma_tests::error::ensure;
use higuma_tests::stock::{self, blob_file};
use higuma_tests::wait::until;
use higuma_tests::{Lab, LabResult, NodeSpec, Server, ServerSpec, Stock, images};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The grace of blobs, and the server looks once a minute.
const BYTES_GO: Duration = Duration::from_secs(150);

fn gc(server: &Server) -> LabResult<ImageGcAnswer> {
    let all = ImageGc { keep: 0, older_than_seconds: 0, dry_run: false };
    server.api()?.call("POST", "/api/v1/images/gc", Some(&all))
}

fn profile(server: &Server, image: &str) -> LabResult {
    let spec = NewProfile {
        name: "fleet".to_owned(),
        image: image.to_owned(),
        cmdline: stock::CONSOLE.to_owned(),
        ..NewProfile::default()
    };
    stock::profile(server, &spec).map(drop)
}

fn rootfs(server: &Server, version: &str) -> LabResult<String> {
    let image: Image = server.api()?.call("GET", &format!("/api/v1/images/tiny/{version}"), None::<&()>)?;
    let part = image.parts.into_iter().find(|part| part.role == "rootfs");
    part.map(|part| part.sha256).ok_or_else(|| higuma_tests::LabError::new("the image has no rootfs"))
}

/// What stays of this image, and why.
fn stays(answer: &ImageGcAnswer, image: &str) -> String {
    answer
        .kept
        .iter()
        .filter(|line| line.image == image)
        .flat_map(|line| line.stays.clone())
        .collect::<Vec<_>>()
        .join("; ")
}

/// Imports images that nothing names, each with a kernel that others share; how many went through.
fn import_rubbish(lab: &Lab, server: &Server, done: &AtomicBool) -> LabResult<usize> {
    let kernel = images::hello()?.kernel.display().to_string();
    let mut made = 0;
    while !done.load(Ordering::Relaxed) {
        let (initrd, version) = (lab.dir().join("rubbish.img"), made.to_string());
        std::fs::write(&initrd, format!("rubbish {made}\n").repeat(100_000))?;
        let initrd = initrd.display().to_string();
        let import = ["image", "import", "--kernel", &kernel, "--initrd", &initrd, "--name", "rubbish"];
        let arguments: Vec<&str> = import.into_iter().chain(["--version", &version]).collect();
        server.cli(&arguments)?;
        made += 1;
        // The node has the same two cores.
        std::thread::sleep(Duration::from_millis(500));
    }
    Ok(made)
}

/// Deletes as fast as it can; what of rubbish went.
fn collect(server: &Server, done: &AtomicBool) -> LabResult<usize> {
    let mut went = 0;
    while !done.load(Ordering::Relaxed) {
        let answer = gc(server)?;
        let others: Vec<_> = answer.removed.iter().filter(|line| !line.image.starts_with("rubbish:")).collect();
        ensure(others.is_empty(), format!("deleted: {others:?}"))?;
        went += answer.removed.len();
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(went)
}

#[test]
fn image_gc() -> LabResult {
    let lab = Lab::new("image-gc")?;
    let server = lab.server(ServerSpec::new(&[("blob-grace", "20s"), ("embed-limit", "1MiB")])?)?;
    stock::first_stage(&server)?;
    stock::image(&server, Stock::Tiny)?;
    profile(&server, "tiny:lab")?;
    let node = lab.node(NodeSpec::new("n1", &server.bootfile()))?;
    let done = AtomicBool::new(false);
    let (first, made, went) = std::thread::scope(|scope| {
        let rubbish = scope.spawn(|| import_rubbish(&lab, &server, &done));
        let collector = scope.spawn(|| collect(&server, &done));
        let boot = || -> LabResult<_> {
            node.power_on()?;
            wait_registered(&lab, &server, &node)?;
            server.api()?.assign(node.uuid(), "fleet")?;
            wait_running(&lab, &server, &node, TO_RUNNING, None)
        };
        let first = boot();
        done.store(true, Ordering::Relaxed);
        let ended = |name: &str| higuma_tests::LabError::new(format!("{name} panicked"));
        let made = rubbish.join().map_err(|_| ended("the importer"))??;
        let went = collector.join().map_err(|_| ended("the collector"))??;
        LabResult::Ok((first?, made, went))
    })?;
    println!("image_gc: the node runs; {made} images were imported meanwhile, {went} deleted");
    ensure(made > 3 && went > 3, format!("only {made} images were made, {went} deleted"))?;
    let left = gc(&server)?.removed.len();
    ensure(made == went + left, format!("{made} images were made, {went} + {left} deleted"))?;

    // The profile says another version: the old one is what the node runs, and stays.
    let grown = images::large(1)?.display().to_string();
    server.cli(&["image", "import", "--dir", &grown, "--name", "tiny", "--version", "2"])?;
    let (old, new) = (rootfs(&server, "lab")?, rootfs(&server, "2")?);
    ensure(old != new, "both versions are the same")?;
    profile(&server, "tiny:2")?;
    let answer = gc(&server)?;
    ensure(answer.removed.is_empty(), format!("{:?}", answer.removed))?;
    ensure(stays(&answer, "tiny:lab").contains("boots or runs it"), format!("{:?}", answer.kept))?;

    // It boots the new one; the old one is nobody's, but for a pin.
    node.reset()?;
    let second = wait_running(&lab, &server, &node, TO_RUNNING, boot_id(&first))?;
    let image = second.boot.as_ref().and_then(|boot| boot.summary.image.clone());
    ensure(image.as_deref() == Some("tiny:2"), format!("{image:?}"))?;
    server.api()?.assign(node.uuid(), "fleet@1")?;
    let answer = gc(&server)?;
    ensure(stays(&answer, "tiny:lab") == "used by profiles: fleet", format!("{:?}", answer.kept))?;
    server.api()?.assign(node.uuid(), "fleet")?;
    let answer = gc(&server)?;
    ensure(answer.removed.iter().any(|line| line.image == "tiny:lab"), format!("{:?}", answer.kept))?;
    let refused = server.api()?.assign(node.uuid(), "fleet@1");
    ensure(refused.is_err_and(|e| e.to_string().contains("no image tiny:lab")), "an image that is gone was assigned")?;

    // Its bytes go meanwhile, and what is left is enough to boot again.
    node.reset()?;
    until("the old image's bytes to go", BYTES_GO, || Ok(blob_file(&server, &old).is_err().then_some(())))?;
    blob_file(&server, &new)?;
    wait_running(&lab, &server, &node, TO_RUNNING, boot_id(&second))?;
    lab.finish()
}
