//! Serial over LAN as a payload of a session: begin, end, who has it (24.1-24.3). Only the commands; the characters travel
//! in packets of their own (`lan::sol`). Never asks for SOL without encryption.

use crate::{Command, Malformed, NetFn};

/// Payload type of SOL (table 13-16).
const SOL: u8 = 1;
/// There is one serial line.
const INSTANCE: u8 = 1;
/// Encrypted, authenticated, alerts over a shared serial line wait until SOL ends; the BMC raises CTS, DCD and DSR.
const AUXILIARY: [u8; 4] = [0x80 | 0x40 | 0x04, 0, 0, 0];

/// Activate Payload (24.1) for SOL, encrypted and authenticated.
#[derive(Debug, Clone, Copy)]
pub struct ActivateSol;

/// What the BMC says of SOL packets from now on (table 24-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SolActivated {
    /// Longest payload that the BMC takes, bytes, the 4 bytes of the SOL header included.
    pub to_bmc: u16,
    /// Longest payload that the BMC sends.
    pub from_bmc: u16,
    /// UDP port for SOL; nearly always that of the session.
    pub port: u16,
    /// VLAN for SOL; none: as the session.
    pub vlan: Option<u16>,
}

impl ActivateSol {
    /// SOL is active already, in another session.
    pub const TAKEN: u8 = 0x80;
}

impl Command for ActivateSol {
    const NETFN: NetFn = NetFn::APP;
    const CMD: u8 = 0x48;
    const NAME: &'static str = "Activate Payload (SOL)";
    type Answer = SolActivated;

    fn data(&self) -> Vec<u8> {
        [&[SOL, INSTANCE], AUXILIARY.as_slice()].concat()
    }

    fn answer(&self, data: &[u8]) -> Result<SolActivated, Malformed> {
        // Some BMCs leave the VLAN out.
        let [_, _, _, _, to0, to1, from0, from1, port0, port1, ref vlan @ ..] = *data else {
            return Err(Malformed::short(Self::NAME, "12 bytes", data));
        };
        let vlan = match *vlan {
            [v0, v1, ..] => Some(u16::from_le_bytes([v0, v1])).filter(|vlan| *vlan != u16::MAX),
            _ => None,
        };
        Ok(SolActivated {
            to_bmc: u16::from_le_bytes([to0, to1]),
            from_bmc: u16::from_le_bytes([from0, from1]),
            port: u16::from_le_bytes([port0, port1]),
            vlan,
        })
    }
}

/// Deactivate Payload (24.2) for SOL, whichever session has it.
#[derive(Debug, Clone, Copy)]
pub struct DeactivateSol;

impl DeactivateSol {
    /// It was not active.
    pub const NOT_ACTIVE: u8 = 0x80;
}

impl Command for DeactivateSol {
    const NETFN: NetFn = NetFn::APP;
    const CMD: u8 = 0x49;
    const NAME: &'static str = "Deactivate Payload (SOL)";
    type Answer = ();

    fn data(&self) -> Vec<u8> {
        vec![SOL, INSTANCE, 0, 0, 0, 0]
    }

    fn answer(&self, _: &[u8]) -> Result<(), Malformed> {
        Ok(())
    }
}

/// Get Payload Activation Status (24.3) for SOL.
#[derive(Debug, Clone, Copy)]
pub struct GetSolActivation;

/// Who has SOL, as far as the BMC tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SolActivation {
    /// How often it can be active at one time.
    pub capacity: u8,
    /// Whether instance 1, the only one that we use, is active in some session.
    pub active: bool,
}

impl Command for GetSolActivation {
    const NETFN: NetFn = NetFn::APP;
    const CMD: u8 = 0x4a;
    const NAME: &'static str = "Get Payload Activation Status (SOL)";
    type Answer = SolActivation;

    fn data(&self) -> Vec<u8> {
        vec![SOL]
    }

    fn answer(&self, data: &[u8]) -> Result<SolActivation, Malformed> {
        let [capacity, instances, ..] = *data else {
            return Err(Malformed::short(Self::NAME, "3 bytes", data));
        };
        Ok(SolActivation { capacity: capacity & 0x0f, active: instances & 1 != 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Completion;
    use crate::command::codes::in_words;

    #[test]
    fn activation_as_table_24_2_has_it() {
        assert_eq!(ActivateSol.data(), [1, 1, 0xc4, 0, 0, 0]);
        let whole = [0, 0, 0, 0, 0xc8, 0, 0x2c, 1, 0x6f, 2, 0xff, 0xff];
        let activated = SolActivated { to_bmc: 200, from_bmc: 300, port: 623, vlan: None };
        assert_eq!(ActivateSol.answer(&whole), Ok(activated));
        assert_eq!(ActivateSol.answer(&whole[..10]), Ok(activated));
        assert!((0..10).all(|length| ActivateSol.answer(&whole[..length]).is_err()));
        let vlan = [&whole[..10], &[7, 0]].concat();
        assert_eq!(ActivateSol.answer(&vlan).map(|a| a.vlan), Ok(Some(7)));
    }

    #[test]
    fn the_end_and_the_state() {
        assert_eq!(DeactivateSol.data(), [1, 1, 0, 0, 0, 0]);
        assert_eq!(GetSolActivation.data(), [1]);
        let state = |data: &[u8]| GetSolActivation.answer(data);
        assert_eq!(state(&[1, 1, 0]), Ok(SolActivation { capacity: 1, active: true }));
        assert_eq!(state(&[1, 0, 0]), Ok(SolActivation { capacity: 1, active: false }));
        assert!(state(&[1]).is_err());
    }

    #[test]
    fn refusals_have_words() {
        let words = |code| in_words(NetFn::APP, ActivateSol::CMD, Completion(code));
        assert_eq!(words(0x80), "already active in another session (80h)");
        assert!(words(0x81).contains("disabled") && words(0x82).contains("limit"));
        assert!(words(0x83).contains("with encryption") && words(0x84).contains("without encryption"));
        assert_eq!(in_words(NetFn::APP, DeactivateSol::CMD, Completion(0x80)), "not active (80h)");
    }
}
