//! The configuration that a kernel was built with: out of the kernel itself (CONFIG_IKCONFIG, kernel/configs.c), else out of
//! the files that distributions put beside it. Only reads, with bounds; damaged data is no configuration, and not an error.

use flate2::bufread::GzDecoder;
use kexec_rs::KernelInfo;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// kernel/configs.c: `IKCFG_ST`, gzip data, `IKCFG_ED`.
const MARK: &[u8] = b"IKCFG_ST";
/// No kernel is larger when unpacked, bytes.
const LARGEST_KERNEL: u64 = 512 << 20;
/// A configuration is about 300 kB.
const LARGEST_CONFIG: u64 = 8 << 20;

/// Options by name, without `CONFIG_`; one that is not there is off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelConfig {
    options: BTreeMap<String, String>,
    /// Where it is from, for people.
    pub origin: String,
}

/// An option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// y, or any other value.
    BuiltIn,
    /// m.
    Module,
    /// n, or not there.
    Off,
}

impl KernelConfig {
    /// None when the text is no configuration of a kernel (an empty or cut file, a page of a web server).
    pub fn parse(text: &str, origin: &str) -> Option<Self> {
        let options: BTreeMap<String, String> = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("CONFIG_")?.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        // Every kernel that runs on a machine has this one.
        let whole = options.contains_key("MMU") || options.contains_key("64BIT");
        whole.then(|| Self { options, origin: origin.to_owned() })
    }

    /// `name` without `CONFIG_`.
    pub fn get(&self, name: &str) -> Setting {
        match self.options.get(name).map(String::as_str) {
            None | Some("n") => Setting::Off,
            Some("m") => Setting::Module,
            Some(_) => Setting::BuiltIn,
        }
    }
}

/// What the kernel file has in itself.
pub fn embedded(kernel: &Path) -> Option<KernelConfig> {
    let mut file = File::open(kernel).ok()?;
    let info = KernelInfo::from_file(&file).ok()?;
    let origin = format!("the configuration in {}", kernel.display());
    let Some((offset, length)) = info.payload else {
        return marked(BufReader::new(file.take(LARGEST_KERNEL)), &origin);
    };
    let mut magic = [0; 6];
    file.seek(SeekFrom::Start(offset)).ok()?;
    file.read_exact(&mut magic).ok()?;
    file.seek(SeekFrom::Start(offset)).ok()?;
    let bounded = |input: Box<dyn Read>| marked(BufReader::new(input.take(LARGEST_KERNEL)), &origin);
    match magic {
        [0x1f, 0x8b, ..] => bounded(Box::new(GzDecoder::new(BufReader::new(file.take(length))))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => bounded(Box::new(zstd::Decoder::new(file.take(length)).ok()?.single_frame())),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => bounded(Box::new(Xz::start(file)?)),
        // LZ4, LZO, LZMA, bzip2: seldom used; the files beside the kernel tell as well.
        _ => None,
    }
}

/// The same in the module `configs` (CONFIG_IKCONFIG=m).
pub fn of_module(module: &[u8]) -> Option<KernelConfig> {
    marked(module, "the configuration in the module configs")
}

/// Finds the mark in a stream and unpacks what follows.
fn marked(mut input: impl BufRead, origin: &str) -> Option<KernelConfig> {
    // Bytes of the mark that were just read. Its first byte is in it only once: after another byte than the next one nothing
    // but a new beginning counts.
    let mut matched = 0;
    let mut skipped = Vec::new();
    while matched < MARK.len() {
        if matched == 0 {
            skipped.clear();
            (input.by_ref().take(1 << 20).read_until(MARK[0], &mut skipped).ok()? > 0).then_some(())?;
            matched = usize::from(skipped.last() == Some(&MARK[0]));
            continue;
        }
        let next = *input.fill_buf().ok()?.first()?;
        input.consume(1);
        matched = match next {
            b if b == MARK[matched] => matched + 1,
            b if b == MARK[0] => 1,
            _ => 0,
        };
    }
    let mut text = Vec::new();
    GzDecoder::new(input).take(LARGEST_CONFIG).read_to_end(&mut text).ok()?;
    KernelConfig::parse(&String::from_utf8_lossy(&text), origin)
}

/// `xz`, unpacking from where the file is now; what follows the stream is passed over.
struct Xz(Child);

impl Xz {
    fn start(file: File) -> Option<Self> {
        let mut command = Command::new("xz");
        command.args(["--decompress", "--stdout", "--single-stream"]);
        command.stdin(file).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok().map(Self)
    }
}

impl Read for Xz {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.stdout.as_mut().map_or(Ok(0), |out| out.read(buffer))
    }
}

impl Drop for Xz {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Write;

    const TEXT: &str = "# Linux/x86 6.1 Kernel Configuration\nCONFIG_64BIT=y\nCONFIG_SQUASHFS=m\n# CONFIG_LOOP is not set\n\
                        CONFIG_CMDLINE=\"a=b\"\n";

    fn module(before: &[u8], text: &str) -> Vec<u8> {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(text.as_bytes()).unwrap();
        [before, b"IKCFG_ST", &gz.finish().unwrap(), b"IKCFG_ED"].concat()
    }

    #[test]
    fn options_are_read() {
        let config = KernelConfig::parse(TEXT, "x").unwrap();
        let get = |name| config.get(name);
        assert_eq!((get("64BIT"), get("SQUASHFS"), get("LOOP")), (Setting::BuiltIn, Setting::Module, Setting::Off));
        assert_eq!((get("CMDLINE"), get("NO_SUCH")), (Setting::BuiltIn, Setting::Off));
        for text in ["", "<html>", "CONFIG_X=y\n"] {
            assert_eq!(KernelConfig::parse(text, "x"), None, "{text}");
        }
    }

    #[test]
    fn the_mark_is_found_wherever_it_is() {
        for before in ["", "IKCFG_S", "IIKCFG_I", "xIKCFG_STx IKCFG_SIKCFG_"] {
            let found = of_module(&module(before.as_bytes(), TEXT));
            // A mark that is none hides the right one; such bytes are in no kernel.
            assert_eq!(found.is_some(), !before.contains("STx"), "{before}");
        }
        let whole = module(b"before", TEXT);
        for end in 0..whole.len() - 8 {
            assert_eq!(of_module(&whole[..end]), None, "cut at {end}");
        }
        let mut big = vec![b'x'; 3 << 20];
        big.extend(module(b"", TEXT));
        assert_eq!(of_module(&big).unwrap().get("SQUASHFS"), Setting::Module);
        assert_eq!(of_module(&[b'I'; 100_000]), None);
    }
}
