//! How answers look: aligned plain tables, ages and sizes for people; the API's JSON for programs. No colours and no
//! control characters: names and serial numbers come from firmware and switches, and must not steer a terminal.

use super::error::{Failure, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::Write as _;

/// `-o`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// The API's JSON.
    Json,
}

/// Print the API's answer: JSON as it is, or what `table` makes of its typed form.
pub fn answer<T: DeserializeOwned>(format: Format, value: Value, table: impl FnOnce(T) -> String) -> Result<()> {
    match format {
        Format::Json => {
            let text = serde_json::to_string_pretty(&value).map_err(|e| Failure::because("JSON", &e))?;
            print(&(text + "\n"))
        }
        Format::Table => print(&table(typed(value)?)),
    }
}

/// The API's JSON as one of its types.
pub fn typed<T: DeserializeOwned>(value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(|e| {
        Failure::failed(format!("the server's answer is not what this release expects ({e}): use a matching release"))
    })
}

/// To standard output. A reader that went away (`| head`) is not an error.
pub fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::because("could not print", &e)),
        _ => Ok(()),
    }
}

/// Columns aligned by their widest cell, two spaces apart; no trailing spaces.
pub fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let mut width = head.map(|h| h.chars().count());
    let rows: Vec<[String; N]> = rows.iter().map(|r| r.each_ref().map(|c| or_dash(&clean(c)))).collect();
    for row in &rows {
        for (width, cell) in width.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in std::iter::once(&head.map(String::from)).chain(&rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(width) {
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// "name:  value" lines, values aligned.
pub fn fields(fields: &[(&str, String)]) -> String {
    let width = fields.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0) + 1;
    let mut text = String::new();
    for (name, value) in fields {
        let name = format!("{name}:");
        let _ = writeln!(text, "{name:width$}  {}", or_dash(&clean(value)));
    }
    text
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".into() } else { text.into() }
}

/// One line without control characters.
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// As [`clean`], but lines and tabs stay.
pub fn clean_lines(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '?' } else { c }).collect()
}

/// Now, microseconds since 1970 UTC.
pub fn now_us() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

/// "3 min ago"; times ahead of this machine's clock are "now".
pub fn ago(at_us: i64, now_us: i64) -> String {
    let seconds = now_us.saturating_sub(at_us) / 1_000_000;
    match seconds {
        ..=1 => "now".into(),
        2..120 => format!("{seconds} s ago"),
        120..7_200 => format!("{} min ago", seconds / 60),
        7_200..172_800 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// UTC to the second, RFC 3339.
pub fn time(at_us: i64) -> String {
    jiff::Timestamp::from_second(at_us.div_euclid(1_000_000)).map_or_else(|_| "-".into(), |t| t.to_string())
}

/// Time and age.
pub fn time_ago(at_us: i64, now_us: i64) -> String {
    format!("{} ({})", time(at_us), ago(at_us, now_us))
}

/// Bytes for people, with powers of 1024.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_align_and_stay_plain() {
        let rows =
            [["a".into(), "long value".into(), "x".into()], ["näme".into(), "\u{1b}[31mred\n".into(), "".into()]];
        assert_eq!(
            table(["ID", "VALUE", "Z"], &rows),
            "ID    VALUE       Z\na     long value  x\nnäme  ?[31mred?   -\n"
        );
    }

    #[test]
    fn fields_align() {
        assert_eq!(fields(&[("a", "1".into()), ("long", "".into())]), "a:     1\nlong:  -\n");
    }

    #[test]
    fn ages_and_sizes() {
        let second = 1_000_000;
        for (seconds, text) in
            [(-5, "now"), (1, "now"), (90, "90 s ago"), (180, "3 min ago"), (7_300, "2 h ago"), (300_000, "3 days ago")]
        {
            assert_eq!(ago(1_000 * second - seconds * second, 1_000 * second), text);
        }
        assert_eq!([size(17), size(1536), size(104_857_600)], ["17 B", "1.5 KiB", "100.0 MiB"]);
        assert_eq!(time(1_700_000_000_000_001), "2023-11-14T22:13:20Z");
    }
}
