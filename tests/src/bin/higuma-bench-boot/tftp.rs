//! TFTP of a file of 1 MB over loopback: one client of ours for our server and its peers.

use crate::peers::{Peer, line, median, program};
use higuma_tests::error::ensure;
use higuma_tests::{Context, Lab, LabResult, ServerSpec, wait};
use std::net::UdpSocket;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const FILE: &str = "ipxe.efi";
const SIZE: usize = 1_000_000;
const PATIENCE: Duration = Duration::from_secs(2);

/// What a client asks for.
#[derive(Debug, Clone, Copy)]
struct Asked {
    block: usize,
    window: u16,
}

pub fn measure(seconds: u64, runs: usize) -> LabResult {
    let lab = Lab::new("bench-tftp")?;
    let folder = lab.dir().join("files");
    std::fs::create_dir(&folder)?;
    // tftpd-hpa serves as nobody.
    run_chmod(lab.dir())?;
    std::fs::write(folder.join(FILE), vec![7; SIZE])?;
    // Without these a server of ours does not start.
    for name in ["undionly.kpxe", "snponly.efi"] {
        std::fs::write(folder.join(name), "x")?;
    }
    let folder = folder.to_string_lossy().into_owned();
    let ports: Vec<u16> =
        (0..3).map(|_| Ok(UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port())).collect::<LabResult<_>>()?;
    let at = |port: u16| format!("127.0.0.1:{port}");
    let (ours, hpa, atftpd) = (at(ports[0]), at(ports[1]), at(ports[2]));
    let _server = lab.server(ServerSpec::new(&[("tftp-listen", &ours), ("ipxe-dir", &folder)])?)?;
    let _hpa = Peer::start(program("in.tftpd")?, &["-L", "-a", &hpa, "-s", &folder])?;
    let number = ports[2].to_string();
    let _atftpd = Peer::start(
        program("atftpd")?,
        &["--daemon", "--no-fork", "--port", &number, "--bind-address", "127.0.0.1", &folder],
    )?;
    for server in [&ours, &hpa, &atftpd] {
        wait::until("a server to answer", Duration::from_secs(10), || {
            Ok(fetch(server, Asked { block: 512, window: 1 }).ok())
        })?;
    }
    // Of one address a server of ours serves eight at once; one that has just ended counts for a moment more.
    for clients in [1, 4] {
        for (asked, peer, address) in [
            (Asked { block: 512, window: 1 }, "tftpd-hpa", &hpa),
            (Asked { block: 1456, window: 1 }, "tftpd-hpa", &hpa),
            (Asked { block: 1456, window: 16 }, "atftpd   ", &atftpd),
        ] {
            // In turn, so that what else the machine does is the same for both.
            let (mut mine, mut theirs) = (Vec::new(), Vec::new());
            for _ in 0..runs {
                mine.push(rate(&ours, asked, clients, seconds)?);
                theirs.push(rate(address, asked, clients, seconds)?);
            }
            let Asked { block, window } = asked;
            let what = format!("TFTP 1 MB, blksize {block}, windowsize {window}, {clients} clients");
            line(&what, median(mine), peer, median(theirs), "MB/s");
        }
    }
    lab.finish()
}

fn run_chmod(folder: &std::path::Path) -> LabResult {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).context("chmod")
}

/// Megabytes a second of so many clients together.
fn rate(server: &str, asked: Asked, clients: usize, seconds: u64) -> LabResult<f64> {
    let (sum, begun) = (AtomicU64::new(0), Instant::now());
    let one = || -> LabResult {
        while begun.elapsed() < Duration::from_secs(seconds) {
            sum.fetch_add(fetch(server, asked)? as u64, Ordering::Relaxed);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..clients).map(|_| scope.spawn(one)).collect();
        all.into_iter().try_for_each(|client| client.join().unwrap_or_else(|_| Err("a client panicked".into())))
    })?;
    Ok(sum.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64() / 1e6)
}

/// Loads the file (RFC 1350, 2347, 7440); its size.
fn fetch(server: &str, asked: Asked) -> LabResult<usize> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let Asked { block, window } = asked;
    let mut ask = [&[0, 1], FILE.as_bytes(), b"\0octet\0blksize\0", block.to_string().as_bytes(), b"\0"].concat();
    if window > 1 {
        ask.extend([b"windowsize\0", window.to_string().as_bytes(), b"\0"].concat());
    }
    socket.send_to(&ask, server)?;
    let mut packet = vec![0; block + 4];
    let (mut got, mut next, mut since) = (0, 1u16, 0u16);
    loop {
        let (length, from) = socket.recv_from(&mut packet).context(server)?;
        let acknowledge = |number: u16| socket.send_to(&[&[0, 4][..], &number.to_be_bytes()].concat(), from);
        let number = u16::from_be_bytes([packet[2], packet[3]]);
        match packet[1] {
            6 => {
                ensure(window == 1 || packet[..length].windows(10).any(|w| w == b"windowsize"), "no windowsize")?;
                acknowledge(0)?;
            }
            3 if number == next => {
                got += length - 4;
                (next, since) = (next.wrapping_add(1), since + 1);
                let last = length - 4 < block;
                if last || since == window {
                    acknowledge(number)?;
                    since = 0;
                }
                if last {
                    break;
                }
            }
            3 => {
                // A hole, or twice: from the last that came in order.
                acknowledge(next.wrapping_sub(1))?;
                since = 0;
            }
            _ => return Err(format!("{server}: {:?}", String::from_utf8_lossy(&packet[..length])).into()),
        }
    }
    ensure(got == SIZE, format!("{got} bytes"))?;
    Ok(got)
}
