//! Cipher suites 3 and 17: keyed hashes, session keys, AES (13.28-13.32). Codes are compared in constant time, keys are
//! wiped and never shown. Nothing weaker lives here, so nothing weaker can be agreed on.

use aes::Aes128;
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::packet::{self, PayloadKind, Plus, Unusable};

/// A cipher suite (table 22-20).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suite {
    /// RAKP-HMAC-SHA1, HMAC-SHA1-96, AES-CBC-128: what every BMC of IPMI 2.0 has.
    Three,
    /// RAKP-HMAC-SHA256, HMAC-SHA256-128, AES-CBC-128.
    Seventeen,
}

impl Suite {
    /// Its number.
    pub fn id(self) -> u8 {
        match self {
            Self::Three => 3,
            Self::Seventeen => 17,
        }
    }

    /// Authentication, integrity, confidentiality, as numbers (tables 13-17 to 13-19).
    pub fn algorithms(self) -> [u8; 3] {
        match self {
            Self::Three => [1, 1, 1],
            Self::Seventeen => [3, 4, 1],
        }
    }

    /// Bytes of the codes in packets, and of the one in RAKP 4.
    pub fn code_length(self) -> usize {
        match self {
            Self::Three => 12,
            Self::Seventeen => 16,
        }
    }
}

macro_rules! hashed {
    ($suite:expr, $key:expr, $parts:expr, $mac:ident => $then:expr) => {
        match $suite {
            Suite::Three => {
                // A keyed hash takes a key of any length.
                let Ok(mut $mac) = Hmac::<Sha1>::new_from_slice($key) else { return Default::default() };
                $parts.iter().for_each(|part| $mac.update(part));
                $then
            }
            Suite::Seventeen => {
                let Ok(mut $mac) = Hmac::<Sha256>::new_from_slice($key) else { return Default::default() };
                $parts.iter().for_each(|part| $mac.update(part));
                $then
            }
        }
    };
}

fn keyed_hash(suite: Suite, key: &[u8], parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    hashed!(suite, key, parts, mac => Zeroizing::new(mac.finalize().into_bytes().to_vec()))
}

/// Constant time; `code` is the left part of the hash, its length already checked.
fn matches(suite: Suite, key: &[u8], parts: &[&[u8]], code: &[u8]) -> bool {
    hashed!(suite, key, parts, mac => mac.verify_truncated_left(code).is_ok())
}

/// Everything that both sides put into the hashes of the log-in (13.31).
pub struct Exchange<'a> {
    /// Agreed on.
    pub suite: Suite,
    /// Our session id.
    pub console: u32,
    /// The BMC's session id.
    pub bmc: u32,
    /// Ours, of RAKP 1.
    pub console_random: [u8; 16],
    /// The BMC's, of RAKP 2.
    pub bmc_random: [u8; 16],
    /// The BMC's, of RAKP 2.
    pub guid: [u8; 16],
    /// As in RAKP 1.
    pub role: u8,
    /// Name.
    pub user: &'a [u8],
    /// Password: the user's key (KUID).
    pub password: &'a [u8],
    /// Key of the BMC (KG); without one the password serves.
    pub bmc_key: Option<&'a [u8]>,
}

impl Exchange<'_> {
    fn name_length(&self) -> [u8; 1] {
        [u8::try_from(self.user.len()).unwrap_or(u8::MAX)]
    }

    fn whole_hash(&self) -> usize {
        match self.suite {
            Suite::Three => 20,
            Suite::Seventeen => 32,
        }
    }

    /// The code of RAKP 2.
    pub fn second(&self) -> Zeroizing<Vec<u8>> {
        self.with_second(|parts| keyed_hash(self.suite, self.password, parts))
    }

    /// Whether the code of RAKP 2 shows that the BMC knows the password.
    pub fn second_is(&self, code: &[u8]) -> bool {
        code.len() == self.whole_hash() && self.with_second(|parts| matches(self.suite, self.password, parts, code))
    }

    fn with_second<T>(&self, then: impl FnOnce(&[&[u8]]) -> T) -> T {
        let (console, bmc) = (self.console.to_le_bytes(), self.bmc.to_le_bytes());
        let length = self.name_length();
        let (ours, theirs) = (&self.console_random, &self.bmc_random);
        then(&[&console, &bmc, ours, theirs, &self.guid, &[self.role], &length, self.user])
    }

    /// The code of RAKP 3.
    pub fn third(&self) -> Zeroizing<Vec<u8>> {
        self.with_third(|parts| keyed_hash(self.suite, self.password, parts))
    }

    /// Whether the code of RAKP 3 shows that the console knows the password.
    pub fn third_is(&self, code: &[u8]) -> bool {
        code.len() == self.whole_hash() && self.with_third(|parts| matches(self.suite, self.password, parts, code))
    }

    fn with_third<T>(&self, then: impl FnOnce(&[&[u8]]) -> T) -> T {
        let (console, length) = (self.console.to_le_bytes(), self.name_length());
        then(&[&self.bmc_random, &console, &[self.role], &length, self.user])
    }

    /// The session integrity key (SIK).
    fn session_key(&self) -> Zeroizing<Vec<u8>> {
        let key = self.bmc_key.unwrap_or(self.password);
        let length = self.name_length();
        keyed_hash(self.suite, key, &[&self.console_random, &self.bmc_random, &[self.role], &length, self.user])
    }

    /// The code of RAKP 4.
    pub fn fourth(&self) -> Zeroizing<Vec<u8>> {
        let bmc = self.bmc.to_le_bytes();
        let mut code = keyed_hash(self.suite, &self.session_key(), &[&self.console_random, &bmc, &self.guid]);
        code.truncate(self.suite.code_length());
        code
    }

    /// Whether the code of RAKP 4 shows that both sides have the same session key.
    pub fn fourth_is(&self, code: &[u8]) -> bool {
        let bmc = self.bmc.to_le_bytes();
        let parts: [&[u8]; 3] = [&self.console_random, &bmc, &self.guid];
        code.len() == self.suite.code_length() && matches(self.suite, &self.session_key(), &parts, code)
    }

    /// The keys of the session (K1 and K2).
    pub fn keys(&self) -> Keys {
        let session = self.session_key();
        let integrity = keyed_hash(self.suite, &session, &[&[1; 20]]);
        let confidentiality = keyed_hash(self.suite, &session, &[&[2; 20]]);
        let mut aes = Zeroizing::new([0; 16]);
        aes.iter_mut().zip(confidentiality.iter()).for_each(|(to, from)| *to = *from);
        Keys { suite: self.suite, integrity, aes }
    }
}

/// What seals and opens the packets of one session.
pub struct Keys {
    suite: Suite,
    integrity: Zeroizing<Vec<u8>>,
    aes: Zeroizing<[u8; 16]>,
}

impl Keys {
    /// Which suite they belong to.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// Encrypts a payload and signs the packet: a whole datagram.
    pub fn seal(&self, kind: PayloadKind, session: u32, sequence: u32, payload: &[u8]) -> Vec<u8> {
        let signed = packet::to_sign(kind, session, sequence, &self.encrypt(payload));
        let code = keyed_hash(self.suite, &self.integrity, &[&signed]);
        packet::with_code(&signed, code.get(..self.suite.code_length()).unwrap_or_default())
    }

    /// Checks the code of a packet, then decrypts its payload. Nothing of a packet with a wrong code is looked at.
    pub fn open(&self, packet: &Plus<'_>) -> Result<Zeroizing<Vec<u8>>, Unusable> {
        if !packet.authenticated || !packet.encrypted {
            return Err(Unusable("in the clear, within a session"));
        }
        let (signed, code) = packet.signed(self.suite.code_length())?;
        if !matches(self.suite, &self.integrity, &[signed], code) {
            return Err(Unusable("a wrong authentication code"));
        }
        self.decrypt(packet.payload)
    }

    /// 16 random bytes, then the payload with 1, 2, 3, .. and their number behind, in blocks of 16 (13.29).
    fn encrypt(&self, payload: &[u8]) -> Vec<u8> {
        let vector: [u8; 16] = rand::random();
        let pad = (16 - (payload.len() + 1) % 16) % 16;
        let mut blocks = Zeroizing::new(Vec::with_capacity(payload.len() + 16));
        blocks.extend(payload);
        // At most 15.
        blocks.extend((1..=15u8).take(pad));
        blocks.push(pad as u8);
        let length = blocks.len();
        let cipher = cbc::Encryptor::<Aes128>::new((&*self.aes).into(), (&vector).into());
        let mut out = vector.to_vec();
        if let Ok(encrypted) = cipher.encrypt_padded::<NoPadding>(&mut blocks, length) {
            out.extend(encrypted);
        }
        out
    }

    fn decrypt(&self, payload: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unusable> {
        let broken = Unusable("not whole blocks of AES");
        let (vector, blocks) = payload.split_first_chunk::<16>().ok_or(broken)?;
        let mut blocks = Zeroizing::new(blocks.to_vec());
        let cipher = cbc::Decryptor::<Aes128>::new((&*self.aes).into(), vector.into());
        cipher.decrypt_padded::<NoPadding>(&mut blocks).map_err(|_| broken)?;
        let pad = usize::from(blocks.pop().ok_or(broken)?);
        let length = blocks.len().checked_sub(pad).filter(|_| pad < 16).ok_or(Unusable("a wrong padding"))?;
        blocks.truncate(length);
        Ok(blocks)
    }
}

#[cfg(test)]
#[path = "crypto_tests.rs"]
mod tests;
