//! A session with one BMC: one request at a time, matched to its answer, sent again with the same number when no answer
//! comes. A session that is lost stays lost: the caller opens a new one.
//!
//! **What is sent twice**: a request without an answer is sent again with the same request number, as IPMI has it (a BMC
//! drops a number that it did lately, or answers CFh). There are at most [`Timing::tries`](super::Timing) such datagrams;
//! after that nothing is repeated here. A new request for the same command is made only after "node busy" (C0h), which
//! says that it was not done. Whoever gets an error with [`LanError::may_be_done`] for a power cycle, a reset or an NMI
//! has to look at the state first.

use std::collections::VecDeque;

use tokio::time::{Instant, timeout};
use zeroize::Zeroizing;

use super::crypto::{Keys, Suite};
use super::error::{LanError, Step};
use super::handshake;
use super::message::{self, Message};
use super::packet::{Datagram, PayloadKind, Unusable};
use super::rakp::RakpStatus;
use super::target::Target;
use super::window::{self, Window};
use super::wire::Wire;
use crate::command::{
    CloseSession, GetChannelAuthCapabilities, GetDeviceId, Privilege, SetSessionPrivilege, THIS_CHANNEL,
};
use crate::ops::Carrier;
use crate::{Command, Completion, Request};

/// Payloads of other types that came while an answer was awaited; the oldest gives way.
const PARKED: usize = 64;

/// A session with one BMC. Dropped without [`Session::close`] it sends one unanswered farewell, so that the BMC's slot is
/// free (real ones have as few as four).
pub struct Session {
    wire: Wire,
    keys: Keys,
    console: u32,
    bmc: u32,
    guid: [u8; 16],
    inbound: Window,
    outbound: u32,
    request: u8,
    parked: VecDeque<(PayloadKind, Zeroizing<Vec<u8>>)>,
    over: Option<&'static str>,
}

impl Session {
    /// Logs in and raises the privilege to the target's. Ends within [`Timing::open`](super::Timing::open).
    pub async fn open(target: &Target) -> Result<Self, LanError> {
        target.check()?;
        let mut step = Step::Socket;
        match timeout(target.timing.open, Self::log_in(target, &mut step)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let noticed = Some(Unusable("too slow for the deadline of a log-in"));
                Err(LanError::NoAnswer { step, tries: target.timing.tries, noticed })
            }
        }
    }

    async fn log_in(target: &Target, step: &mut Step) -> Result<Self, LanError> {
        let mut wire = Wire::connect(target).await?;
        let done = handshake::log_in(&mut wire, target, step).await?;
        let mut session = Self {
            wire,
            keys: done.keys,
            console: done.console,
            bmc: done.bmc,
            guid: done.guid,
            inbound: Window::default(),
            outbound: 0,
            request: 0,
            parked: VecDeque::new(),
            over: None,
        };
        *step = Step::Privilege;
        // A session begins as User.
        if target.privilege > Privilege::User {
            match session.call(&SetSessionPrivilege(target.privilege)).await {
                // Beyond the limit of the user, or of the channel (22.18).
                Err(LanError::Completion { code: Completion(0x80 | 0x81), .. }) => {
                    return Err(LanError::User(RakpStatus::UNAUTHORISED_ROLE));
                }
                other => other?,
            };
        }
        Ok(session)
    }

    /// Sends a command and waits for its answer. Ends after [`Timing::tries`](super::Timing::tries) datagrams, times one more than
    /// [`Timing::busy`](super::Timing::busy) if the BMC is.
    pub async fn call<C: Command>(&mut self, command: &C) -> Result<C::Answer, LanError> {
        let data = self.request(&command.request(), C::NAME).await?;
        Ok(command.answer(&data)?)
    }

    /// Shows the BMC that somebody is here; many end a session after a minute of silence.
    pub async fn keep_alive(&mut self) -> Result<(), LanError> {
        self.call(&GetDeviceId).await.map(drop)
    }

    /// Ends the session. A BMC that does not answer forgets it by itself.
    pub async fn close(mut self) -> Result<(), LanError> {
        let done = self.call(&CloseSession(self.bmc)).await;
        self.over = Some("closed");
        done
    }

    /// The cipher suite that was agreed on.
    pub fn suite(&self) -> Suite {
        self.keys.suite()
    }

    /// The GUID that the BMC named at log-in, as it was sent; often that of the system.
    pub fn guid(&self) -> [u8; 16] {
        self.guid
    }

    /// Whether the session is over; then every call fails at once.
    pub fn is_over(&self) -> bool {
        self.over.is_some()
    }

    /// Sends a payload that is no IPMI message (SOL), once: such payloads have numbers of their own.
    pub async fn send_payload(&mut self, kind: PayloadKind, payload: &[u8]) -> Result<(), LanError> {
        self.alive()?;
        let datagram = self.seal(kind, payload);
        self.wire.send(&datagram).await;
        Ok(())
    }

    /// The next payload that is no IPMI message, or none until then.
    pub async fn receive_payload(
        &mut self,
        until: Instant,
    ) -> Result<Option<(PayloadKind, Zeroizing<Vec<u8>>)>, LanError> {
        self.alive()?;
        if let Some(parked) = self.parked.pop_front() {
            return Ok(Some(parked));
        }
        let Self { wire, keys, inbound, console, .. } = self;
        let accept = |bytes: &[u8]| match opened(bytes, keys, *console, inbound)? {
            (PayloadKind::IPMI, _) => Err(Unusable("the answer to something else")),
            other => Ok(other),
        };
        Ok(wire.receive(until, accept).await)
    }

    /// Drops what is parked of this type.
    pub(super) fn forget_payloads(&mut self, kind: PayloadKind) {
        self.parked.retain(|(parked, _)| *parked != kind);
    }

    fn alive(&self) -> Result<(), LanError> {
        self.over.map_or(Ok(()), |why| Err(LanError::SessionLost(why)))
    }

    fn seal(&mut self, kind: PayloadKind, payload: &[u8]) -> Vec<u8> {
        self.outbound = window::next(self.outbound);
        self.keys.seal(kind, self.bmc, self.outbound, payload)
    }

    async fn request(&mut self, request: &Request, name: &'static str) -> Result<Vec<u8>, LanError> {
        let mut busy = 0;
        loop {
            let (code, data) = self.once(request, name).await?;
            if code.is_ok() {
                return Ok(data);
            }
            if code != Completion::BUSY || busy >= self.wire.timing().busy {
                return Err(LanError::Completion { command: name, code });
            }
            self.wire.pause(busy).await;
            busy += 1;
        }
    }

    /// One request number: as many datagrams as it takes, one answer.
    async fn once(&mut self, request: &Request, name: &'static str) -> Result<(Completion, Vec<u8>), LanError> {
        self.alive()?;
        self.request = (self.request + 1) & 0x3f;
        let number = self.request;
        let message = message::request(request, number);
        let Self { wire, keys, inbound, outbound, parked, console, bmc, .. } = self;
        let mut doubled = None;
        let accept = |bytes: &[u8], sent: u32| {
            let (kind, payload) = opened(bytes, keys, *console, inbound)?;
            if kind != PayloadKind::IPMI {
                if parked.len() >= PARKED {
                    parked.pop_front();
                }
                parked.push_back((kind, payload));
                return Err(Unusable("a payload of another type"));
            }
            let answer = Message::parse(&payload)?;
            if (answer.netfn, answer.sequence, answer.cmd) != (request.netfn.0 | 1, number, request.cmd) {
                return Err(Unusable("the answer to something else"));
            }
            let (code, data) = answer.data.split_first().ok_or(Unusable("an answer without completion code"))?;
            // "Busy" too: a BMC that still does the first says so to the second. Not done is only what was sent once.
            if matches!(*code, 0xc0 | 0xcf) && sent > 0 {
                doubled = Some(Completion(0xcf));
                return Err(Unusable("\"duplicated request\" or \"busy\": the answer to the first may be lost"));
            }
            Ok((Completion(*code), data.to_vec()))
        };
        let make = |_| {
            *outbound = window::next(*outbound);
            keys.seal(PayloadKind::IPMI, *bmc, *outbound, &message)
        };
        let outcome = wire.exchange(Step::Command(name), make, accept).await;
        match (outcome, doubled) {
            (Ok((answer, _)), _) => Ok(answer),
            (Err(_), Some(code)) => Err(LanError::Completion { command: name, code }),
            (Err(silent), None) => Err(self.lost(silent).await),
        }
    }

    /// Nobody answered within the session. Somebody who answers outside of it has lost the session, not the network.
    async fn lost(&mut self, silent: LanError) -> LanError {
        let noticed = self.wire.noticed();
        // It may be that only its answers are lost: then its slot must not stay taken until its own time-out.
        self.farewell();
        self.over = Some("it did not answer any more");
        self.wire.less_patient();
        let ask = GetChannelAuthCapabilities { channel: THIS_CHANNEL, privilege: Privilege::User };
        match (handshake::outside(&mut self.wire, &ask, Step::Capabilities).await, noticed) {
            (Err(LanError::NoAnswer { .. }), _) => silent,
            (_, Some(why)) => LanError::SessionLost(why.0),
            (_, None) => LanError::SessionLost("the BMC is there, and does not answer in it"),
        }
    }
}

impl Session {
    /// Close Session, sent once and not waited for.
    fn farewell(&mut self) {
        self.request = (self.request + 1) & 0x3f;
        let message = message::request(&CloseSession(self.bmc).request(), self.request);
        let datagram = self.seal(PayloadKind::IPMI, &message);
        self.wire.send_now(&datagram);
    }
}

impl Carrier for Session {
    async fn carry(&mut self, request: &Request, name: &'static str) -> Result<Vec<u8>, LanError> {
        self.request(request, name).await
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.over.is_none() {
            self.farewell();
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session({}, {:08x}h)", if self.is_over() { "over" } else { "open" }, self.bmc)
    }
}

/// What a packet of this session holds, if its code is right and its number is new.
fn opened(
    bytes: &[u8],
    keys: &Keys,
    console: u32,
    inbound: &mut Window,
) -> Result<(PayloadKind, Zeroizing<Vec<u8>>), Unusable> {
    let Datagram::Plus(packet) = Datagram::parse(bytes)? else {
        return Err(Unusable("outside the session"));
    };
    if packet.session != console {
        return Err(Unusable("of another session"));
    }
    let payload = keys.open(&packet)?;
    if !inbound.take(packet.sequence) {
        return Err(Unusable("a packet that came before"));
    }
    Ok((packet.kind, payload))
}
