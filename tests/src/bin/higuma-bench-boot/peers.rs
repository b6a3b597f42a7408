//! Programs that we did not write, started for one measurement, and the arithmetic of comparing.

use higuma_tests::programs::{bound, cache};
use higuma_tests::{Context, LabError, LabResult};
use std::path::PathBuf;
use std::process::{Child, Command};

/// A program of `scripts/peers`.
pub fn program(name: &str) -> LabResult<PathBuf> {
    let path = cache().join("peers/usr/sbin").join(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(LabError::new(format!("{} is not there: run scripts/peers", path.display())))
}

/// A process that ends with its value.
pub struct Peer(Child);

impl Peer {
    pub fn start(program: PathBuf, arguments: &[&str]) -> LabResult<Peer> {
        let mut command = bound(&program);
        command.args(arguments).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        Self::spawn(&mut command)
    }

    pub fn spawn(command: &mut Command) -> LabResult<Peer> {
        Ok(Peer(command.spawn().context("starting a peer")?))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// One line of a table.
pub fn line(what: &str, ours: f64, peer: &str, theirs: f64, unit: &str) {
    println!("{what:<44} higuma {ours:>9.1} {unit}   {peer} {theirs:>9.1} {unit}   ratio {:>5.2}", ours / theirs);
}
