//! DHCP exchanges (DISCOVER to ACK) a second, beside dnsmasq: perfdhcp as a relay on the other end of a veth pair, new clients at
//! a given rate. Ours writes each lease to its database before it answers; dnsmasq to its lease file.

use crate::peers::Peer;
use higuma_tests::namespace::Namespace;
use higuma_tests::programs::{bound, run};
use higuma_tests::{Context, Lab, LabResult, ServerSpec};
use std::time::Duration;

const HERE: &str = "10.77.0.1";
const LINK: &str = "hgbench0";
/// Exchanges that are begun in a second.
const RATES: [u32; 6] = [250, 500, 1_000, 2_000, 4_000, 8_000];

pub fn measure(seconds: u64) -> LabResult {
    // The other end vanishes with its namespace.
    let clients = Namespace::create("bench")?;
    run(bound("ip").args(["link", "add", LINK, "type", "veth", "peer", "name", "eth0", "netns", clients.name()]))?;
    run(bound("ip").args(["addr", "add", &format!("{HERE}/16"), "dev", LINK]))?;
    run(bound("ip").args(["link", "set", LINK, "up"]))?;
    clients.ip(&["addr", "add", "10.77.0.2/16", "dev", "eth0"])?;
    clients.ip(&["link", "set", "eth0", "up"])?;

    let lab = Lab::new("bench-dhcp")?;
    {
        let settings =
            [("dhcp", format!("{LINK}=server")), ("address-probe", "off".into()), ("ipxe-dir", "/usr/lib/ipxe".into())];
        let settings: Vec<(&str, &str)> = settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let server = lab.server(ServerSpec::behind(HERE, &settings)?)?;
        let range = "10.77.1.0-10.77.250.255";
        server.cli(&[
            "pool",
            "add",
            "lan",
            "--kind",
            "dhcp",
            "--cidr",
            "10.77.0.0/16",
            "--range",
            range,
            "--lease",
            "10m",
        ])?;
        table(&clients, "higuma", seconds)?;
    }
    {
        let leases = lab.dir().join("dnsmasq.leases");
        let mut dnsmasq = bound("dnsmasq");
        dnsmasq.args(["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--bind-interfaces", "--no-ping"]);
        dnsmasq.args([
            "--user=root",
            "--group=root",
            "--dhcp-lease-max=100000",
            "--dhcp-authoritative",
            "--quiet-dhcp",
        ]);
        dnsmasq.arg(format!("--interface={LINK}")).arg("--dhcp-range=10.77.1.0,10.77.250.255,255.255.0.0,10m");
        dnsmasq.arg(format!("--dhcp-leasefile={}", leases.display()));
        let _dnsmasq = Peer::spawn(&mut dnsmasq)?;
        std::thread::sleep(Duration::from_secs(1));
        table(&clients, "dnsmasq", seconds)?;
    }
    lab.finish()
}

fn table(clients: &Namespace, server: &str, seconds: u64) -> LabResult {
    for (step, rate) in RATES.into_iter().enumerate() {
        // Clients that no step before had; for so long as it takes to begin all of them.
        let base = format!("mac=00:0c:{step:02x}:00:00:00");
        let (rate_word, period) = (rate.to_string(), seconds.to_string());
        let mut command = clients.command("perfdhcp");
        command.args(["-4", "-l", "eth0", "-b", &base, "-R", "65000", "-r", &rate_word, "-p", &period]);
        command.args(["-W", "1000000", "-g", "multi", HERE]);
        // It ends with an error when packets were dropped, and tells how many.
        let output = command.output().context("starting perfdhcp (kea-admin)")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let acked = text.split("REQUEST-ACK").nth(1).context(format!("perfdhcp said: {text}"))?;
        let number = |what: &str| -> Option<f64> {
            acked.lines().find_map(|line| line.trim().strip_prefix(what)?.trim().split(' ').next()?.parse().ok())
        };
        let received = number("received packets:").context("no count")?;
        println!(
            "DHCP, {rate:>5} exchanges/s begun    {server} {:>8.1} exchanges/s ended, REQUEST to ACK {:>7.2} ms on average, {:>7.2} ms at most",
            received / seconds as f64,
            number("avg delay:").unwrap_or(f64::NAN),
            number("max delay:").unwrap_or(f64::NAN),
        );
    }
    Ok(())
}
