//! `higuma image build ...`: flags or a file become a recipe. There is one way to build, and this is where it is entered.

use super::distribution::Distribution;
use super::recipe::Recipe;
use super::recipe_fields::{is_mirror, is_package, is_suite};
use super::{RootfsType, build, make};
use crate::cli::Global;
use crate::cli::error::{Failure, Result};
use crate::cli::profile::read_ssh_keys;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Bytes of a recipe's file, at most.
const RECIPE_FILE_MAX: u64 = 1 << 20;

/// Build an image from a distribution's packages
#[derive(Debug, clap::Subcommand)]
pub enum Build {
    /// Debian by mmdebstrap: systemd, sshd and a kernel, a few more packages if wanted; needs root
    #[command(
        disable_version_flag = true,
        after_help = "Examples:\n  higuma image build debian --ssh-key ~/.ssh/id_ed25519.pub\n  higuma image build debian --name db --version 3 --package postgresql --package vim\n  higuma image build debian --kernel cloud --output ./out"
    )]
    Debian(Debian),
    /// Debian or Ubuntu as a recipe says: packages, files, scripts; the recipe is kept with the image; needs root
    #[command(
        disable_version_flag = true,
        after_help = "Examples:\n  higuma image build recipe web.toml\n  higuma image build recipe web.toml --version 7 --output ./out\n  higuma image recipe web:7 > web.toml\n\nThe least of a recipe:\n  name = \"web\"\n  suite = \"bookworm\"\n  packages = [\"nginx-light\"]\nMore is in the handbook's page on images."
    )]
    Recipe(FromRecipe),
}

/// Which kernel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Kernel {
    /// Drivers of real servers.
    #[default]
    Full,
    /// Drivers of virtual machines: smaller.
    Cloud,
}

/// `image build debian`.
#[derive(Debug, clap::Args)]
pub struct Debian {
    /// Name of the image
    #[arg(long, default_value = "debian")]
    name: String,
    /// Version of the image [default: today as YYYYMMDD, UTC]
    #[arg(long)]
    version: Option<String>,
    /// Release of Debian
    #[arg(long, default_value = "bookworm")]
    suite: String,
    /// One more package; may be given several times
    #[arg(long = "package", value_name = "NAME")]
    packages: Vec<String>,
    /// full has the drivers of real servers, cloud those of virtual machines
    #[arg(long, value_enum, default_value_t)]
    kernel: Kernel,
    /// Public keys that may log in as root; may be given several times (a profile can add keys, too)
    #[arg(long = "ssh-key", value_name = "FILE")]
    ssh_keys: Vec<PathBuf>,
    /// Type of the root file system: squashfs is smaller, erofs faster to read (needs erofs-utils, and a kernel with erofs)
    #[arg(long, value_enum, default_value_t)]
    rootfs_type: RootfsType,
    /// Default kernel command line of the image
    #[arg(long, default_value = "", allow_hyphen_values = true, value_name = "TEXT")]
    cmdline: String,
    /// Package mirror [default: what this machine's apt uses for the suite]
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
    /// Write the parts and image.json into this folder, and upload nothing
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// `image build recipe`.
#[derive(Debug, clap::Args)]
pub struct FromRecipe {
    /// The recipe; files that it names are looked for from its folder
    #[arg(value_name = "FILE.toml")]
    file: PathBuf,
    /// Name of the image [default: the recipe's]
    #[arg(long)]
    name: Option<String>,
    /// Version of the image [default: today as YYYYMMDD, UTC]
    #[arg(long)]
    version: Option<String>,
    /// Write the parts and image.json into this folder, and upload nothing
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

pub(super) fn run(global: &Global, command: Build) -> Result<()> {
    let (recipe, text, version, output) = match command {
        Build::Debian(args) => {
            let (version, output) = (args.version.clone(), args.output.clone());
            let recipe = args.recipe()?;
            let text = recipe.whole()?;
            (recipe, text, version, output)
        }
        Build::Recipe(args) => {
            let (recipe, text) = read(&args.file, args.name)?;
            (recipe, text, args.version, args.output)
        }
    };
    let version = version.unwrap_or_else(|| jiff::Timestamp::now().strftime("%Y%m%d").to_string());
    make(global, &recipe.name, &version, &recipe.cmdline, text, output, |dir, p| build::build(&recipe, dir, p))
}

impl Debian {
    fn recipe(self) -> Result<Recipe> {
        if !is_suite(&self.suite) {
            return Err(Failure::usage(format!("expected a release of Debian like bookworm, got {:?}", self.suite)));
        }
        if let Some(bad) = self.packages.iter().find(|p| !is_package(p)) {
            return Err(Failure::usage(format!("expected the name of a Debian package, got {bad:?}")));
        }
        if let Some(bad) = self.mirror.iter().find(|m| !is_mirror(m)) {
            return Err(Failure::usage(format!("expected a mirror as http://HOST/debian, got {bad:?}")));
        }
        let kernel = match self.kernel {
            Kernel::Full => "full",
            Kernel::Cloud => "cloud",
        };
        Ok(Recipe {
            distribution: Some(Distribution::Debian),
            mirror: self.mirror,
            packages: self.packages,
            kernel: kernel.to_owned(),
            rootfs_type: self.rootfs_type.into(),
            cmdline: self.cmdline,
            ssh_keys: read_ssh_keys(&self.ssh_keys)?,
            ..Recipe::new(self.name, self.suite)
        })
    }
}

/// The recipe, and the text that is kept: the person's own, comments and all, when it is whole by itself.
fn read(path: &Path, name: Option<String>) -> Result<(Recipe, String)> {
    let broken = |e| Failure::usage(format!("could not read the recipe {}: {e}", path.display()));
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(broken)?;
    file.take(RECIPE_FILE_MAX).read_to_string(&mut text).map_err(broken)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut recipe = Recipe::parse(&text, &path.display().to_string(), folder)?;
    let renamed = name.is_some_and(|name| std::mem::replace(&mut recipe.name, name.clone()) != name);
    let kept = match renamed || !recipe.is_whole(&text) {
        true => recipe.whole()?,
        false => text,
    };
    Ok((recipe, kept))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_kept_is_the_persons_text_while_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("web.toml");
        let text = "# ours\nname = 'web'\nsuite = 'noble'\n";
        std::fs::write(&file, text).unwrap();
        assert_eq!(read(&file, None).unwrap().1, text);
        assert_eq!(read(&file, Some("web".into())).unwrap().1, text);
        let (recipe, kept) = read(&file, Some("db".into())).unwrap();
        assert!(recipe.name == "db" && kept.starts_with("name = \"db\"\n"), "{kept}");

        std::fs::write(dir.path().join("motd"), "hello\n").unwrap();
        std::fs::write(&file, format!("{text}[[files]]\npath = '/etc/motd'\nsource = 'motd'\n")).unwrap();
        let kept = read(&file, None).unwrap().1;
        assert!(kept.contains("hello") && !kept.contains("source"), "{kept}");
        let missing = read(&dir.path().join("no.toml"), None).unwrap_err();
        assert!(missing.message.contains("no.toml"), "{missing}");
    }
}
