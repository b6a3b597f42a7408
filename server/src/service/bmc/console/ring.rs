//! The last bytes of a serial line, each with its number from the first one on.

use std::collections::VecDeque;

/// Bytes kept: a boot's worth of a line at 115,200 bit/s.
const KEPT: usize = 256 * 1024;
/// Bytes of one piece.
const PIECE: usize = 64 * 1024;

#[derive(Debug, Default)]
pub(super) struct Ring {
    bytes: VecDeque<u8>,
    end: u64,
}

/// A piece of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Number of its first byte.
    pub from: u64,
    /// Bytes between what was asked for and `from`.
    pub missed: u64,
    pub bytes: Vec<u8>,
}

impl Ring {
    pub fn push(&mut self, bytes: &[u8]) {
        self.end += bytes.len() as u64;
        self.bytes.extend(bytes);
        let over = self.bytes.len().saturating_sub(KEPT);
        self.bytes.drain(..over);
    }

    /// Number of the byte that comes next.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// From byte `from` on, or from the oldest that is kept. A number that is still to come gives nothing.
    pub fn piece(&self, from: u64) -> Piece {
        let oldest = self.end - self.bytes.len() as u64;
        let start = from.clamp(oldest, self.end);
        // At most KEPT.
        let skip = (start - oldest) as usize;
        let bytes = self.bytes.iter().skip(skip).take(PIECE).copied().collect();
        Piece { from: start, missed: start.saturating_sub(from), bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_has_its_number_and_the_oldest_go() {
        let mut ring = Ring::default();
        ring.push(b"hello ");
        ring.push(b"world");
        assert_eq!(ring.piece(0), Piece { from: 0, missed: 0, bytes: b"hello world".to_vec() });
        assert_eq!(ring.piece(6).bytes, b"world");
        assert_eq!(ring.piece(11), Piece { from: 11, missed: 0, bytes: Vec::new() });
        assert_eq!(ring.piece(u64::MAX).from, 11);
        let long: Vec<u8> = (0..KEPT + 5).map(|n| (n % 251) as u8).collect();
        ring.push(&long);
        assert_eq!(ring.end(), 11 + KEPT as u64 + 5);
        let (mut at, mut all) = (3, Vec::new());
        loop {
            let piece = ring.piece(at);
            if piece.bytes.is_empty() {
                break;
            }
            assert_eq!(piece.missed, if all.is_empty() { 13 } else { 0 });
            at = piece.from + piece.bytes.len() as u64;
            all.extend(piece.bytes);
        }
        assert_eq!(all, long[5..]);
    }
}
