//! Makes the listing of a root file system: of a folder as it is packed, of a squashfs, or of a flattened tree. What is left out of the root file
//! system is left out here, too. Nothing is changed; no link is followed.

use super::format::{Entry, Writer, escape};
use super::packages;
use crate::cli::error::{Failure, Result};
use crate::cli::image::root::{Folder, Owner, Squashfs};
use crate::cli::progress::Progress;
use higuma_oci::{Flattened, Kind, running_system};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::{DirEntry, File, Metadata};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// File name of the listing.
pub const CONTENTS: &str = "contents.zst";

/// Of a folder, in `out`.
///
/// # Errors
/// Something in it cannot be read.
pub fn of_folder(root: &Path, out: &Path, progress: &Progress) -> Result<PathBuf> {
    walk(root, out, progress, |_, _| ())
}

/// Of a squashfs that was unpacked into `root`, with owners and modes as the squashfs has them, in `out`.
///
/// # Errors
/// Something in it cannot be read.
pub fn of_squashfs(squashfs: &Squashfs, root: &Path, out: &Path, progress: &Progress) -> Result<PathBuf> {
    let devices = squashfs.paths().filter(|(path, can_be_made)| !can_be_made && !root.join(path).exists()).count();
    if devices > 0 {
        progress.line(&format!("{devices} devices are not in the listing: only root can unpack them"));
    }
    walk(root, out, progress, |name, entry| {
        if let Some(Owner { mode, uid, gid }) = squashfs.owner(&String::from_utf8_lossy(name)) {
            (entry.mode, entry.uid, entry.gid) = (format!("{mode:o}"), uid, gid);
        }
    })
}

/// Lists a folder; `amend` sees each name and what is said of it.
fn walk(root: &Path, out: &Path, progress: &Progress, amend: impl Fn(&[u8], &mut Entry)) -> Result<PathBuf> {
    progress.line("listing the contents");
    let mut writer = Writer::new(out)?;
    let mut seen: HashMap<(u64, u64), String> = HashMap::new();
    let mut open = vec![children(root)?.into_iter()];
    while let Some(level) = open.last_mut() {
        let Some(child) = level.next() else {
            open.pop();
            continue;
        };
        let path = child.path();
        let name = path.strip_prefix(root).unwrap_or(&path).as_os_str().as_bytes().to_owned();
        if running_system(&name) {
            continue;
        }
        let failed = || Failure::io("read", &path);
        let meta = child.metadata().map_err(failed())?;
        let mut entry = described(&name, &meta);
        amend(&name, &mut entry);
        let mut again = false;
        match entry.kind.as_str() {
            "folder" => open.push(children(&path)?.into_iter()),
            "symlink" => entry.target = escape(std::fs::read_link(&path).map_err(failed())?.as_os_str().as_bytes()),
            "file" => {
                let known = (meta.nlink() > 1).then(|| seen.get(&(meta.dev(), meta.ino()))).flatten();
                again = known.is_some();
                entry.sha256 = match known {
                    Some(sha256) => sha256.clone(),
                    None => hash_file(&path)?,
                };
                if meta.nlink() > 1 {
                    seen.insert((meta.dev(), meta.ino()), entry.sha256.clone());
                }
            }
            _ => {}
        }
        writer.put(&entry, again)?;
    }
    let (kind, list) = packages::of(&Folder::open(root)?, progress)?;
    let path = out.join(CONTENTS);
    writer.finish(kind, list, &path)?;
    Ok(path)
}

/// Of a flattened tree, in `out`.
///
/// # Errors
/// The scratch folder's.
pub fn of_image(image: &Flattened, out: &Path, progress: &Progress) -> Result<PathBuf> {
    progress.line("listing the contents");
    let mut writer = Writer::new(out)?;
    let mut seen: HashMap<usize, String> = HashMap::new();
    image.tree.walk(&|path| !running_system(path), |path, inode| {
        if path.is_empty() {
            return Ok(());
        }
        let stored = image.tree.entry(inode);
        let meta = &stored.metadata;
        let mode = format!("{:o}", meta.mode & 0o7777);
        let mut entry = Entry { path: escape(path), mode, uid: meta.uid, gid: meta.gid, ..Entry::default() };
        let mut again = false;
        let (kind, target) = match &stored.kind {
            Kind::File(content) => {
                again = seen.contains_key(&inode);
                entry.size = content.size;
                entry.sha256 = match seen.get(&inode) {
                    Some(sha256) => sha256.clone(),
                    None => {
                        let mut hashing = Hashing(Sha256::new());
                        let copied = image.spool.copy(*content, &mut hashing);
                        copied.map_err(|e| Failure::because(format!("could not read {}", entry.path), &e))?;
                        hex::encode(hashing.0.finalize())
                    }
                };
                seen.insert(inode, entry.sha256.clone());
                ("file", String::new())
            }
            Kind::Symlink(target) => ("symlink", escape(target)),
            Kind::Char(major, minor) => ("char", format!("{major}:{minor}")),
            Kind::Block(major, minor) => ("block", format!("{major}:{minor}")),
            Kind::Fifo => ("fifo", String::new()),
            Kind::Dir => ("folder", String::new()),
        };
        (entry.kind, entry.target) = (kind.to_owned(), target);
        writer.put(&entry, again)
    })?;
    let (kind, list) = packages::of(image, progress)?;
    let path = out.join(CONTENTS);
    writer.finish(kind, list, &path)?;
    Ok(path)
}

/// Sorted as a listing is.
fn children(folder: &Path) -> Result<Vec<DirEntry>> {
    let read = std::fs::read_dir(folder).and_then(|entries| entries.collect::<std::io::Result<Vec<_>>>());
    let mut entries = read.map_err(Failure::io("read", folder))?;
    entries.sort_by_key(DirEntry::file_name);
    Ok(entries)
}

fn described(name: &[u8], meta: &Metadata) -> Entry {
    let kind = meta.file_type();
    let device = || {
        let (major, minor) = (nix::sys::stat::major(meta.rdev()), nix::sys::stat::minor(meta.rdev()));
        format!("{major}:{minor}")
    };
    let (kind, target) = match kind {
        k if k.is_dir() => ("folder", String::new()),
        k if k.is_symlink() => ("symlink", String::new()),
        k if k.is_char_device() => ("char", device()),
        k if k.is_block_device() => ("block", device()),
        k if k.is_fifo() => ("fifo", String::new()),
        k if k.is_socket() => ("socket", String::new()),
        _ => ("file", String::new()),
    };
    Entry {
        path: escape(name),
        kind: kind.to_owned(),
        size: if kind == "file" { meta.len() } else { 0 },
        mode: format!("{:o}", meta.mode() & 0o7777),
        uid: meta.uid(),
        gid: meta.gid(),
        sha256: String::new(),
        target,
    }
}

fn hash_file(path: &Path) -> Result<String> {
    let failed = || Failure::io("read", path);
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    let mut file: File = File::options().read(true).custom_flags(flags).open(path).map_err(failed())?;
    let mut hashing = Hashing(Sha256::new());
    std::io::copy(&mut file, &mut hashing).map_err(failed())?;
    Ok(hex::encode(hashing.0.finalize()))
}

struct Hashing(Sha256);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
