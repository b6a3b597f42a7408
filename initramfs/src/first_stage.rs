//! The generic first stage: a kernel and an initramfs of the agent with drivers, the same for every server and every
//! installation. Never holds anything of one installation (see [`crate::site`]); the same inputs give the same bytes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    archive::{self, Archive},
    drivers::DriverSet,
    files,
    kernel_package::{self, KernelTree},
    modules::ModuleIndex,
};

/// File name of the kernel in the output folder.
pub const KERNEL: &str = "vmlinuz";
/// File name of the initramfs; the boot script and the kernel command line use the same.
pub const INITRAMFS: &str = "first-stage.img";
/// File name of the [`Manifest`].
pub const MANIFEST: &str = "first-stage.json";
/// Where the agent finds [`Info`].
pub const INFO: &str = "/etc/higuma/first-stage.json";
const LEVEL: i32 = 19;

/// Where the kernel comes from.
#[derive(Debug, Clone)]
pub enum KernelSource {
    /// Debian's package, pinned by a lock file.
    Debian {
        /// Usually [`kernel_package::META`].
        meta: String,
        /// Written when there is none, or with `update`.
        lock_file: PathBuf,
        /// Pin the newest kernel instead of the locked one.
        update: bool,
    },
    /// An unpacked kernel.
    Tree(KernelTree),
}

/// What to build.
pub struct FirstStageOptions<'a> {
    /// The kernel and its modules.
    pub kernel: KernelSource,
    /// The agent's binary: static; taken as it is.
    pub agent: PathBuf,
    /// Told in the manifest.
    pub agent_version: String,
    /// Which drivers.
    pub drivers: DriverSet,
    /// Folder of the results; made when missing.
    pub out: PathBuf,
    /// Folder that keeps packages, unpacked kernels and compressed drivers between builds.
    pub cache: PathBuf,
    /// Told what happens, one line at a time.
    pub progress: &'a mut dyn FnMut(&str),
}

/// What the agent finds about its own initramfs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// `uname -r` of the kernel.
    pub kernel_release: String,
    /// Package and version.
    pub kernel_package: String,
    /// The driver set's name.
    pub drivers: String,
    /// Version of the agent inside.
    pub agent_version: String,
    /// Modules to load always, whatever hardware there is.
    pub load: Vec<String>,
}

/// What was built, for people and for the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// As inside.
    #[serde(flatten)]
    pub info: Info,
    /// Of the kernel, hex.
    pub kernel_sha256: String,
    /// Bytes.
    pub kernel_size: u64,
    /// Of the initramfs, hex.
    pub initramfs_sha256: String,
    /// Bytes.
    pub initramfs_size: u64,
    /// Of the agent's binary inside, hex.
    pub agent_sha256: String,
    /// How many kernel modules are inside.
    pub modules: usize,
}

/// The files that were built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstStage {
    /// The bzImage.
    pub kernel: PathBuf,
    /// The initramfs.
    pub initramfs: PathBuf,
    /// What they are.
    pub manifest: Manifest,
}

impl FirstStage {
    /// Kernel and initramfs together, bytes: what each server downloads first.
    pub fn size(&self) -> u64 {
        self.manifest.kernel_size + self.manifest.initramfs_size
    }
}

/// Builds [`KERNEL`], [`INITRAMFS`] and [`MANIFEST`] in the output folder; each is replaced whole.
///
/// # Errors
/// [`Error::NoSuchModule`] when the kernel lacks a driver of the set; [`Error::Invalid`] when the agent is no static
/// program; those of [`kernel_package::obtain`]; [`Error::Io`].
pub fn build(options: FirstStageOptions<'_>) -> Result<FirstStage> {
    let FirstStageOptions { kernel, agent, agent_version, drivers: set, out, cache, progress } = options;
    let agent = files::read(&agent).and_then(|bytes| check_agent(&agent, bytes))?;
    let tree = match kernel {
        KernelSource::Tree(tree) => tree,
        KernelSource::Debian { meta, lock_file, update } => {
            kernel_package::obtain(&meta, &lock_file, update, &cache, progress)?.1
        }
    };
    let mut index = ModuleIndex::open(&tree.root, &tree.release)?;
    let drivers = set.drivers()?;
    drivers.teach(&mut index);
    let subset = index.subset(&drivers.names)?;
    let mut modules = Archive::new(Vec::new());
    subset.pack(&mut modules)?;
    let modules = modules.finish()?;
    progress(&format!("packing {} drivers of {} ({} set)", subset.names().len(), tree.release, set));
    let mut initramfs = compressed(&modules, &cache)?;

    let info = Info {
        kernel_release: tree.release.clone(),
        kernel_package: tree.origin.clone(),
        drivers: set.name().to_owned(),
        agent_version,
        load: drivers.to_load(&index),
    };
    progress("packing the agent");
    // Two archives one behind the other: the drivers change seldom and take long to compress, the agent changes often.
    initramfs.extend(archive::compress(&agent_part(&agent, &info)?, LEVEL)?);

    files::make_dir(&out)?;
    let kernel = files::read(&tree.kernel)?;
    let manifest = Manifest {
        info,
        kernel_sha256: files::sha256(&kernel),
        kernel_size: kernel.len() as u64,
        initramfs_sha256: files::sha256(&initramfs),
        initramfs_size: initramfs.len() as u64,
        agent_sha256: files::sha256(&agent),
        modules: subset.names().len(),
    };
    let stage = FirstStage { kernel: out.join(KERNEL), initramfs: out.join(INITRAMFS), manifest };
    files::write_atomic(&stage.kernel, &kernel)?;
    files::write_atomic(&stage.initramfs, &initramfs)?;
    files::write_atomic(&out.join(MANIFEST), &json(&stage.manifest)?)?;
    progress(&format!(
        "first stage: kernel {:.1} MB + initramfs {:.1} MB = {:.1} MB",
        stage.manifest.kernel_size as f64 / 1e6,
        stage.manifest.initramfs_size as f64 / 1e6,
        stage.size() as f64 / 1e6
    ));
    Ok(stage)
}

/// Reads what [`build`] left in a folder; none when there is no manifest.
///
/// # Errors
/// [`Error::Io`], [`Error::Invalid`] when the manifest is damaged.
pub fn open(out: &Path) -> Result<Option<FirstStage>> {
    let path = out.join(MANIFEST);
    let Some(text) = files::text(&path)? else { return Ok(None) };
    let manifest = serde_json::from_str(&text).map_err(|e| Error::Invalid {
        what: "the first stage's manifest",
        why: format!("{}: {e}; build the first stage again", path.display()),
    })?;
    Ok(Some(FirstStage { kernel: out.join(KERNEL), initramfs: out.join(INITRAMFS), manifest }))
}

fn agent_part(agent: &[u8], info: &Info) -> Result<Vec<u8>> {
    let mut archive = Archive::new(Vec::new());
    for dir in ["/proc", "/sys", "/dev", "/run", "/etc"] {
        archive.dir(dir, 0o755)?;
    }
    archive.dir("/tmp", 0o1777)?;
    archive.devices()?;
    archive.file("/init", 0o755, agent)?;
    archive.file(INFO, 0o644, &json(info)?)?;
    archive.finish()
}

/// The compressed form of a part, kept in the cache under the hash of its content.
fn compressed(part: &[u8], cache: &Path) -> Result<Vec<u8>> {
    let path = cache.join(format!("{}.zstd{LEVEL}", files::sha256(part)));
    // Unpacked again before it is trusted: a damaged cache must not reach a server.
    if let Ok(bytes) = fs::read(&path)
        && archive::decompress(&bytes, part.len() as u64).is_ok_and(|content| content == part)
    {
        return Ok(bytes);
    }
    let bytes = archive::compress(part, LEVEL)?;
    files::make_dir(cache)?;
    files::write_atomic(&path, &bytes)?;
    Ok(bytes)
}

/// The initramfs has no dynamic linker: a program that asks for one (PT_INTERP) would end PID 1 at once.
fn check_agent(path: &Path, bytes: Vec<u8>) -> Result<Vec<u8>> {
    let wrong = |why: &str| Error::Invalid { what: "the agent's binary", why: format!("{}: {why}", path.display()) };
    let number = |at: usize, length: usize| -> Option<usize> {
        let bytes = bytes.get(at..at.checked_add(length)?)?;
        Some(bytes.iter().rev().fold(0, |value, byte| value << 8 | usize::from(*byte)))
    };
    if bytes.get(..6) != Some(b"\x7fELF\x02\x01") {
        return Err(wrong("expected a 64-bit little-endian ELF program"));
    }
    let (table, size, count) = (number(0x20, 8), number(0x36, 2), number(0x38, 2));
    let (Some(table), Some(size), Some(count)) = (table, size, count) else {
        return Err(wrong("its ELF header is cut short"));
    };
    for i in 0..count {
        let at = i.checked_mul(size).and_then(|offset| offset.checked_add(table));
        match at.and_then(|at| number(at, 4)) {
            Some(3) => return Err(wrong("it is dynamically linked; build it with `-C target-feature=+crt-static`")),
            Some(_) => {}
            None => return Err(wrong("its program headers are cut short")),
        }
    }
    Ok(bytes)
}

fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes =
        serde_json::to_vec_pretty(value).map_err(|e| Error::Invalid { what: "a manifest", why: e.to_string() })?;
    bytes.push(b'\n');
    Ok(bytes)
}
