//! The flattened image as an index in memory: names, metadata, where contents are. Layers are put on it entry by entry by
//! the rules of OCI image-spec layer.md; what a layer says can reach nothing but this tree. No bytes of files here.

mod find;
mod overlay;

use crate::error::{Error, Result};
use crate::limits::{Limits, Used};
use crate::spool::Content;
use std::collections::BTreeMap;

pub use find::Found;

/// What is known of an entry besides its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: i64,
    /// Extended attributes, capabilities among them, as the kernel has them.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Metadata {
    /// Of folders that no layer names: root's, for everyone to enter.
    pub fn folder() -> Self {
        Self { mode: 0o755, uid: 0, gid: 0, mtime: 0, xattrs: BTreeMap::new() }
    }
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Its bytes are in the spool.
    File(Content),
    /// Target as written; it may point anywhere, and is followed inside the tree only.
    Symlink(Vec<u8>),
    /// Character device: major, minor.
    Char(u32, u32),
    /// Block device: major, minor.
    Block(u32, u32),
    /// Named pipe.
    Fifo,
    /// Folder.
    Dir,
}

/// What a layer puts at a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// The rest.
    pub metadata: Metadata,
}

/// An entry's place in [`Tree::inodes`]; two names of one file have the same.
pub type Inode = usize;
const ROOT: Inode = 0;

#[derive(Debug)]
struct Stored {
    entry: Entry,
    /// Of a folder.
    children: BTreeMap<Vec<u8>, Child>,
    /// Of a folder: the last layer that put it or something below it.
    touched: u32,
}

#[derive(Debug, Clone, Copy)]
struct Child {
    inode: Inode,
    /// The layer that gave this name to the inode.
    touched: u32,
}

/// See the module.
#[derive(Debug)]
pub struct Tree {
    inodes: Vec<Stored>,
    layer: u32,
    pub(crate) limits: Limits,
    pub(crate) used: Used,
}

impl Tree {
    /// A root folder and nothing in it.
    pub fn new(limits: Limits) -> Self {
        let root = Entry { kind: Kind::Dir, metadata: Metadata::folder() };
        let root = Stored { entry: root, children: BTreeMap::new(), touched: 0 };
        Self { inodes: vec![root], layer: 0, limits, used: Used::default() }
    }

    /// What comes from now on is a layer over what is there.
    pub fn begin_layer(&mut self) {
        self.layer += 1;
    }

    /// Of the root folder.
    pub fn root(&self) -> &Metadata {
        &self.inodes[ROOT].entry.metadata
    }

    /// What is at an inode.
    pub fn entry(&self, inode: Inode) -> &Entry {
        &self.inodes[inode].entry
    }

    /// Every name below the root in order of bytes, folders before what is in them: path, inode. The root comes first, as
    /// an empty path. `keep` is asked for each path; below a folder that is not kept nothing is visited.
    ///
    /// # Errors
    /// Those of `visit`.
    pub fn walk<E>(
        &self,
        keep: &dyn Fn(&[u8]) -> bool,
        mut visit: impl FnMut(&[u8], Inode) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        visit(b"", ROOT)?;
        let mut path = Vec::new();
        let mut open = vec![(0, self.inodes[ROOT].children.iter())];
        while let Some((length, children)) = open.last_mut() {
            path.truncate(*length);
            let Some((name, child)) = children.next() else {
                open.pop();
                continue;
            };
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name);
            if !keep(&path) {
                continue;
            }
            visit(&path, child.inode)?;
            let stored = &self.inodes[child.inode];
            if stored.entry.kind == Kind::Dir {
                open.push((path.len(), stored.children.iter()));
            }
        }
        Ok(())
    }

    fn add(&mut self, entry: Entry) -> Result<Inode> {
        let target = if let Kind::Symlink(target) = &entry.kind { target.len() } else { 0 };
        let xattrs: usize = entry.metadata.xattrs.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.charge(target + xattrs)?;
        self.inodes.push(Stored { entry, children: BTreeMap::new(), touched: self.layer });
        Ok(self.inodes.len() - 1)
    }

    /// Bytes that stay in memory.
    fn charge(&mut self, bytes: usize) -> Result<()> {
        self.used.metadata += bytes as u64;
        match self.used.metadata <= self.limits.metadata {
            true => Ok(()),
            false => Err(Error::Limit {
                at: "the image".into(),
                what: "its names, link targets and extended attributes have too many bytes".into(),
                limit: self.limits.metadata,
            }),
        }
    }
}
