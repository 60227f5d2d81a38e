//! Looks at the lines of heads in HTTP/1.1 for what hyper repairs and does not tell of, although two programs can read it in
//! two ways: a line that ends with LF alone (RFC 9112 section 2.2), a target with a fragment (section 3.2), a second
//! `Content-Length` (section 6.2), and one beside `Transfer-Encoding` (section 6.3). Pure.
//!
//! A head is followed by the next, or by a body; which it is, its own lines say. After a body the next head is looked at
//! once the answer has been sent: a client that sends a request behind a body without waiting is not looked at, which only
//! means that its lines are read as hyper reads them, and written as they should be.

/// Long enough for the names of headers that frame, with their colons.
const NAME: usize = 18;

/// Where in a connection's bytes it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lines {
    line: [u8; NAME],
    length: usize,
    after_cr: bool,
    lengths: u8,
    has_encoding: bool,
    part: Part,
}

/// A part of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Its first line, and empty ones before it.
    Start,
    Headers,
    Body,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            line: [0; NAME],
            length: 0,
            after_cr: false,
            lengths: 0,
            has_encoding: false,
            part: Part::Start,
        }
    }
}

impl Lines {
    /// Looks at more bytes; returns what is wrong with them.
    pub(super) fn see(&mut self, mut bytes: &[u8]) -> Option<&'static str> {
        let mut wrong = None;
        while self.part != Part::Body && !bytes.is_empty() {
            let end = memchr::memchr(b'\n', bytes);
            let (part, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            if self.part == Part::Start && memchr::memchr(b'#', part).is_some() {
                wrong = wrong.or(Some("target-fragment"));
            }
            let Some((_, rest)) = rest.split_first() else {
                self.keep(part);
                break;
            };
            // Most lines come whole and need not be kept.
            let found = if self.length == 0 {
                self.end_line(part, part.len(), part.last() == Some(&b'\r'))
            } else {
                self.keep(part);
                let (line, length, after_cr) = (self.line, self.length, self.after_cr);
                (self.length, self.after_cr) = (0, false);
                self.end_line(line.get(..length).unwrap_or(&line), length, after_cr)
            };
            wrong = wrong.or(found);
            bytes = rest;
        }
        wrong
    }

    fn keep(&mut self, part: &[u8]) {
        let room = self.line.iter_mut().skip(self.length);
        for (place, byte) in room.zip(part) {
            *place = *byte;
        }
        self.length = self.length.saturating_add(part.len());
        if let Some(last) = part.last() {
            self.after_cr = *last == b'\r';
        }
    }

    /// A line has ended; its beginning is enough.
    fn end_line(&mut self, line: &[u8], length: usize, after_cr: bool) -> Option<&'static str> {
        let is_empty = length == usize::from(after_cr);
        let wrong = if after_cr { None } else { Some("bare-line") };
        match self.part {
            Part::Start if is_empty => {}
            Part::Start => self.part = Part::Headers,
            _ if is_empty => {
                let has_body = self.lengths > 0 || self.has_encoding;
                *self = Self { part: if has_body { Part::Body } else { Part::Start }, ..Self::default() };
            }
            _ => return wrong.or(self.frame(line)),
        }
        wrong
    }

    /// A header has ended that may say where the message ends.
    fn frame(&mut self, line: &[u8]) -> Option<&'static str> {
        let is = |name: &[u8]| line.get(..name.len()).is_some_and(|line| line.eq_ignore_ascii_case(name));
        if is(b"content-length:") {
            self.lengths = self.lengths.saturating_add(1);
        } else if is(b"transfer-encoding:") {
            self.has_encoding = true;
        } else {
            return None;
        }
        match (self.lengths, self.has_encoding) {
            (1.., true) => Some("content-length-and-transfer-encoding"),
            (2.., false) => Some("content-length"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wrong(text: &str) -> Option<&'static str> {
        Lines::default().see(text.as_bytes())
    }

    #[test]
    fn what_is_wrong_is_seen_in_every_head_and_in_no_body() {
        let bare = Some("bare-line");
        for (text, expected) in [
            ("GET / HTTP/1.1\r\nhost: a\r\n\r\n", None),
            ("GET / HTTP/1.1\nhost: a\r\n\r\n", bare),
            ("GET / HTTP/1.1\r\nhost: a\n\r\n", bare),
            ("GET / HTTP/1.1\r\nhost: a\r\n\n", bare),
            ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na\nb", None),
            ("POST / HTTP/1.1\r\nTRANSFER-encoding: chunked\r\n\r\n1\r\n\n", None),
            ("GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\n\r\n", bare),
            ("\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n", None),
            ("\n", bare),
            ("GET /#a HTTP/1.1\r\n", Some("target-fragment")),
            ("GET /a HTTP/1.1\r\nx: #\r\n", None),
            ("A\r\ncontent-length:1\r\ncontent-length:1\r\n", Some("content-length")),
            ("A\r\ncontent-length:1\r\nx:1\r\n\r\ncontent-length:1\r\n", None),
            (
                "A\r\ncontent-length:1\r\ntransfer-encoding:a\r\n",
                Some("content-length-and-transfer-encoding"),
            ),
            (
                "A\r\ntransfer-encoding:a\r\nX:1\r\ncontent-length:1\r\n",
                Some("content-length-and-transfer-encoding"),
            ),
            ("A\r\nx-content-length:1\r\ncontent-length:1\r\ncontent-length-x:1\r\n", None),
        ] {
            assert_eq!(wrong(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_bytes_arrive(
            text in "(GET|#|\\r|\\n|\\r\\n|\\r\\n\\r\\n|content-length: 1|transfer-encoding:|a){0,24}",
            cuts: [u8; 4],
        ) {
            let bytes = text.as_bytes();
            let mut cuts = cuts.map(|cut| usize::from(cut) % (bytes.len() + 1));
            cuts.sort_unstable();
            let mut lines = Lines::default();
            let (mut from, mut seen) = (0, None);
            for to in cuts.into_iter().chain([bytes.len()]) {
                seen = seen.or(lines.see(&bytes[from..to]));
                from = to;
            }
            prop_assert_eq!(seen.is_some(), wrong(&text).is_some());
        }
    }
}
