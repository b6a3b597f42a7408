//! `make bench`, boot services: DHCP beside dnsmasq, TFTP beside tftpd-hpa and atftpd, blobs beside nginx; server and peer in turn,
//! in the same run, with the same client. It prints figures and ratios and never judges them. `scripts/peers` gets the peers.

mod blobs;
mod dhcp;
mod peers;
mod tftp;

use clap::{Parser, ValueEnum};
use higuma_tests::LabResult;
use std::process::ExitCode;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    Dhcp,
    Tftp,
    Blobs,
}

/// Measures boot services beside their peers.
#[derive(Debug, Parser)]
struct Arguments {
    /// Only these; all, when none is named.
    what: Vec<What>,
    /// Seconds a measurement.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Measurements of which the median counts.
    #[arg(long, default_value_t = 3)]
    runs: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let wanted = |what| arguments.what.is_empty() || arguments.what.contains(&what);
    let measured = || -> LabResult {
        if wanted(What::Tftp) {
            tftp::measure(arguments.seconds, arguments.runs)?;
        }
        if wanted(What::Dhcp) {
            dhcp::measure(arguments.seconds)?;
        }
        if wanted(What::Blobs) {
            blobs::measure(arguments.seconds, arguments.runs)?;
        }
        Ok(())
    };
    match measured() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: FAILED: {error}");
            ExitCode::FAILURE
        }
    }
}
