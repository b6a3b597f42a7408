//! Three machines that are off, of which only the BMCs' addresses and factory account are known: one CSV file starts all three
//! from the network, and each that registers is matched to its own BMC. Nobody else may register on this server.

use higuma_proto::api::{BmcDetail, Enrolment, EnrolmentCounts, NewProfile, NodeDetail, Page};
use higuma_tests::bmc::{Account, Bmc, BmcSpec};
use higuma_tests::error::ensure;
use higuma_tests::stock::{self, CONSOLE};
use higuma_tests::{Context, Lab, LabResult, NodeSpec, Server, ServerSpec, Stock, wait};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

/// Three nodes at once, emulated on two cores.
const TO_MATCHED: Duration = Duration::from_secs(900);
const TO_MANAGED: Duration = Duration::from_secs(120);
const PASSWORD: &str = "factory-7x";

#[test]
fn bmc_enrol_csv() -> LabResult {
    let lab = Lab::new("bmc-enrol")?;
    let server = lab.server(ServerSpec::new(&[("admission", "known-only")])?)?;
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

    let mut machines = Vec::new();
    for n in 1..=3_u8 {
        let name = format!("n{n}");
        let mut spec = NodeSpec::new(&name, &server.bootfile());
        let account = Account { user: "ADMIN".to_owned(), password: PASSWORD.to_owned() };
        let address = Ipv4Addr::new(127, 77, 2, 40 + n);
        let guid = Some(spec.uuid.replace('-', ""));
        let bmc = Bmc::start(
            lab.dir(),
            &name,
            &BmcSpec { address: Some(address), account: Some(account), guid, serial: None },
        )?;
        spec.extra.extend(bmc.qemu());
        let node = Arc::new(lab.node(spec)?);
        bmc.attach(&node);
        ensure(!node.running(), "a machine is on before anybody started it")?;
        machines.push((address, bmc, node));
    }

    let file = lab.dir().join("rack.csv");
    let text = format!("address,user,password,profile\n127.77.2.41-127.77.2.43,ADMIN,{PASSWORD},hv\n");
    std::fs::write(&file, text)?;
    let file = file.display().to_string();
    let checked = cli(&server, &["enrol", "import", "--dry-run", &file])?;
    ensure(checked.contains("3 new") && checked.contains("nothing written"), checked)?;
    ensure(counts(&server)?.total == 0, "a dry run wrote something")?;
    let taken = cli(&server, &["enrol", "import", &file])?;
    ensure(taken.contains("3 new"), taken)?;
    let mut seen = EnrolmentCounts::default();
    wait::until("three BMCs to have their nodes", TO_MATCHED, || {
        let now = counts(&server)?;
        if now != seen {
            println!("bmc_enrol_csv: {now:?}");
            seen = now.clone();
        }
        ensure(now.failed + now.held == 0, format!("{:?}", list(&server)?))?;
        Ok((now.matched == 3).then_some(()))
    })
    .context(format!("{:?}\n{}", list(&server)?, server.explain()))?;
    let told = cli(&server, &["enrol", "watch", "--for", "10s"])?;
    ensure(told.contains("3 matched"), told)?;
    let again = cli(&server, &["enrol", "import", &file])?;
    ensure(again.contains("0 new, 0 changed, 3 as they were"), again)?;

    let enrolled = list(&server)?;
    for (address, bmc, node) in &machines {
        let uuid = node.uuid();
        let mine = enrolled.iter().find(|e| e.address == address.to_string()).context("no enrolment")?;
        ensure(mine.node.as_deref() == Some(uuid), format!("{address} has node {:?}, not {uuid}", mine.node))?;
        ensure(
            bmc.boot_device() == "pxe" || bmc.done().iter().any(|c| c == "set boot pxe"),
            format!("{:?}", bmc.done()),
        )?;
        ensure(bmc.done().iter().filter(|c| *c == "set power 1").count() == 1, format!("{:?}", bmc.done()))?;
        let shown: NodeDetail = server.api()?.call("GET", &format!("/api/v1/nodes/{uuid}"), None::<&()>)?;
        ensure(shown.summary.profile.as_deref() == Some("hv"), format!("{:?}", shown.summary))?;
        ensure(shown.summary.admission == "admitted", format!("{:?}", shown.summary))?;
        let managed = wait::until("the server to manage the BMC", TO_MANAGED, || {
            let bmc: BmcDetail = server.api()?.call("GET", &format!("/api/v1/nodes/{uuid}/bmc"), None::<&()>)?;
            Ok((bmc.summary.state == "managed").then_some(bmc))
        })
        .context(server.explain())?;
        ensure(managed.summary.address == Some(address.to_string()), format!("{:?}", managed.summary))?;
        ensure(managed.summary.power == "on", format!("{:?}", managed.summary))?;
    }
    ensure(!server.log()?.contains(PASSWORD), "the factory password is in the server's log")?;
    lab.finish()
}

fn counts(server: &Server) -> LabResult<EnrolmentCounts> {
    server.api()?.call("GET", "/api/v1/enrolments/counts", None::<&()>)
}

fn list(server: &Server) -> LabResult<Vec<Enrolment>> {
    let page: Page<Enrolment> = server.api()?.call("GET", "/api/v1/enrolments", None::<&()>)?;
    Ok(page.items)
}

fn cli(server: &Server, arguments: &[&str]) -> LabResult<String> {
    let output = server.cli(arguments)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("$ higuma {}\n{text}", arguments.join(" "));
    Ok(text)
}
