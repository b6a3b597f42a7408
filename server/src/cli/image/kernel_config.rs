//! The configuration that a kernel was built with: out of the kernel itself (CONFIG_IKCONFIG, kernel/configs.c), else out of
//! the files that distributions put beside it. Only reads, with bounds; damaged data is no configuration, and not an error.

use flate2::bufread::GzDecoder;
use kexec_rs::KernelInfo;
use lzma_rust2::XzReader;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// kernel/configs.c: `IKCFG_ST`, gzip data, `IKCFG_ED`.
const MARK: &[u8] = b"IKCFG_ST";
/// No kernel is larger when unpacked, bytes.
const LARGEST_KERNEL: u64 = 512 << 20;
/// KiB that unpacking xz may take; the kernel's build asks for a dictionary of 32 or 128 MiB.
const XZ_MEMORY: u32 = 132 << 10;
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
    marked(BufReader::new(unpacked(magic, BufReader::new(file.take(length)))?.take(LARGEST_KERNEL)), &origin)
}

/// The kernel that is packed in a boot image, by its first bytes; what follows its stream is passed over.
fn unpacked<'a>(magic: [u8; 6], packed: impl BufRead + 'a) -> Option<Box<dyn Read + 'a>> {
    match magic {
        [0x1f, 0x8b, ..] => Some(Box::new(GzDecoder::new(packed))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Box::new(zstd::Decoder::with_buffer(packed).ok()?.single_frame())),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => Some(Box::new(XzReader::new_mem_limit(packed, false, XZ_MEMORY))),
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

    /// With the options of scripts/xz_wrap.sh, and the size behind the stream.
    #[test]
    fn a_kernel_packed_by_xz_is_read() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&module(&vec![0xe8; 1 << 20], TEXT)).unwrap();
        let mut xz = std::process::Command::new("xz");
        xz.args(["--check=crc32", "--x86", "--lzma2=dict=128MiB", "--stdout"]).arg(file.path());
        let mut packed = xz.output().unwrap().stdout;
        packed.extend([0x12, 0x34, 0x10, 0]);
        let read = |bytes: &[u8]| {
            let magic = bytes[..6].try_into().unwrap();
            marked(BufReader::new(unpacked(magic, bytes).unwrap()), "x")
        };
        assert_eq!(read(&packed).unwrap().get("SQUASHFS"), Setting::Module);
        assert_eq!(read(&packed[..packed.len() / 2]), None);
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
