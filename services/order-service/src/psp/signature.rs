//! `Stripe-Signature`: `t=SECONDS,v1=HEX`, an HMAC-SHA256 of `SECONDS.BODY`. There may be several `v1`, and several secrets while
//! one is changed for another.

use flotilla_kit::Secret;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

/// Seconds that a signature is good for, so that nobody sends an old webhook again.
const TOLERANCE: i64 = 300;

/// Why a webhook is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// It has no signature of this form.
    #[error("the webhook has no Stripe-Signature of the form t=SECONDS,v1=HEX")]
    Missing,
    /// It is too old, or of the future.
    #[error("the signature is not of these five minutes")]
    Time,
    /// Nobody who has a secret of ours has signed it.
    #[error("the signature is not of this webhook")]
    Forged,
    /// It is signed, and no event.
    #[error("the body is no event")]
    Body,
}

/// Checks a signature over the bytes of a body.
pub(super) fn check(
    secrets: &[Secret<String>],
    header: Option<&str>,
    body: &[u8],
    now: Timestamp,
) -> Result<(), BadSignature> {
    let parts: Vec<_> = header
        .ok_or(BadSignature::Missing)?
        .split(',')
        .filter_map(|part| part.trim().split_once('='))
        .collect();
    let seconds = parts.iter().find(|(name, _)| *name == "t").map(|(_, value)| *value);
    let seconds: i64 = seconds.and_then(|text| text.parse().ok()).ok_or(BadSignature::Missing)?;
    let signatures: Vec<_> =
        parts.iter().filter(|(name, _)| *name == "v1").filter_map(|(_, value)| unhex(value)).collect();
    if signatures.is_empty() {
        return Err(BadSignature::Missing);
    }
    if now.as_second().abs_diff(seconds) > TOLERANCE.unsigned_abs() {
        return Err(BadSignature::Time);
    }
    let is_good = secrets.iter().any(|secret| {
        <Hmac<Sha256> as KeyInit>::new_from_slice(secret.expose().as_bytes()).is_ok_and(|mut mac| {
            // Once, however many signatures somebody sends.
            mac.update(format!("{seconds}.").as_bytes());
            mac.update(body);
            // In constant time.
            signatures.iter().any(|signature| mac.clone().verify_slice(signature).is_ok())
        })
    });
    if is_good { Ok(()) } else { Err(BadSignature::Forged) }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    // printf '1492774577.{"id":1}' | openssl dgst -sha256 -hmac whsec_test
    const GOOD: &str = "t=1492774577,v1=b164f0bdace395b683022343e6a251eaf36f4381d672f92874dcc6cb562c96ad";
    const BODY: &[u8] = br#"{"id":1}"#;

    fn check_at(
        secrets: &[&str],
        header: Option<&str>,
        body: &[u8],
        seconds: i64,
    ) -> Result<(), BadSignature> {
        let secrets: Vec<_> = secrets.iter().map(|secret| Secret::new((*secret).to_owned())).collect();
        check(&secrets, header, body, Timestamp::from_second(seconds).unwrap())
    }

    #[test]
    fn one_of_this_body_with_one_of_our_secrets_is_good_for_five_minutes() {
        assert_eq!(check_at(&["whsec_test"], Some(GOOD), BODY, 1_492_774_577), Ok(()));
        assert_eq!(check_at(&["old", "whsec_test"], Some(GOOD), BODY, 1_492_774_877), Ok(()));
        let two = format!("{GOOD},v1=00ff");
        assert_eq!(check_at(&["whsec_test"], Some(&two), BODY, 1_492_774_577), Ok(()));
    }

    #[test]
    fn all_others_are_refused() {
        let at = 1_492_774_577;
        assert_eq!(check_at(&["other"], Some(GOOD), BODY, at), Err(BadSignature::Forged));
        assert_eq!(check_at(&["whsec_test"], Some(GOOD), b"{\"id\":2}", at), Err(BadSignature::Forged));
        assert_eq!(check_at(&["whsec_test"], Some(GOOD), BODY, at + 301), Err(BadSignature::Time));
        assert_eq!(check_at(&["whsec_test"], Some(GOOD), BODY, at - 301), Err(BadSignature::Time));
        for none in [
            None,
            Some(""),
            Some("t=1"),
            Some("v1=00"),
            Some("t=x,v1=00"),
            Some("t=1492774577,v1=zz"),
            Some("t=1492774577,v1=abc"),
        ] {
            assert_eq!(check_at(&["whsec_test"], none, BODY, at), Err(BadSignature::Missing), "{none:?}");
        }
        assert_eq!(check_at(&[], Some(GOOD), BODY, at), Err(BadSignature::Forged));
    }
}
