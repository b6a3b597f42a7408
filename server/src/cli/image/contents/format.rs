//! The listing of an image as bytes: lines of JSON packed by zstd, a head (packages, sums), then a line for each name in the
//! root file system, in order. It is written once and read as a stream; who reads trusts none of its lengths.

use crate::cli::error::{Failure, Result, chain};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;

/// Of the format; another one is not read.
const VERSION: u32 = 1;
/// Bytes of a line that is read: a name, a target, both escaped.
const LONGEST_LINE: u64 = 64 << 10;
/// Bytes of the head: a distribution with everything has 60,000 packages.
const LONGEST_HEAD: u64 = 32 << 20;
/// As of an image that is imported.
const MOST_ENTRIES: u64 = 2_000_000;
/// zstd's own; a listing is a tenth of its size then.
const LEVEL: i32 = 9;

/// A package that is installed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Package {
    /// Name.
    pub name: String,
    /// Architecture, as the distribution calls it.
    pub arch: String,
    /// Version.
    pub version: String,
}

/// What is told before the names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Of the format.
    pub format: u32,
    /// dpkg, apk or rpm; empty: none was found that can be read.
    pub packages_of: String,
    /// In order.
    pub packages: Vec<Package>,
    /// How many names there are.
    pub entries: u64,
    /// How many of them are files.
    pub files: u64,
    /// Bytes of the files; one with several names counts once.
    pub bytes: u64,
}

/// One name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// From the root, without a slash in front; bytes that are no text, and `\`, as `\xNN`.
    pub path: String,
    /// file, folder, symlink, char, block, fifo or socket.
    pub kind: String,
    /// Bytes of a file.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub size: u64,
    /// Permission bits in octal, e.g. 4755.
    pub mode: String,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Of a file's bytes, hex.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sha256: String,
    /// Of a symbolic link, escaped as the path; MAJOR:MINOR of a device.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub target: String,
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// Bytes as text that says all of them: control characters, `\` and what is not UTF-8 become `\xNN`.
pub fn escape(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => out.push_str("\\x5c"),
                c if c.is_control() => {
                    let mut buffer = [0; 4];
                    c.encode_utf8(&mut buffer).bytes().for_each(|b| out.push_str(&format!("\\x{b:02x}")));
                }
                c => out.push(c),
            }
        }
        chunk.invalid().iter().for_each(|b| out.push_str(&format!("\\x{b:02x}")));
    }
    out
}

/// The bytes that were escaped; what is no escape stays as it is.
pub fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let byte = match rest {
            [b'\\', b'x', a, b, ..] => {
                let hex = |digit: u8| char::from(digit).to_digit(16).and_then(|n| u8::try_from(n).ok());
                hex(*a).zip(hex(*b)).map(|(a, b)| a << 4 | b)
            }
            _ => None,
        };
        match byte {
            Some(byte) => {
                out.push(byte);
                rest = &rest[4..];
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

/// The order of a listing: component by component, so that what is in a folder follows it.
pub fn order(a: &str, b: &str) -> Ordering {
    unescape(a).split(|b| *b == b'/').cmp(unescape(b).split(|b| *b == b'/'))
}

/// Writes a listing: entries as they come, the head in front of them at the end.
pub struct Writer {
    body: zstd::stream::write::Encoder<'static, std::fs::File>,
    head: Head,
}

impl Writer {
    /// `scratch` holds the entries until the head is known.
    pub fn new(scratch: &Path) -> Result<Self> {
        let failed = || Failure::io("make a file in", scratch);
        let file = tempfile::tempfile_in(scratch).map_err(failed())?;
        let body = zstd::stream::write::Encoder::new(file, LEVEL).map_err(failed())?;
        Ok(Self { body, head: Head { format: VERSION, ..Head::default() } })
    }

    /// The next one, in order. `again`: it is another name of a file that was counted.
    pub fn put(&mut self, entry: &Entry, again: bool) -> Result<()> {
        self.head.entries += 1;
        if entry.kind == "file" {
            self.head.files += 1;
            self.head.bytes += if again { 0 } else { entry.size };
        }
        line(&mut self.body, entry)
    }

    /// Writes the whole to `out`.
    pub fn finish(mut self, packages_of: &str, packages: Vec<Package>, out: &Path) -> Result<()> {
        use std::io::Seek;
        (self.head.packages_of, self.head.packages) = (packages_of.to_owned(), packages);
        let failed = || Failure::io("write", out);
        let mut body = self.body.finish().map_err(failed())?;
        body.rewind().map_err(failed())?;
        let file = std::fs::File::create(out).map_err(failed())?;
        // Two frames one after the other are one stream.
        let mut head = zstd::stream::write::Encoder::new(file, LEVEL).map_err(failed())?;
        line(&mut head, &self.head)?;
        let mut file = head.finish().map_err(failed())?;
        std::io::copy(&mut body, &mut file).map_err(failed())?;
        Ok(())
    }
}

fn line(out: &mut impl Write, value: &impl Serialize) -> Result<()> {
    serde_json::to_writer(&mut *out, value).map_err(|e| Failure::because("could not write the listing", &e))?;
    out.write_all(b"\n").map_err(|e| Failure::because("could not write the listing", &e))
}

/// Reads a listing: the head at once, entries as they are asked for.
pub struct Reader<'a> {
    /// What stands in front.
    pub head: Head,
    lines: Box<dyn BufRead + 'a>,
    what: String,
    last: Option<String>,
    entries: u64,
}

impl<'a> Reader<'a> {
    /// `what` names it in errors.
    ///
    /// # Errors
    /// It is no listing, or of another format.
    pub fn new(input: impl Read + 'a, what: &str) -> Result<Self> {
        let failed = |e: std::io::Error| bad(what, &chain(&e));
        let mut decoder = zstd::stream::read::Decoder::new(input).map_err(failed)?;
        decoder.window_log_max(27).map_err(failed)?;
        let mut lines: Box<dyn BufRead + 'a> = Box::new(BufReader::new(decoder));
        let head: Head = next(&mut lines, LONGEST_HEAD, what)?.ok_or_else(|| bad(what, "it is empty"))?;
        if head.format != VERSION {
            return Err(bad(what, &format!("expected format {VERSION}, it has {}: use a newer higuma", head.format)));
        }
        Ok(Self { head, lines, what: what.to_owned(), last: None, entries: 0 })
    }

    /// The next entry.
    ///
    /// # Errors
    /// It is cut off, damaged, or not in order.
    pub fn next_entry(&mut self) -> Result<Option<Entry>> {
        let entry: Option<Entry> = next(&mut self.lines, LONGEST_LINE, &self.what)?;
        let Some(entry) = entry else {
            let (expected, got) = (self.head.entries, self.entries);
            return match expected == got {
                true => Ok(None),
                false => Err(bad(&self.what, &format!("expected {expected} names, it ends after {got}"))),
            };
        };
        self.entries += 1;
        if self.entries > MOST_ENTRIES.min(self.head.entries) {
            return Err(bad(&self.what, "it has more names than it says"));
        }
        if self.last.as_ref().is_some_and(|last| order(last, &entry.path) != Ordering::Less) {
            return Err(bad(&self.what, &format!("{} is not where it belongs in the order", entry.path)));
        }
        self.last = Some(entry.path.clone());
        Ok(Some(entry))
    }
}

fn bad(what: &str, problem: &str) -> Failure {
    Failure::failed(format!("could not read the listing of {what}: {problem}"))
}

fn next<T: serde::de::DeserializeOwned>(lines: &mut dyn BufRead, longest: u64, what: &str) -> Result<Option<T>> {
    let mut bytes = Vec::new();
    let n = lines.take(longest).read_until(b'\n', &mut bytes).map_err(|e| bad(what, &chain(&e)))?;
    if n == 0 {
        return Ok(None);
    }
    if !bytes.ends_with(b"\n") {
        return Err(bad(what, "a line is too long, or cut off"));
    }
    serde_json::from_slice(&bytes).map(Some).map_err(|e| bad(what, &e.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn entry(path: &[u8]) -> Entry {
        Entry { path: escape(path), kind: "file".into(), size: 3, mode: "644".into(), ..Entry::default() }
    }

    fn written(paths: &[&[u8]]) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(dir.path()).unwrap();
        paths.iter().for_each(|path| writer.put(&entry(path), false).unwrap());
        let package = Package { name: "a".into(), arch: "amd64".into(), version: "1".into() };
        writer.finish("dpkg", vec![package], &dir.path().join("out")).unwrap();
        std::fs::read(dir.path().join("out")).unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let paths: [&[u8]; 5] = [b"a", b"a/b", b"a-b", b"caf\xe9", b"new\nline\\"];
        let bytes = written(&paths);
        assert_eq!(bytes, written(&paths), "the same names give the same bytes");
        let mut reader = Reader::new(&bytes[..], "x").unwrap();
        assert_eq!((reader.head.entries, reader.head.files, reader.head.bytes), (5, 5, 15));
        assert_eq!((reader.head.packages_of.as_str(), reader.head.packages.len()), ("dpkg", 1));
        for path in paths {
            let entry = reader.next_entry().unwrap().unwrap();
            assert_eq!(unescape(&entry.path), path, "{}", entry.path);
            assert!(!entry.path.contains('\n'));
        }
        assert_eq!(reader.next_entry().unwrap(), None);
    }

    #[test]
    fn a_damaged_listing_is_refused() {
        let read = |bytes: &[u8]| -> std::result::Result<(), String> {
            let mut reader = Reader::new(bytes, "web:7").map_err(|e| e.message)?;
            while reader.next_entry().map_err(|e| e.message)?.is_some() {}
            Ok(())
        };
        let whole = written(&[b"a", b"b"]);
        assert_eq!(read(&whole), Ok(()));
        assert!(read(b"text").unwrap_err().contains("listing of web:7"));
        for cut in [0, 10, whole.len() - 3] {
            assert!(read(&whole[..cut]).is_err(), "{cut}");
        }
        assert!(read(&written(&[b"b", b"a"])).unwrap_err().contains("order"));
        let head = |text: &str| zstd::stream::encode_all(text.as_bytes(), 1).unwrap();
        let newer = r#"{"format":2,"packages_of":"","packages":[],"entries":0,"files":0,"bytes":0}"#;
        assert!(read(&head(&format!("{newer}\n"))).unwrap_err().contains("use a newer higuma"));
        let more = newer.replace("\"format\":2", "\"format\":1");
        let line = serde_json::to_string(&entry(b"a")).unwrap();
        assert!(read(&head(&format!("{more}\n{line}\n"))).unwrap_err().contains("more names"));
        assert!(read(&head(&"x".repeat(40 << 20))).unwrap_err().contains("too long"));
    }
}
