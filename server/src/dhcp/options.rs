//! DHCP's option area: bytes to a list of codes and values, and back (RFC 2132, 2; RFC 2131, 4.1; RFC 3396). It knows nothing
//! of what the options mean, and never panics, whatever came.

use super::packet::Unusable;

/// Padding.
const PAD: u8 = 0;
/// After it nothing is looked at.
const END: u8 = 255;
/// The fields `file` and `sname` hold options too.
const OVERLOAD: u8 = 52;
/// Bytes of a piece.
const PIECE: usize = 255;

/// Options of a packet, each code once, in the order in which they first came; what was split is whole again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options(Vec<(u8, Vec<u8>)>);

impl Options {
    /// Of the bytes behind the magic cookie, and of the header's fields when option 52 says so. Those are read once:
    /// an option 52 inside of them says nothing.
    ///
    /// # Errors
    /// Which option does not fit into what is there.
    pub fn scan(area: &[u8], file: &[u8], sname: &[u8]) -> Result<Self, Unusable> {
        let mut options = Self::default();
        options.take(area, "the options")?;
        // The order of RFC 3396, 5: options, file, sname.
        let overload = match options.get(OVERLOAD) {
            None => 0,
            Some([which @ 1..=3]) => *which,
            Some(other) => return Err(Unusable::Overload(other.to_vec())),
        };
        if overload & 1 != 0 {
            options.take(file, "the field file (option 52)")?;
        }
        if overload & 2 != 0 {
            options.take(sname, "the field sname (option 52)")?;
        }
        Ok(options)
    }

    fn take(&mut self, mut rest: &[u8], place: &'static str) -> Result<(), Unusable> {
        loop {
            rest = match rest {
                [] | [END, ..] => return Ok(()),
                [PAD, rest @ ..] => rest,
                [code] => return Err(Unusable::NoLength { place, code: *code }),
                [code, length, rest @ ..] => {
                    let short = Unusable::TooLong { place, code: *code, says: *length, left: rest.len() };
                    let (value, rest) = rest.split_at_checked(usize::from(*length)).ok_or(short)?;
                    match self.0.iter_mut().find(|(known, _)| known == code) {
                        Some((_, whole)) => whole.extend_from_slice(value),
                        None => self.0.push((*code, value.to_vec())),
                    }
                    rest
                }
            };
        }
    }

    /// An option's value.
    pub fn get(&self, code: u8) -> Option<&[u8]> {
        self.0.iter().find(|(known, _)| *known == code).map(|(_, value)| value.as_slice())
    }

    /// Codes, in their order.
    pub fn codes(&self) -> impl Iterator<Item = u8> {
        self.0.iter().map(|(code, _)| *code)
    }
}

/// Sub-options of an option, as 82 and 175 have them: code, length, value. Ends where a length does not fit.
pub fn sub_options(mut rest: &[u8]) -> Vec<(u8, &[u8])> {
    let mut all = Vec::new();
    while let [code, length, after @ ..] = rest {
        let Some((value, after)) = after.split_at_checked(usize::from(*length)) else { break };
        all.push((*code, value));
        rest = after;
    }
    all
}

/// Writes an option, in pieces when it is longer than one may be (RFC 3396). Nothing is written when it does not fit into
/// `room`.
pub fn write(out: &mut Vec<u8>, code: u8, value: &[u8], room: usize) -> bool {
    let pieces = value.len().div_ceil(PIECE).max(1);
    if pieces * 2 + value.len() > room {
        return false;
    }
    if value.is_empty() {
        out.extend([code, 0]);
    }
    for piece in value.chunks(PIECE) {
        out.push(code);
        out.push(u8::try_from(piece.len()).unwrap_or(u8::MAX));
        out.extend_from_slice(piece);
    }
    true
}

/// The end mark.
pub fn end(out: &mut Vec<u8>) {
    out.push(END);
}
