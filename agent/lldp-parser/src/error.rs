//! Why bytes are not an LLDPDU, and why a value cannot be written as one. Errors must never carry bytes of the frame.

/// Why an LLDPDU or a frame is refused (802.1AB-2009 clause 9.2.7.7).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A TLV, or the frame's header, ends after the data does.
    #[error("data ends early: {need} bytes expected at offset {offset}, {have} are there")]
    Truncated {
        /// Where the missing part starts, bytes from the start of the LLDPDU (of the frame, for its header).
        offset: usize,
        /// Bytes that are announced.
        need: usize,
        /// Bytes that are there.
        have: usize,
    },
    /// Larger than any Ethernet frame.
    #[error("{length} bytes given, an LLDPDU has at most {max}")]
    TooLong {
        /// Bytes given.
        length: usize,
        /// The limit, [`crate::MAX_LLDPDU_BYTES`].
        max: usize,
    },
    /// Clause 8.2: Chassis ID, Port ID, Time To Live, in this order.
    #[error("TLV {position} must be {expected} (type {expected_type}), found type {found}")]
    Order {
        /// 1, 2 or 3.
        position: u8,
        /// Name of the TLV that belongs there.
        expected: &'static str,
        /// Its type.
        expected_type: u8,
        /// The type that is there.
        found: u8,
    },
    /// The data ends before all three mandatory TLVs came.
    #[error("the mandatory {expected} TLV is missing")]
    Missing {
        /// Name of the first one that is missing.
        expected: &'static str,
    },
    /// A mandatory TLV comes a second time.
    #[error("a second {tlv} TLV at offset {offset}, only one is allowed")]
    Duplicate {
        /// Its name.
        tlv: &'static str,
        /// Where, bytes from the start of the LLDPDU.
        offset: usize,
    },
    /// Clauses 8.5.2 and 8.5.3: a subtype and 1 to 255 bytes; clause 8.5.4: 2 bytes.
    #[error("{tlv} TLV with {length} bytes, {expected} expected")]
    Length {
        /// Its name.
        tlv: &'static str,
        /// Length of its information string, bytes.
        length: usize,
        /// What is allowed.
        expected: &'static str,
    },
    /// The frame carries another protocol.
    #[error("ethertype {found:#06x}, LLDP is 0x88cc")]
    NotLldp {
        /// The ethertype (behind the 802.1Q tag, if there is one).
        found: u16,
    },
}

/// Why a value cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmitError {
    /// A field is longer (or, for an id, shorter) than the wire can say.
    #[error("{field} has {length} bytes, {min} to {max} can be written")]
    Length {
        /// Which field.
        field: &'static str,
        /// Its length, bytes.
        length: usize,
        /// Smallest allowed.
        min: usize,
        /// Largest allowed.
        max: usize,
    },
    /// A number does not fit its bits.
    #[error("{field} is {value}, at most {max} can be written")]
    Range {
        /// Which field.
        field: &'static str,
        /// Its value.
        value: u32,
        /// Largest allowed.
        max: u32,
    },
    /// A raw TLV of a type that has its own meaning (0 to 3: End and the mandatory ones).
    #[error("type {kind} cannot be written as an unknown TLV, it has its own field")]
    Reserved {
        /// The type.
        kind: u8,
    },
    /// Clause 8.2 and 9.1.2.2: a shutdown LLDPDU (TTL 0) has no optional TLVs.
    #[error("TTL 0 with {count} optional TLVs: a shutdown LLDPDU has none")]
    ShutdownWithTlvs {
        /// How many there are.
        count: usize,
    },
}
