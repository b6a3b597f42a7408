//! Debian's kernel package, downloaded once and unpacked in the cache: what lab images boot.

use crate::programs::{cache, run};
use crate::{Context, LabError, LabResult};
use std::path::{Path, PathBuf};
use std::process::Command;

/// An unpacked kernel package.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// `uname -r`.
    pub release: String,
    /// The bzImage.
    pub image: PathBuf,
    /// `.../lib/modules/<release>`.
    pub modules: PathBuf,
}

/// The newest kernel of the configured Debian release (the full one: the cloud kernel has no NIC drivers).
pub fn debian() -> LabResult<Kernel> {
    let package = kernel_package()?;
    let home = cache().join("lab").join(&package);
    if !home.is_dir() {
        let making =
            tempfile::Builder::new().prefix("kernel-").tempdir_in(parent(&home)?).context("making a folder")?;
        run(Command::new("apt-get").args(["download", &package]).current_dir(making.path()))
            .context("downloading the kernel (run `make setup`, or `apt-get update` when the package moved on)")?;
        let deb = std::fs::read_dir(making.path())?.next().context("apt-get download left no file")??.path();
        let root = making.path().join("root");
        run(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(&root))?;
        // Another test may have been faster: then its folder is as good.
        if let Err(error) = std::fs::rename(&root, &home)
            && !home.is_dir()
        {
            return Err(LabError::new(format!("moving {} to {}: {error}", root.display(), home.display())));
        }
    }
    let release = package.trim_start_matches("linux-image-").to_owned();
    let kernel = Kernel {
        image: home.join(format!("boot/vmlinuz-{release}")),
        modules: home.join(format!("lib/modules/{release}")),
        release,
    };
    if !kernel.image.is_file() || !kernel.modules.is_dir() {
        return Err(LabError::new(format!("{} is not whole: remove it and run again", home.display())));
    }
    Ok(kernel)
}

/// What the metapackage `linux-image-amd64` depends on.
fn kernel_package() -> LabResult<String> {
    let output = run(Command::new("apt-cache").args(["show", "--no-all-versions", "linux-image-amd64"]))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .find_map(|line| line.strip_prefix("Depends: "))
        .and_then(|depends| depends.split([' ', ',']).find(|word| word.starts_with("linux-image-")))
        .map(str::to_owned)
        .context("apt does not know linux-image-amd64: is this Debian?")
}

fn parent(path: &Path) -> LabResult<&Path> {
    let parent = path.parent().context("a path without a parent")?;
    std::fs::create_dir_all(parent).context(format!("making {}", parent.display()))?;
    Ok(parent)
}
