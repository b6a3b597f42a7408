//! `cargo bench -p higuma-ipmi --bench poll`: the power state of 10,000 simulated BMCs, asked from one process, each packet
//! 20 ms under way: first with a log-in each, then over the sessions that are kept. Beside it `ipmitool` in a loop over 100
//! of them, in the same run. It prints figures and their ratio; it judges nothing. `HIGUMA_BENCH_BMCS=1000` asks fewer.
//! The BMCs live in a process of their own, so that memory is that of the client.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use higuma_ipmi::Password;
use higuma_ipmi::command::GetChassisStatus;
use higuma_ipmi::lan::{Session, Target};
use higuma_ipmi::sim::{Misbehave, Settings, SimBmc};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const BMCS: usize = 10_000;
/// BMCs that are spoken with at one time.
const AT_ONCE: usize = 512;
const PACKET: Duration = Duration::from_millis(20);
const BY_IPMITOOL: usize = 100;
/// Not the address of the clients' sockets: both sides then have all ports for themselves.
const HOME: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

fn main() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if std::env::args().any(|word| word == "--be-the-bmcs") {
        runtime.block_on(be_the_bmcs());
    } else {
        runtime.block_on(poll());
    }
}

fn wanted() -> usize {
    std::env::var("HIGUMA_BENCH_BMCS").ok().and_then(|n| n.parse().ok()).unwrap_or(BMCS)
}

/// Starts them, prints their ports, and lives until standard input ends.
async fn be_the_bmcs() {
    let settings = Settings { misbehave: Misbehave { delay: PACKET, ..Misbehave::default() }, ..Settings::default() };
    let mut bmcs = Vec::new();
    for number in 0..wanted() {
        // Below the ports that the system gives to clients, as long as there are some.
        let port = u16::try_from(10_000 + number).unwrap_or(0);
        let bmc = match SimBmc::start((HOME, port).into(), settings.clone()).await {
            Ok(bmc) => bmc,
            Err(_) => SimBmc::start((HOME, 0).into(), settings.clone()).await.unwrap(),
        };
        println!("{}", bmc.address.port());
        bmcs.push(bmc);
    }
    println!("done");
    std::io::stdout().flush().unwrap();
    let over = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    over.await.unwrap().unwrap();
}

async fn poll() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg("--be-the-bmcs")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let ports: Vec<u16> = lines.take_while(|line| line != "done").map(|line| line.parse().unwrap()).collect();
    let before = resident();
    let gate = Arc::new(Semaphore::new(AT_ONCE));

    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for port in ports.iter().copied() {
        let gate = Arc::clone(&gate);
        tasks.spawn(async move {
            let _one = gate.acquire().await.unwrap();
            let target = Target::new((HOME, port).into(), "admin".to_owned(), Password::new("secret".to_owned()));
            let mut session = Session::open(&target).await.unwrap();
            session.call(&GetChassisStatus).await.unwrap();
            session
        });
    }
    let sessions = tasks.join_all().await;
    let first = begun.elapsed();
    let memory = resident().saturating_sub(before);

    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for mut session in sessions {
        let gate = Arc::clone(&gate);
        tasks.spawn(async move {
            let _one = gate.acquire().await.unwrap();
            session.call(&GetChassisStatus).await.unwrap();
            session
        });
    }
    let sessions = tasks.join_all().await;
    let kept = begun.elapsed();
    println!("{} BMCs, packets {} ms under way, {AT_ONCE} at once", sessions.len(), PACKET.as_millis());
    println!("  log-in and power state   {:8.2} s", first.as_secs_f64());
    println!("  power state, kept session{:8.2} s", kept.as_secs_f64());
    println!("  memory                   {:8.1} KiB per BMC", memory as f64 / sessions.len() as f64);

    let some = ports.len().min(BY_IPMITOOL);
    let begun = Instant::now();
    ports.iter().take(some).for_each(|port| by_ipmitool((HOME, *port).into()));
    let foreign = begun.elapsed();
    let each = |whole: Duration, count: usize| whole.as_secs_f64() / count as f64;
    println!("ipmitool, one after the other, {some} BMCs");
    println!("  log-in and power state   {:8.2} s", foreign.as_secs_f64());
    println!("per BMC: ipmitool / ours with log-in   {:8.1}", each(foreign, some) / each(first, ports.len()));
    println!("per BMC: ipmitool / ours, kept session {:8.1}", each(foreign, some) / each(kept, ports.len()));
    drop(sessions);
    drop(child.stdin.take());
    child.wait().unwrap();
}

fn by_ipmitool(address: SocketAddr) {
    let done = Command::new("ipmitool")
        .args(["-I", "lanplus", "-C", "17", "-U", "admin", "-E", "-H", &address.ip().to_string()])
        .args(["-p", &address.port().to_string(), "power", "status"])
        .env("IPMI_PASSWORD", "secret")
        .output()
        .expect("ipmitool must be installed");
    assert!(done.status.success(), "ipmitool: {}", String::from_utf8_lossy(&done.stderr));
}

/// KiB of this process in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
