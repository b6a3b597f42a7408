//! Debian from a squashfs and from an erofs, in turn on one virtual server: bytes of the root file system, seconds from kexec until it is
//! up, and memory in use then, as the node's own kernel counts it.

use super::{debian, median};
use higuma_proto::api::{NewProfile, ProfileFile};
use higuma_proto::steps;
use higuma_tests::programs::run;
use higuma_tests::{Context, Lab, LabResult, NodeSpec, ServerSpec, stock};
use std::process::Command;
use std::time::Duration;

const TYPES: [&str; 2] = ["squashfs", "erofs"];
/// Says so on the console when the system is up.
const UNIT: &str = "[Unit]\nDefaultDependencies=no\nAfter=multi-user.target\n[Service]\nType=oneshot\nExecStart=/bin/sh -c 'sleep 5; cat /proc/meminfo | tr \
                    -s \" \\n\" \" \" | sed s/^/MEMINFO:/ >/dev/console'\n";
/// A target wants it by a file, as a profile's files are no links.
const WANTS: &str = "[Unit]\nWants=meminfo.service\n";
const BOOT: Duration = Duration::from_secs(300);

pub fn measure(runs: usize) -> LabResult {
    let lab = Lab::new("bench-rootfs")?;
    let server = lab.server(ServerSpec::new(&[])?)?;
    stock::first_stage(&server)?;
    let root = lab.dir().join("root");
    let kernel = debian(&lab, &server, &root)?.display().to_string();
    let directory = root.display().to_string();
    let unpacked = run(Command::new("du").args(["-s", "--block-size=1000000"]).arg(&root))?;
    let unpacked = String::from_utf8_lossy(&unpacked.stdout).split_whitespace().next().unwrap_or("?").to_owned();
    for kind in TYPES {
        server.cli(&[
            "image",
            "import",
            "--name",
            kind,
            "--version",
            "1",
            "--rootfs-type",
            kind,
            "--dir",
            &directory,
            "--kernel",
            &kernel,
        ])?;
        let file = |path: &str, content: &str| ProfileFile {
            path: format!("/etc/systemd/system/{path}"),
            mode: 0o644,
            content: content.to_owned(),
            ..ProfileFile::default()
        };
        let profile = NewProfile {
            name: kind.to_owned(),
            image: format!("{kind}:1"),
            cmdline: stock::CONSOLE.to_owned(),
            files: vec![file("meminfo.service", UNIT), file("multi-user.target.d/meminfo.conf", WANTS)],
            ssh_authorized_keys: Vec::new(),
            ..NewProfile::default()
        };
        stock::profile(&server, &profile)?;
    }
    let node = lab.node(NodeSpec { memory_mib: 2048, ..NodeSpec::new("n1", &server.bootfile()) })?;
    node.power_on()?;
    lab.wait_node(&server, &node, "the node to register", BOOT, |detail| detail.boot.is_some())?;
    node.power_off();
    let mut found = [(Vec::new(), Vec::new()), (Vec::new(), Vec::new())];
    for _ in 0..runs {
        for (kind, (seconds, used)) in TYPES.iter().zip(&mut found) {
            server.api()?.assign(node.uuid(), kind)?;
            let before = server.api()?.boots(node.uuid())?.len();
            node.power_on()?;
            let detail = lab.wait_node(&server, &node, "the node to run", BOOT, |detail| {
                detail.summary.lifecycle == "running"
                    && server.api().and_then(|api| api.boots(node.uuid())).is_ok_and(|b| b.len() > before)
            })?;
            let boot = detail.boot.context("no boot")?;
            let jump = boot.events.iter().find(|event| event.step == steps::KEXEC).context("no kexec")?;
            let up = boot.summary.up_us.context("not up")?;
            seconds.push((up - jump.at_us) as f64 / 1e6);
            let memory = node.wait_for("MEMINFO:", BOOT)?;
            let value = |name: &str| -> LabResult<f64> {
                let (_, rest) = memory.split_once(name).context(memory.clone())?;
                rest.split_whitespace().next().and_then(|n| n.parse::<f64>().ok()).context(memory.clone())
            };
            used.push((value("MemTotal:")? - value("MemAvailable:")?) / 1024.0 * 1.048_576);
            node.power_off();
        }
    }
    for (kind, (seconds, used)) in TYPES.iter().zip(found) {
        let image = server.api()?.images()?.into_iter().find(|image| image.name == *kind).context(*kind)?;
        let size = image.parts.iter().find(|part| part.role == "rootfs").context("no rootfs")?.size;
        println!(
            "Debian of {unpacked} MB as {kind:<9} {:>7.1} MB, kexec to up {:>5.1} s, memory in use {:>6.1} MB",
            size as f64 / 1e6,
            median(seconds),
            median(used)
        );
    }
    lab.finish()
}
