//! Downloads of blobs, a line for each blob that a client took, however many requests it made of it (agents take large ones in
//! pieces). Bounded: with too many under way each request is a line of its own. Pure: times are told.

use crate::domain::{Micros, Sha256};
use std::collections::HashMap;
use std::net::IpAddr;

/// Under way, at most.
const GOING: usize = 8_192;
/// Nothing more of it for so long: that was all, microseconds.
const QUIET: Micros = 30_000_000;

/// One request that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Who.
    pub client: IpAddr,
    /// Of which blob.
    pub sha256: Sha256,
    /// Bytes of all of it.
    pub size: u64,
    /// Bytes that were sent.
    pub bytes: u64,
    /// When it began.
    pub began: Micros,
    /// When it ended.
    pub ended: Micros,
    /// Before all bytes that were asked for.
    pub cut: bool,
}

/// One blob that a client took, or some of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Transfer {
    pub client: IpAddr,
    pub sha256: Sha256,
    pub began: Micros,
    pub ended: Micros,
    pub bytes: u64,
    pub requests: u32,
    /// complete, part (it asked for no more), or ended (the connection).
    pub result: &'static str,
}

impl Transfer {
    fn of(piece: &Piece) -> Self {
        let Piece { client, sha256, size, bytes, began, ended, cut } = piece.clone();
        let result = result(bytes, size, cut);
        Self { client, sha256, began, ended, bytes, requests: 1, result }
    }

    fn add(&mut self, piece: &Piece) {
        self.began = self.began.min(piece.began);
        self.ended = self.ended.max(piece.ended);
        self.bytes = self.bytes.saturating_add(piece.bytes);
        self.requests = self.requests.saturating_add(1);
        self.result = result(self.bytes, piece.size, piece.cut);
    }

    /// In words: `complete, 112.3 MB/s in 5 requests`.
    pub fn detail(&self) -> String {
        let seconds = (self.ended - self.began).max(1) as f64 / 1e6;
        let rate = self.bytes as f64 / 1e6 / seconds;
        let what = match self.result {
            "complete" => "complete",
            "part" => "a part of it",
            _ => "the connection ended before its end",
        };
        let requests = if self.requests == 1 { "1 request".to_owned() } else { format!("{} requests", self.requests) };
        format!("{what}, {rate:.1} MB/s in {requests}")
    }
}

fn result(bytes: u64, size: u64, cut: bool) -> &'static str {
    match cut {
        _ if bytes >= size => "complete",
        true => "ended",
        false => "part",
    }
}

#[derive(Default)]
pub(super) struct Transfers {
    going: HashMap<(IpAddr, Sha256), Transfer>,
}

impl Transfers {
    /// A request ended; gives what is complete by it.
    pub fn take(&mut self, piece: &Piece) -> Option<Transfer> {
        let key = (piece.client, piece.sha256.clone());
        let transfer = match self.going.remove(&key) {
            Some(mut transfer) => {
                transfer.add(piece);
                transfer
            }
            None => Transfer::of(piece),
        };
        if transfer.result == "complete" || self.going.len() >= GOING {
            return Some(transfer);
        }
        self.going.insert(key, transfer);
        None
    }

    /// Those of which nothing more came, by then.
    pub fn quiet(&mut self, now: Micros) -> Vec<Transfer> {
        let over = self.going.extract_if(|_, transfer| now.saturating_sub(transfer.ended) >= QUIET);
        over.map(|(_, transfer)| transfer).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const S: Micros = 1_000_000;

    fn piece(n: u8, bytes: u64, began: Micros, ended: Micros) -> Piece {
        let client = IpAddr::from([10, 0, 0, n]);
        Piece { client, sha256: Sha256::of("x"), size: 100_000_000, bytes, began, ended, cut: false }
    }

    #[test]
    fn pieces_of_one_blob_are_one_line() {
        let mut transfers = Transfers::default();
        assert_eq!(transfers.take(&piece(1, 40_000_000, S, 2 * S)), None);
        assert_eq!(transfers.take(&piece(2, 40_000_000, S, 2 * S)), None);
        let whole = transfers.take(&piece(1, 60_000_000, S, 3 * S)).unwrap();
        assert_eq!((whole.result, whole.bytes, whole.requests), ("complete", 100_000_000, 2));
        assert_eq!(whole.detail(), "complete, 50.0 MB/s in 2 requests");
        assert_eq!(transfers.quiet(31 * S), []);
        let [part] = transfers.quiet(32 * S).try_into().unwrap();
        assert_eq!((part.result, part.ended, part.requests), ("part", 2 * S, 1));
        assert_eq!(transfers.quiet(99 * S), []);
    }

    #[test]
    fn one_that_broke_off_says_so_until_it_goes_on() {
        let mut transfers = Transfers::default();
        transfers.take(&Piece { cut: true, ..piece(1, 10_000_000, 0, S) });
        let [ended] = transfers.quiet(60 * S).try_into().unwrap();
        assert_eq!((ended.result, ended.detail().starts_with("the connection ended")), ("ended", true));
        transfers.take(&Piece { cut: true, ..piece(1, 10_000_000, 0, S) });
        assert_eq!(transfers.take(&piece(1, 90_000_000, S, 2 * S)).unwrap().result, "complete");
    }

    #[test]
    fn too_many_are_lines_of_their_own() {
        let mut transfers = Transfers::default();
        for n in 0..GOING {
            let client = IpAddr::from(u32::try_from(n).unwrap().to_be_bytes());
            assert_eq!(transfers.take(&Piece { client, ..piece(0, 1, 0, 0) }), None);
        }
        assert_eq!(transfers.take(&piece(1, 1, 0, 0)).unwrap().result, "part");
        assert_eq!(transfers.going.len(), GOING);
        assert_eq!(transfers.quiet(QUIET).len(), GOING);
    }
}
