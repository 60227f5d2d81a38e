//! The bytes of a connection: what has come and not been read, what waits to be written, and whether it can be used again.

use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf},
    net::TcpStream,
    task::coop::unconstrained,
};

use super::Error;
use crate::upstream::connect::Io as Any;

/// Bytes that are read at once: at least, and of a body that is known to be longer at most.
const READ: (usize, usize) = (8 * 1024, 128 * 1024);

/// A connection without TLS, as most are, or another.
pub(in crate::upstream) enum Io {
    Plain(TcpStream),
    Boxed(Box<dyn Any>),
}

/// A connection, with one request at a time.
pub(super) struct Connection {
    io: Io,
    /// What has come and has not been taken yet.
    pub(super) input: BytesMut,
    /// What is to be written first.
    pub(super) output: BytesMut,
    /// What is to be written then; too much to be copied.
    pub(super) large: Bytes,
    /// Whether a request is on it or has been left on it, or something that nobody has asked for.
    pub(super) is_busy: bool,
    /// Bytes of the answer that is read, and of the one before: the next is likely to be like it.
    come: (usize, usize),
}

impl Connection {
    pub(super) fn new(io: Io) -> Self {
        Self {
            io,
            input: BytesMut::new(),
            output: BytesMut::new(),
            large: Bytes::new(),
            is_busy: false,
            come: (0, 0),
        }
    }

    /// A request begins.
    pub(super) fn begin(&mut self) {
        self.is_busy = true;
        self.come = (0, self.come.0);
    }

    /// A request has ended, and the next may come.
    pub(super) fn end(&mut self) {
        self.is_busy = false;
        if self.input.capacity() > READ.0 && self.input.is_empty() {
            // Connections that rest should not hold what one answer needed.
            self.input = BytesMut::new();
        }
    }

    /// Whether the next request can use it. A backend says nothing that it is not asked for: what comes then is the end, and
    /// would be taken for the answer to the next request.
    pub(super) fn is_ready(&mut self) -> bool {
        if self.is_busy || !self.input.is_empty() {
            return false;
        }
        // Without readiness this asks nobody, and TLS reads what is of its own. A task that has done a lot would be told that
        // nothing is there.
        let mut byte = [0];
        let reading =
            poll_fn(|context| Pin::new(&mut self.io).poll_read(context, &mut ReadBuf::new(&mut byte)));
        let read = pin!(unconstrained(reading)).poll(&mut Context::from_waker(Waker::noop()));
        // What has been read is gone, and may have been all there was: nobody asks again.
        self.is_busy = read.is_ready();
        !self.is_busy
    }

    /// Reads more. `left` is how much is known to come, at least. Nothing more is no error.
    pub(super) fn poll_more(&mut self, context: &mut Context<'_>, left: u64) -> Poll<Result<usize, Error>> {
        let like_before = self.come.1.saturating_sub(self.come.0);
        // One more than will come: a buffer that has been filled says that there may be more, and is asked again.
        let left = usize::try_from(left).unwrap_or(usize::MAX).max(like_before).saturating_add(1);
        let wanted = left.clamp(READ.0, READ.1);
        if self.input.capacity() - self.input.len() < wanted / 2 {
            self.input.reserve(wanted);
        }
        let reading = pin!(self.io.read_buf(&mut self.input));
        let come = ready!(reading.poll(context))?;
        self.come.0 += come;
        Poll::Ready(Ok(come))
    }

    /// Writes everything that waits; returns whether that was anything.
    pub(super) fn poll_written(&mut self, context: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        let has_any = !self.output.is_empty() || !self.large.is_empty();
        while !self.output.is_empty() {
            let written = ready!(Pin::new(&mut self.io).poll_write(context, &self.output))?;
            none_is_an_end(written)?;
            self.output.advance(written);
        }
        while !self.large.is_empty() {
            let written = ready!(Pin::new(&mut self.io).poll_write(context, &self.large))?;
            none_is_an_end(written)?;
            self.large.advance(written);
        }
        if has_any {
            ready!(Pin::new(&mut self.io).poll_flush(context))?;
        }
        Poll::Ready(Ok(has_any))
    }
}

fn none_is_an_end(written: usize) -> Result<(), Error> {
    if written == 0 { Err(io::Error::from(io::ErrorKind::WriteZero).into()) } else { Ok(()) }
}

/// A connection that is no longer one of HTTP.
pub struct Tunnel {
    io: Io,
    /// What had come before the other side knew.
    first: BytesMut,
}

impl From<Connection> for Tunnel {
    fn from(connection: Connection) -> Self {
        Self { io: connection.io, first: connection.input }
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.io).poll_read(context, buffer);
        }
        let length = self.first.len().min(buffer.remaining());
        buffer.put_slice(&self.first.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

impl AsyncRead for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Boxed(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Boxed(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Boxed(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Boxed(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
