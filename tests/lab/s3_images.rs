//! Blobs in a real S3 store (Ceph's RADOS gateway): uploaded, read by a thousand at once at the price of one fetch, the store killed
//! for a minute in the middle, wrong keys and a missing bucket told, and a node that boots from there.

use crate::steps::{TO_RUNNING, wait_registered, wait_running};
use higuma_tests::ceph::{Ceph, KEY, SECRET};
use higuma_tests::error::ensure;
use higuma_tests::images::TINY_UP;
use higuma_tests::{Context, Lab, LabError, LabResult, NodeSpec, Server, ServerSpec, Stock, stock, wait};
use sha2::{Digest, Sha256};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

const READERS: usize = 1_000;
/// A reader tries for so long.
const PATIENCE: Duration = Duration::from_secs(240);
/// The store is gone for so long.
const OUTAGE: Duration = Duration::from_secs(60);

fn keys(file: &Path, secret: &str) -> LabResult {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::File::options().create(true).write(true).truncate(true).mode(0o600).open(file)?;
    Ok(write!(file, "[default]\naws_access_key_id = {KEY}\naws_secret_access_key = {secret}\n")?)
}

/// A file of so many MiB that do not compress, uploaded; its sha256.
fn upload(lab: &Lab, server: &Server, mib: usize) -> LabResult<String> {
    let (file, mut state) = (lab.dir().join(format!("{mib}.blob")), mib as u64);
    let mut bytes = Vec::with_capacity(mib << 20);
    while bytes.len() < mib << 20 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&state.to_be_bytes());
    }
    std::fs::write(&file, &bytes)?;
    let sha256 = hex::encode(Sha256::digest(&bytes));
    server.api()?.put_file(&format!("/api/v1/blobs/{sha256}"), &file)?;
    Ok(sha256)
}

/// What a node does: GET, and again from where it broke off. The sha256 and the number of requests.
fn read_whole(port: u16, sha256: &str, size: u64) -> LabResult<(String, usize)> {
    let (mut hash, mut got, begun) = (Sha256::new(), 0_u64, Instant::now());
    for requests in 1.. {
        let _ = more(port, sha256, size, &mut hash, &mut got);
        if got == size {
            return Ok((hex::encode(hash.finalize()), requests));
        }
        if begun.elapsed() > PATIENCE {
            return Err(LabError::new(format!("{got} of {size} bytes came in {} s", PATIENCE.as_secs())));
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    Err(LabError::new("no request at all"))
}

fn more(port: u16, sha256: &str, size: u64, hash: &mut Sha256, got: &mut u64) -> LabResult {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let range = if *got > 0 { format!("range: bytes={got}-\r\n") } else { String::new() };
    write!(stream, "GET /blobs/{sha256} HTTP/1.1\r\nhost: lab\r\nconnection: close\r\n{range}\r\n")?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    ensure(line.contains(" 200 ") || line.contains(" 206 "), &line)?;
    while line.trim() != "" {
        line.clear();
        reader.read_line(&mut line)?;
    }
    let mut buffer = vec![0; 1 << 16];
    while *got < size {
        let n = reader.read(&mut buffer)?;
        ensure(n > 0, "it broke off")?;
        hash.update(&buffer[..n]);
        *got += n as u64;
    }
    Ok(())
}

/// All of them at once; requests in all.
fn readers(
    count: usize,
    port: u16,
    sha256: &str,
    size: u64,
    meanwhile: impl FnOnce() -> LabResult,
) -> LabResult<usize> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|_| {
                std::thread::Builder::new().stack_size(1 << 18).spawn_scoped(scope, || read_whole(port, sha256, size))
            })
            .collect::<Result<_, _>>()?;
        let meanwhile = meanwhile();
        let mut requests = 0;
        for thread in threads {
            let (got, asked) = thread.join().map_err(|_| LabError::new("a reader panicked"))??;
            ensure(got == sha256, format!("a reader got {got} instead of {sha256}"))?;
            requests += asked;
        }
        meanwhile.map(|()| requests)
    })
}

#[test]
fn s3_images() -> LabResult {
    let lab = Lab::new("s3")?;
    let ceph = Ceph::start(lab.dir())?;
    let (file, place) = (lab.dir().join("keys"), format!("{}/images/rack/7", ceph.endpoint()));
    keys(&file, "not the secret")?;
    let credentials = file.display().to_string();
    let settings = [("blob-s3", place.as_str()), ("blob-s3-credentials", credentials.as_str())];
    let server = lab.server(ServerSpec::new(&settings)?)?;
    let port = server.spec().ports.http;

    // What is wrong is told, and mended without a start.
    let refused = |word: &str| -> LabResult {
        let error = upload(&lab, &server, 1).err().context("an upload that cannot be stored went well")?.to_string();
        ensure(error.contains("503") && error.contains(word), format!("expected 503 and {word:?}, got {error}"))?;
        ensure(!error.contains("not the secret") && !error.contains(SECRET), "the secret key is in an error")
    };
    refused("secret key")?;
    wait::until("the page of the server's health to tell it", Duration::from_secs(30), || {
        Ok(server.http_get("/readyz")?.1.contains("secret key").then_some(()))
    })?;
    keys(&file, SECRET)?;
    refused("bucket")?;
    ceph.request("PUT", "images")?;
    upload(&lab, &server, 1)?;

    // Cold, for a thousand.
    let sha256 = upload(&lab, &server, 4)?;
    let object = format!("images/rack/7/{}/{sha256}", &sha256[..2]);
    ensure(ceph.request("GET", "images?prefix=rack/7/")?.contains(&sha256), "the object is not in the bucket")?;
    let begun = Instant::now();
    let requests = readers(READERS, port, &sha256, 4 << 20, || Ok(()))?;
    let fetched = ceph.answered(&format!("GET /{object}"))?;
    println!(
        "{READERS} readers of a cold blob: {requests} requests, {fetched} of the store, {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    ensure(fetched == 1, format!("{fetched} requests of the store, expected one"))?;

    // The store goes away in the middle of a fetch, for a minute.
    let (size, large) = (384_u64 << 20, upload(&lab, &server, 384)?);
    let folder = server.data_dir().join("blob-cache/tmp");
    let arrived = || -> u64 {
        let files = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        files.filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).sum()
    };
    let begun = Instant::now();
    let requests = readers(16, port, &large, size, || {
        while arrived() < 8 << 20 {
            ensure(begun.elapsed() < PATIENCE, "no fetch began")?;
        }
        ceph.kill_gateway();
        let (there, held) = (arrived(), server.data_dir().join(format!("blob-cache/{}/{large}", &large[..2])));
        ensure(there > 0 && !held.exists(), "the blob was there before the store was killed: nothing is proven")?;
        println!("the store is killed after {} MiB of {}", there >> 20, size >> 20);
        std::thread::sleep(OUTAGE);
        ensure(readers(1, port, &sha256, 4 << 20, || Ok(())).is_ok(), "what is held is not served meanwhile")?;
        ceph.start_gateway()
    })?;
    // The fetch that was cut off has no answer in the gateway's log; the one that goes on from there has.
    let fetched = ceph.answered(&format!("GET /images/rack/7/{}/{large}", &large[..2]))?;
    ensure((1..=2).contains(&fetched), format!("{fetched} requests of the store for 16 readers"))?;
    println!(
        "16 readers: {requests} requests, {fetched} of the store, {:.1} s with {} s without it",
        begun.elapsed().as_secs_f64(),
        OUTAGE.as_secs()
    );

    // A node, from there.
    stock::fill(&server, &[Stock::Tiny])?;
    ensure(blobs_of_its_own(&server)? == 1, "blobs are in the data folder, besides the site part")?;
    let node = lab.node(NodeSpec::new("n1", &server.bootfile()))?;
    node.power_on()?;
    wait_registered(&lab, &server, &node)?;
    server.api()?.assign(node.uuid(), "tiny")?;
    wait_running(&lab, &server, &node, TO_RUNNING, None)?;
    node.wait_for(TINY_UP, Duration::from_secs(30))?;
    ensure(!server.log()?.contains(SECRET), "the secret key is in the log")?;
    lab.finish()
}

/// Files of the data folder's own blob store.
fn blobs_of_its_own(server: &Server) -> LabResult<usize> {
    let mut count = 0;
    for folder in std::fs::read_dir(server.data_dir().join("blobs"))? {
        let folder = folder?;
        if folder.file_name() != "tmp" {
            count += std::fs::read_dir(folder.path())?.count();
        }
    }
    Ok(count)
}
