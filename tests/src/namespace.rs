//! Layer 2 without touching the host's: a network namespace that vanishes, with its interfaces and the processes that
//! were started in it, when it is dropped. Needs root.

use crate::programs::{bound, run};
use crate::{Context, LabResult};
use std::process::{Child, Command};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A namespace with its loopback up.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    children: Mutex<Vec<Child>>,
}

impl Namespace {
    /// A new one; `tag` is a few letters for people who look at `ip netns`.
    pub fn create(tag: &str) -> LabResult<Namespace> {
        let name = format!("hg-{tag}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::SeqCst));
        ip(&["netns", "add", &name])?;
        let namespace = Namespace { name, children: Mutex::new(Vec::new()) };
        namespace.ip(&["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// As `ip netns` knows it; for [`crate::NodeSpec::namespace`].
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip ARGUMENTS` inside.
    pub fn ip(&self, arguments: &[&str]) -> LabResult {
        let mut whole = vec!["-n", &self.name];
        whole.extend_from_slice(arguments);
        ip(&whole)
    }

    /// A command that will run inside, killed with the calling thread.
    pub fn command(&self, program: &str) -> Command {
        let mut command = bound("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Starts a process that is killed when the namespace is dropped.
    pub fn spawn(&self, command: &mut Command) -> LabResult {
        let child = command.spawn().context("starting a process in a namespace")?;
        self.children.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(child);
        Ok(())
    }

    /// A cable: `here` in this namespace, `there` in the other, both up.
    pub fn cable(&self, here: &str, other: &Namespace, there: &str) -> LabResult {
        self.ip(&["link", "add", here, "type", "veth", "peer", "name", there, "netns", &other.name])?;
        self.ip(&["link", "set", here, "up"])?;
        other.ip(&["link", "set", there, "up"])
    }

    /// A bridge, up; LLDP frames are link-local and are not forwarded by it.
    pub fn bridge(&self, name: &str) -> LabResult {
        self.ip(&["link", "add", name, "type", "bridge"])?;
        self.ip(&["link", "set", name, "up"])
    }

    /// A tap for a node, as a port of a bridge.
    pub fn tap(&self, name: &str, bridge: &str) -> LabResult {
        self.ip(&["tuntap", "add", name, "mode", "tap"])?;
        self.ip(&["link", "set", name, "master", bridge, "up"])
    }
}

fn ip(arguments: &[&str]) -> LabResult {
    run(bound("ip").args(arguments)).map(drop)
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let mut children = self.children.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for child in children.iter_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if let Err(error) = ip(&["netns", "del", &self.name]) {
            eprintln!("lab: {error}");
        }
    }
}
