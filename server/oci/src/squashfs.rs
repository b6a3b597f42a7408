//! The two programs that make a squashfs of a tar stream, with their options; they are run by the caller. Both are of
//! squashfs-tools 4.5, need no root, and give the same bytes for the same input.

use crate::tree::Metadata;
use std::path::Path;
use std::process::Command;

/// First: `sqfstar`, which reads the stream of [`crate::write_tar`] (without the root) and makes `out`, which must not exist.
pub fn pack(out: &Path) -> Command {
    let mut command = Command::new("sqfstar");
    // zstd's level is 15 unless told otherwise, and telling is not possible: 4.5 takes the value of -Xcompression-level for
    // the name of the file to make.
    command.args(["-comp", "zstd", "-mkfs-time", "0", "-no-progress", "-quiet", "-exit-on-error"]).arg(out);
    clean(&mut command);
    command
}

/// Then: `mksquashfs` gives the root its metadata by adding an empty folder. `sqfstar` 4.5 passes over the root in a tar and
/// over its own options for it, so that it would be of today, and open to all. Extended attributes of the root are lost.
pub fn set_root(root: &Metadata, empty: &Path, out: &Path) -> Command {
    let mut command = Command::new("mksquashfs");
    command.arg(empty).arg(out).args(["-mkfs-time", "0", "-no-progress", "-quiet", "-no-recovery", "-exit-on-error"]);
    command.args(["-root-mode", &format!("{:o}", root.mode & 0o7777), "-root-uid", &root.uid.to_string()]);
    command.args(["-root-gid", &root.gid.to_string()]);
    command.args(["-root-time", &root.mtime.clamp(0, i64::from(u32::MAX)).to_string()]);
    clean(&mut command);
    command
}

fn clean(command: &mut Command) {
    command.env_remove("SOURCE_DATE_EPOCH").env("LC_ALL", "C.UTF-8");
}
