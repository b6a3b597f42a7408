//! Profiles: what a node boots, in numbered revisions that never change.

use super::cmdline::Cmdline;
use super::ids::{Invalid, Micros, Name};
use super::image::ImageRef;

/// A file put into a node's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Absolute, normalised.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// Content.
    pub content: String,
}

/// What a revision says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Which image.
    pub image: ImageRef,
    /// Added to the image's.
    pub cmdline: Cmdline,
    /// Files.
    pub files: Vec<File>,
    /// Of root.
    pub ssh_authorized_keys: Vec<String>,
}

/// One revision of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its name.
    pub name: Name,
    /// Counts from 1.
    pub revision: u32,
    /// What it says.
    pub spec: Spec,
    /// Made.
    pub created: Micros,
}

/// Files of one profile, and bytes of one file, at most.
pub const FILES_MAX: usize = 100;
/// See [`FILES_MAX`].
pub const FILE_BYTES_MAX: usize = 256 * 1024;

/// Check what a person gave.
pub fn check(spec: &Spec) -> Result<(), Invalid> {
    if spec.files.len() > FILES_MAX {
        return Err(Invalid::new("profile files", "at most 100", &spec.files.len().to_string()));
    }
    for file in &spec.files {
        check_path(&file.path)?;
        if file.mode & !0o7777 != 0 {
            return Err(Invalid::new("file mode", "permission bits, 0 to 0o7777", &format!("{:#o}", file.mode)));
        }
        if file.content.len() > FILE_BYTES_MAX {
            return Err(Invalid::new("file content", "at most 256 KiB", &format!("{} bytes", file.content.len())));
        }
    }
    for key in &spec.ssh_authorized_keys {
        let good = key.len() <= 16_384 && !key.is_empty() && key.chars().all(|c| !c.is_control());
        if !good {
            return Err(Invalid::new("ssh authorized key", "one line as in authorized_keys", key));
        }
    }
    Ok(())
}

fn check_path(path: &str) -> Result<(), Invalid> {
    let good = path.len() <= 1000
        && path.strip_prefix('/').is_some_and(|rest| {
            rest.split('/')
                .all(|part| !part.is_empty() && part != "." && part != ".." && part.chars().all(|c| !c.is_control()))
        });
    if good { Ok(()) } else { Err(Invalid::new("file path", "an absolute path without '.', '..' or '//'", path)) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bad_files_and_keys_are_refused() {
        let good = Spec {
            image: "a:1".parse().unwrap(),
            cmdline: Cmdline::default(),
            files: vec![File { path: "/etc/motd".into(), mode: 0o644, content: "hi".into() }],
            ssh_authorized_keys: vec!["ssh-ed25519 AAAA me".into()],
        };
        assert!(check(&good).is_ok());
        for path in ["etc/motd", "/", "/etc/../x", "/etc//x", "/a\nb", ""] {
            let files = vec![File { path: path.into(), mode: 0o644, content: String::new() }];
            assert!(check(&Spec { files, ..good.clone() }).is_err(), "{path:?}");
        }
        assert!(check(&Spec { ssh_authorized_keys: vec!["a\nb".into()], ..good.clone() }).is_err());
        let files = vec![File { path: "/x".into(), mode: 0o100_644, content: String::new() }];
        assert!(check(&Spec { files, ..good }).is_err());
    }
}
