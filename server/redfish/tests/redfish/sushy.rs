//! The client against sushy-emulator (OpenStack), a Redfish service that we did not write. `make setup` installs it.
//! It has Basic authentication and no sessions, no ETags and no log; its fake systems change power some seconds late.

use crate::fake::{Fake, Reply};
use crate::tls::certificate;
use higuma_redfish::{
    Authentication, BootDevice, BootMode, Client, Fingerprint, Lasts, Limits, Medium, PowerState, RedfishError,
    ResetKind, Secret, Target,
};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

const UUID: &str = "27946b59-9e44-4fa7-8e91-f3527a1ef094";
/// User "admin", password "correct horse", by bcrypt.
const HTPASSWD: &str = "admin:$2b$04$R2BK92d7MM8pOskhfA3tZ.bzOdYSwINln2n7rL9WvUt9ABBrAtDKO\n";

struct Emulator {
    url: String,
    _child: Child,
    _folder: TempDir,
}

fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache/higuma"));
    let cache = std::env::var_os("HIGUMA_CACHE").map(PathBuf::from).or(home).map(|cache| cache.join("tools/bin"));
    let mut folders = cache.into_iter().chain(std::env::split_paths(&path));
    let found = folders.find_map(|folder| Some(folder.join("sushy-emulator")).filter(|file| file.is_file()));
    found.expect("sushy-emulator is missing: run `make setup`, which installs it below $HIGUMA_CACHE/tools")
}

/// Starts it on a free port that it chooses itself and tells.
async fn start(more: &str, certificate: Option<(&str, &str)>) -> Emulator {
    let folder = TempDir::new().unwrap();
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("htpasswd"), HTPASSWD).unwrap();
    let config = format!(
        "SUSHY_EMULATOR_LISTEN_IP = '127.0.0.1'\nSUSHY_EMULATOR_LISTEN_PORT = 0\nSUSHY_EMULATOR_STATE_DIR = {:?}\n\
         SUSHY_EMULATOR_AUTH_FILE = {:?}\n{more}\n",
        folder.path(),
        file("htpasswd")
    );
    std::fs::write(file("config"), config).unwrap();
    let mut command = Command::new(program());
    command.arg("--fake").arg("--config").arg(file("config"));
    if let Some((pem, key)) = certificate {
        std::fs::write(file("cert.pem"), pem).unwrap();
        std::fs::write(file("key.pem"), key).unwrap();
        command.arg("--ssl-certificate").arg(file("cert.pem")).arg("--ssl-key").arg(file("key.pem"));
    }
    // It fetches images through a proxy of the environment otherwise; its files go where the test's go.
    command.env("NO_PROXY", "*").env("no_proxy", "*").env("TMPDIR", folder.path()).env("PYTHONUNBUFFERED", "1");
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut said = Vec::new();
    let wait = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some((_, url)) = line.split_once("Running on ") {
                return Some(url.trim().to_owned());
            }
            said.push(line);
        }
        None
    };
    let url = tokio::time::timeout(Duration::from_secs(60), wait).await.ok().flatten();
    let url = url.unwrap_or_else(|| panic!("sushy-emulator did not start: {said:?}"));
    // Its log must be read on, or it stops when the pipe is full.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Emulator { url, _child: child, _folder: folder }
}

impl Emulator {
    fn target(&self) -> Target {
        Target {
            url: self.url.clone(),
            allow_http: true,
            user: "admin".into(),
            password: Secret::new("correct horse"),
            fingerprint: None,
            system: None,
            limits: Limits { gap: Duration::from_millis(20), ..Limits::default() },
        }
    }

    async fn client(&self) -> Client {
        Client::connect(&self.target()).await.unwrap()
    }
}

/// It has no event of a change of power: it is asked until the state is there. Its own delay is at most 11 s.
async fn becomes(client: &Client, wanted: PowerState) {
    let start = Instant::now();
    while client.power().await.unwrap() != wanted {
        assert!(start.elapsed() < Duration::from_secs(60), "still not {wanted:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn power_on_restart_and_off() {
    let emulator = start("", None).await;
    let client = emulator.client().await;
    assert_eq!(client.power().await.unwrap(), PowerState::Off);
    assert_eq!(client.reset(ResetKind::GracefulShutdown).await.unwrap().sent, None);
    let done = client.reset(ResetKind::On).await.unwrap();
    assert_eq!((done.sent.as_deref(), done.note), (Some("On"), None));
    becomes(&client, PowerState::On).await;
    let done = client.reset(ResetKind::PowerCycle).await.unwrap();
    assert_eq!(done.sent.as_deref(), Some("ForceRestart"));
    assert!(done.note.unwrap().contains("does not offer PowerCycle"));
    becomes(&client, PowerState::Off).await;
    becomes(&client, PowerState::On).await;
    // It lists the NMI, and its fake systems cannot do it.
    assert!(matches!(client.reset(ResetKind::Nmi).await, Err(RedfishError::NotSupported(_))));
    assert_eq!(client.reset(ResetKind::ForceOff).await.unwrap().sent.as_deref(), Some("ForceOff"));
    becomes(&client, PowerState::Off).await;
}

#[tokio::test]
async fn login_identity_boot_and_led() {
    let emulator = start("", None).await;
    let wrong = Target { password: Secret::new("battery staple"), ..emulator.target() };
    let error = Client::connect(&wrong).await.unwrap_err();
    assert!(matches!(error, RedfishError::LoginRefused { .. }), "{error}");

    let client = emulator.client().await;
    let identity = client.identity().await.unwrap();
    assert_eq!(identity.service_uuid.as_deref(), Some("85775665-c110-4b85-8989-e6162170b3ec"));
    assert_eq!(identity.system_uuid.as_deref(), Some(UUID));
    assert_eq!(identity.vendor.as_deref(), Some("Sushy Emulator"));
    assert_eq!(identity.manager_firmware.as_deref(), Some("1.00"));
    assert_eq!(identity.authentication, Authentication::Basic);
    assert_eq!(identity.notes.len(), 1, "{:?}", identity.notes);

    assert_eq!(client.boot().await.unwrap().target.as_deref(), Some("Hdd"));
    client.boot_override(BootDevice::Pxe, Lasts::Once, BootMode::Legacy).await.unwrap();
    let boot = client.boot().await.unwrap();
    assert_eq!((boot.target.as_deref(), boot.mode.as_deref()), (Some("Pxe"), Some("Legacy")));
    client.boot_override(BootDevice::Cd, Lasts::Once, BootMode::Uefi).await.unwrap();
    let boot = client.boot().await.unwrap();
    assert_eq!((boot.target.as_deref(), boot.mode.as_deref()), (Some("Cd"), Some("UEFI")));
    let error = client.boot_override(BootDevice::BiosSetup, Lasts::Once, BootMode::Uefi).await.unwrap_err();
    assert!(error.to_string().contains("it offers: Pxe, Cd, Hdd"), "{error}");

    for on in [false, true] {
        client.identify(on).await.unwrap();
        assert_eq!(client.identified().await.unwrap(), on);
    }
    client.close().await.unwrap();
}

#[tokio::test]
async fn sensors_inventory_and_what_it_lacks() {
    let emulator = start("", None).await;
    let client = emulator.client().await;
    let found = client.sensors().await.unwrap();
    assert_eq!(found.problems, Vec::<String>::new());
    let cpu = found.sensors.iter().find(|sensor| sensor.name == "CPU Temp").unwrap();
    assert_eq!(
        (cpu.reading, cpu.unit.as_deref(), cpu.thresholds.upper_critical),
        (Some(41.0), Some("Cel"), Some(45.0))
    );
    assert!(found.sensors.iter().any(|sensor| sensor.unit.as_deref() == Some("RPM") && sensor.reading == Some(2100.0)));

    let inventory = client.inventory().await.unwrap();
    assert_eq!(inventory.nics[0].mac.as_deref(), Some("00:5c:52:31:3a:9c"));
    // It links to memory and storage that its fake systems do not have.
    assert!(inventory.problems.iter().any(|problem| problem.contains("/Memory")), "{:?}", inventory.problems);
    for error in [
        client.firmware().await.unwrap_err(),
        client.log_entries(10).await.unwrap_err(),
        client.clear_log().await.unwrap_err(),
        client.manager_reset().await.unwrap_err(),
        client.manager_interfaces().await.unwrap_err(),
        client.set_password("admin", &Secret::new("x")).await.unwrap_err(),
    ] {
        assert!(matches!(&error, RedfishError::NotSupported(_)), "{error}");
    }
}

#[tokio::test]
async fn virtual_media_in_and_out() {
    let emulator = start("", None).await;
    let images = Fake::start().await;
    let image = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 6\r\nConnection: close\r\n\r\nnetiso";
    for name in ["one", "two"] {
        images.always(&format!("GET /{name}.iso"), Reply::Raw(image.to_vec()));
    }
    let client = emulator.client().await;
    let drives = client.virtual_media().await.unwrap();
    assert!(drives.iter().all(|drive| !drive.inserted), "{drives:?}");
    let (one, two) = (format!("{}/one.iso", images.url), format!("{}/two.iso", images.url));
    for url in [&one, &one, &two] {
        let slot = client.insert(url, &Medium::Cd).await.unwrap();
        assert_eq!(slot, "Cd");
        let drives = client.virtual_media().await.unwrap();
        let cd = drives.iter().find(|drive| drive.id.as_deref() == Some("Cd")).unwrap();
        assert_eq!((cd.inserted, cd.image.as_deref(), cd.write_protected), (true, Some(url.as_str()), Some(true)));
    }
    // The emulator really fetched them, each once.
    assert_eq!((images.seen("GET /one.iso").len(), images.seen("GET /two.iso").len()), (1, 1));
    assert_eq!(client.eject(Some("Cd")).await.unwrap(), 1);
    assert!(client.virtual_media().await.unwrap().iter().all(|drive| !drive.inserted));
    assert_eq!(client.eject(None).await.unwrap(), 0);
    let error = client.insert("http://127.0.0.1:1/none.iso", &Medium::Cd).await.unwrap_err();
    assert!(matches!(&error, RedfishError::Status { .. }), "{error}");
}

#[tokio::test]
async fn several_systems_over_tls() {
    let system = |uuid: &str, name: &str| {
        format!("{{'uuid': '{uuid}', 'name': '{name}', 'power_state': 'On', 'nics': [], 'external_notifier': False}}")
    };
    let second = "bbbb0000-0000-4000-8000-000000000002";
    let systems = format!("SUSHY_EMULATOR_FAKE_SYSTEMS = [{}, {}]", system(UUID, "one"), system(second, "two"));
    let made = certificate();
    let emulator = start(&systems, Some((&made.pem, &made.key_pem))).await;
    assert!(emulator.url.starts_with("https://"));
    let target = Target { allow_http: false, ..emulator.target() };
    let client = Client::connect(&target).await.unwrap();
    assert_eq!(client.fingerprint(), Some(Fingerprint::of(&made.der)));
    assert_eq!(client.systems().await.unwrap().len(), 2);
    let error = client.power().await.unwrap_err();
    assert!(matches!(&error, RedfishError::WhichSystem { found, .. } if found.len() == 2), "{error}");

    let pinned = Target { fingerprint: client.fingerprint(), system: Some(second.into()), ..target.clone() };
    let client = Client::connect(&pinned).await.unwrap();
    assert_eq!(client.power().await.unwrap(), PowerState::On);
    assert_eq!(client.identity().await.unwrap().system_uuid.as_deref(), Some(second));
    let other = Target { fingerprint: Some(Fingerprint([7; 32])), ..target };
    let error = Client::connect(&other).await.unwrap_err();
    assert!(matches!(error, RedfishError::CertificateChanged { .. }), "{error}");
}
