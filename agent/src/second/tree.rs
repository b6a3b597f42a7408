//! Writes into a root folder that somebody else made, as if it were `/`: symbolic links resolve inside of it, so that no
//! link of an image and no path of a profile can reach outside.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2, renameat};
use nix::sys::stat::{Mode, fchmod, mkdirat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, symlinkat, unlinkat};

/// Longest path that is accepted, bytes.
const MAX_PATH: usize = 1_024;

/// A folder that is somebody's `/`.
pub struct Tree {
    root: OwnedFd,
}

impl Tree {
    /// Opens the folder.
    pub fn open(path: &Path) -> io::Result<Tree> {
        Ok(Tree { root: File::open(path)?.into() })
    }

    /// Writes a whole new file with exactly this mode; what was there (a link, too) is replaced, folders are made.
    pub fn write(&self, path: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        self.write_owned(path, mode, (None, None), content)
    }

    /// As [`Tree::write`], for this user and this group; none: as it is made, root's.
    pub fn write_owned(
        &self,
        path: &str,
        mode: u32,
        (owner, group): (Option<u32>, Option<u32>),
        content: &[u8],
    ) -> io::Result<()> {
        let (parent, name) = self.place(path)?;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut file = File::from(openat(&parent, name, flags, Mode::from_bits_truncate(0o600))?);
        file.write_all(content)?;
        if owner.is_some() || group.is_some() {
            // Before the mode: it takes the set-user-ID bit away.
            fchown(&file, owner.map(Uid::from_raw), group.map(Gid::from_raw))?;
        }
        // After the content, so that a half-written file is nobody's to run; and free of the umask.
        fchmod(&file, Mode::from_bits_truncate(mode & 0o7777))?;
        Ok(())
    }

    /// Gives a file of the image another content: its mode and owners stay, and whatever happens it is the old one or the new one.
    pub fn rewrite(&self, path: &str, content: &[u8]) -> io::Result<()> {
        let old =
            File::from(self.resolve(&components(path)?.join("/"), OFlag::O_RDONLY | OFlag::O_NONBLOCK)?).metadata()?;
        let beside = format!("{path}.higuma");
        self.write_owned(&beside, old.mode(), (Some(old.uid()), Some(old.gid())), content)?;
        let mut parts = components(path)?;
        let name = parts.pop().ok_or_else(|| io::Error::other("the path names the root itself"))?;
        let parent = self.folders(&parts)?;
        Ok(renameat(&parent, format!("{name}.higuma").as_str(), &parent, name)?)
    }

    /// As [`Tree::folder`], for this user and this group; one that exists keeps its owners, too.
    pub fn folder_owned(&self, path: &str, mode: u32, (owner, group): (u32, u32)) -> io::Result<()> {
        if self.exists(path) {
            return Ok(());
        }
        self.folder(path, mode)?;
        let folder = self.resolve(&components(path)?.join("/"), OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
        fchown(&folder, Some(Uid::from_raw(owner)), Some(Gid::from_raw(group)))?;
        // chown(2) may take bits of the mode away.
        Ok(fchmod(&folder, Mode::from_bits_truncate(mode & 0o7777))?)
    }

    /// Makes a symbolic link; what was there is replaced.
    pub fn symlink(&self, path: &str, target: &str) -> io::Result<()> {
        let (parent, name) = self.place(path)?;
        Ok(symlinkat(target, &parent, name)?)
    }

    /// Makes a folder and all above it; one that exists keeps its mode.
    pub fn folder(&self, path: &str, mode: u32) -> io::Result<()> {
        let parts = components(path)?;
        let existed = self.resolve(&parts.join("/"), OFlag::O_PATH | OFlag::O_DIRECTORY).is_ok();
        self.folders(&parts)?;
        if !existed {
            let folder = self.resolve(&parts.join("/"), OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
            fchmod(&folder, Mode::from_bits_truncate(mode & 0o7777))?;
        }
        Ok(())
    }

    /// Whether the path leads to something inside the tree.
    pub fn exists(&self, path: &str) -> bool {
        components(path).is_ok_and(|parts| self.resolve(&parts.join("/"), OFlag::O_PATH).is_ok())
    }

    /// At most `limit` bytes of a file.
    pub fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        let file = File::from(self.resolve(&components(path)?.join("/"), OFlag::O_RDONLY | OFlag::O_NONBLOCK)?);
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The name of the file that the path leads to after all links, e.g. `systemd` for `/sbin/init`.
    pub fn final_name(&self, path: &str) -> Option<String> {
        use std::os::fd::AsRawFd;
        let fd = self.resolve(&components(path).ok()?.join("/"), OFlag::O_PATH).ok()?;
        let real: PathBuf = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).ok()?;
        real.file_name()?.to_str().map(str::to_owned)
    }

    /// The opened parent folder and the last name, which does not exist there any more.
    fn place<'p>(&self, path: &'p str) -> io::Result<(OwnedFd, &'p str)> {
        let mut parts = components(path)?;
        let name = parts.pop().ok_or_else(|| io::Error::other("the path names the root itself"))?;
        let parent = self.folders(&parts)?;
        match unlinkat(&parent, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok((parent, name)),
            Err(e) => Err(e.into()),
        }
    }

    /// Makes the missing ones among these nested folders and opens the innermost.
    fn folders(&self, parts: &[&str]) -> io::Result<OwnedFd> {
        let open = |path: &str| self.resolve(path, OFlag::O_PATH | OFlag::O_DIRECTORY);
        let mut here = open(".")?;
        let mut path = String::new();
        for part in parts {
            path = if path.is_empty() { (*part).to_owned() } else { format!("{path}/{part}") };
            here = match open(&path) {
                Ok(folder) => folder,
                Err(Errno::ENOENT) => {
                    mkdirat(&here, *part, Mode::from_bits_truncate(0o755))?;
                    open(&path)?
                }
                Err(e) => return Err(e.into()),
            };
        }
        Ok(here)
    }

    fn resolve(&self, path: &str, flags: OFlag) -> nix::Result<OwnedFd> {
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        openat2(self.root.as_fd(), if path.is_empty() { "." } else { path }, how)
    }
}

/// The names of an absolute path; refuses what no honest path has.
fn components(path: &str) -> io::Result<Vec<&str>> {
    let bad = |why: &str| io::Error::other(format!("{why}: {:?}", path.chars().take(80).collect::<String>()));
    if path.len() > MAX_PATH {
        return Err(bad("the path is too long"));
    }
    let Some(rest) = path.strip_prefix('/') else { return Err(bad("the path is not absolute")) };
    if rest.contains('\0') || rest.split('/').any(|part| part == "..") {
        return Err(bad("the path has a part that is not allowed"));
    }
    Ok(rest.split('/').filter(|part| !part.is_empty() && *part != ".").collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn tree() -> (tempfile::TempDir, PathBuf, Tree) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir(&root).unwrap();
        let tree = Tree::open(&root).unwrap();
        (folder, root, tree)
    }

    #[test]
    fn files_get_their_mode_and_missing_folders() {
        let (_keep, root, tree) = tree();
        tree.write("/etc/a/b.conf", 0o640, b"x").unwrap();
        tree.write("/etc/a/b.conf", 0o600, b"yz").unwrap();
        let made = root.join("etc/a/b.conf");
        assert_eq!(std::fs::read(&made).unwrap(), b"yz");
        assert_eq!(std::fs::metadata(&made).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(tree.read("/etc/a/b.conf", 1).unwrap(), b"y");
        tree.folder("/root/.ssh", 0o700).unwrap();
        assert_eq!(std::fs::metadata(root.join("root/.ssh")).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn links_cannot_lead_out() {
        let (keep, root, tree) = tree();
        let outside = keep.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("victim"), b"safe").unwrap();
        // An absolute link is taken inside the tree; a relative one cannot climb over the root.
        symlink(&outside, root.join("absolute")).unwrap();
        symlink("../outside", root.join("climbing")).unwrap();
        symlink(outside.join("victim"), root.join("file")).unwrap();
        assert!(tree.write("/absolute/victim", 0o644, b"evil").is_err());
        assert!(tree.write("/climbing/victim", 0o644, b"evil").is_err());
        tree.write("/file", 0o644, b"mine").unwrap();
        assert_eq!(std::fs::read(outside.join("victim")).unwrap(), b"safe");
        assert_eq!(std::fs::read(root.join("file")).unwrap(), b"mine");
        assert!(tree.read("/climbing/victim", 9).is_err());
    }

    #[test]
    fn links_inside_work() {
        let (_keep, root, tree) = tree();
        tree.folder("/usr/lib", 0o755).unwrap();
        symlink("usr/lib", root.join("lib")).unwrap();
        tree.write("/lib/systemd/systemd", 0o755, b"#!").unwrap();
        tree.folder("/sbin", 0o755).unwrap();
        symlink("/lib/systemd/systemd", root.join("sbin/init")).unwrap();
        assert!(root.join("usr/lib/systemd/systemd").is_file());
        assert_eq!(tree.final_name("/sbin/init").as_deref(), Some("systemd"));
        assert!(tree.exists("/sbin/init") && !tree.exists("/sbin/nothing"));
    }

    #[test]
    fn dishonest_paths_are_refused() {
        let (_keep, _root, tree) = tree();
        for path in ["etc/x", "/../x", "/a/../b", "", "/", "/a\0b"] {
            assert!(tree.write(path, 0o644, b"").is_err(), "{path:?}");
        }
        assert!(tree.write(&format!("/{}", "a/".repeat(600)), 0o644, b"").is_err());
        tree.folder("/dir", 0o755).unwrap();
        assert!(tree.write("/dir", 0o644, b"").is_err(), "a folder is not replaced by a file");
    }

    proptest::proptest! {
        #[test]
        fn no_path_escapes(path in "[/a.\\-]{0,12}") {
            let (keep, _root, tree) = tree();
            let _ = tree.write(&path, 0o644, b"x");
            let entries = std::fs::read_dir(keep.path()).unwrap().count();
            proptest::prop_assert_eq!(entries, 1);
        }
    }
}
