//! Bodies in chunks (RFC 9112 section 7.1). Pure.

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::Error;
use crate::edge::strip_hop_by_hop;

/// Bytes of a chunk's first line: its size, and extensions that nobody reads.
const LINE: usize = 4 * 1024;

/// Bytes of trailers.
const TRAILERS: usize = 16 * 1024;

/// Lines of trailers.
const HEADERS: usize = 64;

/// Where in a body it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Chunks {
    /// Before the line with a size.
    #[default]
    Size,
    /// In a chunk of which so much is still to come.
    Data(u64),
    /// Before the line that ends a chunk.
    End,
    /// Behind the last chunk.
    Trailers,
    /// Behind everything.
    Done,
}

/// What comes of a body.
#[derive(Debug)]
pub(super) enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
    /// The end, without trailers.
    End,
}

impl Chunks {
    /// Takes the next piece out of what has come; `None` when more has to come first.
    pub(super) fn next(&mut self, input: &mut BytesMut) -> Result<Option<Piece>, Error> {
        loop {
            match self {
                Self::Size => {
                    let Some(line) = line(input, LINE)? else { return Ok(None) };
                    *self = match size(&line)? {
                        0 => Self::Trailers,
                        size => Self::Data(size),
                    };
                }
                Self::Data(left) => {
                    let come = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                    if come == 0 {
                        return Ok(None);
                    }
                    *left -= come as u64;
                    if *left == 0 {
                        *self = Self::End;
                    }
                    return Ok(Some(Piece::Data(input.split_to(come).freeze())));
                }
                Self::End => match **input {
                    [b'\r', b'\n', ..] => {
                        input.advance(2);
                        *self = Self::Size;
                    }
                    [] | [b'\r'] => return Ok(None),
                    _ => return Err(Error::Malformed("a chunk has another end")),
                },
                Self::Trailers => {
                    let Some(end) = end_of_trailers(input)? else { return Ok(None) };
                    let block = input.split_to(end).freeze();
                    *self = Self::Done;
                    return trailers(&block).map(Some);
                }
                Self::Done => return Ok(Some(Piece::End)),
            }
        }
    }
}

/// Takes out a line, without its end.
fn line(input: &mut BytesMut, longest: usize) -> Result<Option<Bytes>, Error> {
    let Some(end) = memchr::memchr(b'\n', input) else {
        if input.len() > longest {
            return Err(Error::Malformed("a line of a chunk is too long"));
        }
        return Ok(None);
    };
    let line = input.split_to(end + 1).freeze();
    match line.strip_suffix(b"\r\n") {
        Some(text) => Ok(Some(line.slice_ref(text))),
        None => Err(Error::Malformed("a line of a chunk has another end")),
    }
}

fn size(line: &[u8]) -> Result<u64, Error> {
    let digits = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    let (digits, rest) = line.split_at(digits);
    // Blanks are allowed only before an extension, where older software writes them.
    let is_good = match rest.iter().find(|byte| !matches!(byte, b' ' | b'\t')) {
        None => rest.is_empty(),
        Some(first) => *first == b';' && !rest.contains(&b'\r'),
    };
    let size = std::str::from_utf8(digits).ok().filter(|digits| is_good && digits.len() <= 16);
    size.and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .ok_or(Error::Malformed("a chunk has no size"))
}

/// Where the empty line behind trailers ends.
fn end_of_trailers(input: &[u8]) -> Result<Option<usize>, Error> {
    if input.starts_with(b"\r\n") {
        return Ok(Some(2));
    }
    let end = memchr::memmem::find(input, b"\r\n\r\n");
    if end.unwrap_or(input.len()) > TRAILERS {
        return Err(Error::Malformed("its trailers are too long"));
    }
    Ok(end.map(|end| end + 4))
}

fn trailers(block: &Bytes) -> Result<Piece, Error> {
    if block.len() == 2 {
        return Ok(Piece::End);
    }
    let mut lines = [httparse::EMPTY_HEADER; HEADERS];
    let httparse::Status::Complete((end, lines)) = httparse::parse_headers(block, &mut lines)? else {
        return Err(Error::Malformed("its trailers have no end"));
    };
    // An empty line without CR is an end for some, and what is behind it another answer.
    if end != block.len() {
        return Err(Error::Malformed("its trailers have two ends"));
    }
    let mut trailers = HeaderMap::with_capacity(lines.len());
    for line in lines {
        let name = HeaderName::from_bytes(line.name.as_bytes());
        let value = HeaderValue::from_maybe_shared(block.slice_ref(line.value));
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(Error::Malformed("a trailer is none"));
        };
        trailers.append(name, value);
    }
    // What frames a message or speaks of one connection is no trailer (RFC 9110 section 6.5.1).
    strip_hop_by_hop(&mut trailers);
    trailers.remove(header::CONTENT_LENGTH);
    Ok(if trailers.is_empty() { Piece::End } else { Piece::Trailers(trailers) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What comes of a body that arrives in pieces.
    fn read(text: &str, cuts: &[usize]) -> Result<(String, usize, usize), Error> {
        let (mut chunks, mut input) = (Chunks::default(), BytesMut::new());
        let (mut data, mut trailers, mut from) = (String::new(), 0, 0);
        for to in cuts.iter().copied().chain([text.len()]) {
            input.extend_from_slice(&text.as_bytes()[from..to]);
            from = to;
            loop {
                match chunks.next(&mut input)? {
                    None | Some(Piece::End) => break,
                    Some(Piece::Data(piece)) => data.push_str(std::str::from_utf8(&piece).unwrap()),
                    Some(Piece::Trailers(map)) => trailers = map.len(),
                }
            }
        }
        if chunks != Chunks::Done {
            return Err(Error::Ended);
        }
        Ok((data, trailers, input.len()))
    }

    #[test]
    fn chunks_are_put_together() {
        for (text, expected) in [
            ("0\r\n\r\n", ("", 0, 0)),
            ("3\r\nabc\r\n0\r\n\r\n", ("abc", 0, 0)),
            ("3\r\nabc\r\n02\r\nde\r\n0\r\n\r\nrest", ("abcde", 0, 4)),
            ("A;x=y\r\n0123456789\r\n0;z\r\n\r\n", ("0123456789", 0, 0)),
            ("1 ;x\r\na\r\n0\r\n\r\n", ("a", 0, 0)),
            ("1\r\na\r\n0\r\nx: 1\r\ny: 2\r\n\r\n", ("a", 2, 0)),
            ("1\r\na\r\n0\r\nx: 1\r\nconnection: close\r\ncontent-length: 9\r\n\r\n", ("a", 1, 0)),
            ("1\r\na\r\n0\r\ntransfer-encoding: chunked\r\n\r\n", ("a", 0, 0)),
        ] {
            let (data, trailers, left) = read(text, &[]).unwrap();
            assert_eq!((data.as_str(), trailers, left), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        for text in [
            "\r\n\r\n",
            "x\r\n",
            "3\nabc\r\n0\r\n\r\n",
            "3\r\nabcd\r\n0\r\n\r\n",
            "3\r\nabc\n0\r\n\r\n",
            "0x3\r\nabc\r\n0\r\n\r\n",
            "+3\r\nabc\r\n0\r\n\r\n",
            "-3\r\nabc\r\n",
            " 3\r\nabc\r\n0\r\n\r\n",
            "3 \r\nabc\r\n0\r\n\r\n",
            "3;\r\r\nabc\r\n0\r\n\r\n",
            "00000000000000003\r\nabc\r\n0\r\n\r\n",
            "3\u{c};x\r\nabc\r\n0\r\n\r\n",
            "1\r\na\r\n0\r\nx y: 1\r\n\r\n",
            "1\r\na\r\n0\r\nx: 1\r\n y\r\n\r\n",
            "1\r\na\r\n0\r\nx: 1\n\nHTTP/1.1 200 OK\r\n\r\n",
            "1\r\na\r\n0\r\n\nHTTP/1.1 200 OK\r\n\r\n",
            "3\r\nab",
        ] {
            assert!(read(text, &[]).is_err(), "{text:?}");
        }
        let long = format!("1;{}", "x".repeat(LINE));
        assert!(matches!(read(&long, &[]), Err(Error::Malformed(_))));
        let long = format!("0\r\nx: {}", "x".repeat(TRAILERS));
        assert!(matches!(read(&long, &[]), Err(Error::Malformed(_))));
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_bytes_arrive(
            text in "(1\\r\\na\\r\\n|2;x\\r\\nbc\\r\\n|\\r|\\n|0\\r\\n|x: 1\\r\\n|\\r\\n){0,12}",
            cuts: [u8; 4],
        ) {
            let mut cuts = cuts.map(|cut| usize::from(cut) % (text.len() + 1));
            cuts.sort_unstable();
            let (whole, parts) = (read(&text, &[]), read(&text, &cuts));
            prop_assert_eq!(whole.ok(), parts.ok());
        }
    }
}
