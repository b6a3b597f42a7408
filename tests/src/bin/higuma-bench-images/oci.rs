//! An OCI image of 1 GB (Debian, and files that compress by half) to a squashfs: `higuma image import --oci`, and what one does without it:
//! skopeo copies, umoci unpacks, mksquashfs packs. Both from a layout on disk, with the same compression.

use super::{debian, median};
use higuma_tests::programs::run;
use higuma_tests::{Lab, LabResult, ServerSpec};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::process::Command;
use std::time::Instant;

/// Of files besides Debian's, MiB.
const FILES: usize = 640;

pub fn measure(runs: usize) -> LabResult {
    let lab = Lab::new("bench-oci")?;
    let server = lab.server(ServerSpec::new(&[])?)?;
    let path = |name: &str| lab.dir().join(name).display().to_string();
    let (layout, bundle) = (path("layout"), path("bundle"));
    let name = format!("{layout}:os");
    run(Command::new("umoci").args(["init", "--layout", &layout]))?;
    run(Command::new("umoci").args(["new", "--image", &name]))?;
    run(Command::new("umoci").args(["unpack", "--image", &name, &bundle]))?;
    let root = lab.dir().join("bundle/rootfs");
    std::fs::remove_dir(&root)?;
    let kernel = debian(&lab, &server, &root)?;
    let kernel_text = kernel.display().to_string();
    std::fs::create_dir_all(root.join("srv/files"))?;
    let mut block = Sha256::digest(b"higuma").to_vec();
    for number in 0..FILES {
        let mut file = std::fs::File::create(root.join(format!("srv/files/{number}")))?;
        let mut chunk = Vec::with_capacity(1 << 20);
        while chunk.len() < 1 << 20 {
            block = Sha256::digest(&block).to_vec();
            chunk.extend_from_slice(&block);
            chunk.extend_from_slice(&[b' '; 32]);
        }
        file.write_all(&chunk)?;
    }
    run(Command::new("umoci").args(["repack", "--image", &name, &bundle]))?;
    run(Command::new("rm").arg("-rf").arg(lab.dir().join("bundle")))?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..runs {
        let out = path(&format!("out-{round}"));
        let begun = Instant::now();
        server.cli(&[
            "image",
            "import",
            "--name",
            "os",
            "--version",
            "1",
            "--oci",
            &name,
            "--kernel",
            &kernel_text,
            "--output",
            &out,
        ])?;
        ours.push(begun.elapsed().as_secs_f64());
        let (copy, bundle, made) = (path("copy"), path("theirs"), path("theirs.squashfs"));
        let begun = Instant::now();
        run(Command::new("skopeo").args(["copy", "--quiet", &format!("oci:{name}"), &format!("oci:{copy}:os")]))?;
        run(Command::new("umoci").args(["unpack", "--image", &format!("{copy}:os"), &bundle]))?;
        let compression = ["-noappend", "-no-progress", "-quiet", "-comp", "zstd", "-Xcompression-level", "15"];
        run(Command::new("mksquashfs").arg(format!("{bundle}/rootfs")).arg(&made).args(compression))?;
        theirs.push(begun.elapsed().as_secs_f64());
        run(Command::new("rm").args(["-rf", &copy, &bundle, &made, &out]))?;
    }
    let (ours, theirs) = (median(ours), median(theirs));
    println!(
        "OCI image of 1 GB to a squashfs: higuma {ours:.1} s, skopeo + umoci + mksquashfs {theirs:.1} s, ratio {:.2} (theirs/ours)",
        theirs / ours
    );
    lab.finish()
}
