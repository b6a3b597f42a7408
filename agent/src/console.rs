//! Lines for people on the node's console (and for the lab, which reads them). Never blocks for long on a console that
//! does not drain, never fails the caller, never prints a control character or a secret.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Mutex;
use std::time::Duration;

/// At most so many bytes of one message are printed.
const MAX_LINE: usize = 2_000;
/// A console that does not take a line within so many tries of 5 ms loses it.
const PATIENCE: u32 = 60;

static OUT: Mutex<Option<File>> = Mutex::new(None);

/// From now on print to the machine's console (`/dev/console`, else `/dev/kmsg`) instead of standard error.
pub fn use_machine_console() {
    let open =
        |path| OpenOptions::new().write(true).custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY).open(path).ok();
    if let Some(file) = open("/dev/console").or_else(|| open("/dev/kmsg"))
        && let Ok(mut out) = OUT.lock()
    {
        *out = Some(file);
    }
}

/// Prints `higuma: [step] message`.
pub fn say(step: &str, message: &str) {
    let line = format!("higuma: [{step}] {}\n", clean(message));
    let Ok(mut out) = OUT.lock() else { return };
    match out.as_mut() {
        Some(file) => write_patiently(file, line.as_bytes()),
        None => {
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
    }
}

fn write_patiently(file: &mut File, mut rest: &[u8]) {
    let mut tries = 0;
    while !rest.is_empty() && tries < PATIENCE {
        match file.write(rest) {
            Ok(0) => return,
            Ok(n) => rest = rest.get(n..).unwrap_or_default(),
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => tries += 1,
            Err(_) => return,
        }
    }
}

/// One line without control characters, cut at a character boundary.
pub fn clean(message: &str) -> String {
    let mut line: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.len() > MAX_LINE {
        let cut = (0..=MAX_LINE).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
        line.truncate(cut);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn a_message_is_one_bounded_line() {
        assert_eq!(clean("a\nb\u{1b}[31m"), "a b [31m");
        assert!(clean(&"é".repeat(5_000)).len() <= super::MAX_LINE);
    }
}
