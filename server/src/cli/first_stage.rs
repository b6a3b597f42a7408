//! `higuma first-stage`: builds the kernel and initramfs that every server boots first, and tells the server to use
//! them. The kernel package is pinned by a lock file; the agent is the one of this release.

use super::Global;
use super::client::Client;
use super::error::{Failure, Result, chain};
use super::output::{self, answer};
use super::process;
use super::progress::Progress;
use super::scratch::Scratch;
use super::upload;
use higuma_initramfs::drivers::DriverSet;
use higuma_initramfs::first_stage::{self, FirstStageOptions, KernelSource};
use higuma_initramfs::kernel_package::{self, KernelLock, KernelTree};
use higuma_proto::api::{FirstStage as Stored, NewFirstStage};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use ureq::http::Method;

/// The small Linux that every server boots first
#[derive(Debug, clap::Subcommand)]
pub enum FirstStage {
    /// Build it from Debian's kernel package and the agent, and use it from now on
    #[command(
        after_help = "Examples:\n  higuma first-stage build\n  higuma first-stage build --update\n  higuma first-stage build --drivers lab --output ./first-stage\n\nThe kernel package is pinned in DATA-DIR/first-stage.lock; --update pins the newest one. Packages are\nkept in $HIGUMA_CACHE, else ~/.cache/higuma."
    )]
    Build(Build),
    /// The one in use
    #[command(after_help = "Example:\n  higuma first-stage show")]
    Show,
}

/// `first-stage build`.
#[derive(Debug, clap::Args)]
pub struct Build {
    /// Which drivers go in
    #[arg(long, value_enum, default_value_t)]
    drivers: Drivers,
    /// A kernel package as a file, instead of the pinned one
    #[arg(long, value_name = "FILE.deb", conflicts_with = "update")]
    kernel_deb: Option<PathBuf>,
    /// Agent: a static program [default: `higuma-agent` beside this program]
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
    /// Pin the newest kernel package that apt offers
    #[arg(long)]
    update: bool,
    /// Lock file of the kernel package [default: first-stage.lock in the data folder]
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
    /// Write it into this folder, and upload nothing
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// Named sets of drivers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Drivers {
    /// The usual servers.
    #[default]
    Server,
    /// Virtual machines of QEMU.
    Lab,
}

const UNPACK_DEADLINE: Duration = Duration::from_secs(600);

pub(super) fn run(global: &Global, command: FirstStage) -> Result<()> {
    match command {
        FirstStage::Build(build) => run_build(global, build),
        FirstStage::Show => {
            let value = Client::new(global)?.get("/api/v1/first-stage")?;
            answer(global.format, value, |stage: Stored| show(&stage, output::now_us()))
        }
    }
}

fn run_build(global: &Global, args: Build) -> Result<()> {
    let progress = Progress::new();
    // Before the work: a server that does not answer should not be found out about after it.
    let client = match &args.output {
        Some(_) => None,
        None => {
            let client = Client::new(global)?;
            client.get("/api/v1/status")?;
            Some(client)
        }
    };
    let scratch = Scratch::new()?;
    let agent = args.agent.map_or_else(agent_beside, Ok)?;
    let lock_file = args.lock.unwrap_or_else(|| global.data_dir().join("first-stage.lock"));
    let kernel = match &args.kernel_deb {
        Some(deb) => KernelSource::Tree(unpack(deb, scratch.path(), &progress)?),
        None => KernelSource::Debian {
            meta: kernel_package::META.into(),
            lock_file: lock_file.clone(),
            update: args.update,
        },
    };
    let stage = first_stage::build(FirstStageOptions {
        kernel,
        agent,
        agent_version: env!("CARGO_PKG_VERSION").into(),
        drivers: match args.drivers {
            Drivers::Server => DriverSet::Server,
            Drivers::Lab => DriverSet::Lab,
        },
        out: args.output.unwrap_or_else(|| scratch.path().join("out")),
        cache: cache_dir()?,
        progress: &mut |line| progress.line(line),
    })
    .map_err(|e| Failure::because("could not build the first stage", &e))?;

    let Some(client) = client else {
        return output::print(&format!("{}\n{}\n", stage.kernel.display(), stage.initramfs.display()));
    };
    let (kernel, _) = upload::upload(&client, "kernel", &stage.kernel, &progress)?;
    let (initramfs, _) = upload::upload(&client, "initramfs", &stage.initramfs, &progress)?;
    let spec = NewFirstStage {
        arch: "x86_64".into(),
        kernel,
        initramfs,
        kernel_package: match args.kernel_deb.as_ref().map_or_else(|| KernelLock::load(&lock_file), |_| Ok(None)) {
            Ok(Some(lock)) => format!("{} {} sha256:{}", lock.package, lock.version, lock.sha256),
            _ => stage.manifest.info.kernel_package.clone(),
        },
        agent_version: stage.manifest.info.agent_version.clone(),
        drivers: stage.manifest.info.drivers.clone(),
    };
    let value = client.call(Method::PUT, "/api/v1/first-stage", Some(&spec))?;
    progress.line("the server uses this first stage from now on");
    answer(global.format, value, |stage: Stored| show(&stage, output::now_us()))
}

fn agent_beside() -> Result<PathBuf> {
    let me = std::env::current_exe().map_err(|e| Failure::because("could not find this program", &e))?;
    let agent = me.with_file_name("higuma-agent");
    if agent.is_file() {
        return Ok(agent);
    }
    Err(Failure::usage(format!("expected the agent as {}: give it with --agent FILE", agent.display())))
}

fn cache_dir() -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    match (set("HIGUMA_CACHE"), set("XDG_CACHE_HOME"), set("HOME")) {
        (Some(cache), _, _) => Ok(cache.join("first-stage")),
        (None, Some(cache), _) => Ok(cache.join("higuma/first-stage")),
        (None, None, Some(home)) => Ok(home.join(".cache/higuma/first-stage")),
        (None, None, None) => {
            Err(Failure::usage("expected a folder to keep kernel packages in: set HIGUMA_CACHE or HOME"))
        }
    }
}

/// A kernel package that a person gives: unpacked in the scratch folder; its scripts are not run.
fn unpack(deb: &Path, scratch: &Path, progress: &Progress) -> Result<KernelTree> {
    if !deb.is_file() {
        return Err(Failure::usage(format!("expected a kernel package in {}, there is no such file", deb.display())));
    }
    progress.line(&format!("unpacking {}", deb.display()));
    let root = scratch.join("kernel");
    let mut command = Command::new("dpkg-deb");
    command.arg("--extract").arg(deb).arg(&root);
    process::run(command, "dpkg", UNPACK_DEADLINE, |_| {})?;
    let mut origin = Vec::new();
    let mut command = Command::new("dpkg-deb");
    command.arg("--show").arg("--showformat=${Package} ${Version}\\n").arg(deb);
    process::run(command, "dpkg", UNPACK_DEADLINE, |line| origin.push(line.to_owned()))?;
    let (sha256, _) = upload::hash(deb)?;
    let origin = format!("{} sha256:{sha256}", origin.join(" "));
    KernelTree::open(&root, origin)
        .map_err(|e| Failure::usage(format!("{} holds no kernel to use: {}", deb.display(), chain(&e))))
}

fn show(stage: &Stored, now: i64) -> String {
    let spec = &stage.spec;
    let total = stage.kernel_size + stage.initramfs_size;
    output::fields(&[
        ("Architecture", spec.arch.clone()),
        ("Kernel package", spec.kernel_package.clone()),
        ("Agent", spec.agent_version.clone()),
        ("Drivers", spec.drivers.clone()),
        ("Kernel", format!("{:>10}  {}", output::size(stage.kernel_size), spec.kernel)),
        ("Initramfs", format!("{:>10}  {}", output::size(stage.initramfs_size), spec.initramfs)),
        ("Together", format!("{:>10}", output::size(total))),
        ("Since", output::time_ago(stage.created_us, now)),
    ])
}
