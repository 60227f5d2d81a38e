//! How the head of a request is written. Pure.

use bytes::{BufMut as _, BytesMut};
use http::{HeaderMap, header};
use http_body::Body as _;

use crate::{body::RequestBody, upstream::Head};

/// How the end of a body is told (RFC 9112 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// By so many bytes that are still to come; none at all without a body.
    Length(u64),
    /// In chunks, of which the last is empty.
    Chunked,
}

/// Writes the head of a request, and says how its body has to be framed.
pub(super) fn write(head: &Head, body: &RequestBody, out: &mut BytesMut) -> Framing {
    let target = head.target.as_str();
    let headers: usize = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    out.reserve(head.method.as_str().len() + target.len() + headers + 64);
    out.put_slice(head.method.as_str().as_bytes());
    out.put_u8(b' ');
    out.put_slice(target.as_bytes());
    out.put_slice(b" HTTP/1.1\r\n");
    for (name, value) in &head.headers {
        out.put_slice(name.as_str().as_bytes());
        out.put_slice(b": ");
        out.put_slice(value.as_bytes());
        out.put_slice(b"\r\n");
    }
    let framing = framing(&head.headers, body);
    if framing == Framing::Chunked {
        out.put_slice(b"transfer-encoding: chunked\r\n");
    }
    out.put_slice(b"\r\n");
    framing
}

/// What the client has said of its body has been checked; it stands in the headers.
fn framing(headers: &HeaderMap, body: &RequestBody) -> Framing {
    let length = headers.get(header::CONTENT_LENGTH);
    match length.and_then(|length| length.to_str().ok()?.parse().ok()) {
        // Also of a body that has ended already: a backend would take the next request for the rest of this.
        Some(length) => Framing::Length(length),
        None if body.is_end_stream() => Framing::Length(0),
        None => Framing::Chunked,
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Method, uri::PathAndQuery};

    use super::*;

    #[test]
    fn a_head_is_written_in_the_order_of_its_headers() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("host", "c"), ("x", "1"), ("x", "2")] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let head = Head { method: Method::PUT, target: PathAndQuery::from_static("/a?b"), headers };
        let mut out = BytesMut::new();
        let framing = write(&head, &RequestBody::Empty, &mut out);
        assert_eq!(framing, Framing::Length(0));
        assert_eq!(out, "PUT /a?b HTTP/1.1\r\nhost: c\r\nx: 1\r\nx: 2\r\n\r\n");
    }

    #[test]
    fn a_body_is_as_long_as_its_head_says() {
        let mut headers = HeaderMap::new();
        assert_eq!(framing(&headers, &RequestBody::Empty), Framing::Length(0));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("5"));
        assert_eq!(framing(&headers, &RequestBody::Empty), Framing::Length(5));
    }
}
