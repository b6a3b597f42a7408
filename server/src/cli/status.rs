//! `higuma status` and `higuma ipxe show`: what the server thinks of itself, and what a node would get from it.
//! Looking changes nothing and mints nothing.

use super::Global;
use super::client::{Client, encode};
use super::error::{Exit, Failure, Result};
use super::output::{self, answer, typed};
use higuma_proto::api::{ScriptPreview, Status as Answer};

/// Is the server ready, and what does it know
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  higuma status\n  higuma status --check && echo ready")]
pub struct Status {
    /// End with exit code 6 unless the server is ready to boot nodes
    #[arg(long)]
    pub check: bool,
}

/// iPXE scripts
#[derive(Debug, clap::Subcommand)]
pub enum Ipxe {
    /// The script that a node would get, and why
    #[command(
        after_help = "Example:\n  higuma ipxe show web-17\n  higuma ipxe show 4c4c4544-0046-3010-8052-b4c04f4a4d32 --platform efi"
    )]
    Show {
        /// UUID (also one that never booted), a unique beginning of it, or host name
        node: String,
        /// Processor as iPXE says it: x86_64 or arm64
        #[arg(long, default_value = "x86_64")]
        arch: String,
        /// Firmware as iPXE says it: pcbios or efi
        #[arg(long, default_value = "pcbios")]
        platform: String,
    },
}

pub(super) fn run(global: &Global, command: &Status) -> Result<()> {
    let value = Client::new(global)?.get("/api/v1/status")?;
    let status: Answer = typed(value.clone())?;
    answer(global.format, value, |status: Answer| show(&status))?;
    if command.check && !status.ready {
        return Err(Failure { exit: Exit::Unavailable, message: "the server is not ready".into() });
    }
    Ok(())
}

pub(super) fn ipxe(global: &Global, command: Ipxe) -> Result<()> {
    let Ipxe::Show { node, arch, platform } = command;
    let client = Client::new(global)?;
    let uuid = super::node::resolve(&client, &node)?;
    let (arch, platform) = (encode(&arch), encode(&platform));
    let value = client.get(&format!("/api/v1/nodes/{}/script?arch={arch}&platform={platform}", encode(&uuid)))?;
    answer(global.format, value, |p: ScriptPreview| {
        let facts = output::fields(&[("Decision", p.decision), ("Why", p.why)]);
        format!("{facts}\n{}\n", output::clean_lines(p.script.trim_end()))
    })
}

fn show(status: &Answer) -> String {
    let mut lines = vec![
        ("Version", status.version.clone()),
        ("Ready", if status.ready { "yes".into() } else { "no".into() }),
        ("Database", status.database.clone()),
    ];
    lines.extend(status.reasons.iter().map(|r| ("Reason", r.clone())));
    lines.extend(status.degraded.iter().map(|d| ("Degraded", d.clone())));
    let nodes: Vec<String> =
        status.nodes.iter().filter(|(_, n)| **n > 0).map(|(state, n)| format!("{n} {state}")).collect();
    lines.push(("Nodes", if nodes.is_empty() { "none".into() } else { nodes.join(", ") }));
    output::fields(&lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_not_ready_says_why() {
        let status = Answer {
            version: "0.1.0".into(),
            ready: false,
            reasons: vec!["no first stage: run `higuma first-stage build`".into()],
            degraded: vec![],
            database: "sqlite".into(),
            nodes: [("running".to_owned(), 2), ("failed".to_owned(), 0)].into(),
        };
        assert_eq!(
            show(&status),
            "Version:   0.1.0\nReady:     no\nDatabase:  sqlite\nReason:    no first stage: run `higuma first-stage build`\n\
             Nodes:     2 running\n"
        );
    }
}
