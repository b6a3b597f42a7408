//! Our client against `ipmi_sim` of OpenIPMI: a BMC that others wrote (suite 3; it has no SHA-256, and keeps 16 bytes of a
//! password).

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use higuma_ipmi::Password;
use higuma_ipmi::command::{GetChassisStatus, GetDeviceId, GetSelInfo};
use higuma_ipmi::lan::{LanError, Session, Suite, Target};
use higuma_ipmi::ops::read_sel;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{HANG, ends, refusal, target};

struct IpmiSim {
    _process: Child,
    _folder: TempDir,
    target: Target,
}

const COMMANDS: &str = "mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02
sel_enable 0x20 1000 0x0a
sel_add 0x20 2 0x00 0x00 0x00 0x30 0x20 0x00 0x04 0x08 0x51 0x6f 0x01 0xff 0xff
mc_enable 0x20
";

/// Starts one on a free port and waits until it answers at all.
async fn start() -> IpmiSim {
    let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
    // Free now; whoever takes it in between makes ipmi_sim end, and the test fail.
    let port = std::net::UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr()).unwrap_or_else(|e| panic!("{e}"));
    let at = |name: &str| folder.path().join(name);
    let config = format!(
        "name \"bmc\"\nset_working_mc 0x20\n  startlan 1\n    addr 127.0.0.1 {}\n    priv_limit admin\n    \
         allowed_auths_admin none md2 md5 straight\n    guid a123456789abcdefa123456789abcdef\n  endlan\n  \
         user 1 true \"\" \"test\" user 10 none md2 md5 straight\n  \
         user 2 true \"root\" \"calvincalvin1234\" admin 10 none md2 md5 straight\n",
        port.port()
    );
    std::fs::write(at("lan.conf"), config).unwrap_or_else(|e| panic!("{e}"));
    std::fs::write(at("sim.emu"), COMMANDS).unwrap_or_else(|e| panic!("{e}"));
    std::fs::create_dir(at("state")).unwrap_or_else(|e| panic!("{e}"));
    let mut process = Command::new("ipmi_sim")
        .arg("-n")
        .arg("-c")
        .arg(at("lan.conf"))
        .arg("-f")
        .arg(at("sim.emu"))
        .arg("-s")
        .arg(at("state"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|e| panic!("ipmi_sim (Debian: openipmi) must be installed: {e}"));
    let mut target = target(SocketAddr::from(([127, 0, 0, 1], port.port())));
    (target.user, target.password) = ("root".to_owned(), Password::new("calvincalvin1234".to_owned()));
    let ready = async {
        while let Err(LanError::NoAnswer { .. }) = Session::open(&target).await {
            if let Ok(Some(ended)) = process.try_wait() {
                panic!("ipmi_sim ended: {ended}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(HANG, ready).await.unwrap_or_else(|_| panic!("ipmi_sim does not answer"));
    IpmiSim { _process: process, _folder: folder, target }
}

#[tokio::test]
async fn ipmi_sim_is_logged_in_to_and_asked() {
    let bmc = start().await;
    let mut session = ends(Session::open(&bmc.target)).await.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(session.suite(), Suite::Three);
    let id = ends(session.call(&GetDeviceId)).await.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((id.firmware.as_str(), id.manufacturer, id.product), ("9.08", 0x1291, 0x0f02));
    // Without a chassis program it has no chassis: a completion code, not a lost session.
    let chassis = ends(session.call(&GetChassisStatus)).await;
    assert!(matches!(chassis, Ok(_) | Err(LanError::Completion { .. })), "{chassis:?}");
    assert_eq!(ends(session.call(&GetSelInfo)).await.map(|info| info.entries), Ok(1));
    let page = ends(read_sel(&mut session, 0, 10)).await.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(page.records[0].words(), "Power Supply 51h: power supply failure detected, asserted");
    assert_eq!(ends(session.close()).await, Ok(()));
}

#[tokio::test]
async fn ipmi_sim_refuses_what_it_should() {
    let bmc = start().await;
    let wrong = Target { password: Password::new("calvin".to_owned()), ..bmc.target.clone() };
    assert!(matches!(refusal(&wrong).await, LanError::Password(_)));
    let stranger = Target { user: "stranger".to_owned(), ..bmc.target.clone() };
    let why = refusal(&stranger).await;
    assert!(matches!(why, LanError::User(_)), "{why}");
    let sha256 = Target { suites: vec![Suite::Seventeen], ..bmc.target.clone() };
    assert!(matches!(refusal(&sha256).await, LanError::NoSuite { .. }));
}
