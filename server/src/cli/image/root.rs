//! A root file system as an importer looks at it, wherever it is: in a folder, in a squashfs, in a flattened OCI image. Links are
//! followed inside of it and never lead out; nothing is changed.

use super::pack::DEADLINE;
use crate::cli::error::{Failure, Result};
use crate::cli::process;
use crate::cli::scratch::Scratch;
use higuma_oci::{Flattened, Found};
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{Mode, fstat};
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

const MOST_LINKS: usize = 40;
/// Of a squashfs or an erofs; a distribution with everything installed has less than a million.
pub(super) const MOST_ENTRIES: usize = 8_000_000;

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    /// A folder.
    Folder,
    /// A file: may anyone run it?
    File {
        /// One of its x bits is set.
        executable: bool,
    },
    /// A device, a pipe, a socket.
    Other,
}

/// See the module. Paths are relative to the root: `sbin/init`.
pub trait Root {
    /// What is at `path` after all links; none when it leads to nothing.
    fn node(&self, path: &str) -> Option<Node>;

    /// The first `longest` bytes of the file at `path`; none when there is no file.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    fn head(&self, path: &str, longest: u64) -> Result<Option<Vec<u8>>>;
}

/// A folder of this machine.
#[derive(Debug)]
pub struct Folder {
    root: File,
    path: PathBuf,
}

impl Folder {
    /// Opens it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let root = File::open(path).map_err(|e| Failure::usage(format!("could not read {}: {e}", path.display())))?;
        Ok(Self { root, path: path.to_owned() })
    }

    fn resolve(&self, path: &str, flags: OFlag) -> nix::Result<File> {
        let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC);
        let how = how.resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        openat2(&self.root, path, how).map(File::from)
    }
}

impl Root for Folder {
    fn node(&self, path: &str) -> Option<Node> {
        let stat = fstat(&self.resolve(path, OFlag::O_PATH).ok()?).ok()?;
        let kind = stat.st_mode & nix::libc::S_IFMT;
        Some(match kind {
            nix::libc::S_IFDIR => Node::Folder,
            nix::libc::S_IFREG => Node::File { executable: Mode::from_bits_truncate(stat.st_mode).bits() & 0o111 != 0 },
            _ => Node::Other,
        })
    }

    fn head(&self, path: &str, longest: u64) -> Result<Option<Vec<u8>>> {
        if !matches!(self.node(path), Some(Node::File { .. })) {
            return Ok(None);
        }
        let whole = self.path.join(path);
        let file = self.resolve(path, OFlag::O_RDONLY | OFlag::O_NONBLOCK);
        let file = file.map_err(|e| Failure::io("read", &whole)(e.into()))?;
        let mut bytes = Vec::new();
        file.take(longest).read_to_end(&mut bytes).map_err(Failure::io("read", &whole))?;
        Ok(Some(bytes))
    }
}

/// A squashfs: its list of names is read at once, contents when they are asked for.
#[derive(Debug)]
pub struct Squashfs {
    path: PathBuf,
    names: BTreeMap<String, Listed>,
    scratch: Scratch,
}

#[derive(Debug, PartialEq, Eq)]
struct Listed {
    what: What,
    owner: Owner,
    /// Bytes, of a file.
    size: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum What {
    Link(String),
    Node(Node),
}

/// Whose something is, and what may be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// Permission bits, setuid, setgid and sticky among them.
    pub mode: u32,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl Squashfs {
    /// Lists it.
    ///
    /// # Errors
    /// When it is damaged, or `unsquashfs` is missing.
    pub fn open(path: &Path) -> Result<Self> {
        let scratch = Scratch::new()?;
        let mut names = BTreeMap::new();
        let mut command = Command::new("unsquashfs");
        command.arg("-lln").arg(path).env("LC_ALL", "C.UTF-8");
        process::run(command, "squashfs-tools", DEADLINE, |line| {
            if names.len() < MOST_ENTRIES {
                names.extend(listed(line));
            }
        })?;
        if names.len() >= MOST_ENTRIES {
            return Err(Failure::usage(format!("expected fewer than {MOST_ENTRIES} names in {}", path.display())));
        }
        Ok(Self { path: path.to_owned(), names, scratch })
    }

    /// Whose the thing at a path is; no link is followed. Bytes of a name that are no text are U+FFFD.
    pub fn owner(&self, path: &str) -> Option<Owner> {
        self.names.get(path).map(|listed| listed.owner)
    }

    /// All paths, and whether there is something that anyone can make: no device, pipe or socket.
    pub fn paths(&self) -> impl Iterator<Item = (&str, bool)> {
        self.names.iter().map(|(path, listed)| (path.as_str(), listed.what != What::Node(Node::Other)))
    }

    /// Unpacks all of it into a new folder, as the caller's own: owners are lost, and devices are left out where only root may
    /// make them.
    ///
    /// # Errors
    /// When it says that it unpacks to more than `limit` bytes, when it is damaged, or there is no room.
    pub fn unpack(&self, to: &Path, limit: u64) -> Result<()> {
        let size = self.names.values().fold(0u64, |size, listed| size.saturating_add(listed.size));
        if size > limit {
            return Err(Failure::usage(format!(
                "{}: expected at most {limit} bytes unpacked, it says {size}; if the image is right, see --max-size",
                self.path.display()
            )));
        }
        let mut command = Command::new("unsquashfs");
        command.args(["-no-progress", "-quiet", "-no-xattrs", "-no-exit-code", "-dest"]).arg(to).arg(&self.path);
        process::run(command, "squashfs-tools", DEADLINE, |_| {})?;
        let missing = |path: &str| std::fs::symlink_metadata(to.join(path)).is_err() && !path.contains('\u{fffd}');
        match self.paths().find(|(path, can_be_made)| *can_be_made && missing(path)) {
            Some((path, _)) => Err(Failure::usage(format!(
                "{}: expected to unpack {path}, which could not be: it is damaged, fetch or make it again",
                self.path.display()
            ))),
            None => Ok(()),
        }
    }

    /// The path without links, and what is there.
    fn resolve(&self, path: &str) -> Option<(String, Node)> {
        let parts = |path: &str| -> Vec<String> {
            path.split('/').filter(|part| !matches!(*part, "" | ".")).map(str::to_owned).collect()
        };
        let (mut way, mut rest): (Vec<String>, VecDeque<String>) = (Vec::new(), parts(path).into());
        let mut links = 0;
        while let Some(part) = rest.pop_front() {
            if part == ".." {
                way.pop();
                continue;
            }
            way.push(part);
            match &self.names.get(&way.join("/"))?.what {
                What::Link(target) => {
                    links += 1;
                    if links > MOST_LINKS || rest.len() > 4096 {
                        return None;
                    }
                    way.pop();
                    if target.starts_with('/') {
                        way.clear();
                    }
                    parts(target).into_iter().rev().for_each(|part| rest.push_front(part));
                }
                What::Node(Node::Folder) => {}
                What::Node(_) if !rest.is_empty() => return None,
                What::Node(_) => {}
            }
        }
        let path = way.join("/");
        let node = match self.names.get(&path).map(|listed| &listed.what) {
            Some(What::Node(node)) => *node,
            _ => Node::Folder,
        };
        Some((path, node))
    }
}

impl Root for Squashfs {
    fn node(&self, path: &str) -> Option<Node> {
        self.resolve(path).map(|(_, node)| node)
    }

    fn head(&self, path: &str, longest: u64) -> Result<Option<Vec<u8>>> {
        let Some((path, Node::File { .. })) = self.resolve(path) else { return Ok(None) };
        let place =
            tempfile::tempdir_in(self.scratch.path()).map_err(Failure::io("make a folder in", self.scratch.path()))?;
        let root = place.path().join("root");
        let mut command = Command::new("unsquashfs");
        command.args(["-no-progress", "-quiet", "-no-xattrs", "-no-wildcards", "-dest"]).arg(&root).arg(&self.path);
        command.arg(&path);
        process::run(command, "squashfs-tools", DEADLINE, |_| {})?;
        let mut bytes = Vec::new();
        let file = root.join(&path);
        let opened = File::open(&file).map_err(Failure::io("read", &file))?;
        opened.take(longest).read_to_end(&mut bytes).map_err(Failure::io("read", &file))?;
        Ok(Some(bytes))
    }
}

/// A line of `unsquashfs -lln`: mode, owners, size or device, date, time, `squashfs-root/PATH[ -> TARGET]`.
fn listed(line: &str) -> Option<(String, Listed)> {
    let (head, path) = line.split_once(" squashfs-root/")?;
    let mut words = head.split_whitespace();
    let text = words.next().filter(|mode| mode.len() == 10)?.as_bytes();
    let (uid, gid) = words.next()?.split_once('/')?;
    let mode = text.iter().skip(1).enumerate().fold(0, |mode, (at, letter)| {
        let bit = 0o400 >> at;
        let special = 0o4000 >> (at / 3);
        mode | match letter {
            b'-' => 0,
            b's' | b't' => bit | special,
            b'S' | b'T' => special,
            _ => bit,
        }
    });
    let owner = Owner { mode, uid: uid.parse().ok()?, gid: gid.parse().ok()? };
    // A device has its numbers there.
    let size = if text.first() == Some(&b'-') { words.next()?.parse().ok()? } else { 0 };
    let node = |node| (path.to_owned(), What::Node(node));
    let (path, what) = match text.first()? {
        b'l' => {
            let (path, target) = path.split_once(" -> ")?;
            (path.to_owned(), What::Link(target.to_owned()))
        }
        b'd' => node(Node::Folder),
        b'-' => node(Node::File { executable: mode & 0o111 != 0 }),
        _ => node(Node::Other),
    };
    Some((path, Listed { what, owner, size }))
}

impl Root for Flattened {
    fn node(&self, path: &str) -> Option<Node> {
        Some(match self.tree.find(path)? {
            Found::Dir(_) => Node::Folder,
            Found::File(inode, _) => Node::File { executable: self.tree.entry(inode).metadata.mode & 0o111 != 0 },
            Found::Other(_) => Node::Other,
        })
    }

    fn head(&self, path: &str, longest: u64) -> Result<Option<Vec<u8>>> {
        match self.tree.find(path) {
            Some(Found::File(_, content)) => {
                let bytes = self.spool.read(content, longest);
                bytes.map(Some).map_err(|e| Failure::because(format!("could not read {path} of the image"), &e))
            }
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// The same tree in both: usr merged, an absolute link, a link that climbs out, a loop.
    fn tree(root: &Path) {
        std::fs::create_dir_all(root.join("usr/lib/systemd")).unwrap();
        std::fs::create_dir_all(root.join("usr/sbin")).unwrap();
        for (link, target) in [
            ("lib", "usr/lib"),
            ("sbin", "/usr/sbin"),
            ("usr/sbin/init", "/lib/systemd/systemd"),
            ("usr/sbin/climbs", "../../../../../../usr/lib/systemd/systemd"),
            ("out", "/etc/passwd"),
            ("loop", "loop"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        std::fs::write(root.join("usr/lib/systemd/systemd"), "the program").unwrap();
        std::fs::set_permissions(root.join("usr/lib/systemd/systemd"), PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::write(root.join("usr/plain text"), "x").unwrap();
    }

    fn looks_right(root: &dyn Root) {
        let runs = Some(Node::File { executable: true });
        for path in ["sbin/init", "lib/systemd/systemd", "usr/sbin/climbs", "sbin/../../lib/./systemd/systemd"] {
            assert_eq!(root.node(path), runs, "{path}");
            assert_eq!(root.head(path, 3).unwrap().unwrap(), b"the", "{path}");
        }
        assert_eq!(root.node("usr/plain text"), Some(Node::File { executable: false }));
        assert_eq!(root.node("lib/systemd"), Some(Node::Folder));
        for path in ["out", "loop", "nothing", "usr/plain text/x"] {
            assert_eq!(root.node(path), None, "{path}");
            assert_eq!(root.head(path, 3).unwrap(), None, "{path}");
        }
    }

    #[test]
    fn a_folder_and_its_squashfs_look_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        tree(&root);
        looks_right(&Folder::open(&root).unwrap());
        let packed = dir.path().join("root.squashfs");
        let made = Command::new("mksquashfs").arg(&root).arg(&packed).args(["-quiet", "-no-progress"]).status();
        assert!(made.unwrap().success());
        let squashfs = Squashfs::open(&packed).unwrap();
        looks_right(&squashfs);
        // 11 bytes and one.
        let told = squashfs.unpack(&dir.path().join("bomb"), 11).unwrap_err().to_string();
        assert!(told.contains("at most 11 bytes unpacked, it says 12"), "{told}");
        assert!(!dir.path().join("bomb").exists());
        squashfs.unpack(&dir.path().join("out"), 12).unwrap();
        assert_eq!(std::fs::read(dir.path().join("out/usr/plain text")).unwrap(), b"x");
        let bytes = std::fs::read(&packed).unwrap();
        // Its superblock and no more: a small one is mostly padding.
        std::fs::write(&packed, &bytes[..100]).unwrap();
        assert!(Squashfs::open(&packed).is_err(), "a cut squashfs");
    }

    #[test]
    fn listings_are_read() {
        let is = |line: &str, path: &str, what: What, mode: u32, (uid, gid): (u32, u32)| {
            let size = if line.starts_with('-') { 232_416 } else { 0 };
            let listing = Listed { what, owner: Owner { mode, uid, gid }, size };
            assert_eq!(listed(line), Some((path.to_owned(), listing)), "{line}");
        };
        let null = "crw-rw-rw- 0/0              1,  3 2026-01-01 00:00 squashfs-root/dev/null";
        is(null, "dev/null", What::Node(Node::Other), 0o666, (0, 0));
        let sudo = "-rwsr-xr-x 0/27 232416 2026-01-01 00:00 squashfs-root/usr/bin/su do";
        is(sudo, "usr/bin/su do", What::Node(Node::File { executable: true }), 0o4755, (0, 27));
        for (letters, mode) in [("drwxrwxrwt", 0o1777), ("drwxrwS--T", 0o3770 & !0o010), ("d---------", 0)] {
            let line = format!("{letters} 65534/1 3 2026-01-01 00:00 squashfs-root/d");
            is(&line, "d", What::Node(Node::Folder), mode, (65534, 1));
        }
        assert_eq!(listed("drwxr-xr-x 0/0   3 2026-01-01 00:00 squashfs-root"), None);
        assert_eq!(listed("Parallel unsquashfs: Using 2 processors"), None);
        let link = "lrwxrwxrwx 0/0   7 2026-01-01 00:00 squashfs-root/lib -> usr/lib";
        is(link, "lib", What::Link("usr/lib".into()), 0o777, (0, 0));
    }
}
