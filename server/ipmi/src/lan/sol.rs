//! What a payload of type SOL looks like (15.9, table 15-2): 4 bytes and characters. Pure; what follows from a packet is
//! decided elsewhere.

use super::packet::Unusable;

/// Status of a packet of the BMC, a bit each.
pub mod status {
    /// The packet named by the acknowledged number was not taken, or not whole.
    pub const NACK: u8 = 0x40;
    /// The BMC takes no characters now.
    pub const UNAVAILABLE: u8 = 0x20;
    /// SOL ends, or has ended.
    pub const DEACTIVATING: u8 = 0x10;
    /// The BMC lost characters of the system.
    pub const OVERRUN: u8 = 0x08;
    /// The system sent a break.
    pub const BREAK: u8 = 0x04;
}

/// Operation of a packet to the BMC, a bit each.
pub mod operation {
    /// The packet named by the acknowledged number was not taken.
    pub const NACK: u8 = 0x40;
    /// Ring.
    pub const RING: u8 = 0x20;
    /// Send a break to the system.
    pub const BREAK: u8 = 0x10;
    /// Lower CTS: the system is to wait.
    pub const CTS_PAUSE: u8 = 0x08;
    /// Lower DCD and DSR.
    pub const DROP_DCD_DSR: u8 = 0x04;
    /// Forget characters that the BMC got and has not given to the system.
    pub const FLUSH_IN: u8 = 0x02;
    /// Forget characters of the system that the BMC has not sent.
    pub const FLUSH_OUT: u8 = 0x01;
}

/// Bytes before the characters.
pub const HEADER: usize = 4;
/// Most characters of one packet: how many were taken is said in one byte.
pub const MOST: usize = u8::MAX as usize;

/// One SOL packet, of either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// 1 to 15; 0: it only acknowledges, and wants no acknowledgement.
    pub number: u8,
    /// Number of the packet that this one acknowledges; 0: none.
    pub acknowledged: u8,
    /// How many characters of that packet were taken.
    pub accepted: u8,
    /// Bits of [`status`] from the BMC, of [`operation`] to it.
    pub status: u8,
    /// For the other side's line.
    pub characters: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Takes a payload apart. Reserved bits are not looked at. What is beyond [`MOST`] characters is cut: it cannot be
    /// acknowledged, so it comes again.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Unusable> {
        let [number, acknowledged, accepted, status, ref characters @ ..] = *payload else {
            return Err(Unusable("shorter than a SOL packet"));
        };
        Ok(Self {
            number: number & 0x0f,
            acknowledged: acknowledged & 0x0f,
            accepted,
            status,
            characters: characters.get(..MOST).unwrap_or(characters),
        })
    }

    /// As a payload.
    pub fn emit(&self) -> Vec<u8> {
        [&[self.number & 0x0f, self.acknowledged & 0x0f, self.accepted, self.status], self.characters].concat()
    }
}

/// The number of the packet after this one: 1 to 15, around and around.
pub fn after(number: u8) -> u8 {
    number % 15 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_as_table_15_2_has_them() {
        let typed = Packet { number: 3, acknowledged: 0, accepted: 0, status: operation::BREAK, characters: b"ls\r" };
        assert_eq!(typed.emit(), [3, 0, 0, 0x10, b'l', b's', b'\r']);
        assert_eq!(Packet::parse(&typed.emit()), Ok(typed));
        let bytes = [0xf0, 0xa7, 2, status::NACK | status::UNAVAILABLE];
        let refusal = Packet { number: 0, acknowledged: 7, accepted: 2, status: 0x60, characters: &[] };
        assert_eq!(Packet::parse(&bytes), Ok(refusal));
        assert!((0..HEADER).all(|length| Packet::parse(&bytes[..length]).is_err()));
        let long = [1; HEADER + 300];
        assert_eq!(Packet::parse(&long).map(|packet| packet.characters.len()), Ok(MOST));
        assert_eq!((after(0), after(1), after(14), after(15)), (1, 2, 15, 1));
    }
}
