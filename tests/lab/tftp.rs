//! Our TFTP server and clients that we did not write (curl, tftp-hpa, atftp), on a line that loses one packet in ten each way; and
//! clients that die. The line is a veth pair; nftables loses the packets, for not every kernel has `tc netem`.

use higuma_tests::error::ensure;
use higuma_tests::programs::run;
use higuma_tests::switch::Switch;
use higuma_tests::{Context, Lab, LabResult, Server, ServerSpec, wait};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// All clients together.
const PATIENCE: Duration = Duration::from_secs(240);

struct Line {
    lab: Lab,
    switch: Switch,
    server: Server,
    files: PathBuf,
}

fn line(name: &str) -> LabResult<Line> {
    let lab = Lab::new(name)?;
    let files = lab.dir().join("ipxe");
    std::fs::create_dir(&files)?;
    // Under names that are served: what firmware loads without options, and with them.
    for (file, size) in [("undionly.kpxe", 65_000), ("snponly.efi", 100_000), ("ipxe.efi", 1_048_577)] {
        let bytes: Vec<u8> =
            (0..size as u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[n as usize % 4]).collect();
        std::fs::write(files.join(file), bytes)?;
    }
    let switch = Switch::start(&lab, "tor-1", &[])?;
    let folder = files.to_string_lossy().into_owned();
    let settings = [("tftp-listen", switch.uplink.as_str()), ("ipxe-dir", folder.as_str())];
    let server = lab.server(ServerSpec::behind(&switch.host, &settings)?)?;
    Ok(Line { lab, switch, server, files })
}

impl Line {
    /// From now on one packet of UDP in ten is lost, each way: by the bridge, for a program that sends is told of a packet that its
    /// own machine drops.
    fn lose(&self) -> LabResult {
        let nft = |rule: &str| run(self.switch.namespace.command("nft").arg(rule)).map(drop);
        nft("add table bridge loss")?;
        for hook in ["input", "output"] {
            nft(&format!("add chain bridge loss {hook} {{ type filter hook {hook} priority 0; }}"))?;
            nft(&format!(
                "add rule bridge loss {hook} ether type ip ip protocol udp numgen random mod 10 == 0 counter drop"
            ))?;
        }
        Ok(())
    }

    /// Packets that were lost.
    fn lost(&self) -> LabResult<u64> {
        let listed = run(self.switch.namespace.command("nft").args(["list", "table", "bridge", "loss"]))?;
        let text = String::from_utf8_lossy(&listed.stdout).into_owned();
        let words: Vec<&str> = text.split_whitespace().collect();
        Ok(words.windows(2).filter(|pair| pair[0] == "packets").filter_map(|pair| pair[1].parse::<u64>().ok()).sum())
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = self.switch.namespace.command(program);
        command.args(arguments);
        command
    }

    fn metric(&self, name: &str) -> LabResult<f64> {
        let text = self.server.api()?.send("GET", "/metrics", None::<&()>)?.body;
        let values = text.lines().filter(|line| line.starts_with(name)).filter_map(|line| line.rsplit(' ').next());
        Ok(values.filter_map(|value| value.parse::<f64>().ok()).sum())
    }
}

fn same(got: &Path, wanted: &Path) -> LabResult {
    let (got, wanted) = (std::fs::read(got).context(got.display())?, std::fs::read(wanted)?);
    ensure(got == wanted, format!("{} bytes came of {}, or others", got.len(), wanted.len()))
}

#[test]
fn tftp_lossy() -> LabResult {
    let line = line("tftp-lossy")?;
    line.lose()?;
    let (host, dir) = (&line.switch.host, line.lab.dir().to_string_lossy());
    // curl asks for a pause of 6 s before a packet is sent again, unless it asks for nothing; atftp gives up when an answer to its
    // first packet is lost, and is run again then, as firmware does.
    let clients = [
        (
            "curl, no options",
            "undionly.kpxe",
            format!("exec curl -sS --max-time 200 --tftp-no-options -o {dir}/0 tftp://{host}/undionly.kpxe"),
        ),
        ("tftp-hpa, no options", "undionly.kpxe", format!("exec tftp -m binary {host} -c get undionly.kpxe {dir}/1")),
        (
            "atftp, blksize 1428, windowsize 16",
            "ipxe.efi",
            format!(
                "until atftp --option 'blksize 1428' --option 'windowsize 16' --option 'tsize 0' --option 'timeout 1' -g \
                 -r ipxe.efi -l {dir}/2 {host}; do sleep 0.2; done"
            ),
        ),
    ];
    let started = Instant::now();
    let mut running = Vec::new();
    for (index, (name, file, words)) in clients.into_iter().enumerate() {
        let log = File::create(line.lab.dir().join(format!("client-{index}.log")))?;
        let mut command = line.command("sh", &["-c", &words]);
        let child = command.stdout(log.try_clone()?).stderr(log).spawn().context(name)?;
        running.push((name, file, line.lab.dir().join(index.to_string()), child));
    }
    for (name, file, out, mut child) in running {
        let left = PATIENCE.saturating_sub(started.elapsed());
        let ended = wait::until(&format!("{name} to end"), left, || Ok(child.try_wait()?));
        if ended.is_err() {
            let _ = child.kill();
        }
        let (status, seconds) = (ended?, started.elapsed().as_secs_f64());
        ensure(status.success(), format!("{name} ended with {status}\n{}", line.server.explain()))?;
        same(&out, &line.files.join(file)).map_err(|error| format!("{name}: {error}"))?;
        println!("{name}: {file} is whole after {seconds:.1} s at most");
    }
    let lost = line.lost()?;
    println!("{lost} packets were lost; {} were sent again", line.metric("higuma_tftp_resent_total")?);
    ensure(lost > 20, format!("{lost} packets were lost: nothing was proven"))?;
    line.lab.finish()
}

/// Clients that ask and are never heard of again hold a bounded number of places, for a bounded time.
#[test]
fn tftp_dead_clients() -> LabResult {
    let line = line("tftp-dead")?;
    // 600 that ask and do not answer, from 600 ports of one address; then one that does. They stay open: a port that is gone is told
    // by ICMP, and gives up its place at once.
    let ask = "import socket,sys,time\n\
               held=[socket.socket(socket.AF_INET,socket.SOCK_DGRAM) for n in range(600)]\n\
               for s in held: s.sendto(b'\\0\\1ipxe.efi\\0octet\\0',(sys.argv[1],69))\n\
               open(sys.argv[2],'w').close()\n\
               time.sleep(300)\n";
    let asked = line.lab.dir().join("asked");
    let dead = &["-c", ask, &line.switch.host, &asked.to_string_lossy()];
    line.switch.namespace.spawn(&mut line.command("python3", dead))?;
    wait::until("600 clients to ask", Duration::from_secs(20), || Ok(asked.exists().then_some(())))?;
    let out = line.lab.dir().join("after");
    let started = Instant::now();
    let got = run(&mut line.command(
        "curl",
        &[
            "-sS",
            "--max-time",
            "120",
            "-o",
            &out.to_string_lossy(),
            &format!("tftp://{}/snponly.efi", line.switch.host),
        ],
    ));
    println!(
        "a client behind 600 dead ones of its own address was served after {:.1} s",
        started.elapsed().as_secs_f64()
    );
    got?;
    same(&out, &line.files.join("snponly.efi"))?;
    // Eight began, of one address, and are over; the others had no place, and asked once only.
    let silent = || line.metric("higuma_tftp_transfers_total{file=\"ipxe.efi\",result=\"silent\"}");
    wait::until("the dead clients to be given up", Duration::from_secs(90), || Ok((silent()? >= 8.0).then_some(())))?;
    let silent = silent()?;
    ensure(silent == 8.0, format!("{silent} transfers of one address were begun, where 8 have a place"))?;
    line.lab.finish()
}
