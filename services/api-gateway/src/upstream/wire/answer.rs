//! How the head of an answer is read. Pure.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use smallvec::SmallVec;

use super::{Error, chunks::Chunks};

/// Bytes of a head.
const LONGEST: usize = 128 * 1024;

/// Lines of headers.
const HEADERS: usize = 100;

/// The head of an answer.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) framing: Framing,
    /// Whether the connection can be used again after it.
    pub(super) keeps: bool,
}

/// How the end of a body is told (RFC 9112 section 6.3).
#[derive(Debug)]
pub(super) enum Framing {
    /// By so many bytes that are still to come.
    Length(u64),
    Chunked(Chunks),
    /// By the end of the connection.
    Close,
}

/// Takes a head out of what has come; `None` when it is not all there. `looked` bytes have been looked at before.
pub(super) fn take(input: &mut BytesMut, looked: &mut usize, method: &Method) -> Result<Option<Head>, Error> {
    let new = input.get(*looked..).unwrap_or_default();
    *looked = input.len();
    // A head ends with a line, so before that it is not worth another look.
    if memchr::memchr(b'\n', new).is_some()
        && let Some(lines) = Lines::read(input)?
    {
        *looked = 0;
        let text = input.split_to(lines.end).freeze();
        return lines.head(&text, method).map(Some);
    }
    if input.len() > LONGEST {
        return Err(Error::Malformed("its head is too long"));
    }
    Ok(None)
}

/// What stands where in a head.
struct Lines {
    status: StatusCode,
    is_http11: bool,
    /// The names, and where their values are.
    headers: SmallVec<[(HeaderName, Range<usize>); 16]>,
    end: usize,
}

impl Lines {
    fn read(input: &[u8]) -> Result<Option<Self>, Error> {
        let mut lines = [const { std::mem::MaybeUninit::uninit() }; HEADERS];
        let mut parsed = httparse::Response::new(&mut []);
        let config = httparse::ParserConfig::default();
        let end = match config.parse_response_with_uninit_headers(&mut parsed, input, &mut lines)? {
            httparse::Status::Partial => return Ok(None),
            httparse::Status::Complete(end) => end,
        };
        let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
        let status = status.ok_or(Error::Malformed("its status is none"))?;
        let begin = input.as_ptr().addr();
        let headers: Result<_, Error> = parsed
            .headers
            .iter()
            .map(|line| {
                let name = HeaderName::from_bytes(line.name.as_bytes())
                    .map_err(|_| Error::Malformed("the name of a header is none"))?;
                // Values stay where they are, and are part of the whole.
                let from = line.value.as_ptr().addr().saturating_sub(begin);
                Ok((name, from..from + line.value.len()))
            })
            .collect();
        Ok(Some(Self { status, is_http11: parsed.version == Some(1), headers: headers?, end }))
    }

    fn head(self, text: &Bytes, method: &Method) -> Result<Head, Error> {
        let mut headers = HeaderMap::with_capacity(self.headers.len());
        let mut has = Present::default();
        for (name, place) in self.headers {
            has.see(&name);
            // An empty value may be anywhere.
            let value = if place.is_empty() { Bytes::new() } else { text.slice(place) };
            let value = HeaderValue::from_maybe_shared(value);
            headers.append(name, value.map_err(|_| Error::Malformed("the value of a header is none"))?);
        }
        read(self.status, headers, &has, self.is_http11, method)
    }
}

fn read(
    status: StatusCode,
    mut headers: HeaderMap,
    has: &Present,
    is_http11: bool,
    method: &Method,
) -> Result<Head, Error> {
    let asks = |wanted: &[u8]| {
        let values = headers.get_all(header::CONNECTION).iter().map(HeaderValue::as_bytes);
        let mut tokens = values.flat_map(|value| value.split(|byte| *byte == b','));
        has.connection && tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(wanted))
    };
    let mut keeps = !asks(b"close") && (is_http11 || asks(b"keep-alive"));
    let framing = framing(status, &mut headers, has, is_http11, method)?;
    keeps &= !matches!(framing, Framing::Close);
    Ok(Head { status, headers, framing, keeps })
}

/// Which of the headers are there that say how to go on, and how often.
#[derive(Default)]
struct Present {
    connection: bool,
    encoding: bool,
    lengths: usize,
}

impl Present {
    fn see(&mut self, name: &HeaderName) {
        if *name == header::CONTENT_LENGTH {
            self.lengths += 1;
        } else if *name == header::TRANSFER_ENCODING {
            self.encoding = true;
        } else if *name == header::CONNECTION {
            self.connection = true;
        }
    }
}

fn framing(
    status: StatusCode,
    headers: &mut HeaderMap,
    has: &Present,
    is_http11: bool,
    method: &Method,
) -> Result<Framing, Error> {
    let length = if has.lengths > 0 { length(headers)? } else { None };
    if length.is_some() && (has.encoding || status == StatusCode::NO_CONTENT) {
        // Whoever comes next must not believe it instead (RFC 9112 section 6.3, rule 3).
        headers.remove(header::CONTENT_LENGTH);
    } else if has.lengths > 1
        && let Some(length) = length
    {
        // They say the same.
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    let has_none = *method == Method::HEAD
        || status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if has_none {
        return Ok(Framing::Length(0));
    }
    let is_chunked = has.encoding && is_chunked(headers)?;
    Ok(match (is_chunked, length) {
        // An encoding beside a length, or in a version that has none, is an attempt at something.
        (true, Some(_)) => return Err(Error::Malformed("it has a length and an encoding")),
        (true, None) if !is_http11 => return Err(Error::Malformed("HTTP/1.0 has no encodings")),
        (true, None) => Framing::Chunked(Chunks::default()),
        (false, None) => Framing::Close,
        (false, Some(length)) => Framing::Length(length),
    })
}

/// Whether it is in chunks. No other encoding has been asked for by `TE` (RFC 9112 section 7.4), and nobody could undo it
/// who does not hear of it.
fn is_chunked(headers: &HeaderMap) -> Result<bool, Error> {
    let mut encodings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (encodings.next(), encodings.next()) {
        (None, _) => Ok(false),
        (Some(one), None) if one.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(true),
        _ => Err(Error::Malformed("it has an encoding that nobody asked for")),
    }
}

fn length(headers: &HeaderMap) -> Result<Option<u64>, Error> {
    let mut length = None;
    for value in headers.get_all(header::CONTENT_LENGTH) {
        let digits = value.to_str().ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let said: Option<u64> = digits.and_then(|digits| digits.parse().ok());
        match (said, length) {
            (Some(said), Some(before)) if said != before => {
                return Err(Error::Malformed("it has two lengths"));
            }
            (Some(said), _) => length = Some(said),
            (None, _) => return Err(Error::Malformed("its length is none")),
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, method: &Method) -> Result<Option<Head>, Error> {
        take(&mut text.into(), &mut 0, method)
    }

    fn shown(text: &str, method: &Method) -> String {
        match of(text, method) {
            Ok(Some(Head { framing, keeps, .. })) => {
                let framing = match framing {
                    Framing::Length(length) => length.to_string(),
                    Framing::Chunked(_) => "chunked".to_owned(),
                    Framing::Close => "close".to_owned(),
                };
                if keeps { format!("{framing}, keeps") } else { framing }
            }
            Ok(None) => "more".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_end_of_a_body_is_told_in_one_way() {
        for (head, expected) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", "5, keeps"),
            ("HTTP/1.1 200\r\ncontent-length: 5\r\n\r\n", "5, keeps"),
            ("HTTP/1.1 200 OK\ncontent-length: 5\n\n", "5, keeps"),
            ("HTTP/1.1 200 OK\r\n\r\n", "close"),
            ("HTTP/1.1 204 No\r\ncontent-length: 5\r\n\r\n", "0, keeps"),
            ("HTTP/1.1 304 No\r\ncontent-length: 5\r\n\r\n", "0, keeps"),
            ("HTTP/1.1 100 Continue\r\n\r\n", "0, keeps"),
            ("HTTP/1.1 200 OK\r\nconnection: a, Close\r\ncontent-length: 5\r\n\r\n", "5"),
            ("HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\n", "5"),
            ("HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 5\r\n\r\n", "5, keeps"),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n", "chunked, keeps"),
            ("HTTP/1.1 304 No\r\ntransfer-encoding: gzip, chunked\r\n\r\n", "0, keeps"),
            ("HTTP/1.1 200 OK\r\nconnection: \u{e9}, close\r\ncontent-length: 5\r\n\r\n", "5"),
            ("HTTP/1.0 200 OK\r\nconnection: keep-alive, close\r\ncontent-length: 5\r\n\r\n", "5"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\n", "5, keeps"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 5", "more"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n", "more"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r", "more"),
        ] {
            assert_eq!(shown(head, &Method::GET), expected, "{head:?}");
        }
        assert_eq!(shown("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", &Method::HEAD), "0, keeps");
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_no_answer() {
        for head in [
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 5, 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: \r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551616\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, gzip\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: \u{e9}chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding:\r\n\r\n",
            "HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nx: a\rb\r\n\r\n",
            "HTTP/1.1 200 OK\r\nx\r\n\r\n",
            "HTTP/1.1 200 OK\r\n: 1\r\n\r\n",
            "HTTP/1.1 099 OK\r\n\r\n",
            "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/1.2 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length : 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nx: 1\r\n y\r\n\r\n",
            "HTTP/2 200 OK\r\n\r\n",
            "hello\r\n\r\n",
        ] {
            assert!(of(head, &Method::GET).is_err(), "{head:?}");
        }
    }

    #[test]
    fn nobody_hears_of_a_length_that_is_none() {
        for head in [
            "HTTP/1.1 204 No\r\ncontent-length: 5\r\n\r\n",
            "HTTP/1.1 304 No\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        ] {
            let head = of(head, &Method::GET).unwrap().unwrap();
            assert!(!head.headers.contains_key(header::CONTENT_LENGTH), "{head:?}");
        }
    }

    #[test]
    fn what_follows_a_head_stays() {
        let mut input = BytesMut::from("HTTP/1.1 200 OK\r\nx: 1\r\n\r\nHTTP");
        let head = take(&mut input, &mut 0, &Method::GET).unwrap().unwrap();
        assert_eq!(head.headers["x"], "1");
        assert_eq!(input, "HTTP");
    }

    #[test]
    fn a_head_has_an_end() {
        let long = format!("HTTP/1.1 200 OK\r\nx: {}", "a".repeat(LONGEST));
        assert!(of(&long, &Method::GET).is_err());
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: 1\r\n".repeat(HEADERS + 1));
        assert!(of(&many, &Method::GET).is_err());
    }

    #[test]
    fn it_does_not_matter_how_bytes_arrive() {
        let whole = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
        let (mut input, mut looked) = (BytesMut::new(), 0);
        for byte in whole.bytes().take(whole.len() - 1) {
            input.extend_from_slice(&[byte]);
            assert!(take(&mut input, &mut looked, &Method::GET).unwrap().is_none());
        }
        input.extend_from_slice(b"\n");
        assert!(take(&mut input, &mut looked, &Method::GET).unwrap().is_some());
    }
}
