//! The agent's own part of the second stage, streamed into any writer: the running binary as `/init`, its plan with the
//! callback credential (mode 600), the public site values, and the root file system when it is embedded. Its size is known
//! before the first byte, so that memory can be checked first. Never compresses (the squashfs is compressed already) and
//! never logs what it packs.

use std::{
    fs::File,
    io::{Seek, Write},
};

use crate::{
    Error, Result,
    archive::{Archive, Sizing},
    site,
};

/// Where all of it is when it is joined to an image's own initrd, whose files it must not touch: before each path of a second stage
/// that is alone.
pub const BESIDE: &str = "/.higuma";
/// The agent, below [`BESIDE`] or at the root.
pub const INIT: &str = "/init";
/// The plan of the second stage; the agent is the second stage when this file exists.
pub const PLAN: &str = "/etc/higuma/second-stage.json";
/// The embedded root file system.
pub const ROOTFS: &str = "/rootfs.squashfs";
const EMPTY_DIRS: [&str; 6] = ["/proc", "/sys", "/dev", "/run", "/tmp", "/etc"];

/// What goes in. The files are read from their start; their offsets move.
#[derive(Debug, Clone, Copy)]
pub struct Contents<'a> {
    /// The agent's binary (`/proc/self/exe`).
    pub agent: &'a File,
    /// The JSON of [`PLAN`].
    pub plan_json: &'a [u8],
    /// The authority's certificate, PEM.
    pub ca_pem: &'a [u8],
    /// The fixed DNS name.
    pub server_name: &'a str,
    /// The root file system, when it is embedded: below 4 GiB.
    pub rootfs: Option<&'a File>,
    /// It stands behind an image's own initrd: everything is below [`BESIDE`], and no folder or device of the image is made anew.
    pub beside: bool,
}

impl Contents<'_> {
    fn place(&self, path: &str) -> String {
        format!("{}{path}", if self.beside { BESIDE } else { "" })
    }
}

/// Bytes that [`write`] will write, padding included.
///
/// # Errors
/// [`Error::Entry`] when a file's size cannot be read, [`Error::TooLarge`].
pub fn size_of(contents: &Contents<'_>) -> Result<u64> {
    let rootfs = contents.rootfs.map(|file| length(file, ROOTFS)).transpose()?;
    size_with(contents, length(contents.agent, INIT)?, rootfs)
}

/// The same for a root file system that is not there yet, of `rootfs` bytes (none: not embedded).
///
/// # Errors
/// [`Error::TooLarge`].
pub fn size_with(contents: &Contents<'_>, agent: u64, rootfs: Option<u64>) -> Result<u64> {
    let mut sizing = Sizing::default();
    if !contents.beside {
        EMPTY_DIRS.into_iter().for_each(|dir| sizing.dir(dir));
        sizing.devices();
    }
    let name_length = contents.server_name.trim().len() as u64 + 1;
    let files = [
        (INIT, Some(agent)),
        (PLAN, Some(contents.plan_json.len() as u64)),
        (site::CA, Some(contents.ca_pem.len() as u64)),
        (site::SERVER_NAME, Some(name_length)),
        (ROOTFS, rootfs),
    ];
    for (path, size) in files.into_iter().filter_map(|(path, size)| Some((path, size?))) {
        if u32::try_from(size).is_err() {
            return Err(Error::TooLarge { path: path.to_owned(), size });
        }
        sizing.file(&contents.place(path), size);
    }
    Ok(sizing.total())
}

/// Writes the part and hands the writer back. A multiple of 512 bytes: other parts may stand before and behind it.
///
/// # Errors
/// [`Error::TooLarge`], [`Error::SizeChanged`], [`Error::Entry`], [`Error::Write`].
pub fn write<W: Write>(contents: &Contents<'_>, out: W) -> Result<W> {
    let mut archive = Archive::new(out);
    if !contents.beside {
        for dir in EMPTY_DIRS {
            archive.dir(dir, if dir == "/tmp" { 0o1777 } else { 0o755 })?;
        }
        archive.devices()?;
    }
    let place = |path: &str| contents.place(path);
    file(&mut archive, &place(INIT), 0o755, contents.agent)?;
    archive.file(&place(PLAN), 0o600, contents.plan_json)?;
    archive.file(&place(site::CA), 0o644, contents.ca_pem)?;
    archive.file(&place(site::SERVER_NAME), 0o644, format!("{}\n", contents.server_name.trim()).as_bytes())?;
    if let Some(rootfs) = contents.rootfs {
        file(&mut archive, &place(ROOTFS), 0o444, rootfs)?;
    }
    archive.finish()
}

fn file<W: Write>(archive: &mut Archive<W>, path: &str, mode: u32, mut content: &File) -> Result<()> {
    let size = length(content, path)?;
    content.rewind().map_err(|source| Error::Entry { path: path.to_owned(), source })?;
    archive.file_from(path, mode, size, &mut content)
}

fn length(file: &File, path: &str) -> Result<u64> {
    file.metadata().map(|meta| meta.len()).map_err(|source| Error::Entry { path: path.to_owned(), source })
}
