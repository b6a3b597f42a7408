//! A serial cable between a node and its BMC: two pseudo terminals, and a thread that carries bytes from each to the other. It
//! must never change a byte. QEMU and `ipmi_sim` open their ends by name, as they open a real port.

use crate::{Context, LabResult};
use nix::pty::openpty;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::thread;

/// The cable. Its threads end with the process: a test's.
#[derive(Debug)]
pub struct SerialCable {
    node: (PathBuf, OwnedFd),
    bmc: (PathBuf, OwnedFd),
}

impl SerialCable {
    /// Plugs one in.
    pub fn new() -> LabResult<SerialCable> {
        let (node, at_node) = port()?;
        let (bmc, at_bmc) = port()?;
        let (to_node, to_bmc) = (at_node.try_clone()?, at_bmc.try_clone()?);
        thread::spawn(move || carry(at_node, to_bmc));
        thread::spawn(move || carry(at_bmc, to_node));
        Ok(SerialCable { node, bmc })
    }

    /// QEMU's arguments: the second serial port of the node, ttyS1, as with most servers' SOL.
    pub fn qemu(&self) -> Vec<String> {
        let chardev = format!("serial,id=sol,path={}", self.node.0.display());
        ["-chardev", &chardev, "-serial", "chardev:sol"].map(str::to_owned).to_vec()
    }

    /// The BMC's end.
    pub fn bmc_end(&self) -> PathBuf {
        self.bmc.0.clone()
    }
}

/// A raw pseudo terminal: its name, with an open end that keeps it while nobody else has it open, and the other side.
fn port() -> LabResult<((PathBuf, OwnedFd), File)> {
    let pty = openpty(None, None).context("a pseudo terminal")?;
    let mut raw = tcgetattr(&pty.slave).context("its settings")?;
    cfmakeraw(&mut raw);
    tcsetattr(&pty.slave, SetArg::TCSANOW, &raw).context("its settings")?;
    let name = nix::unistd::ttyname(&pty.slave).context("its name")?;
    Ok(((name, pty.slave), File::from(pty.master)))
}

fn carry(mut from: File, mut to: File) {
    let mut buffer = [0; 4096];
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 || to.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}
