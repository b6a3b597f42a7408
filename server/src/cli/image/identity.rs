//! Takes out of a root tree what belongs to one machine or to the making of the image: identities, caches, logs. Never follows a link: a
//! recipe's script may have made some, and an absolute one leads to this machine's own files.

use super::recipe::Recipe;
use crate::cli::error::{Failure, Result};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const FILES: [&str; 7] = [
    "var/lib/dbus/machine-id",
    "etc/hostname",
    "etc/resolv.conf",
    "etc/.resolv.conf.systemd-resolved.bak",
    "var/lib/systemd/random-seed",
    "var/cache/ldconfig/aux-cache",
    "root/.bash_history",
];
const FOLDERS: [&str; 6] = ["var/lib/apt/lists", "var/cache/apt", "var/cache/debconf", "tmp", "var/tmp", "run"];

/// Do so. What the recipe puts there itself stays, but for the machine-id.
pub fn take_out(recipe: &Recipe, root: &Path) -> Result<()> {
    let put_there = |file: &str| recipe.files.iter().any(|f| f.path.strip_prefix('/') == Some(file));
    // Empty, not absent: systemd then takes what it is given, and does not ask questions on the console.
    if let Some(id) = plain(root, "etc/machine-id") {
        remove(&id)?;
        std::fs::write(&id, "").map_err(Failure::io("write", &id))?;
        std::fs::set_permissions(&id, PermissionsExt::from_mode(0o444)).map_err(Failure::io("set the mode of", &id))?;
    }
    for file in FILES.into_iter().filter(|file| !put_there(file)) {
        if let Some(path) = plain(root, file) {
            remove(&path)?;
        }
    }
    let resolved =
        root.join("usr/lib/systemd/systemd-resolved").exists() || root.join("lib/systemd/systemd-resolved").exists();
    if let Some(resolv) = plain(root, "etc/resolv.conf").filter(|_| resolved && !put_there("etc/resolv.conf")) {
        std::os::unix::fs::symlink("../run/systemd/resolve/stub-resolv.conf", &resolv)
            .map_err(Failure::io("link", &resolv))?;
    }
    if let Some(ssh) = plain(root, "etc/ssh").filter(|ssh| is_folder(ssh)) {
        for name in std::fs::read_dir(&ssh).map_err(Failure::io("read", &ssh))?.flatten() {
            let file = name.file_name();
            if file.to_string_lossy().starts_with("ssh_host_") && !put_there(&format!("etc/ssh/{}", file.display())) {
                remove(&name.path())?;
            }
        }
    }
    for folder in FOLDERS {
        if let Some(folder) = plain(root, folder) {
            empty(&folder)?;
        }
    }
    plain(root, "var/log").map_or(Ok(()), |log| delete_files(&log))
}

/// A place in the tree that no link leads away from; the last part may be one. None: a folder on the way is a link.
pub fn plain(root: &Path, path: &str) -> Option<PathBuf> {
    let mut at = root.to_owned();
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        at.push(part);
        if parts.peek().is_some() && !is_folder(&at) {
            return None;
        }
    }
    Some(at)
}

fn is_folder(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|m| m.is_dir())
}

/// Remove a file or a link that may be there.
pub fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Failure::io("remove", path)(e)),
        _ => Ok(()),
    }
}

/// Remove all in a folder that is there; the folder stays. Never through a link.
pub fn empty(folder: &Path) -> Result<()> {
    if !is_folder(folder) {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder).map_err(Failure::io("read", folder))?.flatten() {
        let path = entry.path();
        match entry.file_type().is_ok_and(|t| t.is_dir()) {
            true => std::fs::remove_dir_all(&path).map_err(Failure::io("remove", &path))?,
            false => remove(&path)?,
        }
    }
    Ok(())
}

/// Remove the files below a folder and keep its folders: programs expect theirs in /var/log.
fn delete_files(folder: &Path) -> Result<()> {
    if !is_folder(folder) {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder).map_err(Failure::io("read", folder))?.flatten() {
        match entry.file_type().is_ok_and(|t| t.is_dir()) {
            true => delete_files(&entry.path())?,
            false => remove(&entry.path())?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn emptying_never_follows_links() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().join("in"), dir.path().join("out"));
        std::fs::create_dir_all(inside.join("a/b")).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("precious"), "x").unwrap();
        symlink(&outside, inside.join("link")).unwrap();
        empty(&inside).unwrap();
        assert_eq!(std::fs::read_dir(&inside).unwrap().count(), 0);
        symlink(&outside, dir.path().join("folder-link")).unwrap();
        empty(&dir.path().join("folder-link")).unwrap();
        delete_files(&dir.path().join("folder-link")).unwrap();
        assert!(outside.join("precious").exists());
    }

    #[test]
    fn what_is_one_machines_goes_and_what_the_recipe_gives_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (root, outside) = (dir.path().join("root"), dir.path().join("out"));
        for folder in ["etc/ssh", "var/lib/dbus", "var/lib/apt", "tmp/x", "usr/lib/systemd"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        std::fs::create_dir(&outside).unwrap();
        let host = outside.join("precious");
        std::fs::write(&host, "x").unwrap();
        // A script's links to what are this machine's own places.
        symlink(&outside, root.join("var/log")).unwrap();
        symlink(&outside, root.join("var/lib/apt/lists")).unwrap();
        symlink(&host, root.join("etc/machine-id")).unwrap();
        let put = |file: &str| std::fs::write(root.join(file), "mine").unwrap();
        for file in
            ["etc/hostname", "etc/ssh/ssh_host_rsa_key", "etc/ssh/sshd_config", "usr/lib/systemd/systemd-resolved"]
        {
            put(file);
        }
        let text = "name = 'a'\nsuite = 'sid'\n[[files]]\npath = '/etc/hostname'\ncontent = 'mine'\n";
        take_out(&Recipe::parse(text, "r", dir.path()).unwrap(), &root).unwrap();
        assert_eq!(std::fs::read_to_string(&host).unwrap(), "x");
        assert_eq!(std::fs::read_to_string(root.join("etc/machine-id")).unwrap(), "");
        assert_eq!(std::fs::read_to_string(root.join("etc/hostname")).unwrap(), "mine");
        let there = |file: &str| std::fs::symlink_metadata(root.join(file)).is_ok();
        assert!(!there("etc/ssh/ssh_host_rsa_key") && there("etc/ssh/sshd_config") && !there("tmp/x"));
        let link = std::fs::read_link(root.join("etc/resolv.conf")).unwrap();
        assert_eq!(link, Path::new("../run/systemd/resolve/stub-resolv.conf"));
        assert_eq!(plain(&root, "var/log/journal"), None);
    }
}
