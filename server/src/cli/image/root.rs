//! A root file system as an importer looks at it, wherever it is: in a folder, in a squashfs, in a flattened OCI image. Links are
//! followed inside of it and never lead out; nothing is changed.

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
use std::time::Duration;

const MOST_LINKS: usize = 40;
/// Of a squashfs; a distribution with everything installed has less than a million.
const MOST_ENTRIES: usize = 8_000_000;
const DEADLINE: Duration = Duration::from_secs(600);

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
enum Listed {
    Link(String),
    Node(Node),
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
            match self.names.get(&way.join("/"))? {
                Listed::Link(target) => {
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
                Listed::Node(Node::Folder) => {}
                Listed::Node(_) if !rest.is_empty() => return None,
                Listed::Node(_) => {}
            }
        }
        let path = way.join("/");
        let node = match self.names.get(&path) {
            Some(Listed::Node(node)) => *node,
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
    let mode = head.split(' ').next().filter(|mode| mode.len() == 10)?;
    let executable = [3, 6, 9].iter().any(|at| matches!(mode.as_bytes().get(*at), Some(b'x' | b's' | b't')));
    Some(match mode.as_bytes().first()? {
        b'l' => {
            let (path, target) = path.split_once(" -> ")?;
            (path.to_owned(), Listed::Link(target.to_owned()))
        }
        b'd' => (path.to_owned(), Listed::Node(Node::Folder)),
        b'-' => (path.to_owned(), Listed::Node(Node::File { executable })),
        _ => (path.to_owned(), Listed::Node(Node::Other)),
    })
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
        looks_right(&Squashfs::open(&packed).unwrap());
        let bytes = std::fs::read(&packed).unwrap();
        // Its superblock and no more: a small one is mostly padding.
        std::fs::write(&packed, &bytes[..100]).unwrap();
        assert!(Squashfs::open(&packed).is_err(), "a cut squashfs");
    }

    #[test]
    fn listings_are_read() {
        let other = |path: &str| Some((path.to_owned(), Listed::Node(Node::Other)));
        assert_eq!(
            listed("crw-rw-rw- 0/0              1,  3 2026-01-01 00:00 squashfs-root/dev/null"),
            other("dev/null")
        );
        assert_eq!(listed("drwxr-xr-x 0/0   3 2026-01-01 00:00 squashfs-root"), None);
        assert_eq!(listed("Parallel unsquashfs: Using 2 processors"), None);
        let link = listed("lrwxrwxrwx 0/0   7 2026-01-01 00:00 squashfs-root/lib -> usr/lib");
        assert_eq!(link, Some(("lib".into(), Listed::Link("usr/lib".into()))));
    }
}
