//! What a node writes on its serial console: kept raw in a file, and as lines without terminal codes for tests to wait
//! for. Shown live when HIGUMA_LAB_SHOW=1.

use crate::{LabError, LabResult};
use std::fs::File;
use std::io::{Read, Write};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How many lines an error shows.
const TAIL: usize = 40;

#[derive(Debug, Default)]
struct Buffer {
    lines: Vec<String>,
    partial: String,
    /// Lines before this one were already waited for.
    cursor: usize,
    escape: Escape,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum Escape {
    #[default]
    No,
    Started,
    Sequence,
}

impl Buffer {
    /// Takes raw bytes: terminal codes vanish, a carriage return alone is nothing.
    fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match (self.escape, byte) {
                (Escape::No, 0x1b) => self.escape = Escape::Started,
                (Escape::No, b'\n') => self.lines.push(std::mem::take(&mut self.partial)),
                (Escape::No, byte) if *byte == b'\t' || (0x20..0x7f).contains(byte) => self.partial.push(*byte as char),
                (Escape::No, _) => {}
                (Escape::Started, b'[') => self.escape = Escape::Sequence,
                (Escape::Started, _) => self.escape = Escape::No,
                (Escape::Sequence, 0x40..=0x7e) => self.escape = Escape::No,
                (Escape::Sequence, _) => {}
            }
        }
    }
}

/// A console. Clones see the same one.
#[derive(Debug, Clone, Default)]
pub struct Console {
    buffer: Arc<Mutex<Buffer>>,
}

impl Console {
    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Reads until the end of `source` in a thread of its own; appends to `file`; `label` starts each line that is shown.
    pub(crate) fn follow(&self, mut source: impl Read + Send + 'static, mut file: File, label: String) {
        let console = self.clone();
        let show = std::env::var_os("HIGUMA_LAB_SHOW").is_some_and(|value| value == "1");
        std::thread::spawn(move || {
            let mut bytes = [0u8; 4096];
            while let Ok(count) = source.read(&mut bytes) {
                if count == 0 {
                    break;
                }
                // A full disk must not stop the node: the lines in memory are what tests look at.
                let _ = file.write_all(&bytes[..count]);
                let mut buffer = console.lock();
                let before = buffer.lines.len();
                buffer.feed(&bytes[..count]);
                if show {
                    for line in &buffer.lines[before..] {
                        println!("{label}| {line}");
                    }
                }
            }
        });
    }

    /// From here on [`Console::wait_for`] looks only at what comes; used when a node is powered on again.
    pub fn skip_to_end(&self) {
        let mut buffer = self.lock();
        buffer.partial.clear();
        buffer.cursor = buffer.lines.len();
    }

    /// The first line with `needle` after the last one that was waited for (a prompt without line end counts too).
    pub fn find_next(&self, needle: &str) -> Option<String> {
        let mut buffer = self.lock();
        let found = buffer.lines.iter().enumerate().skip(buffer.cursor).find(|(_, line)| line.contains(needle));
        if let Some((index, line)) = found.map(|(index, line)| (index, line.clone())) {
            buffer.cursor = index + 1;
            return Some(line);
        }
        buffer.partial.contains(needle).then(|| buffer.partial.clone())
    }

    /// Whether `needle` was ever written since the node was made.
    pub fn has(&self, needle: &str) -> bool {
        let buffer = self.lock();
        buffer.lines.iter().any(|line| line.contains(needle)) || buffer.partial.contains(needle)
    }

    /// Waits for a line with `needle` and gives it. The error shows the last lines and whether `alive` still holds.
    pub fn wait_for(&self, needle: &str, timeout: Duration, alive: impl Fn() -> bool) -> LabResult<String> {
        let (start, timeout) = (Instant::now(), crate::wait::patient(timeout));
        loop {
            // Asked before looking: the last words of a machine that just went are still looked at.
            let running = alive();
            if let Some(line) = self.find_next(needle) {
                return Ok(line);
            }
            if !running || start.elapsed() >= timeout {
                let state = if running { "QEMU still runs" } else { "QEMU has ended" };
                return Err(LabError::new(format!(
                    "waited {} s of {} s for {needle:?} on the console; {state}\n{}",
                    start.elapsed().as_secs(),
                    timeout.as_secs(),
                    self.tail()
                )));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The last lines, for an error.
    pub fn tail(&self) -> String {
        let buffer = self.lock();
        let from = buffer.lines.len().saturating_sub(TAIL);
        let mut text = format!("--- last lines of the console\n{}", buffer.lines[from..].join("\n"));
        if !buffer.partial.is_empty() {
            text.push_str(&format!("\n{}", buffer.partial));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_codes_vanish_and_lines_are_found_once() {
        let console = Console::default();
        console.lock().feed(b"\x1b[2J\x1b[01;01HSeaBIOS\r\niPXE 1.0\r\n\x1b[1mlogin: ");
        assert_eq!(console.find_next("SeaBIOS"), Some("SeaBIOS".to_owned()));
        assert_eq!(console.find_next("SeaBIOS"), None);
        assert_eq!(console.find_next("login:"), Some("login: ".to_owned()));
        assert!(console.has("iPXE"));
        console.skip_to_end();
        assert_eq!(console.find_next("iPXE"), None);
    }

    #[test]
    fn a_wait_that_fails_shows_the_console() {
        let console = Console::default();
        console.lock().feed(b"Kernel panic\n");
        let error = console.wait_for("login:", Duration::from_secs(5), || false);
        let text = error.unwrap_or_else(|error| error.to_string());
        assert!(text.contains("Kernel panic") && text.contains("QEMU has ended"), "{text}");
    }
}
