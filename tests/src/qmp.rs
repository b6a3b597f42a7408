//! The little of QEMU's machine protocol that power control needs: one command a connection, each with a deadline.

use crate::{Context, LabError, LabResult};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// No answer takes longer.
const DEADLINE: Duration = Duration::from_secs(10);
/// Events that may come before the answer.
const MAX_MESSAGES: usize = 1000;

/// Connects, runs one command without arguments, and gives its `return` value.
pub fn command(socket: &Path, name: &str) -> LabResult<Value> {
    let stream = UnixStream::connect(socket).context(format!("connecting to {}", socket.display()))?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    answer(&mut reader, "QMP")?;
    execute(&stream, "qmp_capabilities")?;
    answer(&mut reader, "return")?;
    execute(&stream, name)?;
    answer(&mut reader, "return")
}

fn execute(mut stream: &UnixStream, name: &str) -> LabResult {
    let line = format!("{}\n", json!({ "execute": name }));
    stream.write_all(line.as_bytes()).context(format!("sending {name} to QEMU"))
}

/// Reads messages until one has `key`; events are passed over.
fn answer(reader: &mut impl BufRead, key: &str) -> LabResult<Value> {
    for _ in 0..MAX_MESSAGES {
        let mut line = String::new();
        if reader.read_line(&mut line).context("reading from QEMU")? == 0 {
            return Err(LabError::new("QEMU closed its control socket"));
        }
        let message: Value = serde_json::from_str(&line).context("reading QEMU's JSON")?;
        if let Some(error) = message.get("error") {
            return Err(LabError::new(format!("QEMU refused: {error}")));
        }
        if let Some(value) = message.get(key) {
            return Ok(value.clone());
        }
    }
    Err(LabError::new(format!("QEMU sent {MAX_MESSAGES} messages without {key:?}")))
}
