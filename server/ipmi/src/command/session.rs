//! What is said around a session: what a channel can do, its cipher suites, the privilege, the end (22). No cryptography.

use crate::{Command, Malformed, NetFn};

/// The channel that a request came in on (6.3).
pub const THIS_CHANNEL: u8 = 0x0e;

/// How much a session may do (6.8), the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Privilege {
    /// Reads only.
    User,
    /// Power and the like, no configuration.
    Operator,
    /// Everything.
    Administrator,
}

impl Privilege {
    /// Its number on the wire.
    pub fn code(self) -> u8 {
        match self {
            Self::User => 2,
            Self::Operator => 3,
            Self::Administrator => 4,
        }
    }
}

/// Get Channel Authentication Capabilities (22.13), asked for IPMI 2.0 data; works outside a session.
#[derive(Debug, Clone, Copy)]
pub struct GetChannelAuthCapabilities {
    /// Channel number, or [`THIS_CHANNEL`].
    pub channel: u8,
    /// The privilege that is going to be asked for.
    pub privilege: Privilege,
}

/// What a channel accepts at log-in (22.13).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthCapabilities {
    /// The channel that the request came in on.
    pub channel: u8,
    /// IPMI 1.5 authentication types, a bit each: none, MD2, MD5, -, password, OEM.
    pub types: u8,
    /// Whether the channel speaks RMCP+ (IPMI 2.0).
    pub rmcp_plus: bool,
    /// Whether the two-key log-in wants a BMC key (KG) besides the password.
    pub bmc_key: bool,
    /// Whether a user without name but with a password exists.
    pub null_users: bool,
    /// Whether log-in without name and password is possible.
    pub anonymous: bool,
}

impl Command for GetChannelAuthCapabilities {
    const NETFN: NetFn = NetFn::APP;
    const CMD: u8 = 0x38;
    const NAME: &'static str = "Get Channel Authentication Capabilities";
    type Answer = AuthCapabilities;

    fn data(&self) -> Vec<u8> {
        vec![0x80 | (self.channel & 0x0f), self.privilege.code()]
    }

    fn answer(&self, data: &[u8]) -> Result<AuthCapabilities, Malformed> {
        let [channel, types, status, extended, ..] = *data else {
            return Err(Malformed::short(Self::NAME, "at least 4 bytes", data));
        };
        Ok(AuthCapabilities {
            channel: channel & 0x0f,
            types: types & 0x3f,
            rmcp_plus: types & 0x80 != 0 && extended & 0x02 != 0,
            bmc_key: status & 0x20 != 0,
            null_users: status & 0x02 != 0,
            anonymous: status & 0x01 != 0,
        })
    }
}

/// Get Channel Cipher Suites (22.15): one piece of up to 16 bytes of the list; works outside a session.
#[derive(Debug, Clone, Copy)]
pub struct GetChannelCipherSuites {
    /// Channel number, or [`THIS_CHANNEL`].
    pub channel: u8,
    /// Which piece, 0 first, at most [`Self::LAST`].
    pub index: u8,
}

impl GetChannelCipherSuites {
    /// The last piece there can be.
    pub const LAST: u8 = 0x3f;
    /// A piece shorter than this is the last one.
    pub const PIECE: usize = 16;
}

impl Command for GetChannelCipherSuites {
    const NETFN: NetFn = NetFn::APP;
    const CMD: u8 = 0x54;
    const NAME: &'static str = "Get Channel Cipher Suites";
    /// This piece, without the channel number.
    type Answer = Vec<u8>;

    fn data(&self) -> Vec<u8> {
        vec![self.channel & 0x0f, 0x00, 0x80 | (self.index & Self::LAST)]
    }

    fn answer(&self, data: &[u8]) -> Result<Vec<u8>, Malformed> {
        let Some((_, piece)) = data.split_first() else {
            return Err(Malformed::short(Self::NAME, "at least 1 byte", data));
        };
        if piece.len() > Self::PIECE {
            return Err(Malformed::short(Self::NAME, "at most 17 bytes", data));
        }
        Ok(piece.to_vec())
    }
}

/// One entry of the cipher suite list (22.15.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CipherSuite {
    /// Its number: 3, 17.
    pub id: u8,
    /// IANA number of whoever defined it; none for those of the specification.
    pub oem: Option<u32>,
    /// Authentication algorithm (13.28).
    pub authentication: u8,
    /// Integrity algorithms.
    pub integrity: Vec<u8>,
    /// Confidentiality algorithms.
    pub confidentiality: Vec<u8>,
}

impl CipherSuite {
    /// Reads the whole list. What cannot be read ends it: a BMC that cuts its list must not lose what came before.
    pub fn list(bytes: &[u8]) -> Vec<Self> {
        let mut suites = Vec::new();
        let mut rest = bytes;
        loop {
            let (id, oem, after) = match *rest {
                [0xc0, id, ref after @ ..] => (id, None, after),
                [0xc1, id, a, b, c, ref after @ ..] => (id, Some(u32::from_le_bytes([a, b, c, 0])), after),
                _ => return suites,
            };
            let length = after.iter().take_while(|tag| **tag < 0xc0).count();
            let (tags, next) = after.split_at(length);
            let of = |kind: u8| tags.iter().filter(move |tag| **tag >> 6 == kind).map(|tag| *tag & 0x3f);
            suites.push(Self {
                id,
                oem,
                authentication: of(0).next().unwrap_or(0),
                integrity: of(1).collect(),
                confidentiality: of(2).collect(),
            });
            rest = next;
        }
    }
}

/// Set Session Privilege Level (22.18). A session begins as User whatever was agreed on.
#[derive(Debug, Clone, Copy)]
pub struct SetSessionPrivilege(pub Privilege);

impl Command for SetSessionPrivilege {
    const NETFN: NetFn = NetFn::APP;
    const CMD: u8 = 0x3b;
    const NAME: &'static str = "Set Session Privilege Level";
    /// The level that holds now, as a number (6.8).
    type Answer = u8;

    fn data(&self) -> Vec<u8> {
        vec![self.0.code()]
    }

    fn answer(&self, data: &[u8]) -> Result<u8, Malformed> {
        data.first().map(|level| level & 0x0f).ok_or_else(|| Malformed::short(Self::NAME, "1 byte", data))
    }
}

/// Close Session (22.19), by the id that the BMC gave.
#[derive(Debug, Clone, Copy)]
pub struct CloseSession(pub u32);

impl Command for CloseSession {
    const NETFN: NetFn = NetFn::APP;
    const CMD: u8 = 0x3c;
    const NAME: &'static str = "Close Session";
    type Answer = ();

    fn data(&self) -> Vec<u8> {
        self.0.to_le_bytes().to_vec()
    }

    fn answer(&self, _: &[u8]) -> Result<(), Malformed> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cipher_suites_of_a_list_are_read_and_a_cut_one_loses_no_other() {
        // 3, 17 and an OEM suite 80h of enterprise 0157h; then a record that ends after its first byte.
        let list = [0xc0, 3, 1, 0x41, 0x81, 0xc0, 17, 3, 0x44, 0x81, 0xc1, 0x80, 0x57, 0x01, 0, 2, 0x42, 0x43, 0xc0];
        let suites = CipherSuite::list(&list);
        assert_eq!(suites.iter().map(|s| s.id).collect::<Vec<_>>(), [3, 17, 0x80]);
        assert_eq!((suites[0].authentication, suites[0].integrity[0], suites[0].confidentiality[0]), (1, 1, 1));
        assert_eq!((suites[1].authentication, suites[1].integrity[0]), (3, 4));
        assert_eq!((suites[2].oem, suites[2].integrity.len(), suites[2].confidentiality.len()), (Some(0x157), 2, 0));
    }

    #[test]
    fn capabilities_tell_ipmi_15_from_20() {
        let ask = GetChannelAuthCapabilities { channel: THIS_CHANNEL, privilege: Privilege::Administrator };
        assert_eq!(ask.data(), [0x8e, 4]);
        let new = ask.answer(&[1, 0x94, 0x04, 0x03, 0, 0, 0, 0]).unwrap_or_else(|e| panic!("{e}"));
        assert!(new.rmcp_plus && !new.anonymous && !new.bmc_key);
        let old = ask.answer(&[1, 0x14, 0x07, 0, 0, 0, 0, 0]).unwrap_or_else(|e| panic!("{e}"));
        assert!(!old.rmcp_plus && old.anonymous && old.null_users);
        assert!(ask.answer(&[1, 2, 3]).is_err());
    }

    #[test]
    fn a_piece_longer_than_a_piece_is_refused() {
        let ask = GetChannelCipherSuites { channel: THIS_CHANNEL, index: 1 };
        assert_eq!(ask.data(), [0x0e, 0, 0x81]);
        assert!(ask.answer(&[0; 18]).is_err() && ask.answer(&[]).is_err());
        assert_eq!(ask.answer(&[1, 0xc0]), Ok(vec![0xc0]));
    }
}
