//! `higuma boot watch`: what machines ask of the boot services of a server and what they get, a line each, as it happens.

use super::Global;
use super::client::{Client, encode};
use super::error::{Failure, Result};
use super::node::resolve;
use super::output::{self, Format, answer, typed};
use higuma_proto::api::{Exchange, Exchanges, Page};
use std::time::{Duration, Instant};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Watch {
    /// A node (UUID, a unique beginning of it, or host name), a hardware address, or a network [default: all]
    of: Option<String>,
    /// Leave after so many seconds
    #[arg(long = "for", value_name = "SECONDS")]
    seconds: Option<u64>,
    /// Only what was asked lately: do not wait for more
    #[arg(long, conflicts_with = "seconds")]
    once: bool,
}

/// A server answers an idle wait after so many seconds.
const WAIT: u64 = 10;

pub(super) fn run(global: &Global, client: &Client, watch: &Watch) -> Result<()> {
    let filter = match &watch.of {
        Some(of) => filter(client, of)?,
        None => String::new(),
    };
    let until = watch.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut after: Option<(u64, String)> = None;
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let wait = if watch.once { 0 } else { left.map_or(WAIT, |left| left.as_secs().min(WAIT)) };
        let position = |(after, epoch): &(u64, String)| format!("&after={after}&epoch={}&wait={wait}", encode(epoch));
        let from = after.as_ref().map(position).unwrap_or_default();
        let piece: Exchanges = typed(client.get(&format!("/api/v1/boot-exchanges?{filter}{from}"))?)?;
        if piece.restarted {
            eprintln!("higuma: the server was started again: what it was asked since then follows");
        }
        if piece.missed > 0 && after.is_some() {
            eprintln!("higuma: {} exchanges were too many to be kept", piece.missed);
        }
        for exchange in &piece.items {
            match global.format {
                Format::Table => output::print(&(line(exchange) + "\n"))?,
                Format::Json => {
                    let text = serde_json::to_string(exchange).map_err(|e| Failure::because("JSON", &e))?;
                    output::print(&(text + "\n"))?;
                }
            }
        }
        after = Some((piece.next, piece.epoch));
        if watch.once || left.is_some_and(|left| left < Duration::from_secs(1)) {
            return Ok(());
        }
    }
}

/// The part of the query that says whose.
fn filter(client: &Client, of: &str) -> Result<String> {
    let is_mac = of.len() == 17 && of.split([':', '-']).count() == 6;
    Ok(if is_mac {
        format!("mac={}", encode(of))
    } else if of.parse::<ipnet::IpNet>().is_ok() || of.parse::<std::net::IpAddr>().is_ok() {
        format!("net={}", encode(of))
    } else {
        format!("node={}", encode(&resolve(client, of)?))
    })
}

/// `higuma boot exchanges`: what is stored of one node, oldest first.
pub(super) fn of_node(global: &Global, client: &Client, node: &str) -> Result<()> {
    let uuid = resolve(client, node)?;
    let value = client.list(&format!("/api/v1/nodes/{}/exchanges", encode(&uuid)), &[])?;
    answer(global.format, value, |page: Page<Exchange>| match page.items.is_empty() {
        true => "nothing is kept of what it asked; `higuma boot watch` shows what comes\n".to_owned(),
        false => lines(page.items.iter().rev()),
    })
}

/// A line each, with its day.
pub(super) fn lines<'a>(exchanges: impl IntoIterator<Item = &'a Exchange>) -> String {
    exchanges.into_iter().map(|e| format!("{} {}\n", day(e), line(e))).collect()
}

fn day(e: &Exchange) -> String {
    let time = jiff::Timestamp::from_microsecond(e.at_us).map(|at| at.strftime("%Y-%m-%d").to_string());
    time.unwrap_or_default()
}

/// What it got, and how much: `complete, 265728 bytes in 81 ms`.
pub(super) fn outcome(e: &Exchange) -> String {
    match e.bytes {
        0 => e.detail.clone(),
        bytes if e.took_us > 0 => format!("{}, {bytes} bytes in {} ms", e.detail, e.took_us / 1000),
        bytes => format!("{}, {bytes} bytes", e.detail),
    }
}

/// `12:31:07.120  dhcp  DISCOVER  offer  52:54:00:..  10.0.0.17  a boot client ...`.
fn line(e: &Exchange) -> String {
    let time = jiff::Timestamp::from_microsecond(e.at_us).map(|at| at.strftime("%H:%M:%S.%3f").to_string());
    let who = [e.mac.as_str(), e.uuid.as_str(), e.client.as_str()].into_iter().find(|text| !text.is_empty());
    let address = if e.address == e.client && e.mac.is_empty() { "" } else { e.address.as_str() };
    let relay = if e.relay.is_empty() { String::new() } else { format!(" (relay {})", e.relay) };
    output::clean(&format!(
        "{}  {:<9} {:<12} {:<10} {:<17} {:<15} {}{relay}",
        time.unwrap_or_default(),
        e.service,
        e.what,
        e.result,
        who.unwrap_or("-"),
        address,
        outcome(e)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_who_asked_what_and_what_came_of_it() {
        let exchange = Exchange {
            at_us: 1_790_000_000_123_000,
            service: "dhcp".into(),
            what: "DISCOVER".into(),
            result: "offer".into(),
            detail: "a boot client\u{1b}[2J".into(),
            mac: "52:54:00:12:34:56".into(),
            relay: "10.1.0.1".into(),
            ..Exchange::default()
        };
        let line = line(&exchange);
        assert!(line.starts_with("14:13:20.123  dhcp      DISCOVER     offer      52:54:00:12:34:56"), "{line}");
        assert!(line.ends_with("a boot client?[2J (relay 10.1.0.1)"), "{line}");
    }
}
