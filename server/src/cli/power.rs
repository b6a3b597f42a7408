//! `higuma power`: power and boot device of nodes, through their BMCs. Each is a job of the server; here it is asked for and
//! followed.

use super::Global;
use super::client::{Client, encode};
use super::error::{Failure, Result};
use super::job::submit_and_watch;
use super::node::resolve;
use super::output::{self, answer};
use higuma_proto::api::{BmcDetail, NewJob};
use ureq::http::Method;

/// Power of nodes, through their BMCs
#[derive(Debug, clap::Subcommand)]
pub enum Power {
    /// Power on; on already: nothing
    #[command(
        after_help = "Examples:\n  higuma power on web-17\n  higuma power on web-17 web-18 --boot pxe\n  higuma power on --where 'node.product == \"R650\"' --stagger 2000"
    )]
    On(On),
    /// Off at once, as pulling the plug does
    #[command(after_help = "Example:\n  higuma power off web-17")]
    Off(Which),
    /// Ask the operating system to shut down
    #[command(after_help = "Example:\n  higuma power soft-off web-17")]
    SoftOff(Which),
    /// Off, then on; what was off is powered on
    #[command(after_help = "Example:\n  higuma power cycle web-17 --boot pxe")]
    Cycle(On),
    /// Hard reset; power stays
    #[command(after_help = "Example:\n  higuma power reset web-17 --boot bios")]
    Reset(On),
    /// Non-maskable interrupt: a crash dump of the operating system
    #[command(after_help = "Example:\n  higuma power nmi web-17")]
    Nmi(Which),
    /// What is booted from next; power stays
    #[command(
        after_help = "Examples:\n  higuma power boot pxe web-17\n  higuma power boot disk web-17 --persistent --uefi"
    )]
    Boot {
        /// none, pxe, disk, cd or bios
        device: String,
        /// At every boot from now on, not only the next
        #[arg(long)]
        persistent: bool,
        /// In UEFI mode
        #[arg(long)]
        uefi: bool,
        /// Which nodes, and how
        #[command(flatten)]
        which: Which,
    },
    /// Whether a node is on, asked now
    #[command(after_help = "Example:\n  higuma power status web-17 -o json")]
    Status {
        /// UUID, a unique beginning of it, or host name
        node: String,
    },
}

/// Which nodes, and how
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true))]
pub struct Which {
    /// UUIDs, unique beginnings of them, or host names
    #[arg(group = "which")]
    pub nodes: Vec<String>,
    /// All nodes for which this expression holds (CEL; the fields are on the book's page "Search")
    #[arg(long = "where", value_name = "EXPR", group = "which")]
    pub wanted: Option<String>,
    /// Milliseconds between the starts of two nodes [default: the server's, for what draws inrush current]
    #[arg(long, value_name = "MS")]
    pub stagger: Option<u32>,
    /// Nodes at once, 1 to 256 [default: 16]
    #[arg(long, value_name = "N")]
    pub parallel: Option<u32>,
    /// Do not wait for the end; `higuma job watch` does later
    #[arg(long)]
    pub detach: bool,
}

/// Which nodes, and what they boot from
#[derive(Debug, clap::Args)]
pub struct On {
    #[command(flatten)]
    which: Which,
    /// Boot from this next, once: none, pxe, disk, cd or bios
    #[arg(long, value_name = "DEVICE")]
    boot: Option<String>,
    /// That in UEFI mode
    #[arg(long, requires = "boot")]
    uefi: bool,
}

impl Which {
    /// The job's request.
    pub(super) fn job(&self, client: &Client, action: &str) -> Result<NewJob> {
        let nodes = self.nodes.iter().map(|node| resolve(client, node)).collect::<Result<Vec<_>>>()?;
        Ok(NewJob {
            action: action.to_owned(),
            nodes,
            select: self.wanted.clone(),
            stagger_ms: self.stagger,
            parallel: self.parallel,
            request_id: Some(uuid::Uuid::new_v4().to_string()),
        })
    }
}

pub(super) fn run(global: &Global, command: Power) -> Result<()> {
    let client = Client::new(global)?;
    let simple =
        |which: &Which, action: &str| submit_and_watch(global, &client, which.job(&client, action)?, which.detach);
    let with_device = |on: &On, action: &str| {
        if let Some(device) = &on.boot {
            if on.which.detach {
                return Err(Failure::usage(
                    "--boot and --detach do not go together: the power follows the boot device",
                ));
            }
            simple(&on.which, &boot_device(device, false, on.uefi))?;
        }
        simple(&on.which, action)
    };
    match command {
        Power::On(on) => with_device(&on, "power-on"),
        Power::Cycle(on) => with_device(&on, "power-cycle"),
        Power::Reset(on) => with_device(&on, "reset"),
        Power::Off(which) => simple(&which, "power-off"),
        Power::SoftOff(which) => simple(&which, "soft-off"),
        Power::Nmi(which) => simple(&which, "nmi"),
        Power::Boot { device, persistent, uefi, which } => simple(&which, &boot_device(&device, persistent, uefi)),
        Power::Status { node } => {
            let path = format!("/api/v1/nodes/{}/bmc/check", encode(&resolve(&client, &node)?));
            let value = client.call(Method::POST, &path, None::<&()>)?;
            answer(global.format, value, |bmc: BmcDetail| status(&bmc, output::now_us()))
        }
    }
}

fn boot_device(device: &str, persistent: bool, uefi: bool) -> String {
    let how = if persistent { "persistent" } else { "once" };
    format!("boot-device {device} {how}{}", if uefi { " uefi" } else { "" })
}

fn status(bmc: &BmcDetail, now: i64) -> String {
    let told = bmc.summary.power_us.map_or_else(|| "never told".to_owned(), |at| output::ago(at, now));
    let why = if bmc.summary.reason.is_empty() { String::new() } else { format!("; BMC: {}", bmc.summary.reason) };
    format!("{} ({told}{why})\n", bmc.summary.power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_of_the_server() {
        assert_eq!(boot_device("pxe", false, true), "boot-device pxe once uefi");
        assert_eq!(boot_device("disk", true, false), "boot-device disk persistent");
    }
}
