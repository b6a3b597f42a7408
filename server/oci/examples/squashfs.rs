//! An OCI image as a squashfs, without root: `cargo run --release -p higuma-oci --example squashfs -- IMAGE OUT.squashfs`.
//! For measuring; `higuma image import --oci` does the same and takes kernel and modules out as well.

use higuma_oci::{Options, Source, load, squashfs, write_tar};
use std::io::BufWriter;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(image), Some(out)) = (args.next(), args.next()) else {
        return Err("expected IMAGE and OUT.squashfs".into());
    };
    let (out, start) = (Path::new(&out), Instant::now());
    let scratch = tempfile::tempdir_in("/var/tmp")?;
    let flat = load(&Source::parse(&image)?, scratch.path(), &Options::default(), &mut |step| println!("{step:?}"))?;
    println!("flattened after {:.1} s", start.elapsed().as_secs_f64());
    let mut child = squashfs::pack(out).stdin(Stdio::piped()).spawn()?;
    if let Some(input) = child.stdin.take() {
        let mut input = BufWriter::with_capacity(1 << 20, input);
        println!("{:?}", write_tar(&flat.tree, &flat.spool, &mut input, &|path| !path.is_empty())?);
    }
    println!("{}", child.wait()?);
    let empty = tempfile::tempdir()?;
    println!("{}", squashfs::set_root(flat.tree.root(), empty.path(), out).status()?);
    println!("packed after {:.1} s", start.elapsed().as_secs_f64());
    let memory = std::fs::read_to_string("/proc/self/status")?;
    println!("{}", memory.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default());
    Ok(())
}
