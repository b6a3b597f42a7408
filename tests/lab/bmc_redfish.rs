//! A node's BMC by Redfish: `sushy-emulator` (OpenStack's, with its fake systems) over TLS, with a certificate of its own that is
//! pinned at the first use; power, boot device and LED by the command line.

use higuma_proto::api::{BmcDetail, BmcInfo, NodeDetail, NodePatch, SetBmc};
use higuma_tests::error::ensure;
use higuma_tests::programs::{bound, cache, shown, tail};
use higuma_tests::{Context, Lab, LabError, LabResult, Server, ServerSpec, wait};
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Child;
use std::time::Duration;

/// Its fake system has this UUID.
const SYSTEM: &str = "27946b59-9e44-4fa7-8e91-f3527a1ef094";
/// User "admin", password "correct horse", by bcrypt.
const HTPASSWD: &str = "admin:$2b$04$R2BK92d7MM8pOskhfA3tZ.bzOdYSwINln2n7rL9WvUt9ABBrAtDKO\n";
const PATIENCE: Duration = Duration::from_secs(60);

struct Emulator {
    process: Child,
    port: u16,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn start(dir: &Path, port: u16) -> LabResult<Emulator> {
    std::fs::create_dir_all(dir)?;
    let file = |name: &str| dir.join(name);
    let own = rcgen::generate_simple_self_signed(["bmc.lab".to_owned()]).context("making a certificate")?;
    std::fs::write(file("cert.pem"), own.cert.pem())?;
    std::fs::write(file("key.pem"), own.signing_key.serialize_pem())?;
    std::fs::write(file("htpasswd"), HTPASSWD)?;
    let config = format!(
        "SUSHY_EMULATOR_LISTEN_IP = '127.0.0.1'\nSUSHY_EMULATOR_LISTEN_PORT = {port}\nSUSHY_EMULATOR_STATE_DIR = {dir:?}\n\
         SUSHY_EMULATOR_AUTH_FILE = {:?}\n",
        file("htpasswd")
    );
    std::fs::write(file("config"), config)?;
    let mut command = bound(cache().join("tools/bin/sushy-emulator"));
    command.arg("--fake").arg("--config").arg(file("config"));
    command.arg("--ssl-certificate").arg(file("cert.pem")).arg("--ssl-key").arg(file("key.pem"));
    command.env("TMPDIR", dir);
    let log = File::create(file("log"))?;
    command.stdout(log.try_clone()?).stderr(log);
    let process = command.spawn().context(format!("starting {} (`make setup` installs it)", shown(&command)))?;
    let emulator = Emulator { process, port };
    wait::until("sushy-emulator to listen", PATIENCE, || Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()))
        .map_err(|error| LabError::new(format!("{error}\n{}", tail(&file("log"), 20))))?;
    Ok(emulator)
}

#[test]
fn bmc_redfish() -> LabResult {
    let lab = Lab::new("bmc-redfish")?;
    let server = lab.server(ServerSpec::new(&[])?)?;
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let emulator = start(&lab.dir().join("emulator"), port)?;
    let api = server.api()?;
    let _: NodeDetail = api.call("PUT", &format!("/api/v1/nodes/{SYSTEM}"), Some(&NodePatch::default()))?;
    let set = SetBmc {
        address: Some("127.0.0.1".to_owned()),
        port: Some(emulator.port),
        // Nothing answers by IPMI on that port: it is found out.
        protocol: Some("auto".to_owned()),
        user: Some("admin".to_owned()),
        password: Some("correct horse".to_owned()),
        forget_certificate: false,
    };
    let path = format!("/api/v1/nodes/{SYSTEM}/bmc");
    let wrong =
        SetBmc { password: Some("battery staple".to_owned()), protocol: Some("redfish".to_owned()), ..set.clone() };
    let refused = api.send("PUT", &path, Some(&wrong))?;
    ensure(refused.status == 409 && refused.body.contains("refused"), format!("{} {}", refused.status, refused.body))?;
    let bmc: BmcDetail = api.call("PUT", &path, Some(&set))?;
    ensure(bmc.summary.state == "managed", format!("{:?}", bmc.summary))?;
    ensure(
        bmc.summary.driver.as_deref() == Some("redfish") && bmc.summary.power == "off",
        format!("{:?}", bmc.summary),
    )?;
    let pinned = bmc.certificate.clone().context("no certificate is pinned")?;
    let info: BmcInfo = api.call("GET", &format!("{path}/info"), None::<&()>)?;
    ensure(info.system_uuids == [SYSTEM] && info.firmware == "1.00", format!("{info:?}"))?;

    cli(&server, &["power", "on", SYSTEM, "--boot", "pxe"])?;
    cli(&server, &["bmc", "identify", SYSTEM, "--seconds", "15"])?;
    let on: BmcDetail = api.call("POST", &format!("{path}/check"), None::<&()>)?;
    ensure(on.summary.power == "on", format!("{:?}", on.summary))?;
    cli(&server, &["power", "off", SYSTEM])?;

    media(&server)?;

    // Another certificate at the same address: nothing is sent there until a person says so.
    drop(emulator);
    let again = start(&lab.dir().join("again"), port)?;
    let changed: BmcDetail = api.call("POST", &format!("{path}/check"), None::<&()>)?;
    ensure(changed.summary.state == "login-refused", format!("{:?}", changed.summary))?;
    ensure(
        changed.summary.reason.contains("certificate") && changed.summary.reason.contains(&pinned),
        changed.summary.reason,
    )?;
    cli(&server, &["bmc", "set", SYSTEM, "--forget-certificate"])?;
    let taken: BmcDetail = api.call("GET", &path, None::<&()>)?;
    ensure(taken.summary.state == "managed" && taken.certificate != Some(pinned), format!("{:?}", taken.summary))?;
    drop(again);
    lab.finish()
}

/// What only Redfish has: hardware, firmware, an image that the BMC fetches from us.
fn media(server: &Server) -> LabResult {
    let json = |arguments: &[&str]| -> LabResult<serde_json::Value> {
        let output = server.cli(&[arguments, &["-o", "json"]].concat())?;
        serde_json::from_slice(&output.stdout).context(format!("higuma {}", arguments.join(" ")))
    };
    let hardware = json(&["bmc", "hardware", SYSTEM])?;
    ensure(hardware["manufacturer"] != "" && hardware["parts"].is_array(), hardware.to_string())?;
    let drives = json(&["bmc", "media", SYSTEM])?;
    let empty =
        drives["items"].as_array().is_some_and(|all| !all.is_empty() && all.iter().all(|d| d["inserted"] == false));
    ensure(empty, drives.to_string())?;
    // The BMC fetches it; any file that we serve will do.
    let url = format!("http://127.0.0.1:{}/boot.ipxe", server.spec().ports.http);
    let drives = json(&["bmc", "attach", SYSTEM, &url])?;
    let inserted: Vec<_> = drives["items"].as_array().into_iter().flatten().filter(|d| d["inserted"] == true).collect();
    ensure(inserted.len() == 1 && inserted[0]["image"] == url.as_str(), drives.to_string())?;
    let again = json(&["bmc", "attach", SYSTEM, &url])?;
    ensure(again == drives, format!("again is no change: {again}"))?;
    cli(server, &["bmc", "media", SYSTEM])?;
    let events = server.api()?.send("GET", &format!("/api/v1/events?node={SYSTEM}"), None::<&()>)?;
    ensure(events.body.contains("attached") && events.body.contains(&url), events.body)?;
    let drives = json(&["bmc", "detach", SYSTEM])?;
    let empty = drives["items"].as_array().is_some_and(|all| all.iter().all(|d| d["inserted"] == false));
    ensure(empty, drives.to_string())
}

fn cli(server: &Server, arguments: &[&str]) -> LabResult {
    let output = server.cli(arguments)?;
    println!("$ higuma {}\n{}", arguments.join(" "), String::from_utf8_lossy(&output.stdout));
    Ok(())
}
