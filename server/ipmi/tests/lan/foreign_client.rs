//! The simulated BMC, as `ipmitool` sees it: what it understands, we have right.

use std::net::SocketAddr;

use higuma_ipmi::sim::{Settings, SimBmc};
use tokio::process::Command;

use super::{ends, sim};

async fn ipmitool(address: SocketAddr, suite: &str, password: &str, words: &[&str]) -> (bool, String) {
    let mut command = Command::new("ipmitool");
    command.args(["-I", "lanplus", "-C", suite, "-U", "admin", "-E", "-R", "1", "-N", "3"]);
    command.args(["-H", &address.ip().to_string(), "-p", &address.port().to_string()]);
    command.args(words).env("IPMI_PASSWORD", password).kill_on_drop(true);
    let output = ends(command.output()).await.unwrap_or_else(|e| panic!("ipmitool must be installed: {e}"));
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

async fn good(bmc: &SimBmc, suite: &str, words: &[&str]) -> String {
    let (done, text) = ipmitool(bmc.address, suite, "secret", words).await;
    assert!(done, "ipmitool -C {suite} {words:?}: {text}");
    text
}

#[tokio::test]
async fn ipmitool_controls_the_simulated_bmc_with_both_suites() {
    for suite in ["3", "17"] {
        let bmc = sim(Settings::default()).await;
        bmc.hardware(|hardware| {
            hardware.log(0x08, 0x51, 0x6f, [1, 0xff, 0xff]);
            hardware.log(0x01, 0x30, 0x01, [0x57, 81, 80]);
        });
        let off = good(&bmc, suite, &["chassis", "status"]).await;
        assert!(off.contains("System Power         : off"), "{off}");
        good(&bmc, suite, &["power", "on"]).await;
        assert!(good(&bmc, suite, &["power", "status"]).await.contains("is on"));
        good(&bmc, suite, &["chassis", "bootdev", "pxe", "options=persistent,efiboot"]).await;
        bmc.hardware(|hardware| assert_eq!(hardware.boot, [0xe0, 0x04, 0, 0, 0]));
        let sensors = good(&bmc, suite, &["sdr", "list"]).await;
        assert!(sensors.contains("CPU Temp         | 42 degrees C"), "{sensors}");
        assert!(sensors.contains("FAN 1            | 6000 RPM") && sensors.contains("12V              | 12.06 Volts"));
        let limits = good(&bmc, suite, &["sensor", "list"]).await;
        assert!(limits.contains("CPU Temp") && limits.contains("80.000") && limits.contains("100.000"), "{limits}");
        let log = good(&bmc, suite, &["sel", "list"]).await;
        assert!(log.contains("Failure detected") && log.contains("Upper Non-critical going high"), "{log}");
        let id = good(&bmc, suite, &["mc", "info"]).await;
        assert!(
            id.contains("Firmware Revision         : 2.51") && id.contains("IPMI Version              : 2.0"),
            "{id}"
        );
        good(&bmc, suite, &["mc", "guid"]).await;
        good(&bmc, suite, &["chassis", "identify", "force"]).await;
        good(&bmc, suite, &["power", "off"]).await;
        bmc.hardware(|hardware| assert_eq!((hardware.controls.clone(), hardware.identify), (vec![1, 0], 2)));
        assert_eq!(bmc.sessions(), 0, "ipmitool closes its sessions");
    }
}

#[tokio::test]
async fn ipmitool_changes_the_password_and_a_wrong_one_is_refused() {
    let bmc = sim(Settings::default()).await;
    for suite in ["3", "17"] {
        let (done, text) = ipmitool(bmc.address, suite, "wrong", &["power", "status"]).await;
        assert!(!done, "{text}");
    }
    let long = "0123456789abcdefghij";
    good(&bmc, "17", &["user", "set", "password", "2", long, "20"]).await;
    let (old, text) = ipmitool(bmc.address, "17", "secret", &["power", "status"]).await;
    assert!(!old, "{text}");
    for suite in ["3", "17"] {
        let (new, text) = ipmitool(bmc.address, suite, long, &["power", "status"]).await;
        assert!(new, "{text}");
    }
}
