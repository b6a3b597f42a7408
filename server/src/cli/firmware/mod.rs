//! `higuma firmware`: rules for versions of firmware, how nodes stand with them, and updates. The server judges; here
//! archives are uploaded and flags are put together.

mod show;

use super::Global;
use super::client::{Client, encode};
use super::error::{Failure, Result};
use super::node::resolve;
use super::output::{self, answer};
use super::progress::Progress;
use super::upload;
use higuma_proto::api::{
    FirmwareCompliance, FirmwareMove, FirmwareNode, FirmwareProgram, FirmwareRule, NewFirmwareRule, NodeFirmware, Page,
};
use std::path::PathBuf;
use ureq::http::Method;

/// Versions of firmware: rules, updates, how nodes stand
#[derive(Debug, clap::Subcommand)]
pub enum Firmware {
    /// Rules: list, add, change, move, remove
    #[command(subcommand)]
    Rule(Box<RuleCommand>),
    /// Upload the archive of an update; prints its SHA-256 for `rule add --blob`
    #[command(after_help = "Example:\n  higuma firmware upload bios-2.0.0.tar.zst")]
    Upload {
        /// A tar file, plain or compressed with zstd
        file: PathBuf,
    },
    /// How many nodes are compliant, and which are not
    #[command(after_help = "Example:\n  higuma firmware status\n  higuma firmware status --state failed -o json")]
    Status {
        /// List nodes of this state: failed, updating, held, differs, unknown, compliant or no-rule
        #[arg(long, value_name = "STATE")]
        state: Option<String>,
    },
    /// One node: its parts, what the rules say of them, and the updates that were tried
    #[command(after_help = "Example:\n  higuma firmware show web-17\n  higuma firmware show web-17 --output")]
    Show {
        /// UUID, a unique beginning of it, or host name
        node: String,
        /// With the output of the newest update
        #[arg(long)]
        output: bool,
    },
    /// Let a node try again: the updates that were tried so far count no more
    #[command(after_help = "Example:\n  higuma firmware retry web-17")]
    Retry {
        /// UUID, a unique beginning of it, or host name
        node: String,
    },
}

/// Rules
#[derive(Debug, clap::Subcommand)]
pub enum RuleCommand {
    /// All rules, in their order: the first that fits a component counts for it
    #[command(after_help = "Example:\n  higuma firmware rule list")]
    List,
    /// Make a rule, the last of the list
    #[command(
        after_help = "Examples:\n  higuma firmware rule add bios-r650 --component bios --vendor 'Dell*' --model 'PowerEdge R650' \\\n      --wanted 1.9.2 --allowed 1.9.1\n  higuma firmware rule add bios-r650 --component bios --model 'PowerEdge R650' --wanted 1.9.2 --mode update \\\n      --archive bios-1.9.2.tar.zst --exec busybox --arg sh --arg update.sh --deadline 900"
    )]
    Add(Spec),
    /// Replace a rule by what is given; its place stays
    #[command(
        after_help = "Example:\n  higuma firmware rule change bios-r650 --component bios --model 'PowerEdge R650' --wanted 1.10.0 --mode hold"
    )]
    Change(Spec),
    /// Give a rule another place
    #[command(
        after_help = "Example:\n  higuma firmware rule move bios-r650 --before all-bios\n  higuma firmware rule move bios-r650 --last"
    )]
    #[command(group = clap::ArgGroup::new("place").required(true))]
    Move {
        /// Name
        name: String,
        /// Before this rule
        #[arg(long, value_name = "RULE", group = "place")]
        before: Option<String>,
        /// To the end
        #[arg(long, group = "place")]
        last: bool,
    },
    /// Delete a rule; an update that is under way is not stopped
    #[command(after_help = "Example:\n  higuma firmware rule remove bios-r650")]
    Remove {
        /// Name
        name: String,
    },
}

/// What a rule says.
#[derive(Debug, clap::Args)]
pub struct Spec {
    /// Name: a-z, 0-9, dot, dash, underscore
    pub name: String,
    /// bios, bmc, nic, nvme or disk
    #[arg(long, value_name = "COMPONENT")]
    pub component: String,
    /// Maker, with * and ?: of the BIOS; of a NIC its driver
    #[arg(long, value_name = "PATTERN", default_value = "*")]
    pub vendor: String,
    /// Model, with * and ?: system product (bios), PCI VENDOR:DEVICE (nic), model (nvme, disk)
    #[arg(long, value_name = "PATTERN", default_value = "*")]
    pub model: String,
    /// The version that it must have, exactly as `firmware show` prints it
    #[arg(long, value_name = "VERSION")]
    pub wanted: String,
    /// Another good version; may be given several times
    #[arg(long, value_name = "VERSION")]
    pub allowed: Vec<String>,
    /// report: tell it; hold: do not boot; update: run the archive
    #[arg(long, value_name = "report|hold|update", default_value = "report")]
    pub mode: String,
    /// When three updates did not help: hold or boot
    #[arg(long, value_name = "hold|boot", default_value = "hold")]
    pub on_failure: String,
    /// Archive of the update: a tar file, plain or compressed with zstd; it is uploaded
    #[arg(long, value_name = "FILE", conflicts_with = "blob")]
    pub archive: Option<PathBuf>,
    /// Archive that is uploaded already
    #[arg(long, value_name = "SHA256")]
    pub blob: Option<String>,
    /// Program to run, a path from the top of the archive
    #[arg(long, value_name = "PATH")]
    pub exec: Option<String>,
    /// Argument for it; may be given several times
    #[arg(long = "arg", value_name = "TEXT", allow_hyphen_values = true)]
    pub args: Vec<String>,
    /// It is killed after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub deadline: u32,
}

pub(super) fn run(global: &Global, command: Firmware) -> Result<()> {
    let client = Client::new(global)?;
    match command {
        Firmware::Rule(command) => rule(global, &client, *command),
        Firmware::Upload { file } => {
            let progress = Progress::new();
            let (sha256, size) = upload::upload(&client, "archive", &file, &progress)?;
            let value = serde_json::json!({ "sha256": sha256, "size": size });
            answer(global.format, value, |_: serde_json::Value| format!("{sha256}\n"))
        }
        Firmware::Status { state: None } => {
            let value = client.get("/api/v1/firmware/compliance")?;
            answer(global.format, value, |all: FirmwareCompliance| show::counts(&all))
        }
        Firmware::Status { state: Some(state) } => {
            let value = client.list("/api/v1/firmware/nodes", &[("state", &state)])?;
            answer(global.format, value, |page: Page<FirmwareNode>| show::nodes(&page.items))
        }
        Firmware::Show { node, output } => {
            let value = client.get(&format!("/api/v1/nodes/{}/firmware", encode(&resolve(&client, &node)?)))?;
            answer(global.format, value, |node: NodeFirmware| show::node(&node, output, output::now_us()))
        }
        Firmware::Retry { node } => {
            let path = format!("/api/v1/nodes/{}/firmware/retry", encode(&resolve(&client, &node)?));
            let value = client.call(Method::POST, &path, None::<&()>)?;
            answer(global.format, value, |node: NodeFirmware| show::node(&node, false, output::now_us()))
        }
    }
}

fn rule(global: &Global, client: &Client, command: RuleCommand) -> Result<()> {
    const RULES: &str = "/api/v1/firmware/rules";
    let at = |name: &str| format!("{RULES}/{}", encode(name));
    let value = match command {
        RuleCommand::List => client.list(RULES, &[])?,
        RuleCommand::Add(spec) => {
            let value = client.call(Method::POST, RULES, Some(&spec.into_rule(client)?))?;
            return answer(global.format, value, |rule: FirmwareRule| show::rules(&[rule]));
        }
        RuleCommand::Change(spec) => {
            let (path, new) = (at(&spec.name), spec.into_rule(client)?);
            let value = client.call(Method::PUT, &path, Some(&new))?;
            return answer(global.format, value, |rule: FirmwareRule| show::rules(&[rule]));
        }
        RuleCommand::Move { name, before, last: _ } => {
            client.call(Method::POST, &format!("{}/move", at(&name)), Some(&FirmwareMove { before }))?
        }
        RuleCommand::Remove { name } => {
            client.call(Method::DELETE, &at(&name), None::<&()>)?;
            return Ok(());
        }
    };
    answer(global.format, value, |page: Page<FirmwareRule>| show::rules(&page.items))
}

impl Spec {
    /// The rule; its archive is uploaded when a file is given.
    fn into_rule(self, client: &Client) -> Result<NewFirmwareRule> {
        let has_archive = self.archive.is_some() || self.blob.is_some();
        if has_archive != self.exec.is_some() || (!has_archive && !self.args.is_empty()) {
            return Err(Failure::usage(
                "expected an update whole: --exec with --archive or --blob (and with --mode update)",
            ));
        }
        let blob = match &self.archive {
            Some(file) => Some(upload::upload(client, "archive", file, &Progress::new())?.0),
            None => self.blob,
        };
        let program = |(blob, exec)| FirmwareProgram { blob, exec, args: self.args, deadline_seconds: self.deadline };
        Ok(NewFirmwareRule {
            name: self.name,
            component: self.component,
            vendor: self.vendor,
            model: self.model,
            wanted: self.wanted,
            allowed: self.allowed,
            mode: self.mode,
            on_failure: self.on_failure,
            update: blob.zip(self.exec).map(program),
        })
    }
}
