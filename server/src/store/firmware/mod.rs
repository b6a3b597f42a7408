//! Firmware policy as stored: the ordered rules, the attempts of updates, and how each node stands.

mod attempts;
mod rules;
mod standing;

pub use standing::{FirmwareCount, FirmwareRow, NodeFirmware};

use crate::domain::firmware::Program;
use crate::error::{Error, Result};
use crate::store::tx::Row;
use serde::{Deserialize, Serialize};

/// What of a [`Program`] is stored as JSON: all but the blob. Fields may be added with a default, never renamed.
#[derive(Serialize, Deserialize)]
struct ProgramJson {
    exec: String,
    args: Vec<String>,
    deadline_seconds: u32,
}

fn program_json(program: &Program) -> Result<String> {
    let Program { exec, args, deadline_seconds, .. } = program.clone();
    serde_json::to_string(&ProgramJson { exec, args, deadline_seconds }).map_err(Error::internal)
}

fn program(row: Row<'_>, blob: &str, json: &str) -> Result<Program> {
    let ProgramJson { exec, args, deadline_seconds } = row.json("program", json)?;
    Ok(Program { blob: row.parse("blob", blob)?, exec, args, deadline_seconds })
}
