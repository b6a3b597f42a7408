//! A BMC of a node: OpenIPMI's `ipmi_sim`, which the node's kernel reaches through QEMU's KCS port and people through the
//! LAN address that was set in it. Its chassis commands really switch the node. It must never answer an IPMI command
//! itself: that is what is tested.

use crate::programs::{bound, run, shown, tail};
use crate::{Context, LabError, LabResult, Node, wait};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

/// RMCP's port.
const RMCP: u16 = 623;
const PATIENCE: Duration = Duration::from_secs(20);

/// An account that a BMC has from its factory.
#[derive(Debug, Clone)]
pub struct Account {
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
}

/// What a BMC is made with.
#[derive(Debug, Clone, Default)]
pub struct BmcSpec {
    /// On its LAN before anybody set it up.
    pub address: Option<Ipv4Addr>,
    /// In slot 2.
    pub account: Option<Account>,
    /// System GUID, 32 hex digits as it sends them; none: a random one.
    pub guid: Option<String>,
    /// Where its serial line is plugged in, for Serial over LAN.
    pub serial: Option<PathBuf>,
}

/// A BMC; dropped: its plug is pulled, the node stays as it is.
#[derive(Debug)]
pub struct Bmc {
    name: String,
    dir: PathBuf,
    kcs_port: u16,
    state: Arc<State>,
    process: Child,
    hands: Option<JoinHandle<()>>,
    hands_port: u16,
}

#[derive(Debug, Default)]
struct State {
    node: Mutex<Weak<Node>>,
    /// As `ipmi_sim` names them.
    lan: Mutex<HashMap<String, String>>,
    boot: Mutex<String>,
    done: Mutex<Vec<String>>,
    cable: Mutex<Option<Cable>>,
    sim_port: u16,
    stop: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bmc {
    /// Starts one with its files in `dir/NAME-bmc`.
    pub fn start(dir: &Path, name: &str, spec: &BmcSpec) -> LabResult<Bmc> {
        let dir = dir.join(format!("{name}-bmc"));
        std::fs::create_dir_all(dir.join("state"))?;
        let kcs_port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let sim_port = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listening for chassis commands")?;
        let hands_port = listener.local_addr()?.port();
        let state = Arc::new(State { sim_port, boot: Mutex::new("default".to_owned()), ..State::default() });
        if let Some(address) = spec.address {
            state.set_lan("ip_addr", &address.to_string())?;
            state.set_lan("ip_addr_src", "static")?;
        }
        write_files(&dir, spec, sim_port, kcs_port, hands_port)?;
        let hands = std::thread::spawn({
            let state = state.clone();
            move || serve(&listener, &state)
        });
        let mut command = bound("ipmi_sim");
        command.arg("-n").arg("-c").arg(dir.join("lan.conf")).arg("-f").arg(dir.join("sim.emu"));
        command.arg("-s").arg(dir.join("state"));
        let log = File::create(dir.join("sim.log"))?;
        command.stdout(log.try_clone()?).stderr(log);
        let process = command.spawn().context(format!("starting {} (package openipmi)", shown(&command)))?;
        let bmc = Bmc { name: name.to_owned(), dir, kcs_port, state, process, hands: Some(hands), hands_port };
        wait::until("ipmi_sim to answer", PATIENCE, || Ok(answers(sim_port)?.then_some(())))
            .map_err(|error| LabError::new(format!("{error}\n{}", tail(&bmc.dir.join("sim.log"), 20))))?;
        Ok(bmc)
    }

    /// QEMU's arguments for the node's side of it: KCS, which SMBIOS type 38 tells.
    pub fn qemu(&self) -> Vec<String> {
        let chardev = format!("socket,id=ipmi0,host=127.0.0.1,port={},{}", self.kcs_port, reconnect());
        ["-chardev", &chardev, "-device", "ipmi-bmc-extern,id=bmc0,chardev=ipmi0", "-device", "isa-ipmi-kcs,bmc=bmc0"]
            .map(str::to_owned)
            .to_vec()
    }

    /// Whose power its chassis commands switch.
    pub fn attach(&self, node: &Arc<Node>) {
        *lock(&self.state.node) = Arc::downgrade(node);
    }

    /// Its present address, when it has one.
    pub fn address(&self) -> Option<Ipv4Addr> {
        self.state.lan("ip_addr").parse().ok().filter(|address: &Ipv4Addr| !address.is_unspecified())
    }

    /// One of its LAN settings: `ip_addr_src`, `subnet_mask`, `default_gw_ip_addr`.
    pub fn lan(&self, name: &str) -> String {
        self.state.lan(name)
    }

    /// The boot device that it was told last.
    pub fn boot_device(&self) -> String {
        lock(&self.state.boot).clone()
    }

    /// Chassis commands that changed something, in order: `set power 1`.
    pub fn done(&self) -> Vec<String> {
        lock(&self.state.done).clone()
    }

    /// `ipmitool` over the LAN, as a person would; gives its output.
    pub fn ipmitool(&self, account: &Account, arguments: &[&str]) -> LabResult<String> {
        let address = self.address().context(format!("{}: the BMC has no address", self.name))?;
        let file = self.dir.join("password");
        std::fs::write(&file, &account.password)?;
        let mut command = Command::new("ipmitool");
        command.args(["-I", "lanplus", "-C", "3", "-H", &address.to_string(), "-U", &account.user, "-f"]);
        command.arg(&file).args(arguments);
        Ok(String::from_utf8_lossy(&run(&mut command)?.stdout).into_owned())
    }
}

impl Drop for Bmc {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Relaxed);
        let _ = self.process.kill();
        let _ = self.process.wait();
        lock(&self.state.cable).take();
        // Wakes the thread that waits for chassis commands.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.hands_port));
        if let Some(hands) = self.hands.take() {
            let _ = hands.join();
        }
    }
}

/// Whether it answers on its LAN side. Its KCS port is QEMU's alone: it serves one connection.
fn answers(sim_port: u16) -> LabResult<bool> {
    // Get Channel Authentication Capabilities outside of a session (IPMI 2.0, 13.6 and 22.13).
    const ASK: [u8; 23] =
        [6, 0, 0xff, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0x20, 0x18, 0xc8, 0x81, 0, 0x38, 0x8e, 0x04, 0xb5];
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect((Ipv4Addr::LOCALHOST, sim_port))?;
    socket.set_read_timeout(Some(Duration::from_millis(200)))?;
    // Refused until it listens.
    Ok(socket.send(&ASK).is_ok() && socket.recv(&mut [0; 64]).is_ok())
}

/// The option's name changed with QEMU 9.2.
fn reconnect() -> &'static str {
    let old = Command::new("qemu-system-x86_64").arg("--version").output().is_ok_and(|output| {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = text.split("version ").nth(1).unwrap_or_default();
        let mut numbers = version.split('.').filter_map(|n| n.parse::<u32>().ok());
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < (9, 2)
    });
    if old { "reconnect=1" } else { "reconnect-ms=1000" }
}

fn write_files(dir: &Path, spec: &BmcSpec, sim_port: u16, kcs_port: u16, hands_port: u16) -> LabResult {
    use std::os::unix::fs::PermissionsExt;
    let dir_text = dir.display();
    let account = spec.account.as_ref().map_or_else(String::new, |account| {
        format!("  user 2 true \"{}\" \"{}\" admin 10 none md2 md5 straight\n", account.user, account.password)
    });
    // Without one it has no RMCP+.
    let guid = spec.guid.clone().unwrap_or_else(|| uuid::Uuid::new_v4().simple().to_string());
    let sol = spec.serial.as_ref().map_or_else(String::new, |line| format!("  sol \"{}\" 115200\n", line.display()));
    let auths = "none md2 md5 straight";
    let config = format!(
        "name \"bmc\"\nset_working_mc 0x20\n  startlan 1\n    addr 127.0.0.1 {sim_port}\n    priv_limit admin\n    \
         allowed_auths_callback {auths}\n    allowed_auths_user {auths}\n    allowed_auths_operator {auths}\n    \
         allowed_auths_admin {auths}\n    guid {guid}\n    lan_config_program \"{dir_text}/lan\"\n  endlan\n  \
         chassis_control \"{dir_text}/chassis\"\n  serial 15 127.0.0.1 {kcs_port} codec VM\n{sol}{account}"
    );
    std::fs::write(dir.join("lan.conf"), config)?;
    let emulation = "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\n\
                     sel_enable 0x20 1000 0x0a\nmc_enable 0x20\n";
    std::fs::write(dir.join("sim.emu"), emulation)?;
    for kind in ["lan", "chassis"] {
        let script = format!(
            "#!/bin/bash\nexec 3<>/dev/tcp/127.0.0.1/{hands_port} || exit 1\necho \"{kind} $*\" >&3\nread -r code <&3\n\
             cat <&3\nexit \"$code\"\n"
        );
        std::fs::write(dir.join(kind), script)?;
        std::fs::set_permissions(dir.join(kind), std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Answers the scripts that `ipmi_sim` calls, one after the other. QEMU is started from this thread and dies with it.
fn serve(listener: &TcpListener, state: &State) {
    for stream in listener.incoming() {
        if state.stop.load(Ordering::Relaxed) {
            return;
        }
        if let Ok(mut stream) = stream
            && let Err(error) = answer(&mut stream, state)
        {
            let _ = writeln!(stream, "1");
            eprintln!("lab: BMC: {error}");
        }
    }
}

fn answer(stream: &mut TcpStream, state: &State) -> LabResult {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(stream.try_clone()?).read_line(&mut line)?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut reply = String::from("0\n");
    match *words.as_slice() {
        [kind, "get", ref names @ ..] => {
            for name in names {
                let value = if kind == "lan" { state.lan(name) } else { state.chassis(name) };
                reply.push_str(&format!("{name}:{value}\n"));
            }
        }
        ["lan", "set", name, value, ..] => state.set_lan(name, value)?,
        ["chassis", "set", name, value, ..] => state.set_chassis(name, value)?,
        [_, "check", ..] => {}
        _ => return Err(LabError::new(format!("ipmi_sim asks {line:?}, which this lab does not know"))),
    }
    stream.write_all(reply.as_bytes())?;
    Ok(())
}

impl State {
    fn lan(&self, name: &str) -> String {
        lock(&self.lan).get(name).cloned().unwrap_or_else(|| {
            let default = match name {
                "ip_addr_src" => "dhcp",
                "mac_addr" => "52:54:00:b3:c0:01",
                _ if name.ends_with("mac_addr") => "00:00:00:00:00:00",
                _ => "0.0.0.0",
            };
            default.to_owned()
        })
    }

    fn set_lan(&self, name: &str, value: &str) -> LabResult {
        lock(&self.lan).insert(name.to_owned(), value.to_owned());
        if name == "ip_addr" {
            // The old address is gone before the new one answers.
            let mut cable = lock(&self.cable);
            cable.take();
            let address: Ipv4Addr = value.parse().context(format!("an address from ipmi_sim: {value:?}"))?;
            if !address.is_unspecified() {
                *cable = Some(Cable::plug(address, self.sim_port)?);
            }
        }
        Ok(())
    }

    fn node(&self) -> LabResult<Arc<Node>> {
        lock(&self.node).upgrade().context("no node is attached to this BMC")
    }

    fn chassis(&self, name: &str) -> String {
        match name {
            "power" => u8::from(self.node().is_ok_and(|node| node.running())).to_string(),
            "boot" => lock(&self.boot).clone(),
            _ => "0".to_owned(),
        }
    }

    fn set_chassis(&self, name: &str, value: &str) -> LabResult {
        lock(&self.done).push(format!("set {name} {value}"));
        match (name, value) {
            ("power", "1") => {
                let node = self.node()?;
                if node.running() { Ok(()) } else { node.power_on() }
            }
            ("power", "0") => {
                self.node()?.power_off();
                Ok(())
            }
            ("reset", _) => self.node()?.reset(),
            ("shutdown", _) => self.node()?.press_power(),
            ("boot", device) => {
                *lock(&self.boot) = device.to_owned();
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// The LAN side: datagrams to ADDRESS:623 reach `ipmi_sim`, and its answers come from there.
#[derive(Debug)]
struct Cable {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Cable {
    fn plug(address: Ipv4Addr, sim_port: u16) -> LabResult<Cable> {
        let outside = UdpSocket::bind((address, RMCP)).context(format!("the BMC's address {address}:{RMCP}"))?;
        outside.set_read_timeout(Some(Duration::from_millis(100)))?;
        let stop = Arc::new(AtomicBool::new(false));
        let flag = stop.clone();
        let thread = std::thread::spawn(move || {
            if let Err(error) = carry(&outside, sim_port, &flag) {
                eprintln!("lab: the BMC's cable {address}: {error}");
            }
        });
        Ok(Cable { stop, thread: Some(thread) })
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn carry(outside: &UdpSocket, sim_port: u16, stop: &Arc<AtomicBool>) -> LabResult {
    let mut inside: HashMap<std::net::SocketAddr, UdpSocket> = HashMap::new();
    let mut buffer = [0; 2048];
    while !stop.load(Ordering::Relaxed) {
        let Ok((count, from)) = outside.recv_from(&mut buffer) else { continue };
        let socket = match inside.entry(from) {
            std::collections::hash_map::Entry::Occupied(there) => there.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => new.insert(thread_back(outside, sim_port, from, stop)?),
        };
        let _ = socket.send(&buffer[..count]);
    }
    Ok(())
}

/// A socket towards `ipmi_sim` for one peer, and a thread that carries what comes back.
fn thread_back(
    outside: &UdpSocket,
    sim_port: u16,
    peer: std::net::SocketAddr,
    stop: &Arc<AtomicBool>,
) -> LabResult<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect((Ipv4Addr::LOCALHOST, sim_port))?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    let (back, out, flag) = (socket.try_clone()?, outside.try_clone()?, stop.clone());
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        while !flag.load(Ordering::Relaxed) {
            if let Ok(count) = back.recv(&mut buffer) {
                let _ = out.send_to(&buffer[..count], peer);
            }
        }
    });
    Ok(socket)
}
