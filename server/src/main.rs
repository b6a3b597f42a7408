//! `higuma`: the server and the command line for people.

use clap::Parser;
use higuma::cli;
use std::process::ExitCode;

/// Boots fleets of machines that keep no operating system on disk, and keeps their inventory
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, after_help = cli::EXIT_CODES)]
struct Args {
    #[command(flatten)]
    global: cli::Global,
    #[command(subcommand)]
    command: cli::Command,
}

fn main() -> ExitCode {
    let args = Args::parse();
    cli::run(args.global, args.command)
}
