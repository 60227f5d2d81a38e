//! One-time passwords by time (RFC 6238): HMAC-SHA-1, six digits, steps of 30 s, as the apps that people have take them.

use aws_lc_rs::hmac;
use data_encoding::BASE32_NOPAD;
use flotilla_kit::Secret;
use jiff::Timestamp;

/// Seconds of a step.
const STEP: i64 = 30;

/// Steps that the clock of a telephone may be away (section 5.2 asks for at most one).
const WINDOW: i64 = 1;

/// Bytes of a secret (RFC 4226, section 4, R6).
pub const SECRET: usize = 20;

/// What a telephone and this service share.
pub type SharedSecret = Secret<[u8; SECRET]>;

/// The code of a step (RFC 4226, section 5.3).
fn code(secret: &SharedSecret, step: i64) -> u32 {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.expose());
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let bytes = tag.as_ref();
    let offset = bytes.last().map_or(0, |byte| usize::from(byte & 0x0f));
    let mut four = [0; 4];
    for (byte, from) in four.iter_mut().zip(bytes.iter().skip(offset)) {
        *byte = *from;
    }
    (u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000
}

/// The step that a code is of, if it is of one around now that comes after the last that was taken. All are compared, so that
/// the time tells nothing.
pub fn step_of(secret: &SharedSecret, sent: &str, now: Timestamp, last: i64) -> Option<i64> {
    let is_code = sent.len() == 6 && sent.bytes().all(|byte| byte.is_ascii_digit());
    let sent: u32 = sent.parse().ok().filter(|_| is_code)?;
    let current = now.as_second().div_euclid(STEP);
    let mut found = None;
    for step in current - WINDOW..=current + WINDOW {
        if (code(secret, step) ^ sent) == 0 && step > last {
            found = Some(step);
        }
    }
    found
}

/// The secret, for whoever types it.
pub fn text(secret: &SharedSecret) -> String {
    BASE32_NOPAD.encode(secret.expose())
}

/// The secret, for whoever shows it as a picture.
pub fn uri(secret: &SharedSecret, issuer: &str, account: &str) -> String {
    let (issuer, account) = (encode(issuer), encode(account));
    let secret = text(secret);
    format!(
        "otpauth://totp/{issuer}:{account}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits=6&period=30"
    )
}

/// RFC 3986, section 2.1.
fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.extend(["%", &format!("{byte:02X}")]);
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> SharedSecret {
        Secret::new(*b"12345678901234567890")
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// RFC 6238, appendix B, and RFC 4226, appendix D: the last six digits.
    #[test]
    fn codes_are_those_of_the_rfcs() {
        for (time, expected) in [
            (59, 287_082),
            (1_111_111_109, 81_804),
            (1_111_111_111, 50_471),
            (1_234_567_890, 5_924),
            (2_000_000_000, 279_037),
            (20_000_000_000, 353_130),
        ] {
            assert_eq!(code(&secret(), time / 30), expected, "{time}");
        }
        let counted: Vec<_> = (0..10).map(|step| code(&secret(), step)).collect();
        assert_eq!(
            counted,
            [755_224, 287_082, 359_152, 969_429, 338_314, 254_676, 287_922, 162_583, 399_871, 520_489]
        );
    }

    #[test]
    fn a_code_is_good_around_its_time_and_once() {
        // The code of step 1.
        for (time, expected) in
            [(0, Some(1)), (29, Some(1)), (59, Some(1)), (89, Some(1)), (90, None), (-1, None)]
        {
            assert_eq!(step_of(&secret(), "287082", at(time), 0), expected, "{time}");
        }
        assert_eq!(step_of(&secret(), "287082", at(59), 1), None);
        for bad in ["", "28708", "2870820", "+28708", "28708a", "287083", "２８７０８２"] {
            assert_eq!(step_of(&secret(), bad, at(59), 0), None, "{bad}");
        }
    }

    #[test]
    fn a_secret_is_told_as_apps_read_it() {
        assert_eq!(
            uri(&secret(), "A Shop", "ada@example.org"),
            "otpauth://totp/A%20Shop:ada%40example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=A%20Shop&algorithm=SHA1&digits=6&period=30"
        );
    }
}
