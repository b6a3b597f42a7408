//! Debian's `dmidecode` as a second opinion: what it says of a dump, structure by structure.

use std::process::Command;

/// One structure as dmidecode tells it.
#[derive(Debug)]
pub struct Block {
    pub kind: u8,
    pub handle: String,
    /// In their order; lists below a field follow it.
    pub fields: Vec<(String, String)>,
}

impl Block {
    /// A field's value; empty when it is not told.
    pub fn get(&self, name: &str) -> &str {
        self.fields.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}

/// Runs `dmidecode --from-dump` on it. Panics when dmidecode is not installed: no comparison is no success.
pub fn decode(dump: &[u8]) -> Vec<Block> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), dump).unwrap();
    let output = Command::new("dmidecode").arg("--from-dump").arg(file.path()).output();
    let output = output.expect("dmidecode must be installed for this test (scripts/setup does it)");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "dmidecode failed: {errors}\n{text}");
    let mut blocks: Vec<Block> = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("Handle ") {
            let words: Vec<&str> = rest.split([' ', ',']).collect();
            let kind = words.iter().skip_while(|word| **word != "type").nth(1).unwrap();
            blocks.push(Block { kind: kind.parse().unwrap(), handle: words[0].to_owned(), fields: Vec::new() });
        } else if let (Some(block), true) = (blocks.last_mut(), line.starts_with('\t')) {
            let (key, value) = line.trim().split_once(':').unwrap_or((line.trim(), ""));
            block.fields.push((key.to_owned(), value.trim().to_owned()));
        }
    }
    assert!(!blocks.is_empty(), "dmidecode found no structure:\n{text}");
    blocks
}
