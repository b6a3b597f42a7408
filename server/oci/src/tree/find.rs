//! What an importer asks of a tree: what is at a path, links followed inside the tree; names in a folder. It changes nothing.

use super::{Inode, Kind, ROOT, Tree};
use crate::error::{Error, Result};
use crate::spool::{Content, Spool};
use std::collections::VecDeque;
use std::path::Path;

const MOST_LINKS: usize = 40;

/// Something that was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A folder.
    Dir(Inode),
    /// A file.
    File(Inode, Content),
    /// Neither.
    Other(Inode),
}

impl Tree {
    /// What is at `path` after all links.
    pub fn find(&self, path: &str) -> Option<Found> {
        let mut way = vec![ROOT];
        let parts = |path: &[u8]| -> Vec<Vec<u8>> {
            path.split(|b| *b == b'/').filter(|part| !matches!(*part, b"" | b".")).map(<[u8]>::to_vec).collect()
        };
        let mut rest: VecDeque<Vec<u8>> = parts(path.as_bytes()).into();
        let mut links = 0;
        while let Some(part) = rest.pop_front() {
            let inode = *way.last()?;
            if part == b".." {
                way.truncate(way.len().saturating_sub(1).max(1));
                continue;
            }
            let inode = self.child(inode, &part)?;
            match &self.inodes[inode].entry.kind {
                Kind::Symlink(target) => {
                    links += 1;
                    if links > MOST_LINKS || rest.len() > 4096 {
                        return None;
                    }
                    if target.starts_with(b"/") {
                        way.truncate(1);
                    }
                    parts(target).into_iter().rev().for_each(|part| rest.push_front(part));
                }
                Kind::Dir => way.push(inode),
                _ if !rest.is_empty() => return None,
                _ => way.push(inode),
            }
        }
        let inode = *way.last()?;
        Some(match self.inodes[inode].entry.kind {
            Kind::Dir => Found::Dir(inode),
            Kind::File(content) => Found::File(inode, content),
            _ => Found::Other(inode),
        })
    }

    /// Names in the folder at `path`, in order, with what each is after all links; those that are not UTF-8 are left out.
    pub fn names(&self, path: &str) -> Vec<(String, Option<Found>)> {
        let Some(Found::Dir(folder)) = self.find(path) else { return Vec::new() };
        let names = self.inodes[folder].children.keys().filter_map(|name| String::from_utf8(name.clone()).ok());
        names.map(|name| (name.clone(), self.find(&format!("{path}/{name}")))).collect()
    }

    /// Write the folder at `path` to `dest`, which must not exist: files and folders only, as the caller's own, with
    /// plain modes. Returns whether there was such a folder.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn extract(&self, spool: &Spool, path: &str, dest: &Path) -> Result<bool> {
        use std::os::unix::ffi::OsStrExt;
        let Some(Found::Dir(folder)) = self.find(path) else { return Ok(false) };
        let failed = |path: &Path| Error::io(format!("write {}", path.display()));
        std::fs::create_dir(dest).map_err(failed(dest))?;
        let mut open = vec![(folder, dest.to_owned())];
        while let Some((folder, path)) = open.pop() {
            for (name, child) in &self.inodes[folder].children {
                let path = path.join(std::ffi::OsStr::from_bytes(name));
                match self.inodes[child.inode].entry.kind {
                    Kind::Dir => {
                        std::fs::create_dir(&path).map_err(failed(&path))?;
                        open.push((child.inode, path));
                    }
                    Kind::File(content) => {
                        let mut file = std::fs::File::create_new(&path).map_err(failed(&path))?;
                        spool.copy(content, &mut file).map_err(failed(&path))?;
                    }
                    _ => {}
                }
            }
        }
        Ok(true)
    }
}
