//! Who a request is in logs: its correlation id, and its trace (W3C Trace Context).

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::trace::TRACEPARENT;

pub(super) const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Longer ids are not taken over.
const LONGEST: usize = 128;

/// The correlation id, which is in the headers afterwards: that of the client when it is a short word, so that nothing
/// can be smuggled into logs with it; otherwise a new one.
pub(super) fn correlation_id(headers: &mut HeaderMap) -> HeaderValue {
    let mut sent = headers.get_all(&CORRELATION_ID).iter();
    let good = match (sent.next(), sent.next()) {
        (Some(id), None) if is_word(id.as_bytes()) => Some(id.clone()),
        _ => None,
    };
    let mut id = good.unwrap_or_else(|| {
        HeaderValue::from_bytes(&random_digits()).unwrap_or(HeaderValue::from_static("none"))
    });
    never_index(&mut id);
    headers.insert(CORRELATION_ID, id.clone());
    id
}

/// HTTP/2 would keep each id in its table of headers, where none comes up again, and look through all of them for the next
/// (RFC 7541 section 6.2.3).
fn never_index(id: &mut HeaderValue) {
    id.set_sensitive(true);
}

/// 128 bits in hexadecimal. By hand, as every request needs them and formatting costs several times as much.
fn random_digits() -> [u8; 32] {
    let mut digits = [0; 32];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(fastrand::u128(..).to_be_bytes()) {
        let digit = |half: u8| if half < 10 { b'0' + half } else { b'a' - 10 + half };
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    digits
}

fn is_word(id: &[u8]) -> bool {
    (1..=LONGEST).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(byte))
}

/// The trace that a request belongs to. One that is none is taken out: who comes next would begin another anyway.
pub(super) fn trace(headers: &mut HeaderMap) -> Option<HeaderValue> {
    let mut sent = headers.get_all(&TRACEPARENT).iter();
    let first = sent.next()?;
    if sent.next().is_none() && is_traceparent(first.as_bytes()) {
        let mut trace = first.clone();
        never_index(&mut trace);
        headers.insert(TRACEPARENT, trace.clone());
        return Some(trace);
    }
    headers.remove(TRACEPARENT);
    headers.remove(TRACESTATE);
    None
}

/// Section 3.2.2: `00-` trace id `-` parent id `-` flags. Later versions may have more behind it.
fn is_traceparent(value: &[u8]) -> bool {
    let hex = |from: usize, to: usize| {
        value.get(from..to).filter(|part| part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
    };
    let dashes = [2, 35, 52].iter().all(|at| value.get(*at) == Some(&b'-'));
    let is_some = |part: &[u8]| part.iter().any(|byte| *byte != b'0');
    let Some(version) = hex(0, 2).filter(|version| *version != b"ff") else { return false };
    dashes
        && hex(3, 35).is_some_and(is_some)
        && hex(36, 52).is_some_and(is_some)
        && hex(53, 55).is_some()
        && (value.len() == 55 || version != b"00" && value.get(55) == Some(&b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn a_correlation_id_is_taken_over_or_made() {
        for (sent, is_kept) in [
            (vec!["order-7:a/b"], true),
            (vec![], false),
            (vec!["a b"], false),
            (vec!["a\"}"], false),
            (vec![""], false),
            (vec!["a", "a"], false),
        ] {
            let mut headers = headers(CORRELATION_ID, &sent);
            let id = correlation_id(&mut headers);
            assert_eq!(sent.first().is_some_and(|sent| id == *sent), is_kept, "{sent:?}");
            assert_eq!(headers.get_all(CORRELATION_ID).iter().collect::<Vec<_>>(), [&id]);
            assert!(is_word(id.as_bytes()), "{id:?}");
        }
        assert_ne!(correlation_id(&mut HeaderMap::new()), correlation_id(&mut HeaderMap::new()));
    }

    #[test]
    fn a_trace_goes_on_only_when_it_is_one() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        for (value, is_good) in [
            (good.to_owned(), true),
            (good.replacen("00", "01", 1) + "-more", true),
            (good.to_owned() + "-more", false),
            (good.to_uppercase(), false),
            (good.replacen("00", "ff", 1), false),
            (good.replace("00f067aa0ba902b7", "0000000000000000"), false),
            (good.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)), false),
            (good.replace("-01", "-0"), false),
        ] {
            let mut headers = headers(TRACEPARENT, &[&value]);
            headers.insert(TRACESTATE, HeaderValue::from_static("a=1"));
            assert_eq!(trace(&mut headers).is_some(), is_good, "{value}");
            assert_eq!(headers.len(), if is_good { 2 } else { 0 }, "{value}");
        }
    }
}
