//! The simulated BMC's serial console, as `ipmitool sol activate` sees it; on a terminal of `script` (util-linux), for it
//! wants one. What it shows and what it types, we have right.

use std::process::Stdio;
use std::time::Duration;

use higuma_ipmi::sim::{Misbehave, Settings, SimBmc, SolFaults};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::{ends, sim};

struct Terminal {
    process: Child,
    keys: ChildStdin,
    screen: ChildStdout,
}

fn ipmitool(bmc: &SimBmc) -> Terminal {
    let (address, port) = (bmc.address.ip(), bmc.address.port());
    let line = format!("ipmitool -I lanplus -C 17 -U admin -E -R 6 -N 1 -H {address} -p {port} sol activate");
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).env("IPMI_PASSWORD", "secret").env("TERM", "dumb");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut process = command.spawn().unwrap_or_else(|e| panic!("script (util-linux) must be installed: {e}"));
    let keys = process.stdin.take().unwrap_or_else(|| panic!("no standard input"));
    let screen = process.stdout.take().unwrap_or_else(|| panic!("no standard output"));
    Terminal { process, keys, screen }
}

impl Terminal {
    /// Reads until this is on the screen; all that was read.
    async fn shows(&mut self, words: &str) -> String {
        let mut all = Vec::new();
        let read = async {
            while !String::from_utf8_lossy(&all).contains(words) {
                let count = self.screen.read_buf(&mut all).await.unwrap_or(0);
                assert!(count > 0, "ended without {words:?}: {}", String::from_utf8_lossy(&all));
            }
        };
        ends(read).await;
        String::from_utf8_lossy(&all).into_owned()
    }

    async fn types(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).await.unwrap_or_else(|e| panic!("type: {e}"));
    }
}

async fn until(what: impl Fn() -> bool) {
    ends(async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

async fn typed(bmc: &SimBmc, bytes: usize) -> String {
    let mut all = Vec::new();
    ends(async {
        while all.len() < bytes {
            all.extend(bmc.serial_input());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test]
async fn ipmitool_has_a_console_of_the_simulated_bmc() {
    let lossy = SolFaults { lose_every: Some(4), ..SolFaults::default() };
    for sol in [SolFaults::default(), lossy] {
        let misbehave = Misbehave { sol, ..Misbehave::default() };
        let bmc = sim(Settings { misbehave, ..Settings::default() }).await;
        let mut terminal = ipmitool(&bmc);
        terminal.shows("[SOL Session operational.").await;
        assert!(bmc.serial_active());
        // More than one packet.
        let lines: String = (0..60).map(|line| format!("boot message {line:02}\r\n")).collect();
        bmc.serial_output(lines.as_bytes());
        bmc.serial_output(b"node7 login: ");
        let screen = terminal.shows("node7 login: ").await;
        assert!(screen.contains(&lines), "{screen:?}");
        terminal.types(b"root\r").await;
        assert_eq!(typed(&bmc, 5).await, "root\r");
        terminal.types(b"~B").await;
        until(|| bmc.serial_breaks() == 1).await;
        // It gives up, and leaves the console active, when what it sends is lost too often: not what is looked at here.
        bmc.misbehave(Misbehave::default());
        terminal.types(b"\r~.").await;
        terminal.shows("[terminated ipmitool]").await;
        ends(terminal.process.wait()).await.unwrap_or_else(|e| panic!("{e}"));
        until(|| !bmc.serial_active()).await;
    }
}

#[tokio::test]
async fn ipmitool_is_refused_where_it_should_be() {
    let sol = SolFaults { disabled: true, ..SolFaults::default() };
    let bmc = sim(Settings { misbehave: Misbehave { sol, ..Misbehave::default() }, ..Settings::default() }).await;
    ipmitool(&bmc).shows("SOL payload disabled").await;
    bmc.misbehave(Misbehave::default());
    let mut first = ipmitool(&bmc);
    first.shows("[SOL Session operational.").await;
    ipmitool(&bmc).shows("SOL payload already active on another session").await;
    assert!(bmc.serial_active());
}
