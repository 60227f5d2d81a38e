//! A head of HTTP/1.1 is refused, or it can be read in one way only and is forwarded as that.

#![no_main]

use flotilla_api_gateway::edge::{Limits, Target, admit, normalise, strip_hop_by_hop};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version, header, request::Parts};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|head: &[u8]| {
    let Some(mut parts) = read(head) else { return };
    if let Ok(target) = admit(&parts, Limits::default()) {
        one_message(&parts);
        one_target(&parts, &target);
        forwarded(&parts, &target);
    }
    // The same as a request of HTTP/2 would have it.
    parts.version = Version::HTTP_2;
    if let Ok(target) = admit(&parts, Limits::default()) {
        assert!(
            !parts.headers.contains_key(header::TRANSFER_ENCODING),
            "HTTP/2 has no encodings of a message"
        );
        one_target(&parts, &target);
    }
});

/// As hyper reads it, with the same parser.
fn read(head: &[u8]) -> Option<Parts> {
    let mut lines = [httparse::EMPTY_HEADER; 100];
    let mut read = httparse::Request::new(&mut lines);
    if !read.parse(head).ok()?.is_complete() {
        return None;
    }
    let mut request = Request::new(()).into_parts().0;
    request.method = Method::from_bytes(read.method?.as_bytes()).ok()?;
    request.uri = Uri::try_from(read.path?).ok()?;
    request.version = if read.version? == 0 { Version::HTTP_10 } else { Version::HTTP_11 };
    for line in read.headers {
        let name: header::HeaderName = line.name.parse().ok()?;
        request.headers.append(name, HeaderValue::from_bytes(line.value).ok()?);
    }
    Some(request)
}

/// Where it ends is said once, or not at all (RFC 9112 section 6).
fn one_message(parts: &Parts) {
    let count = |name| parts.headers.get_all(name).iter().count();
    let (lengths, encodings) = (count(header::CONTENT_LENGTH), count(header::TRANSFER_ENCODING));
    assert!(lengths + encodings <= 1, "{lengths} lengths and {encodings} encodings");
    if let Some(length) = parts.headers.get(header::CONTENT_LENGTH) {
        assert!(
            length.to_str().is_ok_and(|text| text.bytes().all(|byte| byte.is_ascii_digit())),
            "{length:?}"
        );
    }
    if let Some(encoding) = parts.headers.get(header::TRANSFER_ENCODING) {
        assert!(encoding.as_bytes().eq_ignore_ascii_case(b"chunked"), "{encoding:?}");
    }
}

/// Host and path are such as nobody takes for others.
fn one_target(parts: &Parts, target: &Target) {
    assert!(parts.headers.get_all(header::HOST).iter().count() <= 1);
    let is_good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._[]:".contains(&byte);
    assert!(!target.host.is_empty() && target.host.bytes().all(is_good), "{:?}", target.host);
    assert_eq!(normalise(target.path()).as_deref(), Ok(target.path()));
    assert_eq!(target.path_and_query.query(), parts.uri.query());
}

/// What a backend gets is admitted again, and asks for the same.
fn forwarded(parts: &Parts, target: &Target) {
    let mut headers = parts.headers.clone();
    strip_hop_by_hop(&mut headers);
    for name in ["connection", "keep-alive", "proxy-connection", "trailer", "transfer-encoding", "upgrade"] {
        assert!(!headers.contains_key(name), "{name} is forwarded");
    }
    assert!(headers.get(header::TE).is_none_or(|te| te == "trailers"), "{:?}", headers.get(header::TE));
    for name in [header::HOST, header::AUTHORIZATION, header::COOKIE, header::CONTENT_LENGTH] {
        assert_eq!(all(&headers, &name), all(&parts.headers, &name), "{name} is not forwarded as it was");
    }
    let authority = target.port.map_or(target.host.clone(), |port| format!("{}:{port}", target.host));
    headers.insert(header::HOST, HeaderValue::try_from(authority).expect("a host is text"));
    let mut again = Request::new(()).into_parts().0;
    again.method = parts.method.clone();
    again.uri = target.path_and_query.clone().into();
    again.headers = headers;
    // One that had no Host has a header more now.
    let unlimited = Limits { uri: usize::MAX, headers: usize::MAX, header_bytes: usize::MAX };
    assert_eq!(admit(&again, unlimited).as_ref(), Ok(target));
}

fn all<'h>(headers: &'h HeaderMap, name: &header::HeaderName) -> Vec<&'h HeaderValue> {
    headers.get_all(name).iter().collect()
}
