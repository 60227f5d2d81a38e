//! From a configuration to its parts. Of one that is like the one before, only what has changed is compressed.

use std::{
    io::Read,
    iter::{once, zip},
    sync::Arc,
};

use flate2::{Compression, bufread::GzEncoder};
use memchr::memmem;

use super::{Index, PackError, Part, WHOLE_LIMIT, digest};

/// Bytes that a piece has at least. A smaller one is compressed badly, of a larger one more is compressed again.
const PIECE: usize = 32 * 1024;

/// What stands between two objects of a list. Pieces end there, so that those after a change are as they were.
const BETWEEN: &[u8] = b"},{";

/// Bytes after [`BETWEEN`] by which it is decided whether a piece ends, and which share of such places does.
const LOOK: usize = 64;
const SHARE: u32 = 16;

/// Packs one configuration after another. The same bytes make the same parts, whatever was packed before.
#[derive(Clone, Debug)]
pub struct Packer {
    least: usize,
    whole: Arc<[u8]>,
    pieces: Vec<Piece>,
}

/// A piece, and what it is when it is compressed: a member of a gzip file (RFC 1952, section 2.2).
#[derive(Clone, Debug)]
struct Piece {
    length: usize,
    packed: Vec<u8>,
}

impl Default for Packer {
    fn default() -> Self {
        Self::new(PIECE)
    }
}

impl Packer {
    /// With pieces of at least so many bytes.
    pub fn new(least: usize) -> Self {
        Self { least, whole: Arc::default(), pieces: Vec::new() }
    }

    /// Packs a configuration for the Secret `name`: the index, and the parts in its order. A whole that fits one part lies
    /// beside the index, in `name` itself; otherwise the parts lie in `name-0`, `name-1` and so on.
    pub fn pack(
        &mut self,
        name: &str,
        config: &Arc<[u8]>,
        part_limit: usize,
    ) -> Result<(Index, Vec<Vec<u8>>), PackError> {
        if config.len() > WHOLE_LIMIT {
            return Err(PackError::TooLarge(config.len()));
        }
        self.compress(config)?;
        let mut parts: Vec<Vec<u8>> = Vec::new();
        let mut rest = &**config;
        for piece in &self.pieces {
            let (plain, after) = rest.split_at(piece.length);
            rest = after;
            match parts.last_mut().filter(|part| part.len() + piece.packed.len() <= part_limit) {
                Some(part) => part.extend_from_slice(&piece.packed),
                None if piece.packed.len() <= part_limit => parts.push(piece.packed.clone()),
                None => split(plain, part_limit, &mut parts)?,
            }
        }
        let is_one = parts.len() == 1;
        let named = parts.iter().enumerate().map(|(number, part)| Part {
            name: if is_one { name.to_owned() } else { format!("{name}-{number}") },
            digest: digest(part),
        });
        Ok((Index { version: digest(config), parts: named.collect() }, parts))
    }

    /// Makes the pieces of a configuration. What it shares with the one before, at both ends, is taken over.
    fn compress(&mut self, config: &Arc<[u8]>) -> Result<(), PackError> {
        let (before, known) = (std::mem::take(&mut self.whole), std::mem::take(&mut self.pieces));
        let lengths = lengths(config, self.least);
        let first = zip(&lengths, &known)
            .scan(0, |start, (length, piece)| {
                let range = *start..*start + length;
                *start = range.end;
                Some(piece.length == *length && before.get(range.clone()) == config.get(range))
            })
            .take_while(|is_same| *is_same)
            .count();
        let most = lengths.len().min(known.len()) - first;
        let last = zip(lengths.iter().rev(), known.iter().rev())
            .take(most)
            .scan(0, |end, (length, piece)| {
                *end += length;
                let tail = |whole: &'_ [u8]| whole.len() - *end..whole.len() - *end + length;
                let is_same =
                    piece.length == *length && before.get(tail(&before)) == config.get(tail(config));
                Some(is_same)
            })
            .take_while(|is_same| *is_same)
            .count();
        let mut known = known.into_iter();
        let mut pieces: Vec<_> = known.by_ref().take(first).collect();
        let mut start: usize = pieces.iter().map(|piece| piece.length).sum();
        for length in lengths.get(first..lengths.len() - last).into_iter().flatten() {
            let plain = config.get(start..start + length).unwrap_or_default();
            start += length;
            pieces.push(Piece { length: *length, packed: compress(plain)? });
        }
        let gone = known.len() - last;
        pieces.extend(known.skip(gone));
        (self.whole, self.pieces) = (Arc::clone(config), pieces);
        Ok(())
    }
}

/// Packs one configuration (see [`Packer::pack`]).
pub fn pack(name: &str, config: &[u8], part_limit: usize) -> Result<(Index, Vec<Vec<u8>>), PackError> {
    Packer::default().pack(name, &config.into(), part_limit)
}

/// How long the pieces of a configuration are. There is one at least. Where they end depends on what is there, so that text
/// which comes or goes moves no other end than its own.
fn lengths(config: &[u8], least: usize) -> Vec<usize> {
    let mut lengths = Vec::new();
    let mut rest = config;
    while let Some(candidates) = rest.get(least..) {
        let mut ends = memmem::find_iter(candidates, BETWEEN).map(|at| least + at + BETWEEN.len() - 1);
        let Some(end) = ends.find(|end| ends_piece(rest.get(*end..).unwrap_or_default())) else {
            break;
        };
        lengths.push(end);
        rest = rest.get(end..).unwrap_or_default();
    }
    lengths.into_iter().chain(once(rest.len())).collect()
}

/// Whether a piece ends before this text (FNV-1a of its first bytes).
fn ends_piece(text: &[u8]) -> bool {
    let hash = text
        .iter()
        .take(LOOK)
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    // The lowest bits of such a product are the least mixed.
    (hash >> 16) % SHARE == 0
}

/// Halves a piece until it fits: how far a text shrinks is known only when it has.
fn split(piece: &[u8], limit: usize, parts: &mut Vec<Vec<u8>>) -> Result<(), PackError> {
    let part = compress(piece)?;
    if part.len() <= limit {
        parts.push(part);
        return Ok(());
    }
    if piece.len() < 2 {
        return Err(PackError::NoRoom(limit));
    }
    let (left, right) = piece.split_at(piece.len() / 2);
    split(left, limit, parts)?;
    split(right, limit, parts)
}

fn compress(plain: &[u8]) -> Result<Vec<u8>, PackError> {
    let mut packed = Vec::new();
    GzEncoder::new(plain, Compression::fast()).read_to_end(&mut packed).map_err(PackError::Compress)?;
    Ok(packed)
}
