//! The lab itself, without the product: both firmwares fetch a script over HTTP, boot a kernel, and the console shows
//! its first process. When this fails, no other lab test can pass.

use higuma_tests::images;
use higuma_tests::{Context, Firmware, Lab, LabResult, NodeSpec};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Debian's kernel from firmware to its first process takes 15 to 40 s on two cores without hardware virtualisation.
const BOOT: Duration = Duration::from_secs(240);

#[test]
fn bios() -> LabResult {
    boots(Firmware::Bios)
}

#[test]
fn uefi() -> LabResult {
    boots(Firmware::Uefi)
}

fn boots(firmware: Firmware) -> LabResult {
    let lab = Lab::new("boots-at-all")?;
    let files = images::hello()?;
    let script = "#!ipxe\nkernel vmlinuz initrd=initrd.img console=ttyS0 panic=60\ninitrd initrd.img\nboot\n";
    let port = serve(vec![
        ("/boot.ipxe".to_owned(), Content::Text(script)),
        ("/vmlinuz".to_owned(), Content::File(files.kernel)),
        ("/initrd.img".to_owned(), Content::File(files.initrd)),
    ])?;
    let spec = NodeSpec { firmware, ..NodeSpec::new("n1", &format!("http://10.0.2.2:{port}/boot.ipxe")) };
    let node = lab.node(spec)?;
    let start = Instant::now();
    node.power_on()?;
    for needle in ["iPXE", "boot.ipxe", "Linux version", "hello: first process"] {
        node.wait_for(needle, BOOT)?;
        println!("{firmware:?}: {needle:?} after {:.1} s", start.elapsed().as_secs_f32());
    }
    node.reset()?;
    node.wait_for("hello: first process", BOOT)?;
    println!("{firmware:?}: again after a reset, {:.1} s", start.elapsed().as_secs_f32());
    assert!(node.disk_is_blank()?);
    node.power_off();
    assert!(!node.running());
    lab.finish()
}

enum Content {
    Text(&'static str),
    File(PathBuf),
}

/// The least HTTP server that iPXE takes files from.
fn serve(files: Vec<(String, Content)>) -> LabResult<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if let Err(error) = answer(stream, &files) {
                println!("http: {error}");
            }
        }
    });
    Ok(port)
}

fn answer(mut stream: TcpStream, files: &[(String, Content)]) -> LabResult {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        header.clear();
    }
    let path = request.split(' ').nth(1).context("a request without a path")?;
    let body = match files.iter().find(|(name, _)| name == path) {
        Some((_, Content::Text(text))) => text.as_bytes().to_vec(),
        Some((_, Content::File(path))) => std::fs::read(path)?,
        None => return Ok(write!(stream, "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?),
    };
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len())?;
    Ok(stream.write_all(&body)?)
}

/// What the other tests import: a kernel, an init, and modules with their index.
#[test]
fn tiny_is_whole() -> LabResult {
    let root = images::tiny()?;
    let indexes = |name: &str| -> LabResult<String> {
        let release = std::fs::read_dir(root.join("lib/modules"))?.next().context("no modules")??.path();
        Ok(std::fs::read_to_string(release.join(name))?)
    };
    for name in ["loop.ko", "squashfs.ko", "overlay.ko", "virtio_net.ko", "failover.ko"] {
        assert!(indexes("modules.dep")?.contains(name), "{name} is not in modules.dep");
    }
    assert!(indexes("modules.alias")?.contains("virtio_net"));
    assert!(root.join("sbin/init").is_file() && root.join("bin/udhcpc").exists());
    Ok(())
}
