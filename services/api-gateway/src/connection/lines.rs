//! Looks at the lines of heads in HTTP/1.1 for what hyper takes although two programs can read it in two ways: a line that
//! ends with LF alone (RFC 9112 section 2.2). Pure.
//!
//! A head is followed by the next, or by a body; which it is, its own lines say. After a body the next head is looked at
//! once the answer has been sent: a client that sends a request behind a body without waiting is not looked at, which only
//! means that its lines are read as hyper reads them, and written as they should be.

/// Long enough for the names that say that there is a body.
const NAME: usize = 18;

/// Where in a connection's bytes it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lines {
    line: [u8; NAME],
    length: usize,
    after_cr: bool,
    has_body: bool,
    part: Part,
}

/// A part of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Before its first line.
    Start,
    Head,
    Body,
}

impl Default for Lines {
    fn default() -> Self {
        Self { line: [0; NAME], length: 0, after_cr: false, has_body: false, part: Part::Start }
    }
}

impl Lines {
    /// Looks at more bytes; returns whether a line has ended with LF alone.
    pub(super) fn see(&mut self, mut bytes: &[u8]) -> bool {
        let mut is_bare = false;
        while self.part != Part::Body && !bytes.is_empty() {
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let (part, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            self.keep(part);
            let Some((_, rest)) = rest.split_first() else { break };
            is_bare |= !self.after_cr;
            self.end_line();
            bytes = rest;
        }
        is_bare
    }

    fn keep(&mut self, part: &[u8]) {
        let room = self.line.iter_mut().skip(self.length);
        for (place, byte) in room.zip(part) {
            *place = byte.to_ascii_lowercase();
        }
        self.length = self.length.saturating_add(part.len());
        if let Some(last) = part.last() {
            self.after_cr = *last == b'\r';
        }
    }

    fn end_line(&mut self) {
        let is_empty = self.length == usize::from(self.after_cr);
        if is_empty && self.part == Part::Head {
            let part = if self.has_body { Part::Body } else { Part::Start };
            *self = Self { part, ..Self::default() };
            return;
        }
        self.has_body |=
            self.line.starts_with(b"content-length:") || self.line.starts_with(b"transfer-encoding:");
        // Empty lines before a request are nothing.
        if !is_empty {
            self.part = Part::Head;
        }
        (self.length, self.after_cr, self.line) = (0, false, [0; NAME]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_bare(text: &str) -> bool {
        Lines::default().see(text.as_bytes())
    }

    #[test]
    fn lf_alone_is_seen_in_every_line_of_a_head_and_in_no_body() {
        assert!(!is_bare("GET / HTTP/1.1\r\nhost: a\r\n\r\n"));
        assert!(is_bare("GET / HTTP/1.1\nhost: a\r\n\r\n"));
        assert!(is_bare("GET / HTTP/1.1\r\nhost: a\n\r\n"));
        assert!(is_bare("GET / HTTP/1.1\r\nhost: a\r\n\n"));
        assert!(!is_bare("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na\nb"));
        assert!(!is_bare("POST / HTTP/1.1\r\nTRANSFER-encoding: chunked\r\n\r\n1\r\n\n"));
        assert!(is_bare("GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\n\r\n"));
        assert!(!is_bare("\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n"));
        assert!(is_bare("\n"));
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_bytes_arrive(text in "(GET|\\r|\\n|\\r\\n|\\r\\n\\r\\n|content-length: 1|:|a){0,24}", cuts: [u8; 4]) {
            let bytes = text.as_bytes();
            let mut cuts = cuts.map(|cut| usize::from(cut) % (bytes.len() + 1));
            cuts.sort_unstable();
            let mut lines = Lines::default();
            let mut from = 0;
            let mut seen = false;
            for to in cuts.into_iter().chain([bytes.len()]) {
                seen |= lines.see(&bytes[from..to]);
                from = to;
            }
            prop_assert_eq!(seen, is_bare(&text));
        }
    }
}
