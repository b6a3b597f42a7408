//! One layer over a tree: entries, hard links, whiteouts. Parents that are symbolic links are followed as if the image's
//! root were `/`, as containers' unpackers do, so nothing leaves the tree. Source: OCI image-spec layer.md,
//! "Representing Changes" and "Whiteouts".

use super::{Child, Entry, Inode, Kind, Metadata, ROOT, Tree};
use crate::error::{Error, Result, shown};
use crate::name::Name;
use std::collections::VecDeque;

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Names of aufs itself.
const AUFS: &[u8] = b".wh..wh.";
/// As Linux has it.
const MOST_LINKS: usize = 40;
/// Folders in folders.
const DEEPEST: usize = 1024;

impl Tree {
    /// Put an entry at a name, replacing what is there; a folder over a folder keeps what is in it.
    ///
    /// # Errors
    /// [`Error::Archive`] when the name's parent is no folder, or the root would be one no more; [`Error::Limit`].
    pub fn put(&mut self, name: &Name, entry: Entry) -> Result<()> {
        let Some((parents, last)) = name.split() else {
            if entry.kind != Kind::Dir {
                return Err(Error::archive("/", "the root of an image is a folder"));
            }
            self.inodes[ROOT].entry = entry;
            return Ok(());
        };
        let folder = self.folder(name, parents)?;
        if let Some(there) = self.child(folder, last)
            && entry.kind == Kind::Dir
            && self.inodes[there].entry.kind == Kind::Dir
        {
            // Only its metadata is new; of that, what is kept in memory counts again.
            self.charge(entry.metadata.xattrs.iter().map(|(name, value)| name.len() + value.len()).sum())?;
            self.inodes[there].entry = entry;
            self.inodes[there].touched = self.layer;
            return Ok(());
        }
        let inode = self.add(entry)?;
        self.link(folder, last, inode)
    }

    /// One more name for what is at `target` now.
    ///
    /// # Errors
    /// [`Error::Archive`] when nothing or a folder is there, or it is the name itself.
    pub fn put_link(&mut self, name: &Name, target: &Name) -> Result<()> {
        let bad = |problem: String| Err(Error::archive(name.to_string(), problem));
        let inode = match target.split() {
            Some((parents, last)) => {
                let folder = self.resolve(target, parents, false)?;
                folder.and_then(|folder| Some((folder, self.child(folder, last)?)))
            }
            None => return bad("it is a hard link to the root".into()),
        };
        let Some((_, inode)) = inode else {
            return bad(format!("it is a hard link to {target}, which is not in the image"));
        };
        if self.inodes[inode].entry.kind == Kind::Dir {
            return bad(format!("it is a hard link to {target}, which is a folder"));
        }
        let Some((parents, last)) = name.split() else {
            return bad("the root of an image is a folder".into());
        };
        let folder = self.folder(name, parents)?;
        self.link(folder, last, inode)
    }

    /// Apply a whiteout; `false` when the name is none.
    ///
    /// # Errors
    /// [`Error::Archive`] for one that names nothing.
    pub fn whiteout(&mut self, name: &Name) -> Result<bool> {
        let Some((parents, last)) = name.split() else { return Ok(false) };
        if parents.iter().any(|part| part.starts_with(WHITEOUT)) {
            return Err(Error::archive(name.to_string(), "the folder's name begins like a whiteout, `.wh.`"));
        }
        let Some(removed) = last.strip_prefix(WHITEOUT) else { return Ok(false) };
        if last == OPAQUE {
            if let Some(folder) = self.resolve(name, parents, false)? {
                self.prune(folder);
            }
            return Ok(true);
        }
        if last.starts_with(AUFS) {
            return Ok(true);
        }
        if matches!(removed, b"" | b"." | b"..") {
            return Err(Error::archive(name.to_string(), "a whiteout of no name"));
        }
        let Some(folder) = self.resolve(name, parents, false)? else { return Ok(true) };
        let Some(child) = self.inodes[folder].children.get(removed).copied() else { return Ok(true) };
        if self.is_dir(child.inode) {
            self.prune(child.inode);
            if self.inodes[child.inode].touched == self.layer {
                return Ok(true);
            }
        } else if child.touched == self.layer {
            // It hides lower layers only, wherever in its own layer it stands.
            return Ok(true);
        }
        self.inodes[folder].children.remove(removed);
        Ok(true)
    }

    /// Take out of a folder what is not of this layer.
    fn prune(&mut self, folder: Inode) {
        let mut open = vec![folder];
        while let Some(folder) = open.pop() {
            let mut children = std::mem::take(&mut self.inodes[folder].children);
            children.retain(|_, child| match self.is_dir(child.inode) {
                true => {
                    let stays = self.inodes[child.inode].touched == self.layer;
                    if stays {
                        open.push(child.inode);
                    }
                    stays
                }
                false => child.touched == self.layer,
            });
            self.inodes[folder].children = children;
        }
    }

    fn is_dir(&self, inode: Inode) -> bool {
        self.inodes[inode].entry.kind == Kind::Dir
    }

    pub(super) fn child(&self, folder: Inode, name: &[u8]) -> Option<Inode> {
        self.inodes[folder].children.get(name).map(|child| child.inode)
    }

    fn link(&mut self, folder: Inode, name: &[u8], inode: Inode) -> Result<()> {
        self.charge(name.len())?;
        self.inodes[folder].children.insert(name.to_vec(), Child { inode, touched: self.layer });
        Ok(())
    }

    /// The folder of an entry, made when it is missing.
    fn folder(&mut self, name: &Name, parents: &[Vec<u8>]) -> Result<Inode> {
        self.resolve(name, parents, true)?.ok_or_else(|| Error::archive(name.to_string(), "its folder cannot be made"))
    }

    /// Follow `parents` from the root, through links, to a folder. `make`: missing ones are made, and all on the way
    /// belong to this layer from now on; else nothing is changed, and what is not there is `None`.
    fn resolve(&mut self, name: &Name, parents: &[Vec<u8>], make: bool) -> Result<Option<Inode>> {
        let bad = |problem: &str| Err(Error::archive(name.to_string(), problem));
        // Folders on the way, each with the length of the path to it.
        let mut way = vec![(ROOT, 0)];
        let mut rest: VecDeque<Vec<u8>> = parents.iter().cloned().collect();
        let mut links = 0;
        while let Some(part) = rest.pop_front() {
            let Some(&(folder, length)) = way.last() else { break };
            if part == b".." {
                // The root's parent is the root.
                way.truncate(way.len().saturating_sub(1).max(1));
                continue;
            }
            let length = length + part.len() + 1;
            if way.len() > DEEPEST || length > self.limits.path {
                return bad("its folders are nested deeper than Linux takes");
            }
            let Some(inode) = self.child(folder, &part) else {
                if !make {
                    return Ok(None);
                }
                let inode = self.add(Entry { kind: Kind::Dir, metadata: Metadata::folder() })?;
                self.link(folder, &part, inode)?;
                way.push((inode, length));
                continue;
            };
            match &self.inodes[inode].entry.kind {
                Kind::Dir => way.push((inode, length)),
                Kind::Symlink(target) => {
                    links += 1;
                    if links > MOST_LINKS {
                        return bad("too many symbolic links on the way; do they go round in a circle?");
                    }
                    if target.starts_with(b"/") {
                        way.truncate(1);
                    }
                    let parts = target.split(|b| *b == b'/').filter(|part| !matches!(*part, b"" | b"."));
                    for part in parts.rev() {
                        rest.push_front(part.to_vec());
                    }
                }
                _ if make => return bad(&format!("its parent {} is no folder", shown(&part))),
                _ => return Ok(None),
            }
        }
        if make {
            for (inode, _) in &way {
                self.inodes[*inode].touched = self.layer;
            }
        }
        Ok(way.last().map(|(inode, _)| *inode))
    }
}
