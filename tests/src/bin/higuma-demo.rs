//! `make demo`: one server, one virtual machine that was never seen before, Debian running from its memory. It prints
//! each step as the server stores it, ends with the timeline and the address to open, and keeps both up until Ctrl-C.
//! It uses only what an operator has: the `higuma` program and its API.

use clap::Parser;
use higuma_proto::api::{BootDetail, NewProfile, NodeDetail};
use higuma_proto::steps;
use higuma_tests::server::Ports;
use higuma_tests::stock::{self, CONSOLE};
use higuma_tests::{
    Context, Firmware, Lab, LabError, LabResult, Node, NodeSpec, Server, ServerSpec, Stock, programs, wait,
};
use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Firmware to Register.
const TO_REGISTER: Duration = Duration::from_secs(240);
/// Assignment to ReportUp.
const TO_RUNNING: Duration = Duration::from_secs(600);
const PROFILE: &str = "demo";

/// Boots a virtual server from nothing to Debian in its memory.
#[derive(Debug, Parser)]
struct Arguments {
    /// End after the boot: exit code 0 only when the node reported that it is up.
    #[arg(long)]
    exit: bool,
    /// Start the virtual server with UEFI firmware instead of BIOS.
    #[arg(long)]
    uefi: bool,
}

fn main() -> ExitCode {
    match demo(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: FAILED: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints with the seconds since the demo began.
struct Teller {
    start: Instant,
}

impl Teller {
    fn say(&self, text: &str) {
        println!("[{:>6.1} s] {text}", self.start.elapsed().as_secs_f32());
    }
}

fn demo(arguments: &Arguments) -> LabResult {
    let teller = Teller { start: Instant::now() };
    let home = programs::cache().join("demo");
    let ports = ports()?;
    let spec = ServerSpec { ports, advertise_http: ports.http, advertise_grpc: ports.grpc, ..ServerSpec::new(&[])? };
    let server = Server::start(&home, spec)?;
    teller.say(&format!("server: up on SQLite, data in {}", server.data_dir().display()));
    stock::first_stage(&server)?;
    teller.say("first stage: ready");
    teller.say("image: Debian 12 (built once, about two minutes; then reused)");
    stock::image(&server, Stock::Debian)?;
    let image = Stock::Debian.reference();
    stock::profile(
        &server,
        &NewProfile {
            name: PROFILE.to_owned(),
            image: image.clone(),
            cmdline: CONSOLE.to_owned(),
            files: Vec::new(),
            ssh_authorized_keys: Vec::new(),
            ..NewProfile::default()
        },
    )?;
    teller.say(&format!("profile: {PROFILE} boots {image}"));

    let lab = Lab::new("demo")?;
    let firmware = if arguments.uefi { Firmware::Uefi } else { Firmware::Bios };
    let node = lab.node(NodeSpec { firmware, memory_mib: 2048, ..NodeSpec::new("node", &server.bootfile()) })?;
    teller.say(&format!("node: power on, {firmware:?}, UUID {} (never seen before)", node.uuid()));
    node.power_on()?;
    let running = boot(&teller, &lab, &server, &node)?;
    if let Ok(prompt) = node.wait_for("login:", Duration::from_secs(60)) {
        teller.say(&format!("console: {}", prompt.trim()));
    }
    if !node.disk_is_blank()? {
        return Err(LabError::new("something was written to the node's disk"));
    }
    summary(&running, &server);
    if arguments.exit {
        node.power_off();
        server.terminate()?;
    } else {
        println!("Console  {}", node.console_file().display());
        println!("\nServer and node stay up until Ctrl-C.");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(tokio::signal::ctrl_c())?;
        println!();
        node.power_off();
    }
    lab.finish()
}

/// The default ports where they are free, else any.
fn ports() -> LabResult<Ports> {
    let usual = Ports { http: 8080, https: 8443, grpc: 8444 };
    let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    if [usual.http, usual.https, usual.grpc].into_iter().all(free) { Ok(usual) } else { Ports::free() }
}

/// Follows the node's stored events until it runs, assigning the profile as soon as it is known.
fn boot(teller: &Teller, lab: &Lab, server: &Server, node: &Node) -> LabResult<NodeDetail> {
    let mut told = 0;
    let mut assigned = false;
    let seen = lab.wait_node(server, node, "the node to register", TO_REGISTER, |detail| detail.boot.is_some())?;
    let summary = &seen.summary;
    teller.say(&format!(
        "node: registered as {} {} {}, admission {}",
        summary.manufacturer, summary.product, summary.serial, summary.admission
    ));
    let result = wait::until("the node to run", TO_RUNNING, || {
        let detail = server.api()?.node(node.uuid())?.context("the server forgot the node")?;
        if let Some(boot) = &detail.boot {
            for event in boot.events.iter().skip(told).filter(|event| event.state != "started") {
                teller.say(&format!("  {:<12} {:<6} {}", event.step, event.state, event.message));
                if event.step == steps::KEXEC && event.state == "ok" {
                    teller.say("  (the image's own kernel starts; it reports when its system is up)");
                }
            }
            told = boot.events.len();
        }
        if !assigned {
            server.api()?.assign(node.uuid(), PROFILE)?;
            teller.say(&format!("node: assigned profile {PROFILE}, which admits it"));
            assigned = true;
        }
        match detail.summary.lifecycle.as_str() {
            "running" => Ok(Some(detail)),
            "failed" => Err(LabError::new(format!("the boot failed: {:?}", detail.summary.reason))),
            _ if !node.running() => Err(LabError::new("the node is off")),
            _ => Ok(None),
        }
    });
    result.map_err(|error| LabError::new(format!("{error}\n{}\n{}", node.explain(), server.explain())))
}

/// Seconds from the boot's start at which each step was first and last heard of.
fn timeline(boot: &BootDetail) -> Vec<(&'static str, f64, f64)> {
    let zero = boot.events.iter().map(|event| event.at_us).min().unwrap_or(boot.summary.started_us);
    let seconds = |at_us: i64| (at_us - zero) as f64 / 1e6;
    let mut rows = Vec::new();
    for step in steps::ALL {
        let times = boot.events.iter().filter(|event| event.step == *step).map(|event| event.at_us);
        if let (Some(first), Some(last)) = (times.clone().min(), times.max()) {
            rows.push((*step, seconds(first), seconds(last)));
        }
    }
    if let Some(up) = boot.summary.up_us {
        rows.push(("ReportUp", seconds(up), seconds(up)));
    }
    rows
}

fn summary(detail: &NodeDetail, server: &Server) {
    println!("\nTimeline of the boot (seconds since the agent's first event)");
    println!("  {:<14} {:>8} {:>8} {:>8}", "step", "from", "to", "took");
    for (step, from, to) in detail.boot.iter().flat_map(timeline) {
        println!("  {step:<14} {from:>8.1} {to:>8.1} {:>8.1}", to - from);
    }
    let data = server.data_dir().display();
    let boot = detail.boot.as_ref().map(|boot| &boot.summary);
    let os = boot.and_then(|boot| boot.os.clone()).unwrap_or_default();
    println!("\n{} ({}) runs {os} from its memory; its disk is blank.", detail.summary.hostname, detail.summary.uuid);
    if let Some(memory) = server.pid().and_then(resident_kib) {
        println!("The server uses {:.1} MiB of memory.", memory as f64 / 1024.0);
    }
    println!("Open     https://127.0.0.1:{}/   (its own CA: {data}/ca.pem)", server.spec().ports.https);
    println!("Sign in  with the token in {data}/admin.token");
}

/// VmRSS of a process, KiB.
fn resident_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()
}
