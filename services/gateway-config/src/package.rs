//! How a configuration lies in Secrets: as JSON, compressed, and in parts when it is larger than one Secret may be.
//!
//! An index names the parts with their digests, and a reader takes nothing unless every part is the one that the index
//! means. So a writer writes parts first and the index last, and whoever reads in between keeps what it has.

use std::{
    fmt::Write as _,
    io::{self, Read},
};

use flate2::{Compression, bufread::GzEncoder, bufread::MultiGzDecoder};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The key that the index has in its Secret.
pub const INDEX_KEY: &str = "index.json";

/// The key that a part has in its Secret. The Secret of the index may have a part too.
pub const PART_KEY: &str = "part.json.gz";

/// Bytes of a part that leave room for the index in the same Secret, which may have 1 MiB of data.
pub const PART_LIMIT: usize = 900 * 1024;

/// Bytes that a configuration may have as JSON.
pub const WHOLE_LIMIT: usize = 256 << 20;

/// The parts of one configuration.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Index {
    /// The SHA-256 of the whole JSON, in hexadecimal digits.
    pub version: String,

    /// Its parts, in order.
    pub parts: Vec<Part>,
}

/// A part of a configuration.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Part {
    /// The name of the Secret that has it, in the namespace of the index.
    pub name: String,

    /// The SHA-256 of its bytes as they are stored, in hexadecimal digits.
    pub digest: String,
}

/// Why a configuration cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// No gateway would take it.
    #[error("the configuration has {0} bytes: a gateway takes {WHOLE_LIMIT}")]
    TooLarge(usize),
    /// Not even one byte fits a part.
    #[error("parts of {0} bytes hold nothing")]
    NoRoom(usize),
    /// It cannot be compressed.
    #[error("the configuration cannot be compressed")]
    Compress(#[source] io::Error),
}

/// Why parts make no configuration.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The index is none.
    #[error("{INDEX_KEY}: {0}")]
    Index(#[source] serde_json::Error),
    /// A part is another than the index means, as while it is being written.
    #[error("{PART_KEY} of Secret {name}: its SHA-256 is {found}, the index means {wanted}")]
    Changed {
        /// The Secret.
        name: String,
        /// The digest of what it has.
        found: String,
        /// The digest of what it should have.
        wanted: String,
    },
    /// A part is not compressed as it should be.
    #[error("{PART_KEY} of Secret {name}: {source}")]
    Compressed {
        /// The Secret.
        name: String,
        /// What is wrong.
        source: io::Error,
    },
    /// The whole is too large.
    #[error("the configuration has more than {0} bytes")]
    TooLarge(usize),
    /// The parts are good, and make another whole than the index says.
    #[error("{INDEX_KEY}: the SHA-256 of all parts is {found}, the version is {wanted}")]
    Version {
        /// The digest of what the parts make.
        found: String,
        /// The version that the index says.
        wanted: String,
    },
}

/// Packs a configuration for the Secret `name`: the index, and the parts in its order. A whole that fits one part lies beside
/// the index, in `name` itself; otherwise the parts lie in `name-0`, `name-1` and so on. The same bytes make the same parts.
pub fn pack(name: &str, config: &[u8], part_limit: usize) -> Result<(Index, Vec<Vec<u8>>), PackError> {
    if config.len() > WHOLE_LIMIT {
        return Err(PackError::TooLarge(config.len()));
    }
    let whole = compress(config)?;
    let mut parts = Vec::new();
    if whole.len() <= part_limit {
        parts.push(whole);
    } else {
        let pieces = whole.len() / part_limit.max(1) + 1;
        for piece in config.chunks(config.len().div_ceil(pieces)) {
            split(piece, part_limit, &mut parts)?;
        }
    }
    let is_one = parts.len() == 1;
    let named = parts.iter().enumerate().map(|(number, part)| Part {
        name: if is_one { name.to_owned() } else { format!("{name}-{number}") },
        digest: digest(part),
    });
    Ok((Index { version: digest(config), parts: named.collect() }, parts))
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

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        // Nothing fails that writes to a text.
        write!(text, "{byte:02x}").ok();
        text
    })
}

impl Index {
    /// Reads what a Secret has under [`INDEX_KEY`].
    pub fn read(json: &[u8]) -> Result<Self, UnpackError> {
        serde_json::from_slice(json).map_err(UnpackError::Index)
    }
}

/// Puts parts together, one after the other, so that one at a time is in memory.
#[derive(Debug)]
pub struct Unpacking {
    whole: Vec<u8>,
    most: usize,
}

impl Unpacking {
    /// With room for so many bytes; [`WHOLE_LIMIT`] is what a gateway has.
    pub fn new(most: usize) -> Self {
        Self { whole: Vec::new(), most }
    }

    /// Adds the next part of an index.
    pub fn add(&mut self, part: &Part, bytes: &[u8]) -> Result<(), UnpackError> {
        let found = digest(bytes);
        if found != part.digest {
            return Err(UnpackError::Changed { name: part.name.clone(), found, wanted: part.digest.clone() });
        }
        // One more than there is room for, to see that there is more.
        let room = (self.most - self.whole.len()) as u64 + 1;
        MultiGzDecoder::new(bytes)
            .take(room)
            .read_to_end(&mut self.whole)
            .map_err(|source| UnpackError::Compressed { name: part.name.clone(), source })?;
        if self.whole.len() > self.most {
            return Err(UnpackError::TooLarge(self.most));
        }
        Ok(())
    }

    /// The whole, when all parts of the index have been added.
    pub fn finish(self, index: &Index) -> Result<Vec<u8>, UnpackError> {
        let found = digest(&self.whole);
        if found == index.version {
            Ok(self.whole)
        } else {
            Err(UnpackError::Version { found, wanted: index.version.clone() })
        }
    }
}
