//! A connection of which the first bytes have been read already, and are read again.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::hello::{self, Hello};
use crate::stream::Cut;

/// What a hello commonly has.
const COMMON: usize = 2 * 1024;

/// A connection with what has been read of it.
#[derive(Debug)]
pub(crate) struct Prefixed {
    stream: TcpStream,
    read: Vec<u8>,
    taken: usize,
}

/// Why there is no hello of TLS.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Hello(#[from] hello::Error),
}

impl Prefixed {
    /// Reads the hello of TLS, and leaves it there.
    pub(super) async fn hello(mut stream: TcpStream) -> Result<(Self, Hello), Error> {
        let mut read = Vec::with_capacity(COMMON);
        loop {
            if stream.read_buf(&mut read).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            if let Some(hello) = hello::parse(&read)? {
                return Ok((Self { stream, read, taken: 0 }, hello));
            }
            if read.len() >= hello::LONGEST {
                return Err(hello::Error::TooLong.into());
            }
        }
    }
}

impl AsyncRead for Prefixed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let Some(left) = this.read.get(this.taken..).filter(|left| !left.is_empty()) else {
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        };
        let (now, later) = left.split_at(left.len().min(buffer.remaining()));
        buffer.put_slice(now);
        if later.is_empty() {
            (this.read, this.taken) = (Vec::new(), 0);
        } else {
            this.taken += now.len();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Prefixed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Cut for Prefixed {
    fn cut(&self) {
        self.stream.cut();
    }
}
