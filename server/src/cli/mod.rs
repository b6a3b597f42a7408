//! The command line for people: a client of the HTTPS API like any other. It never opens the database or the blob
//! store, and decides nothing that the server decides; what it builds (images, first stages) it builds in a temporary
//! folder of its own and hands over by the API.

pub mod apply;
pub mod bmc;
mod bmc_redfish;
pub mod boot;
mod boot_timeline;
mod boot_watch;
pub mod cabling;
pub mod client;
pub mod console;
pub mod dhcp;
pub mod dhcp_leases;
pub mod dhcp_options;
mod difference;
pub mod download;
mod drift;
pub mod enrol;
pub mod error;
pub mod event;
pub mod firmware;
pub mod first_stage;
pub mod history;
pub mod image;
pub mod interrupt;
mod inventory;
pub mod ipam;
pub mod job;
pub mod node;
mod node_disk;
pub mod output;
pub mod power;
pub mod process;
pub mod profile;
mod profile_diff;
mod profile_preview;
mod profile_words;
pub mod progress;
pub mod rollout;
mod rollout_compare;
mod rollout_words;
pub mod rule;
pub mod scratch;
pub mod secret;
pub mod status;
pub mod upload;
pub mod vault;

use error::Result;
pub use error::{Exit, Failure};
use output::Format;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// For `--help`.
pub const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong arguments or input, 3 not found, 4 conflict, \
                              5 not authorised, 6 server not reachable or not ready, 130 interrupted.";

/// Where the server is and how to talk to it; good before and after the subcommand.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Global {
    /// Address of the server [default: what the data folder's `url` file says, else https://localhost:8443]
    #[arg(long, global = true, env = "HIGUMA_SERVER", value_name = "URL")]
    pub server: Option<String>,
    /// Certificate authority to trust, and no other [default: `ca.pem` in the data folder]
    #[arg(long, global = true, env = "HIGUMA_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Name that the server's certificate must carry [default: `server-name` in the data folder, else the URL's host]
    #[arg(long, global = true, env = "HIGUMA_TLS_NAME", value_name = "NAME")]
    pub tls_name: Option<String>,
    /// File with the token [default: `admin.token` in the data folder]
    #[arg(long, global = true, env = "HIGUMA_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Data folder of the server [default: /var/lib/higuma for root, else ~/.local/share/higuma]
    #[arg(long, global = true, env = "HIGUMA_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// How to print answers
    #[arg(short = 'o', long = "format", global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

impl Global {
    /// The data folder that is meant.
    pub fn data_dir(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(default_data_dir)
    }
}

/// Where the server keeps its data when nothing else is said.
pub fn default_data_dir() -> PathBuf {
    let from_env = |name: &str| std::env::var_os(name).filter(|v| Path::new(v).is_absolute()).map(PathBuf::from);
    if nix::unistd::geteuid().is_root() {
        return PathBuf::from("/var/lib/higuma");
    }
    match (from_env("XDG_DATA_HOME"), from_env("HOME")) {
        (Some(data), _) => data.join("higuma"),
        (None, Some(home)) => home.join(".local/share/higuma"),
        (None, None) => PathBuf::from("/var/lib/higuma"),
    }
}

/// Everything but `serve`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Servers: list, show, approve, assign
    #[command(subcommand)]
    Node(node::Node),
    /// Power of nodes, through their BMCs
    #[command(subcommand)]
    Power(power::Power),
    /// BMCs: state, sensors, event log, passwords
    #[command(subcommand)]
    Bmc(Box<bmc::Bmc>),
    /// The serial console of a node, through its BMC
    Console(console::Console),
    /// BMCs out of a file, until each has its node: import, list, watch
    #[command(subcommand)]
    Enrol(enrol::EnrolCommand),
    /// What nodes boot: image, command line, files
    #[command(subcommand)]
    Profile(profile::Profile),
    /// Make the server as a folder says: profiles and rules, all at once or not at all
    Apply(apply::ApplyCommand),
    /// What a folder would change on the server
    Diff(apply::DiffCommand),
    /// Write the server's profiles and rules into a folder, as `apply` reads it
    Export(apply::ExportCommand),
    /// Operating system images: build, import, list
    #[command(subcommand)]
    Image(image::Image),
    /// Switches that nodes have heard: list, show
    #[command(subcommand)]
    Switch(cabling::Switch),
    /// Cables: list, import what is expected, check, accept
    #[command(subcommand)]
    Cabling(cabling::Cabling),
    /// Boots and their timelines
    #[command(subcommand)]
    Boot(boot::Boot),
    /// DHCP: what the server answers and why, who has which address
    #[command(subcommand)]
    Dhcp(dhcp::Dhcp),
    /// Versions of firmware: rules, updates, how nodes stand
    #[command(subcommand)]
    Firmware(Box<firmware::Firmware>),
    /// Pools of addresses: list, show, add, edit, remove, import, export
    #[command(subcommand)]
    Pool(Box<ipam::PoolCommand>),
    /// Addresses of BMCs and nodes: list, reserve, release, conflicts, import, export
    #[command(subcommand)]
    Address(ipam::AddressCommand),
    /// The key that seals BMC passwords and secrets: show, rotate
    #[command(subcommand)]
    MasterKey(vault::MasterKey),
    /// Secrets for files and passwords of profiles: set, list, show, delete
    #[command(subcommand)]
    Secret(secret::Secret),
    /// What was noticed of nodes: list, acknowledge
    #[command(subcommand)]
    Event(event::Event),
    /// Actions on many nodes: list, show, watch, cancel
    #[command(subcommand)]
    Job(job::JobCommand),
    /// A revision of a profile to many nodes, in waves: start, list, show, watch, pause, resume, abort
    #[command(subcommand)]
    Rollout(rollout::RolloutCommand),
    /// The small Linux that every server boots first: build, show
    #[command(subcommand)]
    FirstStage(first_stage::FirstStage),
    /// Admission rules: who is let in, and what waits, powers off or restarts
    #[command(subcommand)]
    Rule(rule::RuleCommand),
    /// iPXE scripts
    #[command(subcommand)]
    Ipxe(status::Ipxe),
    /// Is the server ready, and what does it know
    Status(status::Status),
}

/// Run one command to its end; errors go to standard error as one message.
pub fn run(global: Global, command: Command) -> ExitCode {
    let done = dispatch(&global, command);
    if interrupt::requested() {
        // The interrupt's thread is tidying up and ends the process itself; this is the last resort if it does not.
        std::thread::sleep(interrupt::TIDY_DEADLINE);
        return ExitCode::from(Exit::Interrupted as u8);
    }
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("higuma: {}", output::clean_lines(&failure.message));
            ExitCode::from(failure.exit as u8)
        }
    }
}

fn dispatch(global: &Global, command: Command) -> Result<()> {
    match command {
        Command::Node(command) => node::run(global, command),
        Command::Power(command) => power::run(global, command),
        Command::Bmc(command) => bmc::run(global, *command),
        Command::Console(command) => console::run(global, &command),
        Command::Enrol(command) => enrol::run(global, command),
        Command::Profile(command) => profile::run(global, command),
        Command::Apply(command) => apply::apply(global, command),
        Command::Diff(command) => apply::diff(global, command),
        Command::Export(command) => apply::export(global, command),
        Command::Image(command) => image::run(global, command),
        Command::Switch(command) => cabling::switch(global, command),
        Command::Cabling(command) => cabling::run(global, command),
        Command::Boot(command) => boot::run(global, command),
        Command::Dhcp(command) => dhcp::run(global, command),
        Command::Firmware(command) => firmware::run(global, *command),
        Command::Pool(command) => ipam::pool(global, *command),
        Command::Address(command) => ipam::address(global, command),
        Command::MasterKey(command) => vault::master_key(global, command),
        Command::Secret(command) => secret::run(global, command),
        Command::Event(command) => event::run(global, command),
        Command::Job(command) => job::run(global, command),
        Command::Rollout(command) => rollout::run(global, command),
        Command::FirstStage(command) => first_stage::run(global, command),
        Command::Rule(command) => rule::run(global, command),
        Command::Ipxe(command) => status::ipxe(global, command),
        Command::Status(command) => status::run(global, &command),
    }
}
