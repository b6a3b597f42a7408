//! Writing TLVs. Nothing here reads, and no length is written that was not checked.

use crate::EmitError;

/// Longest information string: the length field has 9 bits (802.1AB-2016 clause 8.4.2).
pub(crate) const MAX_VALUE: usize = 511;

/// Appends one TLV of `kind` (7 bits) with the information string `value`.
pub(crate) fn push_tlv(out: &mut Vec<u8>, kind: u8, field: &'static str, value: &[u8]) -> Result<(), EmitError> {
    if kind > 127 {
        return Err(EmitError::Range { field: "TLV type", value: u32::from(kind), max: 127 });
    }
    let length = length_between(field, value.len(), 0, MAX_VALUE)?;
    out.extend_from_slice(&((u16::from(kind) << 9) | length).to_be_bytes());
    out.extend_from_slice(value);
    Ok(())
}

/// `length` when it is within `min..=max` (`max` at most 65,535).
pub(crate) fn length_between(field: &'static str, length: usize, min: usize, max: usize) -> Result<u16, EmitError> {
    match u16::try_from(length) {
        Ok(short) if (min..=max).contains(&length) => Ok(short),
        _ => Err(EmitError::Length { field, length, min, max }),
    }
}

/// `length` as the one byte before a counted string.
pub(crate) fn length_byte(field: &'static str, length: usize, min: usize) -> Result<u8, EmitError> {
    u8::try_from(length).ok().filter(|_| length >= min).ok_or(EmitError::Length {
        field,
        length,
        min,
        max: usize::from(u8::MAX),
    })
}

/// `value` when it fits into its bits.
pub(crate) fn at_most(field: &'static str, value: u16, max: u16) -> Result<u16, EmitError> {
    if value <= max { Ok(value) } else { Err(EmitError::Range { field, value: value.into(), max: max.into() }) }
}
