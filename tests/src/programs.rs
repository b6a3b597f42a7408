//! Where the built programs are, and how a child process is started so that it never outlives the test.

use crate::{Context, LabError, LabResult};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The cache folder: HIGUMA_CACHE, or `~/.cache/higuma`.
pub fn cache() -> PathBuf {
    std::env::var_os("HIGUMA_CACHE").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cache/higuma"),
        PathBuf::from,
    )
}

/// The `higuma` program: HIGUMA_BIN, or the one built into the same profile folder as the running test.
pub fn higuma() -> LabResult<PathBuf> {
    built("higuma", "HIGUMA_BIN")
}

/// The `higuma-agent` program: HIGUMA_AGENT_BIN, or beside `higuma`.
pub fn agent() -> LabResult<PathBuf> {
    built("higuma-agent", "HIGUMA_AGENT_BIN")
}

fn built(name: &str, variable: &str) -> LabResult<PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        return Ok(PathBuf::from(path));
    }
    let own = std::env::current_exe().context("finding this program")?;
    // target/.../release/deps/lab-0123 or target/.../release/higuma-demo
    own.ancestors().skip(1).take(2).map(|dir| dir.join(name)).find(|path| path.is_file()).ok_or_else(|| {
        LabError::new(format!(
            "{name} is not built beside {}: run `make build` first, or set {variable}",
            own.display()
        ))
    })
}

/// A command that the kernel kills when the calling thread ends, however it ends (`setpriv` of util-linux: the lab has
/// no `unsafe` of its own). Start it from a thread that lives as long as it should.
pub fn bound(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program).stdin(Stdio::null());
    command
}

/// Runs a command to its end; an error holds what it wrote.
pub fn run(command: &mut Command) -> LabResult<Output> {
    let shown = shown(command);
    let output = command.output().context(format!("starting {shown}"))?;
    if output.status.success() {
        return Ok(output);
    }
    Err(LabError::new(format!(
        "{shown} ended with {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )))
}

/// A command line for people.
pub fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// The end of a text file, for an error; a file that cannot be read is said to be so.
pub fn tail(path: &Path, lines: usize) -> String {
    match std::fs::read(path) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let all: Vec<&str> = text.lines().collect();
            all[all.len().saturating_sub(lines)..].join("\n")
        }
        Err(error) => format!("({}: {error})", path.display()),
    }
}
