//! Lines of a client, none of them too long.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    time::timeout,
};

/// How long a client may be silent.
const PATIENCE: Duration = Duration::from_secs(300);

/// Bytes of a line that is no command: more than RFC 5321 has, as base64 of AUTH may be long.
const MAX: u64 = 4_096;

/// A line, or why there is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// With its end.
    Whole(Vec<u8>),
    /// The connection is at its end.
    End,
    /// It is too long.
    TooLong,
}

/// A connection in lines.
#[derive(Debug)]
pub(super) struct Lines<S> {
    stream: BufReader<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Lines<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// The next line.
    pub(super) async fn next(&mut self) -> io::Result<Line> {
        let mut line = Vec::new();
        let mut part = (&mut self.stream).take(MAX);
        timeout(PATIENCE, part.read_until(b'\n', &mut line)).await??;
        Ok(match line.last() {
            Some(b'\n') => Line::Whole(line),
            Some(_) if line.len() as u64 == MAX => Line::TooLong,
            // A part of a line is none.
            _ => Line::End,
        })
    }

    /// Writes an answer.
    pub(super) async fn answer(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(text.as_bytes()).await?;
        self.stream.write_all(b"\r\n").await?;
        self.stream.flush().await
    }

    /// The connection, when a client has sent nothing beyond what was read.
    pub(super) fn into_inner(self) -> Option<S> {
        self.stream.buffer().is_empty().then(|| self.stream.into_inner())
    }
}
