//! What a datagram of UDP port 623 looks like from outside: RMCP, ASF ping and pong, the session headers of IPMI 1.5 and
//! of RMCP+ (13.1-13.6). Pure: bytes to values and back, no keys, no sockets. Whether a code is right is asked elsewhere.

/// Why a datagram or a message in it was not used; for people who look for the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub &'static str);

const RMCP: [u8; 3] = [0x06, 0x00, 0xff];
const CLASS_ASF: u8 = 0x06;
const CLASS_IPMI: u8 = 0x07;
const ASF_IANA: [u8; 4] = [0x00, 0x00, 0x11, 0xbe];
const PLUS: u8 = 0x06;
/// Of the RMCP+ session header, which the authentication code covers, too.
const HEADER: usize = 12;

/// Type of a payload (13.27.3); types that are not ours are passed through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadKind(pub u8);

impl PayloadKind {
    /// An IPMI message.
    pub const IPMI: Self = Self(0x00);
    /// Serial over LAN.
    pub const SOL: Self = Self(0x01);
    /// RMCP+ Open Session Request.
    pub const OPEN_REQUEST: Self = Self(0x10);
    /// RMCP+ Open Session Response.
    pub const OPEN_RESPONSE: Self = Self(0x11);
    /// RAKP Message 1.
    pub const RAKP_1: Self = Self(0x12);
    /// RAKP Message 2.
    pub const RAKP_2: Self = Self(0x13);
    /// RAKP Message 3.
    pub const RAKP_3: Self = Self(0x14);
    /// RAKP Message 4.
    pub const RAKP_4: Self = Self(0x15);
    const OEM: Self = Self(0x02);
}

/// One datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Datagram<'a> {
    /// ASF presence ping.
    Ping {
        /// Comes back in the pong.
        tag: u8,
    },
    /// ASF presence pong.
    Pong {
        /// Of the ping.
        tag: u8,
        /// Whether the sender speaks IPMI.
        ipmi: bool,
    },
    /// An IPMI message outside any session, with the header of IPMI 1.5 and no authentication.
    Plain(&'a [u8]),
    /// RMCP+.
    Plus(Plus<'a>),
}

/// An RMCP+ packet, its code not yet looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plus<'a> {
    /// What the payload is.
    pub kind: PayloadKind,
    /// Whether the payload is encrypted.
    pub encrypted: bool,
    /// Whether the trailer holds an authentication code.
    pub authenticated: bool,
    /// Session id of the receiver; 0 outside a session.
    pub session: u32,
    /// Session sequence number; 0 outside a session.
    pub sequence: u32,
    /// As it came, encrypted or not.
    pub payload: &'a [u8],
    /// Header, payload and trailer: what the code at its end covers.
    pub whole: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// Takes a datagram apart.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Unusable> {
        let [version, _, _, class, body @ ..] = bytes else {
            return Err(Unusable("shorter than an RMCP header"));
        };
        if *version != RMCP[0] {
            return Err(Unusable("not RMCP version 1.0"));
        }
        match *class {
            CLASS_ASF => Self::asf(body),
            CLASS_IPMI if body.first() == Some(&PLUS) => Plus::parse(body).map(Self::Plus),
            CLASS_IPMI => Self::plain(body),
            _ => Err(Unusable("neither ASF nor IPMI")),
        }
    }

    fn asf(body: &'a [u8]) -> Result<Self, Unusable> {
        match *body {
            [a, b, c, d, 0x80, tag, ..] if [a, b, c, d] == ASF_IANA => Ok(Self::Ping { tag }),
            [a, b, c, d, 0x40, tag, _, length, ref data @ ..] if [a, b, c, d] == ASF_IANA => {
                let entities = data.get(8).ok_or(Unusable("a pong too short"))?;
                if usize::from(length) > data.len() {
                    return Err(Unusable("a pong longer than its datagram"));
                }
                Ok(Self::Pong { tag, ipmi: entities & 0x80 != 0 })
            }
            _ => Err(Unusable("ASF, but neither ping nor pong")),
        }
    }

    fn plain(body: &'a [u8]) -> Result<Self, Unusable> {
        let [kind, _, _, _, _, s0, s1, s2, s3, length, message @ ..] = body else {
            return Err(Unusable("shorter than a session header"));
        };
        if *kind != 0 || [*s0, *s1, *s2, *s3] != [0; 4] {
            return Err(Unusable("a session of IPMI 1.5"));
        }
        // Some BMCs pad the datagram with one byte; what the length says counts.
        message.get(..usize::from(*length)).map(Self::Plain).ok_or(Unusable("a length beyond the datagram"))
    }
}

impl<'a> Plus<'a> {
    fn parse(body: &'a [u8]) -> Result<Self, Unusable> {
        let [_, kind, i0, i1, i2, i3, n0, n1, n2, n3, l0, l1, rest @ ..] = body else {
            return Err(Unusable("shorter than an RMCP+ header"));
        };
        let plain_kind = PayloadKind(kind & 0x3f);
        if plain_kind == PayloadKind::OEM {
            return Err(Unusable("a payload type of a vendor"));
        }
        let length = usize::from(u16::from_le_bytes([*l0, *l1]));
        let payload = rest.get(..length).ok_or(Unusable("a length beyond the datagram"))?;
        Ok(Self {
            kind: plain_kind,
            encrypted: kind & 0x80 != 0,
            authenticated: kind & 0x40 != 0,
            session: u32::from_le_bytes([*i0, *i1, *i2, *i3]),
            sequence: u32::from_le_bytes([*n0, *n1, *n2, *n3]),
            payload,
            whole: body,
        })
    }

    /// Splits into what the code covers and the code of `length` bytes; looks at the trailer between payload and code.
    pub fn signed(&self, length: usize) -> Result<(&'a [u8], &'a [u8]), Unusable> {
        let cut = self.whole.len().checked_sub(length).ok_or(Unusable("too short for its code"))?;
        let (signed, code) = self.whole.split_at(cut);
        // Header, payload, 0 to 3 bytes FFh, their number, 07h.
        match *signed.get(HEADER + self.payload.len()..).ok_or(Unusable("too short for its trailer"))? {
            [ref pad @ .., count, 0x07] if pad.len() == usize::from(count) => Ok((signed, code)),
            _ => Err(Unusable("a trailer that is none")),
        }
    }
}

/// An IPMI message outside any session, as a datagram with the header of IPMI 1.5.
pub fn plain(message: &[u8]) -> Vec<u8> {
    let mut out = rmcp(CLASS_IPMI);
    out.extend([0; 9]);
    // Longer than 255 bytes there are none outside a session.
    out.push(u8::try_from(message.len()).unwrap_or(u8::MAX));
    out.extend(message.iter().take(usize::from(u8::MAX)));
    out
}

/// An RMCP+ payload outside any session: the four messages of the log-in.
pub fn unsigned(kind: PayloadKind, payload: &[u8]) -> Vec<u8> {
    let mut out = rmcp(CLASS_IPMI);
    out.extend(header(kind.0, 0, 0, payload));
    out
}

/// Header, (encrypted) payload and trailer, without RMCP in front and without the code behind: what is to be signed.
pub fn to_sign(kind: PayloadKind, session: u32, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = header(0xc0 | kind.0, session, sequence, payload);
    let pad = (4 - (out.len() + 2) % 4) % 4;
    out.extend(std::iter::repeat_n(0xff, pad));
    // At most 3.
    out.extend([pad as u8, 0x07]);
    out
}

/// What was signed, with its code, as a datagram.
pub fn with_code(signed: &[u8], code: &[u8]) -> Vec<u8> {
    let mut out = rmcp(CLASS_IPMI);
    out.extend(signed);
    out.extend(code);
    out
}

/// An ASF presence ping.
pub fn ping(tag: u8) -> Vec<u8> {
    let mut out = rmcp(CLASS_ASF);
    out.extend(ASF_IANA);
    out.extend([0x80, tag, 0, 0]);
    out
}

/// The pong of something that speaks IPMI.
pub fn pong(tag: u8) -> Vec<u8> {
    let mut out = rmcp(CLASS_ASF);
    out.extend(ASF_IANA);
    out.extend([0x40, tag, 0, 16]);
    out.extend(ASF_IANA);
    out.extend([0, 0, 0, 0, 0x81, 0, 0, 0, 0, 0, 0, 0]);
    out
}

fn rmcp(class: u8) -> Vec<u8> {
    vec![RMCP[0], RMCP[1], RMCP[2], class]
}

fn header(kind: u8, session: u32, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    let mut out = Vec::with_capacity(HEADER + payload.len() + 8);
    out.extend([PLUS, kind]);
    out.extend(session.to_le_bytes());
    out.extend(sequence.to_le_bytes());
    out.extend(length.to_le_bytes());
    out.extend(payload.iter().take(usize::from(length)));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Datagram::parse(&ping(7)), Ok(Datagram::Ping { tag: 7 }));
        assert_eq!(Datagram::parse(&pong(7)), Ok(Datagram::Pong { tag: 7, ipmi: true }));
        assert_eq!(Datagram::parse(&plain(&[1, 2, 3])), Ok(Datagram::Plain(&[1, 2, 3])));
        for length in 0..40 {
            let payload = vec![0x5a; length];
            let bytes = with_code(&to_sign(PayloadKind::SOL, 0xa1b2_c3d4, 9, &payload), &[0xcc; 12]);
            let Ok(Datagram::Plus(plus)) = Datagram::parse(&bytes) else { panic!("{length}") };
            assert_eq!((plus.kind, plus.session, plus.sequence), (PayloadKind::SOL, 0xa1b2_c3d4, 9));
            let (signed, code) = plus.signed(12).unwrap_or_else(|e| panic!("{length}: {e}"));
            assert!(signed.len() % 4 == 0 && code == [0xcc; 12] && plus.payload == payload);
        }
    }

    #[test]
    fn lengths_that_lie_are_told() {
        let mut bytes = plain(&[1, 2, 3]);
        bytes[13] = 4;
        assert_eq!(Datagram::parse(&bytes), Err(Unusable("a length beyond the datagram")));
        let mut bytes = unsigned(PayloadKind::RAKP_2, &[0; 8]);
        bytes[14] = 9;
        assert_eq!(Datagram::parse(&bytes), Err(Unusable("a length beyond the datagram")));
        let mut bytes = with_code(&to_sign(PayloadKind::IPMI, 1, 1, &[0; 16]), &[0; 12]);
        bytes[14] = 15;
        let Ok(Datagram::Plus(plus)) = Datagram::parse(&bytes) else { panic!() };
        assert_eq!(plus.signed(12), Err(Unusable("a trailer that is none")));
        assert!(plus.signed(64).is_err());
    }

    #[test]
    fn every_cut_is_answered() {
        for whole in [pong(1), plain(&[9; 9]), unsigned(PayloadKind::RAKP_4, &[9; 9])] {
            for end in 0..whole.len() {
                assert!(Datagram::parse(&whole[..end]).is_err(), "{end} of {whole:02x?}");
            }
        }
    }
}
