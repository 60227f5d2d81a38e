//! Parts of all keys, so that several can be worked on at once while each key stays in order.

use sha2::{Digest, Sha256};

/// The partition of a key, of so many. It must never change: keys would be out of order.
pub(crate) fn partition(key: &str, count: u16) -> u16 {
    let digest = Sha256::digest(key);
    let mut first = [0; 2];
    first.copy_from_slice(digest.get(..2).unwrap_or(&[0; 2]));
    u16::from_be_bytes(first) % count.max(1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn keys_spread_and_stay_where_they_are() {
        let used: HashSet<_> = (0..200).map(|order| partition(&format!("o-{order}"), 16)).collect();
        assert_eq!(used.len(), 16);
        assert_eq!(partition("o-12", 16), 12);
        assert_eq!(partition("o-12", 0), 0);
    }
}
