//! `higuma dhcp options`: what one node is told by DHCP instead of what its subnet says.

use super::Global;
use super::client::Client;
use super::error::{Failure, Result};
use super::node::resolve;
use super::output::{self, answer};
use higuma_proto::api::NodeDhcp;
use ureq::http::Method;

/// See [`super::dhcp_leases::LeaseCommand`].
#[derive(Debug, clap::Args)]
pub struct Options {
    /// UUID, a unique beginning of it, or host name
    node: String,
    /// Routers, with commas; empty: those of its subnet
    #[arg(long, value_name = "ADDRESSES")]
    router: Option<String>,
    /// DNS servers, with commas
    #[arg(long, value_name = "ADDRESSES")]
    dns: Option<String>,
    /// NTP servers, with commas
    #[arg(long, value_name = "ADDRESSES")]
    ntp: Option<String>,
    /// Domain
    #[arg(long, value_name = "NAME")]
    domain: Option<String>,
    /// MTU; 0: that of its subnet
    #[arg(long, value_name = "BYTES")]
    mtu: Option<u16>,
    /// How long it is given its address for; 0: as its subnet says
    #[arg(long, value_name = "SECONDS")]
    lease: Option<u32>,
    /// Any other option; without HEX it is taken away; may be repeated
    #[arg(long, value_name = "NUMBER=HEX")]
    option: Vec<String>,
    /// Nothing of its own any more, beside what is set here
    #[arg(long)]
    clear: bool,
}

pub(super) fn run(global: &Global, options: &Options) -> Result<()> {
    let client = Client::new(global)?;
    let path = format!("/api/v1/nodes/{}/dhcp", resolve(&client, &options.node)?);
    let before = client.call(Method::GET, &path, None::<&()>)?;
    let known: NodeDhcp =
        serde_json::from_value(before.clone()).map_err(|e| Failure::because("could not read the answer", &e))?;
    let wanted = options.over(known.clone())?;
    let value = if wanted == known { before } else { client.call(Method::PUT, &path, Some(&wanted))? };
    answer(global.format, value, |spec: NodeDhcp| shown(&spec))
}

impl Options {
    fn over(&self, known: NodeDhcp) -> Result<NodeDhcp> {
        let mut spec = if self.clear { NodeDhcp::default() } else { known };
        let list =
            |text: &String| text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect();
        for (text, field) in [(&self.router, &mut spec.routers), (&self.dns, &mut spec.dns), (&self.ntp, &mut spec.ntp)]
        {
            if let Some(text) = text {
                *field = list(text);
            }
        }
        if let Some(domain) = &self.domain {
            spec.domain = Some(domain.clone()).filter(|domain| !domain.is_empty());
        }
        if let Some(mtu) = self.mtu {
            spec.mtu = Some(mtu).filter(|mtu| *mtu > 0);
        }
        if let Some(lease) = self.lease {
            spec.lease_seconds = Some(lease).filter(|lease| *lease > 0);
        }
        for text in &self.option {
            let bad = || Failure::usage(format!("expected --option NUMBER=HEX, e.g. 150=0a000001, got {text:?}"));
            let (number, value) = text.split_once('=').ok_or_else(bad)?;
            match value.is_empty() {
                true => drop(spec.options.remove(number)),
                false => drop(spec.options.insert(number.to_owned(), value.to_owned())),
            }
        }
        Ok(spec)
    }
}

fn shown(spec: &NodeDhcp) -> String {
    let mut rows: Vec<[String; 2]> = Vec::new();
    let mut row = |name: &str, value: String| {
        if !value.is_empty() {
            rows.push([name.to_owned(), value]);
        }
    };
    row("routers", spec.routers.join(", "));
    row("DNS servers", spec.dns.join(", "));
    row("NTP servers", spec.ntp.join(", "));
    row("domain", spec.domain.clone().unwrap_or_default());
    row("MTU", spec.mtu.map(|mtu| mtu.to_string()).unwrap_or_default());
    row("lease, seconds", spec.lease_seconds.map(|seconds| seconds.to_string()).unwrap_or_default());
    for (number, value) in &spec.options {
        row(&format!("option {number}"), value.clone());
    }
    if rows.is_empty() {
        return "nothing of its own: what its subnet says\n".to_owned();
    }
    output::table(["OPTION", "VALUE"], &rows)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn over(words: &str, known: &NodeDhcp) -> Result<NodeDhcp> {
        let words = std::iter::once("x").chain(words.split_whitespace());
        Line::parse_from(words).options.over(known.clone())
    }

    #[test]
    fn what_is_said_is_set_and_the_rest_stays() {
        let first = over("n --dns 10.0.0.1,10.0.0.2 --mtu 9000 --option 150=0a000001", &NodeDhcp::default()).unwrap();
        assert_eq!((first.dns.len(), first.mtu), (2, Some(9000)));
        let next = over("n --mtu 0 --option 150= --router 10.0.0.9", &first).unwrap();
        assert_eq!(
            (next.mtu, next.options.len(), next.dns, next.routers),
            (None, 0, first.dns.clone(), vec!["10.0.0.9".to_owned()])
        );
        assert_eq!(
            over("n --clear --lease 600", &first).unwrap(),
            NodeDhcp { lease_seconds: Some(600), ..NodeDhcp::default() }
        );
        assert!(over("n --option 150", &first).is_err());
        let text = shown(&first);
        assert_eq!(
            text,
            "OPTION       VALUE\nDNS servers  10.0.0.1, 10.0.0.2\nMTU          9000\noption 150   0a000001\n"
        );
        assert!(shown(&NodeDhcp::default()).contains("subnet"));
    }
}
