//! The serial console of a node through its BMC: kernels write to the node's second serial port, OpenIPMI's `ipmi_sim` carries it
//! over the LAN, and `higuma console` shows it and types to a shell of the node. Other requests go over the same session
//! meanwhile; somebody else who takes the line away is told of.

use crate::steps::{TO_RUNNING, wait_running};
use higuma_proto::api::{BmcDetail, NewProfile, NodeDetail, NodeEvent, NodePatch, Page};
use higuma_tests::bmc::{Account, Bmc, BmcSpec};
use higuma_tests::error::ensure;
use higuma_tests::serial::SerialCable;
use higuma_tests::stock::{self};
use higuma_tests::{Context, Lab, LabError, LabResult, NodeSpec, Server, ServerSpec, Stock, wait};
use std::io::{Read, Write};
use std::process::Stdio;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// A kernel writes to one serial port, the first that fits: the other one shows firmware alone.
const CONSOLES: &str = "console=ttyS1,115200";
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn bmc_console() -> LabResult {
    let lab = Lab::new("bmc-console")?;
    let server = lab.server(ServerSpec::new(&[("first-stage-cmdline", CONSOLES)])?)?;
    stock::first_stage(&server)?;
    stock::image(&server, Stock::Tiny)?;
    let profile = NewProfile {
        name: "hv".to_owned(),
        image: Stock::Tiny.reference(),
        cmdline: CONSOLES.to_owned(),
        files: Vec::new(),
        ssh_authorized_keys: Vec::new(),
        ..NewProfile::default()
    };
    stock::profile(&server, &profile)?;

    let cable = SerialCable::new()?;
    let account = Account { user: "factory".to_owned(), password: "kuma-0815".to_owned() };
    let address = [127, 77, 3, 1].into();
    let bmc_spec = BmcSpec {
        address: Some(address),
        account: Some(account.clone()),
        serial: Some(cable.bmc_end()),
        ..BmcSpec::default()
    };
    let bmc = Bmc::start(lab.dir(), "n1", &bmc_spec)?;
    let mut spec = NodeSpec::new("n1", &server.bootfile());
    // Its kernel does not see the BMC: the account stays the one from the factory.
    spec.extra.extend(cable.qemu());
    let node = Arc::new(lab.node(spec)?);
    bmc.attach(&node);
    let uuid = node.uuid();
    let planned = NodePatch { profile: Some("hv".to_owned()), ..NodePatch::default() };
    let _: NodeDetail = server.api()?.call("PUT", &format!("/api/v1/nodes/{uuid}"), Some(&planned))?;
    let password = lab.dir().join("factory.txt");
    std::fs::write(&password, &account.password)?;
    let password = password.display().to_string();
    let by_hand = ["--address", "127.77.3.1", "--protocol", "ipmi", "--user", "factory", "--password-file", &password];
    server.cli(&[&["bmc", "set", uuid], &by_hand[..]].concat())?;
    server.cli(&["bmc", "check", uuid])?;

    // Somebody looks from before power-on until the end.
    let mut watcher = Watcher::start(&server, uuid)?;
    let opened = || -> LabResult<Option<()>> {
        let events: Page<NodeEvent> =
            server.api()?.call("GET", &format!("/api/v1/events?node={uuid}&kind=bmc"), None::<&()>)?;
        Ok(events.items.iter().any(|event| event.message.ends_with("opened the serial console")).then_some(()))
    };
    wait::until("the console to open", PATIENCE, opened).context(server.explain())?;
    server.cli(&["power", "on", uuid])?;
    wait_running(&lab, &server, &node, TO_RUNNING, None)?;

    // The session is the one that asks for the power, and it goes on.
    let state: BmcDetail = server.api()?.call("GET", &format!("/api/v1/nodes/{uuid}/bmc"), None::<&()>)?;
    ensure(state.summary.state == "managed", format!("{:?}", state.summary))?;
    let typed = type_to(&server, uuid, "\recho hello-$((6*7))\r")?;
    ensure(typed.contains("hello-42"), format!("the shell's answer: {typed:?}"))?;
    let status = server.cli(&["power", "status", uuid])?;
    ensure(String::from_utf8_lossy(&status.stdout).contains("on"), "power while the console is open")?;
    let screen = server.cli(&["console", uuid, "--screen"])?;
    let screen = String::from_utf8_lossy(&screen.stdout).into_owned();
    ensure(screen.contains("hello-42"), format!("the screen: {screen}"))?;

    // Somebody else ends it, with a program of somebody else: that is told, and it can be opened again.
    bmc.ipmitool(&account, &["sol", "deactivate"])?;
    let told = watcher.end()?;
    for words in ["Linux version", "tiny: up as", "hello-42"] {
        ensure(told.contains(words), format!("{words:?} is not in what the console showed: {told}"))?;
    }
    // `ipmi_sim` goes on counting where the console before ended, and takes the first packet for one that came before (so it
    // does with ipmitool): it is typed again, as a person would.
    let again =
        || Ok(Some(type_to(&server, uuid, "\recho again-$((40+2))\r")?).filter(|shown| shown.contains("again-42")));
    wait::until("the console to work after it was opened again", PATIENCE, again)?;
    server.cli(&["console", uuid, "--close"])?;
    let status = bmc.ipmitool(&account, &["sol", "info"])?;
    println!("bmc_console: {status}");

    let events: Page<NodeEvent> =
        server.api()?.call("GET", &format!("/api/v1/events?node={uuid}&kind=bmc"), None::<&()>)?;
    let messages: Vec<&str> = events.items.iter().map(|event| event.message.as_str()).collect();
    for words in ["opened the serial console", "types on the serial console", "closed the serial console"] {
        ensure(messages.iter().any(|message| message.ends_with(words)), format!("{words:?} is not in {messages:?}"))?;
    }
    ensure(!server.log()?.contains("hello"), "what was typed or shown is in the server's log")?;
    lab.finish()
}

/// Pipes `text` into the console, and gives what it showed.
fn type_to(server: &Server, uuid: &str, text: &str) -> LabResult<String> {
    let mut command = server.cli_command(&["console", uuid])?;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    child.stdin.take().context("no input")?.write_all(text.as_bytes())?;
    let output = child.wait_with_output()?;
    ensure(output.status.success(), format!("higuma console ended with {}", output.status))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

struct Watcher {
    process: std::process::Child,
    reader: Option<JoinHandle<std::io::Result<Vec<u8>>>>,
}

impl Watcher {
    fn start(server: &Server, uuid: &str) -> LabResult<Self> {
        let mut command = server.cli_command(&["console", uuid, "--watch", "--for", "600"])?;
        let mut process = command.stdout(Stdio::piped()).spawn()?;
        let mut out = process.stdout.take().context("no output")?;
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            out.read_to_end(&mut all).map(|_| all)
        });
        Ok(Self { process, reader: Some(reader) })
    }

    /// Waits until the console is over by itself, and gives all that it showed.
    fn end(&mut self) -> LabResult<String> {
        wait::until("the console to end", PATIENCE, || Ok(self.process.try_wait()?.map(drop)))?;
        let reader = self.reader.take().context("it ended before")?;
        let all = reader.join().map_err(|_| LabError::new("the reader panicked"))??;
        Ok(String::from_utf8_lossy(&all).into_owned())
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
