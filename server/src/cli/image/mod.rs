//! `higuma image`: build, import, list, show, delete, and what is kept of images. Building happens here, on the client; the server gets blobs by
//! hash and the image last, so that what is interrupted leaves no image.

mod apt;
mod build;
pub mod build_flags;
mod check;
mod contents;
mod customise;
mod distribution;
mod erofs;
mod identity;
pub mod import;
pub mod iso;
pub mod kept;
mod kernel_config;
mod kernel_package;
mod oci;
mod pack;
mod packing;
mod plain;
mod program;
mod pull;
mod recipe;
mod recipe_fields;
mod remote;
mod root;
mod scrub;
mod settle;

use super::Global;
use super::client::{Client, encode};
use super::error::{Exit, Failure, Result};
use super::output::{self, answer};
use super::progress::Progress;
use super::scratch::Scratch;
use super::upload;
use higuma_initramfs::rootfs::RootFs;
use higuma_proto::api::{Image as Stored, ImagePart, NewImage, Page};
pub use import::{ImportOptions, import};
pub use kernel_package::KernelPackage;
pub use oci::OciOptions;
use std::path::{Path, PathBuf};
use ureq::http::Method;

/// Operating system images
#[derive(Debug, clap::Subcommand)]
pub enum Image {
    /// Build an image from a distribution's packages
    #[command(subcommand)]
    Build(build_flags::Build),
    /// Make an image of a root folder, a tar file, an OCI image, an ISO, kernel + initrd or squashfs files, or a program alone
    #[command(
        disable_version_flag = true,
        after_help = "Examples:\n  higuma image import --name web --version 7 ./rootfs\n  higuma image import --name web --version 8 web.tar.zst --cmdline 'console=ttyS0'\n  higuma image import --name rescue --version 1 --kernel vmlinuz --initrd initrd.img\n  higuma image import --name live --version 3 --kernel vmlinuz --rootfs live.squashfs\n  higuma image import --name memtest --version 6.10 --program /boot/memtest86+x64.efi\n  higuma image import --name installer --version 13 debian-13-amd64-netinst.iso\n  higuma image import --name mine --version 1 mine.iso --kernel boot/linux --initrd boot/initrd.gz\n  higuma image import --name os --version 9 --oci registry.example/team/os:9 --credentials login\n  higuma image import --name os --version 9 --oci saved.tar\n  higuma image import --name os --version 10 --oci debian:12 --kernel-package linux-image-amd64\n  higuma image import --name web --version 9 https://builds.example/web.tar.zst --sha256 HEX\n  higuma image import --name rescue --version 2 --kernel http://m.example/linux#sha256=HEX --initrd http://m.example/initrd.gz#sha256=HEX\n\nWhere a file is expected, an address of one is, too: https://..., or http://... with its SHA-256 behind it as #sha256=HEX.\nA root folder, tar file or OCI image needs boot/vmlinuz-RELEASE (or --kernel, --kernel-package) and lib/modules/RELEASE with\nloop, squashfs and overlay."
    )]
    Import(Box<Import>),
    /// List images
    #[command(after_help = "Example:\n  higuma image list -o json")]
    List,
    /// One image and its parts
    #[command(after_help = "Example:\n  higuma image show debian:20261122")]
    Show {
        /// NAME:VERSION or NAME:LABEL
        image: String,
    },
    /// What is in an image: names, sizes, owners, hashes and packages
    #[command(
        after_help = "Examples:\n  higuma image contents debian:20261122 --path /etc/ssh\n  higuma image contents debian:20261122 --packages\n  higuma image contents debian:20261122 -o json"
    )]
    Contents(contents::Contents),
    /// How two images differ: packages, names, sizes
    #[command(after_help = "Example:\n  higuma image diff debian:20261122 debian:20261127")]
    Diff(contents::Diff),
    /// Delete an image that no profile uses
    #[command(after_help = "Example:\n  higuma image delete debian:20261122")]
    Delete {
        /// NAME:VERSION
        image: String,
    },
    /// What is kept of images
    #[command(flatten)]
    Kept(kept::Kept),
}

/// For flags.
#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
pub enum RootfsType {
    /// zstd.
    #[default]
    Squashfs,
    /// LZ4HC.
    Erofs,
}

impl From<RootfsType> for RootFs {
    fn from(kind: RootfsType) -> Self {
        match kind {
            RootfsType::Squashfs => Self::Squashfs,
            RootfsType::Erofs => Self::Erofs,
        }
    }
}

/// `image import`.
#[derive(Debug, clap::Args)]
pub struct Import {
    /// Name of the image
    #[arg(long)]
    name: String,
    /// Version of the image
    #[arg(long)]
    version: String,
    /// Root folder, or tar file (.tar, .tar.gz, .tar.zst; no root is needed), or ISO, or the address of one
    #[arg(value_name = "DIR|FILE.tar|FILE.iso|URL", conflicts_with_all = ["dir", "oci"])]
    source: Option<PathBuf>,
    /// Root folder
    #[arg(long, value_name = "DIR", conflicts_with_all = ["initrd", "rootfs", "oci"])]
    dir: Option<PathBuf>,
    /// SHA-256 of the source: a tar file, an ISO, or a file given with --oci
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// OCI image: a name like registry.example/team/os:7, or an OCI layout (folder or tar) or archive of `docker save`
    /// (PATH:TAG when it has several), or the address of a tar; no root is needed
    #[arg(long, value_name = "NAME|PATH|URL", conflicts_with_all = ["initrd", "rootfs"])]
    oci: Option<String>,
    /// USER:PASSWORD for the registry, or a config.json of Docker; - reads it from standard input
    /// [default: what `docker login` keeps]
    #[arg(long, value_name = "FILE", requires = "oci")]
    credentials: Option<PathBuf>,
    /// Speak plain HTTP to the registry; localhost is always spoken to so
    #[arg(long, requires = "oci")]
    insecure_http: bool,
    /// What a tar file, an OCI image, a squashfs, an erofs, or a folder that --kernel-package is added to, may unpack to, in GiB
    /// [default: 32, and 200 times its packed size, but of a squashfs or an erofs]
    #[arg(long, value_name = "GIB", value_parser = clap::value_parser!(u64).range(1..=4096))]
    max_size: Option<u64>,
    /// Take a root file system of over 512 MiB with a kernel that has none of the network drivers that Higuma knows
    #[arg(long)]
    any_network_driver: bool,
    /// Kernel: bzImage or arm64 Image; of an ISO, its path there
    #[arg(long, value_name = "FILE|URL", required_unless_present_any = ["source", "dir", "oci", "program"])]
    kernel: Option<PathBuf>,
    /// Kernel for a folder, tar or OCI image that has none: a package file (several times, when a kernel has several), or the
    /// name of a package like linux-image-amd64, which apt fetches; its modules go into the image; no root is needed
    #[arg(long = "kernel-package", value_name = "FILE.deb|NAME", conflicts_with_all = ["kernel", "modules_from", "initrd", "rootfs"])]
    kernel_packages: Vec<String>,
    /// Where --kernel-package NAME is looked for
    #[arg(long, value_name = "SUITE", default_value = "bookworm", requires = "kernel_packages")]
    kernel_suite: String,
    /// Mirror for --kernel-package NAME [default: what this machine's apt uses for the suite]
    #[arg(long, value_name = "URL", requires = "kernel_packages")]
    kernel_mirror: Option<String>,
    /// Initrd that is booted as it is; of an ISO, its path there
    #[arg(long, value_name = "FILE|URL", conflicts_with_all = ["rootfs", "modules_from"])]
    initrd: Option<PathBuf>,
    /// Root file system: a squashfs or an erofs; of an ISO, its path there
    #[arg(long, value_name = "FILE|URL", visible_alias = "squashfs")]
    rootfs: Option<PathBuf>,
    /// Program alone, which is no Linux and iPXE starts: memtest86+, an EFI program; a profile of the mode ipxe boots it
    #[arg(long, value_name = "FILE|URL", conflicts_with_all = ["source", "dir", "oci", "kernel", "kernel_packages", "initrd", "rootfs", "modules_from"])]
    program: Option<PathBuf>,
    /// Type of the root file system: squashfs is smaller, erofs faster to read (needs erofs-utils, and a kernel with erofs; of a
    /// tar file also root)
    #[arg(long, value_enum, default_value_t, conflicts_with_all = ["oci", "initrd", "rootfs", "kernel_packages"])]
    rootfs_type: RootfsType,
    /// Folder with lib/modules/RELEASE [default: the root file system]
    #[arg(long, value_name = "DIR")]
    modules_from: Option<PathBuf>,
    /// Default kernel command line of the image
    #[arg(long, default_value = "", allow_hyphen_values = true, value_name = "TEXT")]
    cmdline: String,
    /// Expected architecture: x86_64 or aarch64 [default: the kernel's]; of a program that tells none, its architecture
    #[arg(long)]
    arch: Option<String>,
    /// Write the parts and image.json into this folder, and upload nothing
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// The parts of an image as files, in a folder that the caller owns or where the person had them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltImage {
    /// x86_64 or aarch64.
    pub arch: String,
    /// `uname -r`; empty when not known.
    pub kernel_release: String,
    /// bzImage or Image, or a program.
    pub kernel: PathBuf,
    /// Booted as it is.
    pub initrd: Option<PathBuf>,
    /// cpio with the modules that the second stage needs.
    pub modules: Option<PathBuf>,
    /// squashfs or erofs.
    pub rootfs: Option<PathBuf>,
    /// Listing of what is in the root file system; no part.
    pub contents: Option<PathBuf>,
}

impl BuiltImage {
    /// Roles as the API names them, with their files.
    pub fn parts(&self) -> Vec<(&'static str, &Path)> {
        let optional = [("initrd", &self.initrd), ("modules", &self.modules), ("rootfs", &self.rootfs)];
        let optional = optional.into_iter().filter_map(|(role, path)| Some((role, path.as_deref()?)));
        std::iter::once(("kernel", self.kernel.as_path())).chain(optional).collect()
    }
}

pub(super) fn run(global: &Global, command: Image) -> Result<()> {
    match command {
        Image::Build(command) => build_flags::run(global, command),
        Image::Import(args) => {
            let args = *args;
            let options = ImportOptions {
                source: args.source.or(args.dir),
                oci: args.oci.map(|image| OciOptions {
                    image,
                    credentials: args.credentials,
                    insecure_http: args.insecure_http,
                    cache: None,
                }),
                max_size: args.max_size,
                any_network_driver: args.any_network_driver,
                kernel: args.kernel,
                kind: args.rootfs_type.into(),
                kernel_package: (!args.kernel_packages.is_empty()).then_some(KernelPackage {
                    packages: args.kernel_packages,
                    suite: args.kernel_suite,
                    mirror: args.kernel_mirror,
                }),
                initrd: args.initrd,
                rootfs: args.rootfs,
                program: args.program,
                modules_from: args.modules_from,
                arch: args.arch,
            };
            let (sha256, keeps) = (args.sha256, args.output.is_some());
            let mut cache = None;
            make(global, &args.name, &args.version, &args.cmdline, String::new(), args.output, |dir, p| {
                let mut options = remote::local(options, sha256.as_deref(), p)?;
                if let Some(oci) = &mut options.oci {
                    oci.cache = pull::cache(&oci.image, p);
                    cache = oci.cache.clone();
                }
                let built = import(&options, dir, p)?;
                if keeps { remote::keep(built, dir) } else { Ok(built) }
            })?;
            // Not before: an upload may fail, too.
            if let Some(cache) = cache {
                cache.remove();
            }
            Ok(())
        }
        Image::List => {
            let value = Client::new(global)?.list("/api/v1/images", &[])?;
            answer(global.format, value, |page: Page<Stored>| list_table(&page.items, output::now_us()))
        }
        Image::Show { image } => {
            let value = Client::new(global)?.get(&path_of(&image)?)?;
            answer(global.format, value, |image: Stored| show(&image, output::now_us()))
        }
        Image::Contents(args) => contents::contents(global, &args),
        Image::Diff(args) => contents::diff(global, &args),
        Image::Delete { image } => {
            Client::new(global)?.call(Method::DELETE, &path_of(&image)?, None::<&()>)?;
            Ok(())
        }
        Image::Kept(command) => kept::run(global, command),
    }
}

/// Build with `build` and hand over: blobs first, the image last. Asks the server first whether the name is free, as a
/// build takes minutes.
fn make(
    global: &Global,
    name: &str,
    version: &str,
    cmdline: &str,
    recipe: String,
    output: Option<PathBuf>,
    build: impl FnOnce(&Path, &Progress) -> Result<BuiltImage>,
) -> Result<()> {
    // Before minutes of work, and where no server is asked.
    for text in [name, version] {
        text.parse::<crate::domain::Name>().map_err(|invalid| Failure::usage(invalid.to_string()))?;
    }
    let progress = Progress::new();
    let image = |built: &BuiltImage, parts, contents| NewImage {
        name: name.into(),
        version: version.into(),
        arch: built.arch.clone(),
        cmdline: cmdline.into(),
        kernel_release: built.kernel_release.clone(),
        parts,
        notes: String::new(),
        recipe: recipe.clone(),
        contents,
    };
    let contents_part = |(sha256, size)| ImagePart { role: "contents".into(), sha256, size };
    if let Some(dir) = output {
        std::fs::create_dir_all(&dir).map_err(Failure::io("make the folder", &dir))?;
        let built = build(&dir, &progress)?;
        let mut parts = Vec::new();
        for (role, path) in built.parts() {
            let (sha256, size) = upload::hash(path)?;
            progress.line(&format!("{role}: {} ({})", path.display(), output::size(size)));
            parts.push(ImagePart { role: role.into(), sha256, size });
        }
        let contents = built.contents.as_deref().map(upload::hash).transpose()?.map(contents_part);
        let json =
            serde_json::to_string_pretty(&image(&built, parts, contents)).map_err(|e| Failure::because("JSON", &e))?;
        let path = dir.join("image.json");
        return std::fs::write(&path, json + "\n").map_err(Failure::io("write", &path));
    }

    let client = Client::new(global)?;
    let reference = format!("{name}:{version}");
    match client.get(&path_of(&reference)?) {
        Err(Failure { exit: Exit::NotFound, .. }) => {}
        Err(other) => return Err(other),
        Ok(_) => {
            let text =
                format!("there is an image {reference} already, and images never change: choose another --version");
            return Err(Failure { exit: Exit::Conflict, message: text });
        }
    }
    let scratch = Scratch::new()?;
    let built = build(scratch.path(), &progress)?;
    let mut parts = Vec::new();
    for (role, path) in built.parts() {
        let (sha256, size) = upload::upload(&client, role, path, &progress)?;
        parts.push(ImagePart { role: role.into(), sha256, size });
    }
    let contents = built.contents.as_deref();
    let contents = contents.map(|path| upload::upload(&client, "contents", path, &progress)).transpose()?;
    let contents = contents.map(contents_part);
    let value = client.call(Method::POST, "/api/v1/images", Some(&image(&built, parts, contents)))?;
    progress.line(&format!("image {reference} is there"));
    answer(global.format, value, |image: Stored| show(&image, output::now_us()))
}

fn path_of(image: &str) -> Result<String> {
    let (name, version) = split(image)?;
    Ok(format!("/api/v1/images/{}/{}", encode(name), encode(version)))
}

fn split(image: &str) -> Result<(&str, &str)> {
    match image.split_once(':') {
        Some((name, version)) if !name.is_empty() && !version.is_empty() => Ok((name, version)),
        _ => Err(Failure::usage(format!("expected an image as NAME:VERSION, e.g. debian:20261122, got {image:?}"))),
    }
}

fn list_table(images: &[Stored], now: i64) -> String {
    let rows: Vec<[String; 7]> = images
        .iter()
        .map(|i| {
            let size = i.parts.iter().map(|p| p.size).sum();
            let reference = format!("{}:{}", i.name, i.version);
            let digest = i.digest.chars().take(12).collect();
            let (arch, kernel) = (i.arch.clone(), i.kernel_release.clone());
            let made = output::ago(i.created_us, now);
            [reference, i.labels.join(", "), arch, kernel, output::size(size), digest, made]
        })
        .collect();
    output::table(["IMAGE", "LABELS", "ARCH", "KERNEL", "SIZE", "DIGEST", "MADE"], &rows)
}

fn show(i: &Stored, now: i64) -> String {
    let mut lines = vec![
        ("Image", format!("{}:{}", i.name, i.version)),
        ("Architecture", i.arch.clone()),
        ("Kernel", i.kernel_release.clone()),
        ("Command line", i.cmdline.clone()),
        ("Digest", i.digest.clone()),
        ("Labels", i.labels.join(", ")),
        ("Made", output::time_ago(i.created_us, now)),
        ("Made by", i.made_by.clone()),
    ];
    lines.extend(i.notes.lines().map(|line| ("Notes", line.to_owned())));
    for part in &i.parts {
        lines.push(("Part", format!("{:8} {:>10}  {}", part.role, output::size(part.size), part.sha256)));
    }
    let listed = match &i.contents {
        Some(listing) => format!("{:8} {:>10}  {}", "listing", output::size(listing.size), listing.sha256),
        None => "no listing".to_owned(),
    };
    lines.push(("Contents", listed));
    lines.extend(i.recipe.lines().map(|line| ("Recipe", line.to_owned())));
    output::fields(&lines)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn references() {
        assert_eq!(path_of("debian:12").unwrap(), "/api/v1/images/debian/12");
        assert_eq!(path_of("a/../b:1").unwrap(), "/api/v1/images/a%2F..%2Fb/1");
        for bad in ["debian", ":1", "a:", ""] {
            assert_eq!(path_of(bad).unwrap_err().exit, Exit::Usage);
        }
    }
}
