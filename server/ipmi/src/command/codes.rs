//! Completion codes 80h-BEh in words: they mean something else with each command. Codes of table 5-2 are those of
//! [`Completion`] itself.

use crate::{Completion, NetFn};

/// What a command's own code means; none for a general code, or one that the specification does not have.
pub fn own_words(netfn: NetFn, cmd: u8, code: Completion) -> Option<&'static str> {
    Some(match (netfn, cmd, code.0) {
        (NetFn::TRANSPORT, 0x01 | 0x02 | 0x21 | 0x22, 0x80) => "parameter not supported",
        (NetFn::TRANSPORT, 0x01 | 0x21, 0x81) => "somebody else is setting parameters",
        (NetFn::TRANSPORT, 0x01 | 0x21, 0x82) => "parameter is read-only",
        (NetFn::TRANSPORT, 0x02 | 0x22, 0x83) => "parameter is write-only",
        (NetFn::APP, 0x40 | 0x41, 0x82) => "not supported on this channel, which has no sessions",
        (NetFn::APP, 0x40, 0x83) => "access mode not supported",
        (NetFn::APP, 0x47, 0x80) => "another password is in force",
        (NetFn::APP, 0x47, 0x81) => "wrong password size",
        (NetFn::APP, 0x48, 0x80) => "already active in another session",
        (NetFn::APP, 0x48 | 0x49, 0x81) => "payload type disabled in the BMC",
        (NetFn::APP, 0x48, 0x82) => "limit of activations reached",
        (NetFn::APP, 0x48, 0x83) => "cannot be activated with encryption",
        (NetFn::APP, 0x48, 0x84) => "cannot be activated without encryption",
        (NetFn::APP, 0x49, 0x80) => "not active",
        (NetFn::APP, 0x4f, 0x80) => "payload type not available on this channel",
        _ => return None,
    })
}

/// A code in words, the command's own among them, with its number: `parameter not supported (80h)`.
pub fn in_words(netfn: NetFn, cmd: u8, code: Completion) -> String {
    match own_words(netfn, cmd, code) {
        Some(words) => format!("{words} ({:02X}h)", code.0),
        None => code.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_means_what_its_command_says() {
        assert_eq!(in_words(NetFn::TRANSPORT, 0x02, Completion(0x80)), "parameter not supported (80h)");
        assert_eq!(in_words(NetFn::APP, 0x47, Completion(0x80)), "another password is in force (80h)");
        assert_eq!(in_words(NetFn::APP, 0x47, Completion::BUSY), Completion::BUSY.to_string());
        assert_eq!(in_words(NetFn::CHASSIS, 0x01, Completion(0x80)), Completion(0x80).to_string());
    }
}
