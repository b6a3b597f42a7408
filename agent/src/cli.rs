//! Commands of `higuma-agent` for people on a normal machine, and the two that only the boot itself uses (`worker`,
//! `callback`). Nothing here changes the machine.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::{callback, collect, first, neighbours, worker};

/// The agent of Higuma: boots a diskless server, and tells what a machine is made of.
#[derive(Parser)]
#[command(name = "higuma-agent", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print what this machine (or a captured tree) is made of.
    Inventory {
        /// Read /sys, /proc and /dev below this folder.
        #[arg(long, default_value = "/")]
        root: PathBuf,
        /// Form of the output.
        #[arg(short, long, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
    /// Listen for LLDP and print what is at the other end of each cable.
    Neighbours(neighbours::command::Args),
    /// Run what is harmless of a boot on this machine and print what the rest would do.
    Boot {
        /// Required: this command never boots anything.
        #[arg(long, required = true)]
        dry_run: bool,
    },
    /// Tell the server that the system is up, then send a heartbeat until SIGTERM (second stage).
    Callback {
        /// What the second stage left for this helper.
        #[arg(long, default_value = callback::FILE)]
        file: PathBuf,
        /// Wait until PID 1 runs another program than this one before reporting.
        #[arg(long, value_name = "DEVICE:INODE")]
        after_init: Option<String>,
        /// Go into the root of PID 1 whenever it has another; its /proc is standard input.
        #[arg(long)]
        follow_root: bool,
    },
    /// The worker of PID 1.
    #[command(hide = true)]
    Worker,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Table,
    Json,
}

/// Parses the arguments and runs the command.
pub fn run() -> ExitCode {
    match Cli::parse().command {
        Command::Inventory { root, output } => {
            let inventory = collect::collect(&root);
            match output {
                Output::Json => match serde_json::to_string_pretty(&inventory) {
                    Ok(text) => print(&text),
                    Err(e) => {
                        eprintln!("higuma-agent: cannot write the inventory as JSON: {e}");
                        ExitCode::FAILURE
                    }
                },
                Output::Table => print(&collect::table(&inventory)),
            }
        }
        Command::Neighbours(args) => neighbours::command::run(args),
        Command::Boot { dry_run: _ } => first::dry_run(),
        Command::Callback { file, after_init, follow_root } => callback::run(&file, after_init.as_deref(), follow_root),
        Command::Worker => worker::run(),
    }
}

/// Prints to standard output; a reader that went away is not an error worth a panic.
fn print(text: &str) -> ExitCode {
    use std::io::Write;
    match writeln!(std::io::stdout(), "{}", text.trim_end()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("higuma-agent: cannot write to standard output: {e}");
            ExitCode::FAILURE
        }
    }
}
