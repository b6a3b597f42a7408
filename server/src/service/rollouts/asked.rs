//! What is asked of somebody outside of this server, and what they say. How it is done is the [`Caller`]'s.

use crate::error::{Error, Result};
use futures_util::future::BoxFuture;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Whole.
    pub url: String,
    /// A POST with this JSON; none: a GET.
    pub body: Option<String>,
    /// Names and values.
    pub headers: Vec<(&'static str, String)>,
}

/// One run of a hook program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// The program.
    pub program: PathBuf,
    /// All of its environment but for `PATH`.
    pub env: Vec<(&'static str, String)>,
    /// What it reads: the JSON that a hook over HTTP gets.
    pub body: String,
}

/// Does what is asked.
pub trait Caller: Send + Sync {
    /// The status of the answer, or why there is none, in words without secrets; within ten seconds.
    fn ask(&self, asked: Asked) -> BoxFuture<'_, std::result::Result<u16, String>>;

    /// Run a program to its end: true says yes, false "not yet, ask again", an error no. One that is dropped is stopped, with all
    /// that it started.
    fn run(&self, ran: Ran) -> BoxFuture<'_, std::result::Result<bool, String>>;
}

/// Where the program of a hook is. Errors: what to do so that it is there.
pub(super) fn program(dir: Option<&Path>, name: &str) -> Result<PathBuf> {
    let Some(dir) = dir else {
        return Err(Error::BadRequest(format!(
            "command:{name}: this server runs no programs as hooks: set hook-dir to a folder of them"
        )));
    };
    let path = dir.join(name);
    let runs = std::fs::metadata(&path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
    match runs {
        true => Ok(path),
        false => Err(Error::BadRequest(format!("command:{name}: expected an executable file {}", path.display()))),
    }
}
