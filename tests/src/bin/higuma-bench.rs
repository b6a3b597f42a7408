//! `make bench`: what one `higuma serve` on this machine does a second, over its real listeners, with client and server
//! on the same cores. It prints figures and never judges them.

use clap::Parser;
use higuma_proto::api::{RegisterAnswer, RegisterBody};
use higuma_tests::{Context, Lab, LabError, LabResult, Server, ServerSpec, bench_lldp, stock};
use std::io::Read;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Measures LLDP frames, boot scripts, registrations and blob bytes per second.
#[derive(Debug, Parser)]
struct Arguments {
    /// Seconds a measurement.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Connections at once.
    #[arg(long, default_value_t = 16)]
    clients: u64,
}

fn main() -> ExitCode {
    match bench(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: FAILED: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(arguments: &Arguments) -> LabResult {
    let (frames, bytes) = bench_lldp::rate(Duration::from_secs(arguments.seconds))?;
    println!("LLDP frames parsed (one core):     {frames:>10.0} / s ({:.0} MB / s)", bytes / 1e6);

    let lab = Lab::new("bench")?;
    let server = lab.server(ServerSpec::new(&[])?)?;
    stock::first_stage(&server)?;
    let http = format!("http://127.0.0.1:{}", server.spec().ports.http);
    let uuid = |client: u64, turn: u64| uuid::Uuid::from_u64_pair(0x4869_6775_6d61_4000 | client, 1 << 63 | turn);

    let rate = measure(arguments, |client, agent, _| {
        let script = get(agent, &format!("{http}/ipxe/{}?arch=x86_64&platform=pcbios", uuid(client, 0)))?;
        if script.starts_with("#!ipxe") { Ok(1) } else { Err(LabError::new(format!("not a script: {script}"))) }
    })?;
    println!("boot scripts of {} nodes:      {rate:>10.0} / s", arguments.clients);

    let api = server.api()?.with_token("");
    let rate = measure(arguments, |client, agent, turn| {
        let uuid = uuid(client, turn + 1);
        let script = get(agent, &format!("{http}/ipxe/{uuid}?arch=x86_64&platform=pcbios"))?;
        let nonce =
            script.split("higuma.nonce=").nth(1).and_then(|rest| rest.get(..64)).context("no nonce")?.to_owned();
        let credential = format!("{:032x}{:032x}", uuid.as_u128(), turn);
        let body = RegisterBody {
            nonce,
            credential,
            boot_mac: String::new(),
            inventory: Default::default(),
            neighbours: Vec::new(),
        };
        let _: RegisterAnswer = api.call("POST", &format!("/ipxe/{uuid}/register"), Some(&body))?;
        Ok(1)
    })?;
    println!("script + registration, new nodes: {rate:>7.0} / s");

    let stage: higuma_proto::api::FirstStage = server.api()?.call("GET", "/api/v1/first-stage", None::<&()>)?;
    let url = format!("{http}/blobs/{}", stage.spec.initramfs);
    let rate = measure(arguments, |_, agent, _| {
        let mut body = agent.get(&url).call().context(&url)?.into_body().into_reader();
        let mut bytes = vec![0u8; 256 * 1024];
        let mut sum = 0;
        loop {
            match body.read(&mut bytes)? {
                0 => return Ok(sum),
                count => sum += count as u64,
            }
        }
    })?;
    println!("blob bytes ({:.1} MB each):        {:>10.0} MB / s", stage.initramfs_size as f64 / 1e6, rate / 1e6);
    println!("first stage: kernel {} bytes, initramfs {} bytes", stage.kernel_size, stage.initramfs_size);
    println!("memory of the server afterwards: {}", memory(&server));
    lab.finish()
}

/// Runs `work` in all clients until time is up; the sum of what it returned, a second. The first error ends it.
fn measure(arguments: &Arguments, work: impl Fn(u64, &ureq::Agent, u64) -> LabResult<u64> + Sync) -> LabResult<f64> {
    let start = Instant::now();
    let sum = AtomicU64::new(0);
    let one = |client: u64| -> LabResult {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(30))).build().into();
        let mut turn = 0;
        while start.elapsed() < Duration::from_secs(arguments.seconds) {
            sum.fetch_add(work(client, &agent, turn)?, Ordering::Relaxed);
            turn += 1;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..arguments.clients).map(|client| scope.spawn(move || one(client))).collect();
        clients.into_iter().try_for_each(|client| client.join().unwrap_or_else(|_| Err("a client panicked".into())))
    })?;
    Ok(sum.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64())
}

fn get(agent: &ureq::Agent, url: &str) -> LabResult<String> {
    agent.get(url).call().context(url)?.body_mut().read_to_string().context(url)
}

fn memory(server: &Server) -> String {
    let status = server.pid().and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/status")).ok());
    let line = status.as_deref().and_then(|text| text.lines().find_map(|line| line.strip_prefix("VmRSS:")));
    line.unwrap_or("unknown").trim().to_owned()
}
