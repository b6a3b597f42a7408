//! The other side of RMCP+: log-ins and sessions of a simulated BMC. Uses the packet codec and the keys of the client; that
//! both are right is what `ipmitool` and `ipmi_sim` tell in the tests.

use std::net::SocketAddr;

use super::commands::{self, Answer};
use super::hardware::Hardware;
use super::misbehave::{Passwords, Silence, Unruly};
use super::serial::Serial;
use crate::lan::message::{self, Message};
use crate::lan::packet::{self, Datagram, PayloadKind, Plus};
use crate::lan::rakp::{Challenge, OpenRequest, OpenResponse, Opened, Proof, Rakp1, Rakp2, RakpStatus};
use crate::lan::{Exchange, Keys, Suite, Window};

pub(super) struct Sessions {
    suites: Vec<u8>,
    most: usize,
    open: Vec<One>,
}

/// What the commands of a session are about.
pub(super) struct Parts<'a> {
    pub hardware: &'a mut Hardware,
    pub unruly: &'a mut Unruly,
    pub serial: &'a mut Serial,
    /// UDP port of the BMC.
    pub port: u16,
}

struct One {
    /// Where its last packet came from.
    from: SocketAddr,
    console: u32,
    bmc: u32,
    suite: Suite,
    log_in: Option<LogIn>,
    keys: Option<Keys>,
    inbound: Window,
    outbound: u32,
    commands: u32,
    /// Of the last request: network function, number, command; and what was answered.
    last: Option<((u8, u8, u8), Answer)>,
}

/// What RAKP 1 and 2 said; kept until the session ends, for a RAKP 3 that comes again.
struct LogIn {
    first: Rakp1,
    random: [u8; 16],
}

impl Sessions {
    pub fn new(suites: Vec<u8>, most: usize) -> Self {
        Self { suites, most, open: Vec::new() }
    }

    pub fn forget(&mut self) {
        self.open.clear();
    }

    pub fn count(&self) -> usize {
        self.open.len()
    }

    /// Whether this session is open.
    pub fn has(&self, bmc: u32) -> bool {
        self.open.iter().any(|one| one.bmc == bmc && one.keys.is_some())
    }

    /// A SOL payload to this session, and where to; none if it is over.
    pub fn sol(&mut self, bmc: u32, payload: &[u8]) -> Option<(SocketAddr, Vec<u8>)> {
        let one = self.open.iter_mut().find(|one| one.bmc == bmc)?;
        Some((one.from, one.seal(PayloadKind::SOL, payload)?))
    }

    /// The answer to a datagram, if it has one.
    pub fn handle(&mut self, bytes: &[u8], from: SocketAddr, parts: &mut Parts<'_>) -> Option<Vec<u8>> {
        let datagram = Datagram::parse(bytes).ok()?;
        let hardware = &mut *parts.hardware;
        let silence = parts.unruly.settings.silence;
        if silence == Some(Silence::Always) {
            return None;
        }
        match datagram {
            Datagram::Ping { tag } => Some(packet::pong(tag)),
            Datagram::Pong { .. } => None,
            Datagram::Plain(inner) => {
                let asked = Message::parse(inner).ok()?;
                let (code, data) = commands::outside(hardware, &asked, &self.suites);
                Some(packet::plain(&message::answer(&asked, code, &data)))
            }
            Datagram::Plus(plus) if plus.session == 0 => {
                if silence == Some(Silence::LogIn) && plus.kind != PayloadKind::OPEN_REQUEST {
                    return None;
                }
                self.log_in(&plus, from, hardware)
            }
            Datagram::Plus(_) if silence == Some(Silence::Session) => None,
            Datagram::Plus(plus) => self.inside(&plus, from, parts),
        }
    }

    fn log_in(&mut self, plus: &Plus<'_>, from: SocketAddr, hardware: &Hardware) -> Option<Vec<u8>> {
        match plus.kind {
            PayloadKind::OPEN_REQUEST => {
                let answer = self.open(&OpenRequest::parse(plus.payload).ok()?, from);
                Some(packet::unsigned(PayloadKind::OPEN_RESPONSE, &answer.emit()))
            }
            PayloadKind::RAKP_1 => {
                let first = Rakp1::parse(plus.payload).ok()?;
                let one = self.open.iter_mut().find(|one| one.bmc == first.bmc)?;
                let answer = one.challenge(first, hardware);
                Some(packet::unsigned(PayloadKind::RAKP_2, &answer.emit()))
            }
            PayloadKind::RAKP_3 => {
                let third = Proof::parse(plus.payload).ok()?;
                let one = self.open.iter_mut().find(|one| one.bmc == third.session)?;
                let answer = (third.status == RakpStatus::OK).then(|| one.prove(&third, hardware)).flatten();
                if answer.as_ref().is_none_or(|answer| answer.status != RakpStatus::OK) {
                    self.open.retain(|one| one.bmc != third.session);
                }
                answer.map(|answer| packet::unsigned(PayloadKind::RAKP_4, &answer.emit()))
            }
            _ => None,
        }
    }

    fn open(&mut self, ask: &OpenRequest, from: SocketAddr) -> OpenResponse {
        let refuse = |status| OpenResponse { tag: ask.tag, console: ask.console, outcome: Err(status) };
        let known = [Suite::Three, Suite::Seventeen].into_iter();
        let suite = known.filter(|s| self.suites.contains(&s.id())).find(|s| s.algorithms() == ask.algorithms);
        let Some(suite) = suite else { return refuse(RakpStatus::NO_SUITE) };
        if self.open.len() >= self.most {
            // As real ones do after a while: who did not finish gives way.
            match self.open.iter().position(|one| one.keys.is_none()) {
                Some(half) => drop(self.open.remove(half)),
                None => return refuse(RakpStatus::NO_RESOURCES),
            }
        }
        let bmc = rand::random::<u32>().max(1);
        self.open.push(One {
            from,
            console: ask.console,
            bmc,
            suite,
            log_in: None,
            keys: None,
            inbound: Window::default(),
            outbound: 0,
            commands: 0,
            last: None,
        });
        let opened = Opened { bmc, algorithms: ask.algorithms };
        OpenResponse { tag: ask.tag, console: ask.console, outcome: Ok(opened) }
    }

    fn inside(&mut self, plus: &Plus<'_>, from: SocketAddr, parts: &mut Parts<'_>) -> Option<Vec<u8>> {
        let at = self.open.iter().position(|one| one.bmc == plus.session && one.keys.is_some())?;
        let one = self.open.get_mut(at)?;
        let payload = one.keys.as_ref()?.open(plus).ok()?;
        if !one.inbound.take(plus.sequence) {
            return None;
        }
        one.from = from;
        if plus.kind == PayloadKind::SOL && parts.serial.owner() == Some(one.bmc) {
            let answer = parts.serial.receive(&payload, &mut parts.unruly.settings.sol)?;
            return (!parts.serial.loses(&parts.unruly.settings.sol)).then(|| one.seal(PayloadKind::SOL, &answer))?;
        }
        if plus.kind != PayloadKind::IPMI {
            return None;
        }
        let mut asked = Message::parse(&payload).ok()?;
        let close = (asked.netfn, asked.cmd) == (0x06, 0x3c);
        let (code, data) = one.answer(&asked, parts, &self.suites);
        if parts.unruly.settings.old_number {
            asked.sequence = asked.sequence.wrapping_sub(1) & 0x3f;
        }
        let message = message::answer(&asked, code, &data);
        let sealed = one.seal(PayloadKind::IPMI, &message)?;
        one.commands += 1;
        if close || parts.unruly.settings.forget_after.is_some_and(|most| one.commands >= most) {
            self.open.remove(at);
        }
        Some(sealed)
    }
}

impl One {
    fn seal(&mut self, kind: PayloadKind, payload: &[u8]) -> Option<Vec<u8>> {
        self.outbound += 1;
        Some(self.keys.as_ref()?.seal(kind, self.console, self.outbound, payload))
    }

    fn challenge(&mut self, first: Rakp1, hardware: &Hardware) -> Rakp2 {
        let (tag, console) = (first.tag, self.console);
        let random = rand::random();
        let log_in = LogIn { first, random };
        let Some(exchange) = exchange(self, &log_in, hardware) else {
            return Rakp2 { tag, console, outcome: Err(RakpStatus::UNAUTHORISED_NAME) };
        };
        let challenge = Challenge { random, guid: hardware.guid, code: exchange.second().to_vec() };
        self.log_in = Some(log_in);
        Rakp2 { tag, console, outcome: Ok(challenge) }
    }

    fn prove(&mut self, third: &Proof, hardware: &Hardware) -> Option<Proof> {
        let exchange = exchange(self, self.log_in.as_ref()?, hardware)?;
        let proof = |status, code| Some(Proof { tag: third.tag, status, session: self.console, code });
        if !exchange.third_is(&third.code) {
            return proof(RakpStatus::WRONG_CODE, Vec::new());
        }
        let answer = proof(RakpStatus::OK, exchange.fourth().to_vec());
        let keys = exchange.keys();
        self.keys = Some(keys);
        answer
    }

    fn answer(&mut self, asked: &Message<'_>, parts: &mut Parts<'_>, suites: &[u8]) -> Answer {
        let Parts { hardware, unruly, serial, port } = parts;
        let name = (asked.netfn, asked.sequence, asked.cmd);
        // The same request again: not done again.
        if let Some((_, answer)) = self.last.as_ref().filter(|(last, _)| *last == name) {
            return answer.clone();
        }
        if let Some((code, times)) = unruly.settings.refuse.as_mut().filter(|(_, times)| *times > 0) {
            *times -= 1;
            return (*code, Vec::new());
        }
        let mut answer = match (asked.netfn, asked.cmd, asked.data) {
            (0x06, 0x3b, [level]) => (0, vec![if level & 0x0f == 0 { 4 } else { level & 0x0f }]),
            (0x06, 0x3c, _) => (0, Vec::new()),
            (0x06, 0x48, [1, 1, ..]) => serial.activate(self.bmc, *port, &unruly.settings.sol),
            (0x06, 0x49, [1, 1, ..]) => (if serial.deactivate(self.bmc) { 0 } else { 0x80 }, Vec::new()),
            (0x06, 0x4a, [1]) => (0, vec![1, u8::from(serial.owner().is_some()), 0]),
            (0x06, 0x47, [_, operation, ..]) if operation & 3 == 2 => match unruly.settings.passwords {
                Passwords::Taken => commands::inside(hardware, asked, suites),
                Passwords::Ignored => (0, Vec::new()),
                Passwords::Refused(code) => (code, Vec::new()),
                Passwords::TakenInSilence => {
                    unruly.settings.silence = Some(Silence::Session);
                    commands::inside(hardware, asked, suites)
                }
            },
            _ => commands::inside(hardware, asked, suites),
        };
        if unruly.settings.empty {
            answer.1.clear();
        }
        self.last = Some((name, answer.clone()));
        answer
    }
}

/// Both sides' numbers with the user's password; none if there is no such user.
fn exchange<'a>(one: &One, log_in: &'a LogIn, hardware: &'a Hardware) -> Option<Exchange<'a>> {
    let user = hardware.users.iter().find(|user| user.name.as_bytes() == log_in.first.user)?;
    Some(Exchange {
        suite: one.suite,
        console: one.console,
        bmc: one.bmc,
        console_random: log_in.first.random,
        bmc_random: log_in.random,
        guid: hardware.guid,
        role: log_in.first.role,
        user: &log_in.first.user,
        password: user.password.reveal().as_bytes(),
        bmc_key: None,
    })
}
