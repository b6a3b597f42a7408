//! The thread that listens. One thread polls all ports, looks for new ports and links each half second, and keeps the
//! table; readers take snapshots. It must end when the [`Listener`] is dropped, and never panic: an error belongs to the
//! port that had it.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use lldp_parser::Frame;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::announce::{self, Word};
use super::port::{GROUPS, OpenPort, PortInfo, enumerate};
use super::table::Table;
use super::{Options, PortStatus, Snapshot};

/// How often sysfs is looked at for ports and links that came or went.
const SCAN_EVERY: Duration = Duration::from_millis(500);
/// Frames taken from one port before the others have their turn.
const BATCH: usize = 64;
/// The pause after a full batch, so that a flood of LLDP costs a few percent of one CPU.
const FLOOD_PAUSE: Duration = Duration::from_millis(20);
/// Room for a jumbo frame; a longer one is cut and refused by the parser.
const BUFFER: usize = 9_216 + 18;

/// Listens in the background until it is dropped (then it says goodbye on each port).
pub struct Listener {
    shared: Arc<Shared>,
    wake: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Starts listening and returns at once.
    ///
    /// # Errors
    /// Only when the thread cannot be started; what is wrong with a port is in [`Snapshot::ports`].
    pub fn start(options: Options) -> io::Result<Self> {
        let (wake, stop) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let shared = Arc::new(Shared::default());
        let worker = Worker { options, shared: Arc::clone(&shared), stop, open: BTreeMap::new() };
        let thread = thread::Builder::new().name("lldp".to_owned()).spawn(move || worker.run())?;
        Ok(Self { shared, wake, thread: Some(thread) })
    }

    /// Waits until every port with link has heard somebody, at most `budget`, and tells what is known then. Blocks the
    /// thread (`spawn_blocking`). Ports without link and those that cannot be opened are not waited for.
    #[must_use]
    pub fn wait_first(&self, budget: Duration) -> Snapshot {
        let started = Instant::now();
        let mut state = self.shared.lock();
        while !state.all_heard() {
            let Some(left) = budget.checked_sub(started.elapsed()).filter(|left| !left.is_zero()) else { break };
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.snapshot()
    }

    /// What is known now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.shared.lock().snapshot()
    }

    /// Whether there is link, and every port that has it has heard somebody.
    #[must_use]
    pub fn all_heard(&self) -> bool {
        let state = self.shared.lock();
        state.all_heard() && !state.open.is_empty()
    }

    /// What is known now, if the neighbours changed since the snapshot of this generation.
    #[must_use]
    pub fn changed_since(&self, generation: u64) -> Option<Snapshot> {
        let state = self.shared.lock();
        (state.table.generation() != generation).then(|| state.snapshot())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.wake.write(&[0]);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct State {
    table: Table,
    ports: BTreeMap<String, PortStatus>,
    /// Names of the ports that are open.
    open: Vec<String>,
    /// When the link of each of them was seen.
    since: BTreeMap<String, Instant>,
    scanned: bool,
}

impl State {
    fn all_heard(&self) -> bool {
        self.scanned && self.open.iter().all(|name| self.table.has(name))
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            generation: self.table.generation(),
            neighbours: self.table.neighbours(),
            ports: self.ports.values().cloned().collect(),
            since: self.since.values().min().copied(),
        }
    }

    fn hear(&mut self, port: &PortInfo, heard: &lldp_parser::Lldpdu, now: Instant) -> Result<(), String> {
        self.table.hear(&port.name, &port.mac.to_string(), heard, now)?;
        if self.table.has(&port.name)
            && let (Some(since), Some(status)) = (self.since.get(&port.name), self.ports.get_mut(&port.name))
        {
            status.heard_after.get_or_insert(now.saturating_duration_since(*since));
        }
        Ok(())
    }

    fn fail(&mut self, interface: &str, error: String) {
        let status = self
            .ports
            .entry(interface.to_owned())
            .or_insert_with(|| PortStatus { interface: interface.to_owned(), ..PortStatus::default() });
        if status.error.as_ref() != Some(&error) {
            tracing::debug!(interface, %error, "LLDP on {interface}: {error}");
            status.error = Some(error);
        }
    }
}

/// A port that is listened on, how much of [`announce::SCRIPT`] was said there, and when the next word is due.
struct Watched {
    port: OpenPort,
    said: usize,
    due: Instant,
}

impl Watched {
    /// Says the next word. The pause before the one after it counts from now, so that a goodbye and a hello never leave
    /// together, however late this thread runs.
    fn say(&mut self, word: Word, now: Instant) -> Result<(), String> {
        self.said += 1;
        if let Some((pause, _)) = announce::SCRIPT.get(self.said) {
            self.due = now + *pause;
        }
        let info = &self.port.info;
        let frame = announce::say(word, &info.name, info.mac).map_err(|error| error.to_string())?;
        self.port.send(&frame)
    }
}

struct Worker {
    options: Options,
    shared: Arc<Shared>,
    stop: UnixStream,
    open: BTreeMap<String, Watched>,
}

impl Worker {
    fn run(mut self) {
        let mut buffer = vec![0_u8; BUFFER];
        let mut next_scan = Instant::now();
        loop {
            let now = Instant::now();
            if now >= next_scan {
                self.scan(now);
                next_scan = now + SCAN_EVERY;
            }
            let next_word = self.speak(now);
            let flooded = self.receive_all(&mut buffer);
            self.shared.lock().table.expire(Instant::now());
            self.shared.changed.notify_all();
            if flooded {
                thread::sleep(FLOOD_PAUSE);
            }
            if self.wait(next_word.map_or(next_scan, |word| word.min(next_scan))) {
                break;
            }
        }
        if self.options.fast_start {
            for watched in self.open.values_mut().filter(|watched| watched.said > 0) {
                let _ = watched.say(Word::Goodbye, Instant::now());
            }
        }
    }

    /// Sleeps until a frame comes or `until`; `true` when it is time to end.
    fn wait(&self, until: Instant) -> bool {
        let timeout = until.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::ZERO);
        let mut polled = vec![PollFd::new(self.stop.as_fd(), PollFlags::POLLIN)];
        polled.extend(self.open.values().map(|watched| PollFd::new(watched.port.as_fd(), PollFlags::POLLIN)));
        if poll(&mut polled, timeout).is_err() {
            // EINTR; anything else must not become a busy loop.
            thread::sleep(FLOOD_PAUSE);
        }
        polled.first().and_then(PollFd::any).unwrap_or(false)
    }

    /// Opens ports whose link came, closes those whose link or device went.
    fn scan(&mut self, now: Instant) {
        let (found, errors) = enumerate(&self.options.sysfs, self.options.interfaces.as_deref());
        let mut state = self.shared.lock();
        self.open.retain(|name, watched| {
            let stays = found.contains(&watched.port.info);
            if !stays {
                state.table.forget(name);
            }
            stays
        });
        state.ports.retain(|name, _| found.iter().any(|port| port.name == *name));
        for port in found {
            let status = state.ports.entry(port.name.clone()).or_default();
            status.interface.clone_from(&port.name);
            status.mac = port.mac.to_string();
            status.link = port.link;
            if !port.link {
                status.error = None;
            } else if !self.open.contains_key(&port.name) {
                Self::open(&mut self.open, &mut state, port, now);
            }
        }
        for (name, error) in errors {
            state.fail(&name, error);
        }
        state.open = self.open.keys().cloned().collect();
        state.since.retain(|name, _| self.open.contains_key(name));
        state.scanned = true;
    }

    fn open(open: &mut BTreeMap<String, Watched>, state: &mut State, info: PortInfo, now: Instant) {
        let name = info.name.clone();
        match OpenPort::open(info) {
            Ok(port) => {
                if let Some(status) = state.ports.get_mut(&name) {
                    (status.error, status.heard_after) = (None, None);
                }
                state.since.insert(name.clone(), now);
                open.insert(name, Watched { port, said: 0, due: now });
            }
            Err(error) => state.fail(&name, error),
        }
    }

    /// Says what is due on ports that have heard nobody; tells when the next word is.
    fn speak(&mut self, now: Instant) -> Option<Instant> {
        if !self.options.fast_start {
            return None;
        }
        let mut state = self.shared.lock();
        let mut soonest = None;
        for (name, watched) in &mut self.open {
            if state.table.has(name) {
                continue;
            }
            let word = announce::SCRIPT.get(watched.said).filter(|_| watched.due <= now);
            if let Some(Err(error)) = word.map(|(_, word)| watched.say(*word, now)) {
                state.fail(name, error);
            }
            if watched.said < announce::SCRIPT.len() {
                soonest = Some(soonest.map_or(watched.due, |other: Instant| other.min(watched.due)));
            }
        }
        soonest
    }

    /// Takes what has come; `true` when a port still has more.
    fn receive_all(&mut self, buffer: &mut [u8]) -> bool {
        let mut flooded = false;
        let mut broken = Vec::new();
        for (name, watched) in &self.open {
            let mut taken = 0;
            while taken < BATCH {
                match watched.port.receive(buffer) {
                    Ok(Some(frame)) => self.hear(&watched.port.info, frame),
                    Ok(None) => break,
                    Err(error) => {
                        broken.push((name.clone(), error));
                        break;
                    }
                }
                taken += 1;
            }
            flooded |= taken == BATCH;
        }
        // ENETDOWN and the like: closed here; the next scan opens it again if its link is there.
        for (name, error) in broken {
            self.open.remove(&name);
            let mut state = self.shared.lock();
            state.table.forget(&name);
            state.open.retain(|other| *other != name);
            state.fail(&name, error);
        }
        flooded
    }

    fn hear(&self, port: &PortInfo, bytes: &[u8]) {
        let mut state = self.shared.lock();
        let result = match Frame::parse(bytes) {
            // Our own frames (a looped cable), and what was not sent to us (a mirrored port).
            Ok(frame) if frame.source == port.mac => return,
            Ok(frame) if !GROUPS.contains(&frame.destination) && frame.destination != port.mac => return,
            Ok(frame) => state.hear(port, &frame.lldpdu, Instant::now()),
            Err(error) => Err(format!("an LLDP frame was refused: {error}")),
        };
        if let Err(error) = result {
            state.fail(&port.name, error);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn without_ports_nobody_waits() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("class/net")).unwrap();
        let options = Options { sysfs: root.path().to_owned(), ..Options::default() };
        let started = Instant::now();
        let listener = Listener::start(options).unwrap();
        let seen = listener.wait_first(Duration::from_secs(30));
        assert_eq!((seen.neighbours.len(), seen.ports.len(), seen.generation), (0, 0, 0));
        assert!(listener.changed_since(seen.generation).is_none());
        drop(listener);
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_port_that_is_missing_is_told() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("class/net")).unwrap();
        let interfaces = Some(vec!["eth7".to_owned()]);
        let options = Options { sysfs: root.path().to_owned(), interfaces, fast_start: true };
        let seen = Listener::start(options).unwrap().wait_first(Duration::from_secs(30));
        assert_eq!(seen.ports.first().unwrap().error.as_deref(), Some("no such interface"));
    }
}
