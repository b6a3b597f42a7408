//! The log-in (13.15, 13.31): what does the BMC offer, open, RAKP 1 to 4. It ends with keys, or with a reason; never with
//! a weaker suite than the target accepts, and never with a session whose codes did not prove both sides.

use super::crypto::{Exchange, Keys, Suite};
use super::error::{LanError, Step};
use super::message::{self, Message};
use super::packet::{self, Datagram, PayloadKind, Unusable};
use super::rakp::{Challenge, OpenRequest, OpenResponse, Opened, Proof, Rakp1, Rakp2, RakpStatus};
use super::target::Target;
use super::wire::Wire;
use crate::command::{CipherSuite, GetChannelAuthCapabilities, GetChannelCipherSuites, THIS_CHANNEL};
use crate::{Command, Completion};

/// Log-ins begun anew when an answer may have been lost or late: a BMC that answered RAKP 1 twice has other numbers than
/// we. Each waits twice as long as the one before, so that a BMC slower than our first wait gets in, too.
const ATTEMPTS: u32 = 3;
/// Look the user up by name, whatever privilege it has (13.20).
const BY_NAME: u8 = 0x10;

/// A log-in that worked.
pub(super) struct LoggedIn {
    pub keys: Keys,
    pub console: u32,
    pub bmc: u32,
    pub guid: [u8; 16],
}

/// The whole log-in. `step` is where it is, for whoever sets a deadline.
pub(super) async fn log_in(wire: &mut Wire, target: &Target, step: &mut Step) -> Result<LoggedIn, LanError> {
    *step = Step::Capabilities;
    let ask = GetChannelAuthCapabilities { channel: THIS_CHANNEL, privilege: target.privilege };
    if !outside(wire, &ask, *step).await?.rmcp_plus {
        return Err(LanError::NotRmcpPlus);
    }
    *step = Step::CipherSuites;
    let offered = offered(wire).await?;
    let mut candidates = target.suites.clone();
    if let Some(offered) = &offered {
        candidates.retain(|suite| offered.contains(&suite.id()));
    }
    for suite in candidates {
        for attempt in 1..=ATTEMPTS {
            wire.answer_within(target.timing.answer.saturating_mul(1 << (attempt - 1)));
            match attempt_with(wire, target, suite, step).await {
                Ok(done) => {
                    wire.answer_within(target.timing.answer);
                    return Ok(done);
                }
                Err(Failed { why: LanError::NoSuite { .. }, .. }) => break,
                Err(failed) if failed.ambiguous && attempt < ATTEMPTS => {}
                Err(failed) => return Err(failed.why),
            }
        }
    }
    let accepted = target.suites.iter().map(|suite| suite.id()).collect();
    Err(LanError::NoSuite { accepted, offered: offered.unwrap_or_default() })
}

/// Numbers of the suites that the BMC lists; none if it has no such list, so that only trying tells.
async fn offered(wire: &mut Wire) -> Result<Option<Vec<u8>>, LanError> {
    let mut list = Vec::new();
    for index in 0..=GetChannelCipherSuites::LAST {
        let ask = GetChannelCipherSuites { channel: THIS_CHANNEL, index };
        let piece = match outside(wire, &ask, Step::CipherSuites).await {
            Ok(piece) => piece,
            // Some BMCs refuse the piece after the last, some the whole command.
            Err(LanError::Completion { .. }) => break,
            Err(other) => return Err(other),
        };
        list.extend_from_slice(&piece);
        if piece.len() < GetChannelCipherSuites::PIECE {
            break;
        }
    }
    let suites = CipherSuite::list(&list);
    let ours = [Suite::Seventeen, Suite::Three].map(|suite| (suite.id(), suite.algorithms()));
    let same = |suite: &CipherSuite| {
        ours.iter().all(|(id, [authentication, integrity, confidentiality])| {
            suite.id != *id
                || (suite.oem.is_none()
                    && suite.authentication == *authentication
                    && suite.integrity.contains(integrity)
                    && suite.confidentiality.contains(confidentiality))
        })
    };
    let numbers: Vec<u8> = suites.iter().filter(|suite| same(suite)).map(|suite| suite.id).collect();
    Ok((!list.is_empty()).then_some(numbers))
}

/// A command outside the session.
pub(super) async fn outside<C: Command>(wire: &mut Wire, command: &C, step: Step) -> Result<C::Answer, LanError> {
    let request = command.request();
    let sequence = wire.next_number();
    let datagram = packet::plain(&message::request(&request, sequence));
    let accept = |bytes: &[u8], _| {
        let Datagram::Plain(inner) = Datagram::parse(bytes)? else {
            return Err(Unusable("of a session"));
        };
        let answer = Message::parse(inner)?;
        if (answer.netfn, answer.sequence, answer.cmd) != (request.netfn.0 | 1, sequence, request.cmd) {
            return Err(Unusable("the answer to something else"));
        }
        let (code, data) = answer.data.split_first().ok_or(Unusable("an answer without completion code"))?;
        Ok((Completion(*code), data.to_vec()))
    };
    let ((code, data), _) = wire.exchange(step, |_| datagram.clone(), accept).await?;
    if !code.is_ok() {
        return Err(LanError::Completion { command: C::NAME, code });
    }
    Ok(command.answer(&data)?)
}

/// Why a log-in failed, and whether a lost answer may be the true reason.
struct Failed {
    why: LanError,
    ambiguous: bool,
}

impl From<LanError> for Failed {
    fn from(why: LanError) -> Self {
        Self { why, ambiguous: false }
    }
}

async fn attempt_with(wire: &mut Wire, target: &Target, suite: Suite, step: &mut Step) -> Result<LoggedIn, Failed> {
    *step = Step::Open;
    let console = rand::random::<u32>().max(1);
    let (opened, _) = open(wire, target, suite, console).await?;
    *step = Step::Rakp1;
    let tag = rand::random();
    let first = Rakp1 {
        tag,
        bmc: opened.bmc,
        random: rand::random(),
        role: BY_NAME | target.privilege.code(),
        user: target.user.as_bytes().to_vec(),
    };
    let accept = |bytes: &[u8], _| {
        let second = Rakp2::parse(unsigned(bytes, PayloadKind::RAKP_2)?)?;
        if (second.tag, second.console) == (tag, console) { Ok(second) } else { Err(Unusable("of another log-in")) }
    };
    let (second, sent) = wire.exchange(*step, |_| packet::unsigned(PayloadKind::RAKP_1, &first.emit()), accept).await?;
    let mut ambiguous = sent > 1;
    let challenge = second.outcome.map_err(|status| Failed { why: refused(*step, status), ambiguous })?;
    let exchange = exchange(target, suite, console, &first, &challenge);
    if !exchange.second_is(&challenge.code) {
        // So that the BMC need not keep the session until it grows old.
        let sorry = Proof { tag, status: RakpStatus::WRONG_CODE, session: opened.bmc, code: Vec::new() };
        wire.send(&packet::unsigned(PayloadKind::RAKP_3, &sorry.emit())).await;
        return Err(Failed { why: LanError::Password("the BMC's proof does not fit ours"), ambiguous });
    }
    *step = Step::Rakp3;
    let tag = rand::random();
    let third = Proof { tag, status: RakpStatus::OK, session: opened.bmc, code: exchange.third().to_vec() };
    let accept = |bytes: &[u8], _| {
        let fourth = Proof::parse(unsigned(bytes, PayloadKind::RAKP_4)?)?;
        if (fourth.tag, fourth.session) == (tag, console) { Ok(fourth) } else { Err(Unusable("of another log-in")) }
    };
    // A BMC whose answer was lost has the session already, and may say nothing more or "invalid session".
    let send = |_| packet::unsigned(PayloadKind::RAKP_3, &third.emit());
    let answered = wire.exchange(*step, send, accept).await;
    let (fourth, sent) = answered.map_err(|why| Failed { why, ambiguous: true })?;
    ambiguous |= sent > 1;
    if fourth.status != RakpStatus::OK {
        return Err(Failed { why: refused(*step, fourth.status), ambiguous });
    }
    if !exchange.fourth_is(&fourth.code) {
        let why = "the BMC's last code does not fit: is a BMC key (KG) set there?";
        return Err(Failed { why: LanError::Password(why), ambiguous });
    }
    Ok(LoggedIn { keys: exchange.keys(), console, bmc: opened.bmc, guid: challenge.guid })
}

async fn open(wire: &mut Wire, target: &Target, suite: Suite, console: u32) -> Result<(Opened, u32), LanError> {
    let tag = rand::random();
    let ask = OpenRequest { tag, privilege: target.privilege.code(), console, algorithms: suite.algorithms() };
    let accept = |bytes: &[u8], _| {
        let response = OpenResponse::parse(unsigned(bytes, PayloadKind::OPEN_RESPONSE)?)?;
        // In a refusal some BMCs leave our session id out.
        if response.tag != tag || (response.outcome.is_ok() && response.console != console) {
            return Err(Unusable("of another log-in"));
        }
        if response.outcome.is_ok_and(|opened| opened.bmc == 0 || opened.algorithms != suite.algorithms()) {
            return Err(Unusable("a session other than asked for"));
        }
        Ok(response)
    };
    let send = |_| packet::unsigned(PayloadKind::OPEN_REQUEST, &ask.emit());
    let (response, sent) = wire.exchange(Step::Open, send, accept).await?;
    match response.outcome {
        Ok(opened) => Ok((opened, sent)),
        Err(status) => Err(refused(Step::Open, status)),
    }
}

/// The payload of a log-in message of this kind.
fn unsigned(bytes: &[u8], kind: PayloadKind) -> Result<&[u8], Unusable> {
    match Datagram::parse(bytes)? {
        Datagram::Plus(plus) if plus.kind == kind && !plus.authenticated && !plus.encrypted && plus.session == 0 => {
            Ok(plus.payload)
        }
        _ => Err(Unusable("another message than the one expected")),
    }
}

fn exchange<'a>(
    target: &'a Target,
    suite: Suite,
    console: u32,
    first: &'a Rakp1,
    challenge: &Challenge,
) -> Exchange<'a> {
    Exchange {
        suite,
        console,
        bmc: first.bmc,
        console_random: first.random,
        bmc_random: challenge.random,
        guid: challenge.guid,
        role: first.role,
        user: &first.user,
        password: target.password.reveal().as_bytes(),
        bmc_key: target.bmc_key.as_ref().map(|key| key.reveal().as_bytes()),
    }
}

fn refused(step: Step, status: RakpStatus) -> LanError {
    match status {
        RakpStatus::UNAUTHORISED_NAME | RakpStatus::UNAUTHORISED_ROLE | RakpStatus::INVALID_ROLE => {
            LanError::User(status)
        }
        RakpStatus::WRONG_CODE => LanError::Password("the BMC refuses our proof"),
        RakpStatus::NO_SUITE | RakpStatus(0x04..=0x07 | 0x10) if step == Step::Open => {
            LanError::NoSuite { accepted: Vec::new(), offered: Vec::new() }
        }
        _ => LanError::Refused { step, status },
    }
}
