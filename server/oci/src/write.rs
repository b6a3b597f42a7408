//! The tree as one tar stream, for `sqfstar`: the same image gives the same bytes. Names are sorted, folders stand before
//! what is in them, the first name of a file carries its bytes and the others are hard links to it. What a header's
//! fields cannot hold goes into pax records (POSIX.1-2017), extended attributes as `SCHILY.xattr.*`.

use crate::error::{Error, Result};
use crate::spool::Spool;
use crate::tree::{Inode, Kind, Metadata, Tree};
use std::collections::HashMap;
use std::io::Write;

/// What a squashfs can keep; others (ACLs under `system.`) have no place in it.
const XATTRS: [&[u8]; 3] = [b"user.", b"trusted.", b"security."];
const OCTAL_7: u64 = 0o7_777_777;
const OCTAL_11: u64 = 0o77_777_777_777;
/// Times of a squashfs are 32 bits without a sign.
const LAST_SECOND: i64 = u32::MAX as i64;

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Names.
    pub entries: u64,
    /// Bytes of files.
    pub bytes: u64,
    /// Extended attributes that were left out, as a squashfs has no place for them.
    pub xattrs_left_out: u64,
}

/// Left out of a root file system, as `image import` does with folders: kernel and initrd, which are parts of their
/// own, and what is in the folders of a running system.
pub fn running_system(path: &[u8]) -> bool {
    let inside = |folder: &[u8]| path.strip_prefix(folder).is_some_and(|rest| rest.len() > 1 && rest[0] == b'/');
    let boot =
        path.strip_prefix(b"boot/").is_some_and(|rest| rest.starts_with(b"vmlinuz") || rest.starts_with(b"initrd"));
    boot || [&b"proc"[..], b"sys", b"dev", b"run", b"tmp"].into_iter().any(inside)
}

/// Write all that `keep` wants, by its path from the root, without a slash in front; the root itself is the empty path.
///
/// # Errors
/// [`Error::Io`] of `out` and of the spool.
pub fn write_tar(tree: &Tree, spool: &Spool, out: &mut dyn Write, keep: &dyn Fn(&[u8]) -> bool) -> Result<Written> {
    let mut written = Written::default();
    let mut first_names: HashMap<Inode, Vec<u8>> = HashMap::new();
    tree.walk(keep, |path, inode| {
        if path.is_empty() && !keep(path) {
            return Ok(());
        }
        let entry = tree.entry(inode);
        written.entries += 1;
        written.xattrs_left_out += entry.metadata.xattrs.keys().filter(|name| !kept(name)).count() as u64;
        let mut header = Head::new(&entry.metadata);
        header.path = if path.is_empty() { b"./".to_vec() } else { path.to_vec() };
        let mut content = None;
        if entry.kind != Kind::Dir
            && let Some(first) = first_names.get(&inode)
        {
            header.kind = b'1';
            header.link.clone_from(first);
            header.xattrs.clear();
        } else {
            match &entry.kind {
                Kind::File(there) => {
                    header.size = there.size;
                    content = Some(*there);
                }
                Kind::Symlink(target) => (header.kind, header.link) = (b'2', target.clone()),
                Kind::Char(major, minor) => (header.kind, header.device) = (b'3', (*major, *minor)),
                Kind::Block(major, minor) => (header.kind, header.device) = (b'4', (*major, *minor)),
                Kind::Fifo => header.kind = b'6',
                Kind::Dir => {
                    header.kind = b'5';
                    if !path.is_empty() {
                        header.path.push(b'/');
                    }
                }
            }
            if entry.kind != Kind::Dir {
                first_names.insert(inode, path.to_vec());
            }
        }
        header.emit(out).map_err(Error::io("write the tar stream"))?;
        if let Some(content) = content {
            spool.copy(content, out).map_err(Error::io("write the tar stream"))?;
            pad(out, content.size).map_err(Error::io("write the tar stream"))?;
            written.bytes += content.size;
        }
        Ok(())
    })?;
    out.write_all(&[0; 1024]).and_then(|()| out.flush()).map_err(Error::io("write the tar stream"))?;
    Ok(written)
}

fn kept(xattr: &[u8]) -> bool {
    XATTRS.iter().any(|prefix| xattr.starts_with(prefix))
}

fn pad(out: &mut dyn Write, size: u64) -> std::io::Result<()> {
    let rest = (size % 512) as usize;
    if rest > 0 { out.write_all(&[0; 512][rest..]) } else { Ok(()) }
}

/// One entry's headers.
struct Head<'a> {
    path: Vec<u8>,
    link: Vec<u8>,
    kind: u8,
    size: u64,
    device: (u32, u32),
    metadata: &'a Metadata,
    xattrs: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Head<'a> {
    fn new(metadata: &'a Metadata) -> Self {
        let xattrs = metadata.xattrs.iter().filter(|(name, _)| kept(name));
        let xattrs = xattrs.map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
        Self { path: Vec::new(), link: Vec::new(), kind: b'0', size: 0, device: (0, 0), metadata, xattrs }
    }

    fn emit(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let pax = self.pax();
        if !pax.is_empty() {
            let mut header = tar::Header::new_ustar();
            header.as_old_mut().name[..3].copy_from_slice(b"pax");
            header.set_entry_type(tar::EntryType::XHeader);
            header.set_mode(0o644);
            header.set_size(pax.len() as u64);
            header.set_cksum();
            out.write_all(header.as_bytes())?;
            out.write_all(&pax)?;
            pad(out, pax.len() as u64)?;
        }
        let mut header = tar::Header::new_ustar();
        short(&mut header.as_old_mut().name, &self.path);
        short(&mut header.as_old_mut().linkname, &self.link);
        header.set_entry_type(tar::EntryType::new(self.kind));
        header.set_mode(self.metadata.mode & 0o7777);
        header.set_uid(fits(u64::from(self.metadata.uid), OCTAL_7));
        header.set_gid(fits(u64::from(self.metadata.gid), OCTAL_7));
        header.set_mtime(self.mtime());
        header.set_size(fits(self.size, OCTAL_11));
        if matches!(self.kind, b'3' | b'4') {
            header.set_device_major(self.device.0)?;
            header.set_device_minor(self.device.1)?;
        }
        header.set_cksum();
        out.write_all(header.as_bytes())
    }

    /// What does not fit into the header's fields, and extended attributes.
    fn pax(&self) -> Vec<u8> {
        let mut pax = Vec::new();
        if self.path.len() > 100 {
            record(&mut pax, b"path", &self.path);
        }
        if self.link.len() > 100 {
            record(&mut pax, b"linkpath", &self.link);
        }
        let mut number = |key: &[u8], value: u64, most| {
            if value > most {
                record(&mut pax, key, value.to_string().as_bytes());
            }
        };
        number(b"size", self.size, OCTAL_11);
        number(b"uid", u64::from(self.metadata.uid), OCTAL_7);
        number(b"gid", u64::from(self.metadata.gid), OCTAL_7);
        for (name, value) in &self.xattrs {
            record(&mut pax, &[b"SCHILY.xattr.", *name].concat(), value);
        }
        pax
    }

    fn mtime(&self) -> u64 {
        self.metadata.mtime.clamp(0, LAST_SECOND) as u64
    }
}

/// Zero where the value stands in a pax record.
fn fits(value: u64, most: u64) -> u64 {
    if value > most { 0 } else { value }
}

/// As much as there is room for; a pax record has the whole.
fn short(field: &mut [u8; 100], bytes: &[u8]) {
    let n = bytes.len().min(field.len());
    field[..n].copy_from_slice(&bytes[..n]);
}

/// `LENGTH KEY=VALUE\n`; the length counts its own digits.
fn record(pax: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    pax.extend_from_slice(length.to_string().as_bytes());
    pax.push(b' ');
    pax.extend_from_slice(key);
    pax.push(b'=');
    pax.extend_from_slice(value);
    pax.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_its_own_length() {
        for n in [0, 1, 4, 5, 6, 7, 88, 89, 90, 91, 92, 984, 985, 986, 987, 988, 989, 9985, 9986] {
            let mut pax = Vec::new();
            record(&mut pax, b"k", &vec![b'v'; n]);
            let said = String::from_utf8_lossy(&pax).split(' ').next().and_then(|n| n.parse().ok());
            assert_eq!(said, Some(pax.len()));
        }
    }

    #[test]
    fn what_a_root_file_system_is_without() {
        for left_out in ["boot/vmlinuz-6.1", "boot/vmlinuz", "boot/initrd.img-6.1", "dev/sda", "tmp/a/b", "proc/1"] {
            assert!(running_system(left_out.as_bytes()), "{left_out}");
        }
        for kept in ["boot", "boot/config-6.1", "boot/grub/vmlinuz", "dev", "tmp", "devices/x", "usr/tmp/x", "vmlinuz"]
        {
            assert!(!running_system(kept.as_bytes()), "{kept}");
        }
    }
}
