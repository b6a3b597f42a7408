//! A blank BMC: the first boot gives it an address, a user and a password from within; the server logs in over the LAN with
//! them, and so does ipmitool; then the node is powered off and on, from the network, by the command line, and runs again.
//! The BMC is OpenIPMI's `ipmi_sim`, which keeps 20 bytes of a password and compares 16: as some real ones do.

use crate::steps::{TO_RUNNING, boot_id, wait_running};
use higuma_proto::api::{BmcDetail, NewProfile, NodeDetail, NodePatch, RevealedCredentials};
use higuma_tests::bmc::{Account, Bmc, BmcSpec};
use higuma_tests::error::ensure;
use higuma_tests::stock::{self, CONSOLE};
use higuma_tests::{Context, Lab, LabResult, NodeSpec, Server, ServerSpec, Stock, wait};
use std::sync::Arc;
use std::time::Duration;

const TO_MANAGED: Duration = Duration::from_secs(60);

#[test]
fn bmc_first_boot() -> LabResult {
    let lab = Lab::new("bmc-first")?;
    let server = lab.server(ServerSpec::new(&[])?)?;
    stock::first_stage(&server)?;
    stock::image(&server, Stock::Tiny)?;
    let profile = NewProfile {
        name: "hv".to_owned(),
        image: Stock::Tiny.reference(),
        cmdline: CONSOLE.to_owned(),
        files: Vec::new(),
        ssh_authorized_keys: Vec::new(),
        ..NewProfile::default()
    };
    stock::profile(&server, &profile)?;
    cli(
        &server,
        &["pool", "add", "oob", "--kind", "bmc", "--cidr", "127.77.1.0/24", "--range", "127.77.1.40-127.77.1.50"],
    )?;

    let bmc = Bmc::start(lab.dir(), "n1", &BmcSpec::default())?;
    let mut spec = NodeSpec::new("n1", &server.bootfile());
    spec.extra.extend(bmc.qemu());
    let node = Arc::new(lab.node(spec)?);
    bmc.attach(&node);
    let uuid = node.uuid();
    let planned = NodePatch { profile: Some("hv".to_owned()), ..NodePatch::default() };
    let _: NodeDetail = server.api()?.call("PUT", &format!("/api/v1/nodes/{uuid}"), Some(&planned))?;
    ensure(bmc.address().is_none(), "the BMC is blank before the first boot")?;

    node.power_on()?;
    let first = wait_running(&lab, &server, &node, TO_RUNNING, None)?;
    ensure(bmc.address() == Some([127, 77, 1, 40].into()), format!("address {:?}", bmc.address()))?;
    ensure(bmc.lan("ip_addr_src") == "static", format!("source {:?}", bmc.lan("ip_addr_src")))?;
    ensure(bmc.lan("subnet_mask") == "255.255.255.0", format!("netmask {:?}", bmc.lan("subnet_mask")))?;
    let managed = wait::until("the server to log in to the BMC", TO_MANAGED, || {
        let bmc: BmcDetail = server.api()?.call("GET", &format!("/api/v1/nodes/{uuid}/bmc"), None::<&()>)?;
        Ok((bmc.summary.state == "managed").then_some(bmc))
    })
    .context(format!("boot {:?}\n{}", boot_id(&first), server.explain()))?;
    println!("bmc_first_boot: {:?}", managed.changes);
    ensure(managed.summary.driver.as_deref() == Some("ipmi"), format!("{:?}", managed.summary))?;
    ensure(managed.summary.power == "on" && managed.summary.firmware == "9.08", format!("{:?}", managed.summary))?;
    ensure(!managed.changes.is_empty() && managed.changes.iter().all(|c| c.error.is_empty() || c.optional), "changes")?;

    // Whoever is told the password can log in with a program of somebody else.
    let path = format!("/api/v1/nodes/{uuid}/bmc/password/reveal");
    let known: RevealedCredentials = server.api()?.call("POST", &path, None::<&()>)?;
    let known = known.credentials.first().context("no credential")?;
    ensure(known.state == "proven" && known.user == "higuma", format!("{} {}", known.user, known.state))?;
    let account =
        Account { user: known.user.clone(), password: known.passwords.first().context("no password")?.clone() };
    let told = bmc.ipmitool(&account, &["chassis", "power", "status"])?;
    ensure(told.contains("is on"), told)?;
    for text in [server.log()?, String::from_utf8_lossy(&std::fs::read(node.console_file())?).into_owned()] {
        ensure(!text.contains(&account.password), "the BMC's password is in a log or on the console")?;
    }

    cli(&server, &["power", "off", uuid])?;
    ensure(!node.running(), "the node is on after `power off`")?;
    let done = bmc.done().len();
    cli(&server, &["power", "on", uuid, "--boot", "pxe"])?;
    ensure(bmc.boot_device() == "pxe", format!("boot device {:?}", bmc.boot_device()))?;
    ensure(bmc.done()[done..] == ["set boot pxe", "set power 1"], format!("{:?}", &bmc.done()[done..]))?;
    let second = wait_running(&lab, &server, &node, TO_RUNNING, boot_id(&first))?;
    // Nothing differed any more, so nothing was changed.
    let again: BmcDetail = server.api()?.call("GET", &format!("/api/v1/nodes/{uuid}/bmc"), None::<&()>)?;
    let boot = second.boot.as_ref().context("no boot")?;
    ensure(again.found_us > managed.found_us, "the BMC was not read in the second boot")?;
    // What it cannot do is not there after the second boot either.
    let optional = again.changes.iter().all(|change| change.optional && !change.error.is_empty());
    ensure(optional, format!("changed again: {:?}\n{:?}", again.changes, boot.events))?;
    lab.finish()
}

fn cli(server: &Server, arguments: &[&str]) -> LabResult {
    let output = server.cli(arguments)?;
    println!("$ higuma {}\n{}", arguments.join(" "), String::from_utf8_lossy(&output.stdout));
    Ok(())
}
