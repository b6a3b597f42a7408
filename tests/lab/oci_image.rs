//! An OCI image that umoci (which we did not write) made of two layers, with setuid files, hard links, devices, file capabilities,
//! owners, whiteouts and a replaced folder: its squashfs has the tree that umoci unpacks, and a node boots it and sees the same.

use crate::steps::{TO_RUNNING, wait_registered, wait_running};
use higuma_proto::api::NewProfile;
use higuma_tests::error::ensure;
use higuma_tests::images::{self, TINY_UP};
use higuma_tests::programs::run;
use higuma_tests::{Lab, LabResult, NodeSpec, ServerSpec, stock};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What the node says of the oddities: modes, owners, link counts, device numbers, and what must not be there.
const FOUND: &str = "oci: 4755 0:0 1 / 644 1234:99 2 / 1:3 / new / gone";

const INIT: &str = r#"#!/bin/sh
export PATH=/bin
[ -e /dev/null ] || mount -t devtmpfs devtmpfs /dev
gone=gone; [ -e /noise ] && gone=there
echo "oci: $(stat -c '%a %u:%g %h' /odd/setuid) / $(stat -c '%a %u:%g %h' /odd/first) / $(stat -c '%t:%T' /odd/null) / $(cd /opaque && echo *) / $gone" >/dev/console
exec /sbin/init.tiny
"#;

fn sh(root: &Path, script: &str) -> LabResult {
    run(Command::new("sh").args(["-ec", script]).current_dir(root)).map(drop)
}

/// By umoci: two layers, each packed of what was changed in the unpacked image.
fn image(dir: &Path) -> LabResult<PathBuf> {
    let (layout, bundle) = (dir.join("layout"), dir.join("bundle"));
    let name = format!("{}:os", layout.display());
    let umoci = |arguments: &[&str]| run(Command::new("umoci").args(arguments)).map(drop);
    umoci(&["init", "--layout", &layout.display().to_string()])?;
    umoci(&["new", "--image", &name])?;
    let bundle_text = bundle.display().to_string();
    umoci(&["unpack", "--image", &name, &bundle_text])?;
    let root = bundle.join("rootfs");
    run(Command::new("cp").arg("-a").arg(images::tiny()?.join(".")).arg(&root))?;
    sh(&root, "echo 1 >noise; mkdir opaque; echo 1 >opaque/old; mkdir odd; echo x >odd/setuid; chmod 755 odd/setuid")?;
    umoci(&["repack", "--image", &name, "--refresh-bundle", &bundle_text])?;
    std::fs::rename(root.join("sbin/init"), root.join("sbin/init.tiny"))?;
    std::fs::write(root.join("sbin/init"), INIT)?;
    sh(
        &root,
        "chmod 755 sbin/init; rm noise; rm -r opaque; mkdir opaque; echo 2 >opaque/new; chmod 4755 odd/setuid
         echo y >odd/first; chown 1234:99 odd/first; ln odd/first odd/second; mknod odd/null c 1 3; mkfifo odd/pipe
         cp bin/busybox odd/capable; setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 odd/capable
         ln -s /absolute/nowhere odd/link; touch \"odd/$(printf 'not-utf8-\\377')\"",
    )?;
    umoci(&["repack", "--image", &name, &bundle_text])?;
    Ok(PathBuf::from(name))
}

/// Names, kinds, modes, owners, link counts, sizes, targets, times and extended attributes of a tree; without what a root file system
/// is without: the kernel, and what is in the folders of a running system.
fn listing(root: &Path) -> LabResult<Vec<String>> {
    let script = "find . -mindepth 1 ! -path './proc/*' ! -path './sys/*' ! -path './dev/*' ! -path './run/*' ! -path './tmp/*' \
                  ! -name 'vmlinuz*' ! -type d -printf '%p %y %m %U:%G %n %s %l %Ts\\n' -o -mindepth 1 -type d ! -path './proc/*' \
                  -printf '%p %y %m %U:%G\\n'; \
                  find . ! -type l ! -path './proc/*' -exec getfattr --absolute-names -h -d -m - -e hex {} + ; \
                  find . -type f ! -name 'vmlinuz*' -exec sha256sum {} +; find . \\( -type c -o -type b \\) -exec stat -c '%n %t:%T' {} +";
    let found = run(Command::new("sh").args(["-ec", script]).current_dir(root).env("LC_ALL", "C"))?;
    let mut lines: Vec<String> =
        found.stdout.split(|b| *b == b'\n').map(|line| line.escape_ascii().to_string()).collect();
    lines.sort();
    Ok(lines)
}

#[test]
fn oci_image() -> LabResult {
    let lab = Lab::new("oci")?;
    let server = lab.server(ServerSpec::new(&[])?)?;
    let image = image(lab.dir())?.display().to_string();

    let out = lab.dir().join("out");
    let out_text = out.display().to_string();
    server.cli(&["image", "import", "--name", "odd", "--version", "1", "--oci", &image, "--output", &out_text])?;
    let (ours, theirs) = (lab.dir().join("ours"), lab.dir().join("theirs"));
    run(Command::new("unsquashfs")
        .args(["-quiet", "-no-progress", "-dest"])
        .arg(&ours)
        .arg(out.join("rootfs.squashfs")))?;
    run(Command::new("umoci").args(["unpack", "--image", &image]).arg(&theirs))?;
    let (ours, theirs) = (listing(&ours)?, listing(&theirs.join("rootfs"))?);
    let other = |one: &[String], two: &[String]| {
        one.iter().filter(|line| !two.contains(line)).take(5).cloned().collect::<Vec<_>>().join("\n")
    };
    ensure(
        ours == theirs,
        format!("only in ours:\n{}\nonly in umoci's:\n{}", other(&ours, &theirs), other(&theirs, &ours)),
    )?;
    println!("{} lines about the tree are the same as umoci's", ours.len());

    stock::first_stage(&server)?;
    server.cli(&["image", "import", "--name", "odd", "--version", "1", "--oci", &image])?;
    let profile = NewProfile {
        name: "odd".to_owned(),
        image: "odd:1".to_owned(),
        cmdline: stock::CONSOLE.to_owned(),
        files: Vec::new(),
        ssh_authorized_keys: Vec::new(),
        ..NewProfile::default()
    };
    stock::profile(&server, &profile)?;
    let node = lab.node(NodeSpec::new("n1", &server.bootfile()))?;
    node.power_on()?;
    wait_registered(&lab, &server, &node)?;
    server.api()?.assign(node.uuid(), "odd")?;
    wait_running(&lab, &server, &node, TO_RUNNING, None)?;
    node.wait_for(FOUND, Duration::from_secs(30))?;
    node.wait_for(TINY_UP, Duration::from_secs(30))?;
    lab.finish()
}
