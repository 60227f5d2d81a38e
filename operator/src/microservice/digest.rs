//! Hashes of content, by which names tell one content from another.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Digits of a hash in a name: enough that two of a service's revisions never share them.
const SHORT: usize = 10;

/// SHA-256 of a value in hexadecimal. The keys of an object are sorted, so equal values have equal hashes.
pub(crate) fn of(value: &Value) -> String {
    use std::fmt::Write as _;
    let hash = Sha256::digest(value.to_string().as_bytes());
    hash.iter().fold(String::with_capacity(hash.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

/// The beginning of a hash, for a name.
pub(crate) fn short(hash: &str) -> &str {
    hash.get(..SHORT).unwrap_or(hash)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_order_of_keys_does_not_count_and_content_does() {
        let hash = of(&json!({"a": 1, "b": [1, 2]}));
        assert_eq!(hash, of(&serde_json::from_str(r#"{"b": [1, 2], "a": 1}"#).unwrap()));
        assert_ne!(hash, of(&json!({"a": 1, "b": [2, 1]})));
        assert_eq!((hash.len(), short(&hash).len()), (64, 10));
    }
}
