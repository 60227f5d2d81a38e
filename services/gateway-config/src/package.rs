//! How a configuration lies in Secrets: as JSON, compressed, and in parts when it is larger than one Secret may be.
//!
//! An index names the parts with their digests, and a reader takes nothing unless every part is the one that the index
//! means. So a writer writes parts first and the index last, and whoever reads in between keeps what it has.

mod pack;

use std::{
    fmt::Write as _,
    io::{self, Read},
};

use flate2::bufread::MultiGzDecoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use self::pack::{Packer, pack};

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
