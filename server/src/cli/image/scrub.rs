//! `higuma image scrub`: the server reads all its blobs again; here its progress is shown. Interrupting this stops nothing.

use super::super::Global;
use super::super::client::Client;
use super::super::error::{Failure, Result};
use super::super::output::{self, answer, typed};
use super::super::progress::Progress;
use higuma_proto::api::{NewScrub, Scrub as Stored};
use std::time::Duration;
use ureq::http::Method;

const PATH: &str = "/api/v1/images/scrub";
const EVERY: Duration = Duration::from_secs(1);

/// `image scrub`.
#[derive(Debug, clap::Args)]
pub struct Scrub {
    /// MiB a second at most
    #[arg(long, value_name = "MIB", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    rate: u64,
    /// Begin, and do not wait for its end
    #[arg(long)]
    detach: bool,
    /// Only show how the last one stands
    #[arg(long, conflicts_with_all = ["detach", "rate"])]
    status: bool,
    /// End the one that runs
    #[arg(long, conflicts_with_all = ["detach", "rate", "status"])]
    cancel: bool,
}

pub(super) fn run(global: &Global, args: &Scrub) -> Result<()> {
    let client = Client::new(global)?;
    let mut value = match (args.status, args.cancel) {
        (true, _) => client.get(PATH)?,
        (_, true) => client.call(Method::DELETE, PATH, None::<&()>)?,
        _ => client.call(Method::POST, PATH, Some(&NewScrub { bytes_per_second: Some(args.rate << 20) }))?,
    };
    if !args.status && !args.cancel && !args.detach {
        let progress = Progress::new();
        let first: Stored = typed(value.clone())?;
        let mut bytes = progress.bytes("reading:", first.bytes);
        let mut shown = 0;
        loop {
            let now: Stored = typed(value.clone())?;
            bytes.add(now.bytes_done.saturating_sub(shown));
            shown = now.bytes_done;
            if now.state != "running" {
                break;
            }
            std::thread::sleep(EVERY);
            value = client.get(PATH)?;
        }
    }
    let now: Stored = typed(value.clone())?;
    answer(global.format, value, |scrub: Stored| show(&scrub, output::now_us()))?;
    match (now.damaged.len(), now.state.as_str()) {
        (0, "failed") => Err(Failure::failed(format!("the scrub failed: {}", now.error.unwrap_or_default()))),
        (0, _) => Ok(()),
        (n, _) => Err(Failure::failed(format!("{n} blobs are damaged: build or import what they are of again"))),
    }
}

fn show(scrub: &Stored, now: i64) -> String {
    let (done, all) = (output::size(scrub.bytes_done), output::size(scrub.bytes));
    let mut lines = vec![
        ("State", scrub.state.clone()),
        ("Begun", scrub.started_us.map(|at| output::time_ago(at, now)).unwrap_or_default()),
        ("Begun by", scrub.by.clone()),
        ("Ended", scrub.ended_us.map(|at| output::time_ago(at, now)).unwrap_or_default()),
        ("Read", format!("{} blobs, {done} of {all}", scrub.blobs_done)),
    ];
    if scrub.stored > 0 {
        lines.push(("Looked for", format!("{} of {} blobs, in the S3 store", scrub.stored_done, scrub.stored)));
    }
    lines.extend(scrub.error.iter().map(|error| ("Failed", error.clone())));
    for blob in &scrub.damaged {
        let what = match blob.stored_size {
            Some(size) => format!("of a wrong size in the S3 store ({size} bytes)"),
            None if blob.missing => "missing".to_owned(),
            None => "damaged".to_owned(),
        };
        lines.push(("Blob", format!("{} is {what}, of {}", blob.sha256, blob.images.join(", "))));
    }
    output::fields(&lines)
}
