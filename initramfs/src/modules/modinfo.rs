//! Reads what depmod would read: the `.modinfo` section of module files (name=value strings, see MODULE_INFO in
//! include/linux/moduleinfo.h). For kernels that were unpacked and never installed. Never trusts an offset of the file.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{Module, ModuleIndex, name_of, normalise};
use crate::{Error, Result, files};

/// No module comes near this; it bounds what a damaged compressed file may unpack to.
const MAX_MODULE: u64 = 256 << 20;

pub(super) fn scan(dir: PathBuf, release: &str) -> Result<ModuleIndex> {
    let mut paths = Vec::new();
    files::list(&dir.join("kernel"), &mut paths)?;
    paths.sort();
    let mut index = ModuleIndex::empty(dir, release)?;
    for path in paths {
        let relative = path.strip_prefix(&index.dir).unwrap_or(&path).to_string_lossy().into_owned();
        let Some(name) = name_of(&relative) else { continue };
        let bytes = unpacked(&path)?;
        let info = section(&bytes).ok_or_else(|| Error::BadModule {
            path: path.clone(),
            why: "expected a 64-bit little-endian ELF file with a .modinfo section".to_owned(),
        })?;
        let mut module = Module { path: relative, needs: Vec::new() };
        for entry in info.split(|byte| *byte == 0) {
            let entry = String::from_utf8_lossy(entry);
            match entry.split_once('=') {
                Some(("depends", list)) => {
                    module.needs = list.split(',').filter(|need| !need.is_empty()).map(normalise).collect();
                }
                Some(("alias", pattern)) => index.aliases.insert(pattern, &name),
                Some(("softdep", rest)) => index.add_soft(&name, rest),
                _ => {}
            }
        }
        index.modules.insert(name, module);
    }
    if index.is_empty() {
        return Err(Error::BadTree { path: index.dir, why: "there is no module below kernel/".to_owned() });
    }
    Ok(index)
}

pub(super) fn unpacked(path: &Path) -> Result<Vec<u8>> {
    let bad = |why: String| Error::BadModule { path: path.to_owned(), why };
    match path.extension().and_then(|end| end.to_str()) {
        Some("zst") => {
            let file = fs::File::open(path).map_err(Error::io("open", path))?;
            let mut bytes = Vec::new();
            zstd::Decoder::new(file)
                .and_then(|decoder| decoder.take(MAX_MODULE).read_to_end(&mut bytes))
                .map_err(|e| bad(format!("zstd: {e}")))?;
            Ok(bytes)
        }
        Some(end @ ("xz" | "gz")) => {
            let program = if end == "xz" { "xz" } else { "gzip" };
            let output = Command::new(program).arg("-dc").arg(path).stdin(Stdio::null()).output().map_err(|e| {
                Error::Program {
                    command: format!("{program} -dc {}", path.display()),
                    detail: format!("{e}: is {program} installed?"),
                }
            })?;
            if !output.status.success() {
                return Err(bad(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())));
            }
            Ok(output.stdout)
        }
        _ => files::read(path),
    }
}

/// The content of the section `.modinfo` of an ELF64 little-endian file.
fn section(elf: &[u8]) -> Option<&[u8]> {
    if elf.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let table = usize::try_from(number(elf, 0x28, 8)?).ok()?;
    let entry = usize::try_from(number(elf, 0x3a, 2)?).ok()?;
    let count = usize::try_from(number(elf, 0x3c, 2)?).ok()?;
    let names = usize::try_from(number(elf, 0x3e, 2)?).ok()?;
    let header = |i: usize| elf.get(table.checked_add(i.checked_mul(entry)?)?..);
    let content = |header: &[u8]| -> Option<&[u8]> {
        let offset = usize::try_from(number(header, 24, 8)?).ok()?;
        let size = usize::try_from(number(header, 32, 8)?).ok()?;
        elf.get(offset..offset.checked_add(size)?)
    };
    let names = content(header(names)?)?;
    for i in 0..count {
        let header = header(i)?;
        let name = names.get(usize::try_from(number(header, 0, 4)?).ok()?..)?;
        if name.starts_with(b".modinfo\0") {
            return content(header);
        }
    }
    None
}

fn number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(length)?)?;
    Some(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    /// An ELF file with nothing but a `.modinfo` section.
    pub(crate) fn module(info: &[&str]) -> Vec<u8> {
        let info = info.iter().flat_map(|line| [line.as_bytes(), b"\0"].concat()).collect::<Vec<u8>>();
        let names = b"\0.modinfo\0.shstrtab\0";
        let mut elf = vec![0u8; 64];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        let table = 64 + info.len() + names.len();
        elf[0x28..0x30].copy_from_slice(&(table as u64).to_le_bytes());
        elf[0x3a..0x40].copy_from_slice(&[64, 0, 3, 0, 2, 0]);
        elf.extend_from_slice(&info);
        elf.extend_from_slice(names);
        for (name, offset, size) in [(0u32, 0, 0), (1, 64, info.len()), (10, 64 + info.len(), names.len())] {
            let mut header = [0u8; 64];
            header[..4].copy_from_slice(&name.to_le_bytes());
            header[24..32].copy_from_slice(&(offset as u64).to_le_bytes());
            header[32..40].copy_from_slice(&(size as u64).to_le_bytes());
            elf.extend_from_slice(&header);
        }
        elf
    }

    #[test]
    fn the_section_is_found() {
        assert_eq!(section(&module(&["depends=a,b", "alias=x*"])), Some(&b"depends=a,b\0alias=x*\0"[..]));
        assert_eq!(section(b"\x7fELF"), None);
    }

    proptest! {
        #[test]
        fn damaged_files_never_panic(changes in proptest::collection::vec((0usize..300, any::<u8>()), 0..20), cut in 0usize..400) {
            let mut elf = module(&["depends=a,b", "alias=pci:v*"]);
            for (at, value) in changes {
                if let Some(byte) = elf.get_mut(at) {
                    *byte = value;
                }
            }
            elf.truncate(cut);
            let _ = section(&elf);
        }
    }
}
