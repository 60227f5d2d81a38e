//! A connection whose bytes are looked at as they come and go.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{activity::Activity, lines::Lines, linger::Linger, preface::Spoken};

/// A connection that says what happens on it.
#[derive(Debug)]
pub(super) struct Watched<T> {
    stream: T,
    activity: Arc<Activity>,
    /// Only the heads of HTTP/1.1 have lines, and only there the first byte after an answer begins a request.
    lines: Option<Lines>,
    /// The end, once it has been said.
    linger: Option<Linger>,
}

impl<T> Watched<T> {
    pub(super) fn new(stream: T, activity: Arc<Activity>, spoken: Spoken) -> Self {
        Self { stream, activity, lines: (spoken == Spoken::Http1).then(Lines::default), linger: None }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(context, buffer);
        if polled.is_ready()
            && let Some(lines) = &mut this.lines
            && let Some(new) = buffer.filled().get(before..).filter(|new| !new.is_empty())
        {
            if this.activity.read() {
                *lines = Lines::default();
            }
            if let Some(reason) = lines.see(new) {
                this.activity.suspect(reason);
            }
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> Watched<T> {
    fn wrote<R>(&self, polled: Poll<R>) -> Poll<R> {
        self.activity.wrote(polled.is_pending());
        polled
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.wrote(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some(linger) = &mut this.linger {
            return linger.poll(&mut this.stream, context).map(Ok);
        }
        let polled = Pin::new(&mut this.stream).poll_shutdown(context);
        if polled.is_pending() || !this.activity.may_still_send() {
            return polled;
        }
        this.linger.get_or_insert_with(Linger::new).poll(&mut this.stream, context).map(Ok)
    }
}
