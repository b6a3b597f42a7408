//! Blobs over loopback beside nginx with sendfile, wrk as the client of both; and what slow clients cost.

use crate::peers::{Peer, line, median, program};
use higuma_tests::programs::run;
use higuma_tests::{Context, Lab, LabResult, Server, ServerSpec, wait};
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Of the blob, bytes: it stays in the page cache.
const SIZE: usize = 256 << 20;
/// Downloads at once that take next to nothing.
const SLOW: usize = 1_000;

pub fn measure(seconds: u64, runs: usize) -> LabResult {
    let lab = Lab::new("bench-blobs")?;
    let folder = lab.dir().join("www");
    std::fs::create_dir(&folder)?;
    let blob = folder.join("blob");
    let mut file = File::create(&blob)?;
    let piece: Vec<u8> = (0..1u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for number in 0..SIZE >> 20 {
        file.write_all(&[&[number as u8][..], &piece[1..]].concat())?;
    }
    drop(file);
    let server = lab.server(ServerSpec::new(&[])?)?;
    let sum = run(Command::new("sha256sum").arg(&blob))?;
    let sha256 = String::from_utf8_lossy(&sum.stdout).get(..64).context("sha256sum")?.to_owned();
    server.api()?.put_file(&format!("/api/v1/blobs/{sha256}"), &blob)?;
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let _nginx = nginx(lab.dir(), &folder, port)?;
    let ours = format!("http://127.0.0.1:{}/blobs/{sha256}", server.spec().ports.http);
    let theirs = format!("http://127.0.0.1:{port}/blob");
    wait::until("nginx", Duration::from_secs(10), || Ok(TcpStream::connect(("127.0.0.1", port)).ok()))?;
    for clients in [1, 16, 256] {
        let (mut mine, mut others) = (Vec::new(), Vec::new());
        for _ in 0..runs {
            mine.push(rate(&ours, clients, seconds)?);
            others.push(rate(&theirs, clients, seconds)?);
        }
        line(&format!("blob of 256 MiB, {clients} clients"), median(mine), "nginx    ", median(others), "MB/s");
    }
    slow(&server, &sha256)?;
    lab.finish()
}

fn nginx(dir: &Path, root: &Path, port: u16) -> LabResult<Peer> {
    let (config, log) = (dir.join("nginx.conf"), dir.join("nginx.log"));
    let text = format!(
        "daemon off; worker_processes 2; pid {0}/nginx.pid; error_log {1};\nevents {{ worker_connections 4096; }}\n\
         http {{ access_log off; sendfile on; tcp_nopush on; client_body_temp_path {0}/a; proxy_temp_path {0}/b;\n\
         fastcgi_temp_path {0}/c; uwsgi_temp_path {0}/d; scgi_temp_path {0}/e;\n\
         server {{ listen 127.0.0.1:{port} backlog=4096; root {2}; }} }}\n",
        dir.display(),
        log.display(),
        root.display()
    );
    std::fs::write(&config, text)?;
    let (config, log) = (config.to_string_lossy().into_owned(), log.to_string_lossy().into_owned());
    Peer::start(program("nginx")?, &["-c", &config, "-e", &log])
}

/// Megabytes a second, as wrk counts them.
fn rate(url: &str, clients: u32, seconds: u64) -> LabResult<f64> {
    let threads = clients.min(2).to_string();
    let (clients, seconds) = (clients.to_string(), format!("{seconds}s"));
    let output =
        run(Command::new("wrk").args(["-t", &threads, "-c", &clients, "-d", &seconds, "--timeout", "60s", url]))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let value = text.lines().find_map(|line| line.strip_prefix("Transfer/sec:")).context(text.clone())?.trim();
    let units = [("GB", 1024.0 * 1.048_576), ("MB", 1.048_576), ("KB", 1.048_576 / 1024.0)];
    let found = units.iter().find_map(|(unit, factor)| Some(value.strip_suffix(unit)?.parse::<f64>().ok()? * factor));
    found.context(format!("wrk said {value}"))
}

/// The server's memory with so many downloads under way that nobody takes.
fn slow(server: &Server, sha256: &str) -> LabResult {
    let before = memory(server)?;
    let mut all = Vec::new();
    for _ in 0..SLOW {
        let mut client = TcpStream::connect(("127.0.0.1", server.spec().ports.http))?;
        client.write_all(format!("GET /blobs/{sha256} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes())?;
        all.push(client);
    }
    for client in &mut all {
        client.read_exact(&mut [0; 4096]).context("a slow client got nothing")?;
    }
    println!("{SLOW} slow downloads of 256 MiB: memory of the server {} MB, {} MB before", memory(server)?, before);
    Ok(())
}

/// Resident, megabytes.
fn memory(server: &Server) -> LabResult<u64> {
    let pid = server.pid().context("the server does not run")?;
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().context(line)?;
    Ok(kilobytes / 1024)
}
