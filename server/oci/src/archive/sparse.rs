//! Maps of sparse files: GNU's own in header blocks, those of pax in records (0.0, 0.1) or before the bytes (1.0). Pieces
//! are in order, do not overlap and are as many bytes as are stored; else the file is refused.

use super::header::{Parsed, unsigned};
use super::pax::decimal;
use std::io::Read;

/// Bytes of a sparse file that are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// In the file.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
}

/// What `GNU.sparse.*` records say.
#[derive(Debug, Default)]
pub(super) struct PaxSparse {
    pub(super) name: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) map: Option<Vec<Piece>>,
}

/// Offsets and sizes of 12 bytes each; an empty one ends the table.
pub(super) fn table(bytes: &[u8], map: &mut Vec<Piece>) -> Parsed<()> {
    for pair in bytes.chunks_exact(24) {
        if pair[0] == 0 || pair[12] == 0 {
            break;
        }
        map.push(Piece { offset: unsigned("offset", &pair[..12])?, size: unsigned("size of a piece", &pair[12..])? });
    }
    Ok(())
}

/// A block with 21 more pieces; does another follow?
pub(super) fn extended(block: &[u8; 512], map: &mut Vec<Piece>) -> Parsed<bool> {
    table(&block[..504], map)?;
    Ok(block[504] == 1)
}

/// Version 1.0: lines of decimal numbers, first their pairs' count, padded to whole blocks. Also says how many bytes
/// were read.
pub(super) fn read_map(input: &mut impl Read) -> Parsed<(Vec<Piece>, u64)> {
    let mut text = Vec::new();
    let (mut numbers, mut wanted) = (Vec::new(), None);
    let mut used = 0;
    while wanted.is_none_or(|wanted| numbers.len() < wanted) {
        let mut block = [0; 512];
        input
            .read_exact(&mut block)
            .map_err(|e| format!("the map of a sparse file ends too early, or is too long: {e}"))?;
        used += 512;
        text.extend_from_slice(&block);
        while let Some(end) = text.iter().position(|b| *b == b'\n') {
            let value =
                decimal("map of a sparse file", &text[..end])?.ok_or("an empty line in the map of a sparse file")?;
            text.drain(..=end);
            match wanted {
                None => {
                    wanted = Some(usize::try_from(value).ok().and_then(|n| n.checked_mul(2)).ok_or("too many pieces")?)
                }
                Some(_) => numbers.push(value),
            }
            if wanted.is_some_and(|wanted| numbers.len() >= wanted) {
                break;
            }
        }
        if text.len() > 512 + 24 {
            return Err("the map of a sparse file is no list of numbers".into());
        }
    }
    Ok((numbers.chunks_exact(2).map(|p| Piece { offset: p[0], size: p[1] }).collect(), used))
}

/// In order, inside the file, and just the stored bytes.
pub(super) fn check(map: &[Piece], real: u64, stored: u64) -> Parsed<()> {
    let (mut end, mut sum) = (0_u64, 0_u64);
    for piece in map {
        let after = piece.offset.checked_add(piece.size).filter(|after| *after <= real && piece.offset >= end);
        end = after.ok_or("the pieces of a sparse file overlap, or leave it")?;
        sum = sum.checked_add(piece.size).ok_or("a sparse file with too many bytes")?;
    }
    match sum == stored {
        true => Ok(()),
        false => Err(format!("the pieces of a sparse file have {sum} bytes, stored are {stored}")),
    }
}
