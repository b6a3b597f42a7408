//! `higuma`: the server and the command line for people.

use clap::Parser;
use higuma::config::Flags;
use higuma::{cli, serve};
use std::process::ExitCode;

/// Boots fleets of machines that keep no operating system on disk, and keeps their inventory
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, after_help = cli::EXIT_CODES)]
struct Args {
    #[command(flatten)]
    global: cli::Global,
    #[command(subcommand)]
    command: Command,
}

// Parsed once: its size does not matter.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Run the server
    ///
    /// Every setting is optional, and can be given as a flag, in the environment, or in a TOML file under the same name;
    /// flags are stronger than the environment, and that is stronger than the file.
    Serve(Flags),
    #[command(flatten)]
    Client(Box<cli::Command>),
}

fn main() -> ExitCode {
    let args = Args::parse();
    match args.command {
        Command::Serve(flags) => serve::main(&flags),
        Command::Client(command) => cli::run(args.global, *command),
    }
}
