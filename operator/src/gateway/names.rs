//! How what is made for a Gateway is called.

use flotilla_crds::v1alpha1::NAME_MAX_LENGTH;
use sha2::{Digest, Sha256};

/// The label of everything that is made for a Gateway, with its name (GEP-1762).
pub const GATEWAY_LABEL: &str = "gateway.networking.k8s.io/gateway-name";

/// The label of everything that is made for a Gateway, with the name of its class (GEP-1762).
pub const CLASS_LABEL: &str = "gateway.networking.k8s.io/gateway-class-name";

/// The longest value of a label.
const LABEL_LENGTH: usize = 63;

/// Hexadecimal digits that tell two names apart.
const DIGEST_LENGTH: usize = 8;

/// The value of [`GATEWAY_LABEL`]: the name, or as much of it as a label may have.
pub fn label(gateway: &str) -> String {
    shortened(gateway, LABEL_LENGTH)
}

/// The name of the `Microservice` that runs a Gateway, and of all that goes with it: `NAME-CLASS` (GEP-1762), made to fit.
pub fn microservice(gateway: &str, class: &str) -> String {
    let whole = format!("{gateway}-{class}");
    let tame: String = whole
        .chars()
        .map(|character| if character == '.' { '-' } else { character })
        .skip_while(|character| !character.is_ascii_lowercase())
        .collect();
    if tame == whole {
        shortened(&whole, NAME_MAX_LENGTH)
    } else {
        with_digest(&tame, &whole, NAME_MAX_LENGTH)
    }
}

fn shortened(name: &str, most: usize) -> String {
    if name.len() <= most { name.to_owned() } else { with_digest(name, name, most) }
}

/// Names that are not written as they are end in a digest of what they were: two never become one.
fn with_digest(name: &str, whole: &str, most: usize) -> String {
    let digest = digest(whole);
    let kept: String = name.chars().take(most - DIGEST_LENGTH - 1).collect();
    let kept = kept.trim_end_matches(['-', '.']);
    if kept.is_empty() { format!("gateway-{digest}") } else { format!("{kept}-{digest}") }
}

/// A few digits that tell a text from others.
pub fn digest(text: &str) -> String {
    let mut digits = hex(&Sha256::digest(text.as_bytes()));
    digits.truncate(DIGEST_LENGTH);
    digits
}

/// Bytes as lower-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_names_stay_and_others_are_made_to_fit() {
        assert_eq!(microservice("shop", "flotilla"), "shop-flotilla");
        let long = "a".repeat(253);
        for (gateway, class) in
            [("shop.example", "flotilla"), ("1st", "flotilla"), (long.as_str(), "flotilla"), ("9", "1.2")]
        {
            let name = microservice(gateway, class);
            assert!(
                name.len() <= NAME_MAX_LENGTH && name.starts_with(|first: char| first.is_ascii_lowercase())
            );
            assert!(
                name.chars().all(|each| each.is_ascii_lowercase() || each.is_ascii_digit() || each == '-')
            );
        }
        assert_ne!(microservice("a.b", "c"), microservice("a-b", "c"));
        assert_ne!(microservice(&long, "a"), microservice(&format!("{long}b"), "a"));
        assert_eq!(label("shop"), "shop");
        assert_eq!(label(&long).len(), LABEL_LENGTH);
    }
}
