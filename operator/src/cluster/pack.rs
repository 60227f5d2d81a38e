//! Objects in little memory: as JSON, compressed against samples of their kind.
//!
//! The objects of one kind are much alike: the names of their fields, what the operator writes into all of them, what
//! the API server fills in. A sample of that, kept once, leaves of each object little more than what it alone has.

use std::sync::Arc;

use lz4_flex::block::{
    DecompressError, compress_prepend_size_with_dict, decompress_size_prepended_with_dict,
};

/// The most bytes of samples: LZ4 looks back 64 KiB, and half of them are for the object itself.
const SAMPLES_MAX_BYTES: usize = 32 * 1024;

/// An object that shrinks to more than one part in so many is unlike the samples, and becomes one.
const WELL_PACKED: usize = 3;

/// Packs the objects of one kind.
#[derive(Debug, Default)]
pub struct Packer {
    samples: Arc<[u8]>,
}

/// A packed object.
#[derive(Clone, Debug)]
pub struct Packed {
    bytes: Arc<[u8]>,
    /// What it was packed against; many share it.
    samples: Arc<[u8]>,
}

impl Packer {
    /// Packs a text.
    pub fn pack(&mut self, plain: &[u8]) -> Packed {
        let bytes = compress_prepend_size_with_dict(plain, &self.samples).into();
        let packed = Packed { bytes, samples: Arc::clone(&self.samples) };
        let is_unlike = packed.bytes.len() * WELL_PACKED > plain.len();
        if is_unlike && self.samples.len() + plain.len() <= SAMPLES_MAX_BYTES {
            self.samples = [&self.samples, plain].concat().into();
        }
        packed
    }
}

impl Packed {
    /// The text as it was.
    pub fn unpack(&self) -> Result<Vec<u8>, DecompressError> {
        decompress_size_prepended_with_dict(&self.bytes, &self.samples)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(number: usize) -> Vec<u8> {
        let fields: Vec<_> = (0..40).map(|field| format!("\"field{field}\":\"value of {field}\"")).collect();
        format!("{{\"name\":\"service-{number}\",{}}}", fields.join(",")).into_bytes()
    }

    #[test]
    fn what_is_alike_takes_little_room() {
        let mut packer = Packer::default();
        let plain = text(0);
        packer.pack(&plain);
        let second = packer.pack(&text(1));
        assert!(second.bytes.len() * 10 < plain.len(), "{} of {} bytes", second.bytes.len(), plain.len());
        assert_eq!(second.unpack().unwrap(), text(1));
    }

    proptest! {
        #[test]
        fn everything_comes_back_as_it_was(texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20_000), 0..8)) {
            let mut packer = Packer::default();
            let packed: Vec<_> = texts.iter().map(|text| packer.pack(text)).collect();
            for (text, packed) in texts.iter().zip(packed) {
                prop_assert_eq!(&packed.unpack().unwrap(), text);
            }
            prop_assert!(packer.samples.len() <= SAMPLES_MAX_BYTES);
        }
    }
}
