//! Every path has one form or none, and what is written otherwise has the same form.

#![no_main]

use std::borrow::Cow;

use flotilla_api_gateway::edge::normalise;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|path: &str| {
    let Ok(normal) = normalise(path) else { return };
    assert_eq!(normalise(&normal).as_deref(), Ok(&*normal), "{path:?}: the form of the form is another");
    assert!(normal.starts_with('/') && !normal.contains("//"), "{path:?}: {normal:?}");
    assert!(!normal.contains(['\\', '\0']), "{path:?}: {normal:?}");

    // A program that undoes escapes before it looks at slashes, or cuts parameters off, goes nowhere else.
    for read in [normal.to_string(), undone(&normal)] {
        let slashed = read.replace('\\', "/");
        let mut segments = slashed.split('/').map(|segment| segment.split(';').next().unwrap_or_default());
        assert!(
            !segments.any(|segment| matches!(segment, "." | "..")),
            "{path:?}: {normal:?} is read as {read:?}"
        );
    }

    // RFC 3986 section 6.2.2: it makes no difference which characters are escaped that need not be, nor in which case.
    let escaped: String = path
        .chars()
        .map(|next| match next {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '.' | '_' | '~' if !path.contains('%') => {
                format!("%{:02x}", u32::from(next))
            }
            other => other.to_string(),
        })
        .collect();
    assert_eq!(normalise(&escaped).map(Cow::into_owned), Ok(normal.into_owned()), "{path:?} and {escaped:?}");
});

/// The path with every escape undone, as far as it is text then.
fn undone(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        let digits = if byte == b'%' { rest.next().zip(rest.next()) } else { None };
        let value = digits.and_then(|(high, low)| {
            let digit = |digit: u8| char::from(digit).to_digit(16);
            u8::try_from(digit(high)? * 16 + digit(low)?).ok()
        });
        bytes.push(value.unwrap_or(byte));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
