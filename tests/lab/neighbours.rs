//! `higuma-agent neighbours` against a real lldpd, over a cable between two namespaces; no virtual machine.

use higuma_tests::error::ensure;
use higuma_tests::namespace::Namespace;
use higuma_tests::programs::{agent, run};
use higuma_tests::{Context, Lab, LabResult};
use std::time::{Duration, Instant};

#[test]
fn neighbours() -> LabResult {
    let lab = Lab::new("neighbours")?;
    let switch = Namespace::create("switch")?;
    let server = Namespace::create("server")?;
    switch.cable("swp7", &server, "eth0")?;

    let socket = lab.dir().join("lldpd.socket");
    let log = std::fs::File::create(lab.dir().join("lldpd.log"))?;
    let mut lldpd = switch.command("lldpd");
    lldpd.args(["-d", "-M", "4", "-I", "swp7", "-S", "kuma switch", "-u"]).arg(&socket);
    switch.spawn(lldpd.stdout(log.try_clone()?).stderr(log))?;
    higuma_tests::wait::until("lldpd's socket", Duration::from_secs(10), || Ok(socket.exists().then_some(())))?;
    let control = |words: &[&str]| run(switch.command("lldpcli").arg("-u").arg(&socket).args(words)).map(drop);
    control(&["configure", "med", "fast-start", "enable"])?;
    control(&["configure", "system", "hostname", "tor-1.lab"])?;
    control(&["configure", "lldp", "portidsubtype", "ifname"])?;

    let start = Instant::now();
    let output = run(server.command(&agent()?.display().to_string()).args(["neighbours", "-o", "json"]))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("neighbours: after {:.1} s\n{text}", start.elapsed().as_secs_f32());
    let list: serde_json::Value = serde_json::from_str(&text).context("reading the agent's JSON")?;
    let found = list.as_array().context("not a list")?;
    ensure(found.len() == 1, format!("{} neighbours, expected one", found.len()))?;
    let value = |name: &str| found[0].get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
    ensure(value("system_name") == "tor-1.lab" && value("port_id") == "swp7", &text)?;
    ensure(value("interface") == "eth0", &text)?;
    ensure(start.elapsed() < Duration::from_secs(20), "waited for the 30 s timer: fast start was not triggered")?;
    drop((switch, server));
    lab.finish()
}
