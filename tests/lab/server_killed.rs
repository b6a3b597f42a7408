//! `kill -9` of the server in the middle of a download, and between Register's commit and its reply: started again, the
//! boot that was under way completes, as the same boot.

use crate::steps::{TO_REGISTER, TO_RUNNING, boot_id, wait_registered, wait_running};
use higuma_proto::api::Image;
use higuma_tests::error::ensure;
use higuma_tests::images::TINY_UP;
use higuma_tests::proxy::Proxy;
use higuma_tests::{Context, Lab, LabResult, NodeSpec, ServerSpec, Stock, stock, wait};
use std::time::Duration;

#[test]
fn in_the_middle_of_a_download() -> LabResult {
    let lab = Lab::new("killed-download")?;
    let mut spec = ServerSpec::new(&[])?;
    let proxy = Proxy::start(spec.ports.http)?;
    spec.advertise_http = proxy.port();
    let server = lab.server(spec)?;
    stock::fill(&server, &[Stock::Large(48)])?;
    let image: Image = server.api()?.call("GET", "/api/v1/images/large/lab", None::<&()>)?;
    let total: u64 = image.parts.iter().map(|part| part.size).sum();

    let node = lab.node(NodeSpec::new("n1", &server.bootfile()))?;
    node.power_on()?;
    let registered = wait_registered(&lab, &server, &node)?;
    // The first stage is there; what comes now is the image, in about half a minute.
    proxy.down().limit(total / 30);
    let start = proxy.down().passed();
    server.api()?.assign(node.uuid(), "large")?;
    wait::until("40 % of the download", Duration::from_secs(120), || {
        Ok((proxy.down().passed() - start > total * 4 / 10).then_some(()))
    })?;
    server.kill9();
    proxy.sever();
    let before = proxy.down().passed() - start;
    println!("server_killed: after {before} of {total} bytes ({} %)", before * 100 / total);
    ensure(before < total * 9 / 10, "the download was nearly over: the test came too late")?;
    std::thread::sleep(Duration::from_secs(5));
    proxy.down().limit(0);
    server.start_again()?;

    let running = wait_running(&lab, &server, &node, TO_RUNNING, None)?;
    node.wait_for(TINY_UP, Duration::from_secs(30))?;
    ensure(boot_id(&running) == boot_id(&registered), "it is another boot than before the kill")?;
    let all = proxy.down().passed() - start;
    println!("server_killed: {all} bytes over the wire for {total} bytes of image");
    // Resumed by Range: less than the whole came again.
    ensure(all < total + total / 3, format!("{all} bytes for {total}: the download began anew"))?;
    lab.finish()
}

#[test]
fn between_commit_and_reply_of_register() -> LabResult {
    let lab = Lab::new("killed-register")?;
    let mut spec = ServerSpec::new(&[])?;
    let proxy = Proxy::start(spec.ports.grpc)?;
    spec.advertise_grpc = proxy.port();
    let server = lab.server(spec)?;
    stock::fill(&server, &[Stock::Tiny])?;
    let node = lab.node(NodeSpec::new("n1", &server.bootfile()))?;

    // Whatever the server says arrives three seconds late: the node is stored long before its reply is out.
    proxy.down().delay(Duration::from_secs(3));
    node.power_on()?;
    let committed = wait::until("Register to be committed", TO_REGISTER, || {
        Ok(server.api()?.node(node.uuid())?.filter(|detail| detail.boot.is_some()))
    })?;
    server.kill9();
    proxy.sever();
    let id = boot_id(&committed).context("no boot was committed")?.to_owned();
    println!("server_killed: boot {id} was committed, its reply was not delivered");
    std::thread::sleep(Duration::from_secs(4));
    proxy.down().delay(Duration::ZERO);
    server.start_again()?;

    server.api()?.assign(node.uuid(), "tiny")?;
    let running = wait_running(&lab, &server, &node, TO_RUNNING, None)?;
    node.wait_for(TINY_UP, Duration::from_secs(30))?;
    ensure(boot_id(&running) == Some(&id), format!("boot {:?} runs, {id} was committed", boot_id(&running)))?;
    ensure(server.api()?.boots(node.uuid())?.len() == 1, "one power-on is one boot")?;
    lab.finish()
}
