//! The messages of the log-in (13.17-13.23), both ways: Open Session and RAKP 1 to 4. No keys here: codes are bytes.

use std::fmt;

use super::packet::Unusable;

/// Status of a log-in message (table 13-15); 00h is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RakpStatus(pub u8);

impl RakpStatus {
    /// Goes on.
    pub const OK: Self = Self(0x00);
    /// All sessions are taken.
    pub const NO_RESOURCES: Self = Self(0x01);
    /// A session that is not, or no longer.
    pub const INVALID_SESSION: Self = Self(0x02);
    /// The role is not one.
    pub const INVALID_ROLE: Self = Self(0x09);
    /// The user may not have this privilege.
    pub const UNAUTHORISED_ROLE: Self = Self(0x0a);
    /// All sessions of this role are taken.
    pub const NO_RESOURCES_FOR_ROLE: Self = Self(0x0b);
    /// No such user.
    pub const UNAUTHORISED_NAME: Self = Self(0x0d);
    /// A code is wrong: another password.
    pub const WRONG_CODE: Self = Self(0x0f);
    /// No cipher suite of ours.
    pub const NO_SUITE: Self = Self(0x11);

    fn words(self) -> &'static str {
        match self.0 {
            0x00 => "no error",
            0x01 => "no free session",
            0x02 => "invalid session id",
            0x03 => "invalid payload type",
            0x04 => "invalid authentication algorithm",
            0x05 => "invalid integrity algorithm",
            0x06 => "no matching authentication payload",
            0x07 => "no matching integrity payload",
            0x08 => "inactive session id",
            0x09 => "invalid role",
            0x0a => "role or privilege not allowed for this user",
            0x0b => "no free session for this role",
            0x0c => "invalid name length",
            0x0d => "unknown user",
            0x0e => "GUID not accepted",
            0x0f => "authentication code wrong",
            0x10 => "invalid confidentiality algorithm",
            0x11 => "no such cipher suite",
            0x12 => "illegal parameter",
            _ => "reserved status",
        }
    }
}

impl fmt::Display for RakpStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:02X}h)", self.words(), self.0)
    }
}

/// RMCP+ Open Session Request (13.17).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenRequest {
    /// Comes back in the answer.
    pub tag: u8,
    /// The highest privilege the session may get.
    pub privilege: u8,
    /// Our session id.
    pub console: u32,
    /// Authentication, integrity, confidentiality.
    pub algorithms: [u8; 3],
}

impl OpenRequest {
    /// As bytes.
    pub fn emit(&self) -> Vec<u8> {
        let mut out = vec![self.tag, self.privilege, 0, 0];
        out.extend(self.console.to_le_bytes());
        emit_algorithms(&mut out, self.algorithms);
        out
    }

    /// From bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Unusable> {
        let [tag, privilege, _, _, c0, c1, c2, c3, ref rest @ ..] = *bytes else {
            return Err(Unusable("an Open Session Request too short"));
        };
        let algorithms = parse_algorithms(rest)?;
        Ok(Self { tag, privilege, console: u32::from_le_bytes([c0, c1, c2, c3]), algorithms })
    }
}

/// RMCP+ Open Session Response (13.18).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenResponse {
    /// Of the request.
    pub tag: u8,
    /// Our session id.
    pub console: u32,
    /// What a good answer says, or why not.
    pub outcome: Result<Opened, RakpStatus>,
}

/// What a BMC agreed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// The BMC's session id.
    pub bmc: u32,
    /// Authentication, integrity, confidentiality.
    pub algorithms: [u8; 3],
}

impl OpenResponse {
    /// As bytes.
    pub fn emit(&self) -> Vec<u8> {
        let status = self.outcome.err().unwrap_or(RakpStatus::OK);
        let mut out = vec![self.tag, status.0, 0, 0];
        out.extend(self.console.to_le_bytes());
        if let Ok(opened) = self.outcome {
            out.extend(opened.bmc.to_le_bytes());
            emit_algorithms(&mut out, opened.algorithms);
        }
        out
    }

    /// From bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Unusable> {
        let [tag, status, _, _, c0, c1, c2, c3, ref rest @ ..] = *bytes else {
            return Err(Unusable("an Open Session Response too short"));
        };
        let console = u32::from_le_bytes([c0, c1, c2, c3]);
        if status != 0 {
            return Ok(Self { tag, console, outcome: Err(RakpStatus(status)) });
        }
        let [b0, b1, b2, b3, ref rest @ ..] = *rest else {
            return Err(Unusable("an Open Session Response too short"));
        };
        let opened = Opened { bmc: u32::from_le_bytes([b0, b1, b2, b3]), algorithms: parse_algorithms(rest)? };
        Ok(Self { tag, console, outcome: Ok(opened) })
    }
}

/// RAKP Message 1 (13.20): a name and a random number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rakp1 {
    /// Comes back in the answer.
    pub tag: u8,
    /// The BMC's session id.
    pub bmc: u32,
    /// Random, ours.
    pub random: [u8; 16],
    /// Privilege, and 10h: look the user up by name alone.
    pub role: u8,
    /// At most 16 bytes.
    pub user: Vec<u8>,
}

impl Rakp1 {
    /// As bytes.
    pub fn emit(&self) -> Vec<u8> {
        let mut out = vec![self.tag, 0, 0, 0];
        out.extend(self.bmc.to_le_bytes());
        out.extend(self.random);
        out.extend([self.role, 0, 0, u8::try_from(self.user.len()).unwrap_or(u8::MAX)]);
        out.extend(&self.user);
        out
    }

    /// From bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Unusable> {
        let short = Unusable("a RAKP message 1 too short");
        let (tag, bmc, rest) = head(bytes).ok_or(short)?;
        let (random, rest) = rest.split_first_chunk::<16>().ok_or(short)?;
        let [role, _, _, length, name @ ..] = rest else { return Err(short) };
        let user = name.get(..usize::from(*length)).ok_or(short)?.to_vec();
        Ok(Self { tag: tag.0, bmc, random: *random, role: *role, user })
    }
}

/// RAKP Message 2 (13.21): the BMC's random number, and proof that it knows the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rakp2 {
    /// Of RAKP 1.
    pub tag: u8,
    /// Our session id.
    pub console: u32,
    /// What a good answer says, or why not.
    pub outcome: Result<Challenge, RakpStatus>,
}

/// The BMC's half of the exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Random, the BMC's.
    pub random: [u8; 16],
    /// GUID of the BMC or the system.
    pub guid: [u8; 16],
    /// Keyed hash over all of it.
    pub code: Vec<u8>,
}

impl Rakp2 {
    /// As bytes.
    pub fn emit(&self) -> Vec<u8> {
        let status = self.outcome.as_ref().err().copied().unwrap_or(RakpStatus::OK);
        let mut out = vec![self.tag, status.0, 0, 0];
        out.extend(self.console.to_le_bytes());
        if let Ok(challenge) = &self.outcome {
            out.extend(challenge.random);
            out.extend(challenge.guid);
            out.extend(&challenge.code);
        }
        out
    }

    /// From bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Unusable> {
        let short = Unusable("a RAKP message 2 too short");
        let ((tag, status), console, rest) = head(bytes).ok_or(short)?;
        if status != 0 {
            return Ok(Self { tag, console, outcome: Err(RakpStatus(status)) });
        }
        let (random, rest) = rest.split_first_chunk::<16>().ok_or(short)?;
        let (guid, code) = rest.split_first_chunk::<16>().ok_or(short)?;
        Ok(Self { tag, console, outcome: Ok(Challenge { random: *random, guid: *guid, code: code.to_vec() }) })
    }
}

/// RAKP Message 3 (13.22) or 4 (13.23): both are a status, a session id and a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Of RAKP 1 and 3.
    pub tag: u8,
    /// 00h, or why the sender gives up.
    pub status: RakpStatus,
    /// Session id of the receiver.
    pub session: u32,
    /// Keyed hash; empty with a status that is not 00h.
    pub code: Vec<u8>,
}

impl Proof {
    /// As bytes.
    pub fn emit(&self) -> Vec<u8> {
        let mut out = vec![self.tag, self.status.0, 0, 0];
        out.extend(self.session.to_le_bytes());
        out.extend(&self.code);
        out
    }

    /// From bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Unusable> {
        let ((tag, status), session, code) = head(bytes).ok_or(Unusable("a RAKP message too short"))?;
        Ok(Self { tag, status: RakpStatus(status), session, code: code.to_vec() })
    }
}

/// Tag and status, session id, the rest.
fn head(bytes: &[u8]) -> Option<((u8, u8), u32, &[u8])> {
    let [tag, status, _, _, s0, s1, s2, s3, rest @ ..] = bytes else { return None };
    Some(((*tag, *status), u32::from_le_bytes([*s0, *s1, *s2, *s3]), rest))
}

fn emit_algorithms(out: &mut Vec<u8>, algorithms: [u8; 3]) {
    for (kind, algorithm) in (0..).zip(algorithms) {
        out.extend([kind, 0, 0, 8, algorithm, 0, 0, 0]);
    }
}

fn parse_algorithms(bytes: &[u8]) -> Result<[u8; 3], Unusable> {
    let mut algorithms = [0; 3];
    for (at, algorithm) in algorithms.iter_mut().enumerate() {
        *algorithm = match bytes.get(at * 8..at * 8 + 8) {
            Some([kind, _, _, 8, algorithm, ..]) if usize::from(*kind) == at => algorithm & 0x3f,
            Some(_) => return Err(Unusable("algorithms that are none")),
            None => return Err(Unusable("too short for three algorithms")),
        };
    }
    Ok(algorithms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_and_no_cut_is_taken_for_one() {
        let open = OpenRequest { tag: 1, privilege: 4, console: 0xa0a1_a2a3, algorithms: [3, 4, 1] };
        assert_eq!(OpenRequest::parse(&open.emit()), Ok(open));
        let opened = Opened { bmc: 7, algorithms: [1, 1, 1] };
        let response = OpenResponse { tag: 1, console: 2, outcome: Ok(opened) };
        assert_eq!(OpenResponse::parse(&response.emit()), Ok(response));
        let refused = OpenResponse { outcome: Err(RakpStatus::NO_SUITE), ..response };
        assert_eq!(OpenResponse::parse(&refused.emit()), Ok(refused));
        let first = Rakp1 { tag: 2, bmc: 7, random: [9; 16], role: 0x14, user: b"admin".to_vec() };
        assert_eq!(Rakp1::parse(&first.emit()), Ok(first.clone()));
        let challenge = Challenge { random: [8; 16], guid: [7; 16], code: vec![6; 32] };
        let second = Rakp2 { tag: 2, console: 2, outcome: Ok(challenge) };
        assert_eq!(Rakp2::parse(&second.emit()), Ok(second.clone()));
        let third = Proof { tag: 3, status: RakpStatus::OK, session: 7, code: vec![1; 20] };
        assert_eq!(Proof::parse(&third.emit()), Ok(third));
        for end in 0..24 {
            assert!(OpenRequest::parse(&open.emit()[..end]).is_err());
            assert!(OpenResponse::parse(&response.emit()[..end]).is_err());
            assert!(Rakp1::parse(&first.emit()[..end]).is_err());
            assert!(Rakp2::parse(&second.emit()[..end]).is_err());
        }
    }

    #[test]
    fn every_status_has_words() {
        for status in 0..=255 {
            assert!(RakpStatus(status).to_string().len() > 8);
        }
    }
}
