//! How the head of a request is written. Pure.

use bytes::{BufMut as _, BytesMut};
use http::{HeaderMap, header, request::Parts};
use http_body::Body as _;

use crate::body::RequestBody;

/// How the end of a body is told (RFC 9112 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// By so many bytes that are still to come; none at all without a body.
    Length(u64),
    /// In chunks, of which the last is empty.
    Chunked,
}

/// Writes the head of a request, and says how its body has to be framed.
pub(super) fn write(parts: &Parts, body: &RequestBody, out: &mut BytesMut) -> Framing {
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let headers: usize =
        parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    out.reserve(parts.method.as_str().len() + target.len() + headers + 64);
    out.put_slice(parts.method.as_str().as_bytes());
    out.put_u8(b' ');
    out.put_slice(target.as_bytes());
    out.put_slice(b" HTTP/1.1\r\n");
    for (name, value) in &parts.headers {
        out.put_slice(name.as_str().as_bytes());
        out.put_slice(b": ");
        out.put_slice(value.as_bytes());
        out.put_slice(b"\r\n");
    }
    let framing = framing(&parts.headers, body);
    if framing == Framing::Chunked {
        out.put_slice(b"transfer-encoding: chunked\r\n");
    }
    out.put_slice(b"\r\n");
    framing
}

/// What the client has said of its body has been checked; it stands in the headers.
fn framing(headers: &HeaderMap, body: &RequestBody) -> Framing {
    if body.is_end_stream() {
        return Framing::Length(0);
    }
    let length = headers.get(header::CONTENT_LENGTH);
    match length.and_then(|length| length.to_str().ok()?.parse().ok()) {
        Some(length) => Framing::Length(length),
        None => Framing::Chunked,
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn a_head_is_written_in_the_order_of_its_headers() {
        let request =
            Request::put("/a?b").header("host", "c").header("x", "1").header("x", "2").body(()).unwrap();
        let mut out = BytesMut::new();
        let framing = write(&request.into_parts().0, &RequestBody::Empty, &mut out);
        assert_eq!(framing, Framing::Length(0));
        assert_eq!(out, "PUT /a?b HTTP/1.1\r\nhost: c\r\nx: 1\r\nx: 2\r\n\r\n");
    }
}
