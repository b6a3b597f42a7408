//! `make bench`, images: squashfs beside erofs (size, time to boot, memory), and the import of an OCI image of 1 GB beside skopeo, umoci
//! and mksquashfs. It prints figures and never judges them. `scripts/peers` gets the peers.

mod oci;
mod rootfs;

use clap::{Parser, ValueEnum};
use higuma_tests::programs::run;
use higuma_tests::{Context, Lab, LabResult, Server, Stock, stock};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    Rootfs,
    Oci,
}

/// Measures images beside their peers.
#[derive(Debug, Parser)]
struct Arguments {
    /// Only these; all, when none is named.
    what: Vec<What>,
    /// Measurements of which the median counts.
    #[arg(long, default_value_t = 3)]
    runs: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let wanted = |what| arguments.what.is_empty() || arguments.what.contains(&what);
    let measured = || -> LabResult {
        if wanted(What::Rootfs) {
            rootfs::measure(arguments.runs)?;
        }
        if wanted(What::Oci) {
            oci::measure(arguments.runs)?;
        }
        Ok(())
    };
    match measured() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: FAILED: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The lab's Debian, unpacked with its owners into `root`; and its kernel.
fn debian(lab: &Lab, server: &Server, root: &Path) -> LabResult<PathBuf> {
    stock::image(server, Stock::Debian)?;
    let images = server.api()?.images()?;
    let image = images.first().context("no image")?;
    let fetch = |role: &str| -> LabResult<PathBuf> {
        let part = image.parts.iter().find(|part| part.role == role).context(role.to_owned())?;
        let file = lab.dir().join(role);
        let url = format!("http://127.0.0.1:{}/blobs/{}", server.spec().ports.http, part.sha256);
        run(Command::new("curl").args(["-sSf", "-o"]).arg(&file).arg(url))?;
        Ok(file)
    };
    run(Command::new("unsquashfs").args(["-quiet", "-no-progress", "-dest"]).arg(root).arg(fetch("rootfs")?))?;
    fetch("kernel")
}

/// The middle one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
