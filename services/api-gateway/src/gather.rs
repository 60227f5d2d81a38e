//! Gathers what is written to a connection of HTTP/2 until its task has done all that it can. Otherwise every answer is
//! written by itself, as h2 writes whenever it has the data of one stream, and a write costs more than all else.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::local::LocalExecutor;

/// Bytes that are gathered at most.
const MOST: usize = 64 * 1024;

/// More than this at once is written from where it is.
const LARGE: usize = 16 * 1024;

/// A connection whose writes are gathered.
#[derive(Debug)]
pub(crate) struct Gathered<T>(Rc<RefCell<Inner<T>>>);

/// Writes what has been gathered.
#[derive(Debug)]
pub(crate) struct Gatherer<T>(Rc<RefCell<Inner<T>>>);

#[derive(Debug)]
struct Inner<T> {
    stream: T,
    waiting: BytesMut,
    /// Whether somebody waits until what is gathered has been written.
    is_blocked: bool,
}

/// Has the writes of a connection gathered.
pub(crate) fn gather<T>(stream: T) -> (Gathered<T>, Gatherer<T>) {
    let inner = Rc::new(RefCell::new(Inner { stream, waiting: BytesMut::new(), is_blocked: false }));
    (Gathered(Rc::clone(&inner)), Gatherer(inner))
}

impl<T: AsyncWrite + Unpin> Gatherer<T> {
    /// Has the task of the connection do what it can, and then writes. Ready when it has ended or nobody can be written to.
    pub(crate) fn poll<F>(&self, mut task: Pin<&mut F>, context: &mut Context<'_>) -> Poll<Option<F::Output>>
    where
        F: Future,
    {
        loop {
            let polled = task.as_mut().poll(context);
            let written = self.0.borrow_mut().poll_write_all(context);
            if let Poll::Ready(output) = polled {
                // A good end has shut the connection down, which writes everything; of another, what fits is told.
                return Poll::Ready(Some(output));
            }
            if let Err(error) = ready!(written) {
                tracing::debug!(%error, "a connection cannot be written to");
                return Poll::Ready(None);
            }
            // Whoever has waited for room is not told by anybody else.
            if !std::mem::take(&mut self.0.borrow_mut().is_blocked) {
                return Poll::Pending;
            }
        }
    }
}

/// Runs the tasks of hyper's client. The first is the connection itself.
pub(crate) struct Executor<T>(Rc<Cell<Option<Gatherer<T>>>>);

impl<T> Executor<T> {
    pub(crate) fn new(gatherer: Gatherer<T>) -> Self {
        Self(Rc::new(Cell::new(Some(gatherer))))
    }
}

impl<T> Clone for Executor<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<F, T> hyper::rt::Executor<F> for Executor<T>
where
    F: Future<Output = ()> + 'static,
    T: AsyncWrite + Unpin + 'static,
{
    fn execute(&self, task: F) {
        match self.0.take() {
            None => LocalExecutor.execute(task),
            Some(gatherer) => LocalExecutor.execute(async move {
                let mut task = pin!(task);
                // Nobody waits for what it ends with.
                poll_fn(|context| gatherer.poll(task.as_mut(), context)).await;
            }),
        }
    }
}

impl<T: AsyncWrite + Unpin> Inner<T> {
    fn poll_write_all(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.waiting.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while !self.waiting.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, &self.waiting))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.waiting.advance(written);
        }
        if self.waiting.capacity() > LARGE {
            // Connections that rest should not hold what one moment needed.
            self.waiting = BytesMut::new();
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// Makes room for so many bytes.
    fn poll_room(&mut self, context: &mut Context<'_>, length: usize) -> Poll<io::Result<()>> {
        if self.waiting.len() + length <= MOST {
            return Poll::Ready(Ok(()));
        }
        let polled = self.poll_write_all(context);
        self.is_blocked |= polled.is_pending();
        polled
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Gathered<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().stream).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Gathered<T> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut inner = self.0.borrow_mut();
        let length = slices.iter().map(|slice| slice.len()).sum();
        if length > LARGE {
            // What came before goes first.
            let written = inner.poll_write_all(context)?;
            inner.is_blocked |= written.is_pending();
            ready!(written);
            return Pin::new(&mut inner.stream).poll_write_vectored(context, slices);
        }
        ready!(inner.poll_room(context, length))?;
        for slice in slices {
            inner.waiting.extend_from_slice(slice);
        }
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // That is what is put off.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.borrow_mut();
        ready!(inner.poll_write_all(context))?;
        Pin::new(&mut inner.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
        task::LocalSet,
    };

    use super::*;

    /// Counts how often it is written to.
    struct Counting(DuplexStream, Rc<Cell<usize>>);

    impl AsyncWrite for Counting {
        fn poll_write(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.1.set(self.1.get() + 1);
            Pin::new(&mut self.0).poll_write(context, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(context)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(context)
        }
    }

    /// Writes pieces as a task of hyper does, through a pipe with so much room; returns what came and how many writes it took.
    async fn through(pieces: Vec<Vec<u8>>, room: usize) -> (Vec<u8>, usize) {
        let (near, mut far) = duplex(room);
        let writes = Rc::default();
        let (mut stream, gatherer) = gather(Counting(near, Rc::clone(&writes)));
        let writing = async move {
            let mut task = pin!(async {
                for piece in pieces {
                    stream.write_all(&piece).await.unwrap();
                    stream.flush().await.unwrap();
                }
                stream.shutdown().await.unwrap();
            });
            poll_fn(|context| gatherer.poll(task.as_mut(), context)).await
        };
        let local = LocalSet::new();
        local.spawn_local(writing);
        let mut all = Vec::new();
        local.run_until(far.read_to_end(&mut all)).await.unwrap();
        (all, writes.get())
    }

    #[tokio::test]
    async fn what_is_written_in_one_go_is_one_write() {
        let (all, writes) = through(vec![b"abc".to_vec(); 1_000], 1 << 20).await;
        assert_eq!((all.len(), writes), (3_000, 1));
    }

    #[tokio::test]
    async fn everything_arrives_in_order_however_little_room_there_is() {
        for room in [1_000, 50_000] {
            let lengths = [10, LARGE, LARGE + 1, 3, MOST, 3 * MOST, 1, 20_000, 20, 100_000, 5];
            let pieces: Vec<Vec<u8>> =
                lengths.iter().zip(0..).map(|(length, byte)| vec![byte; *length]).collect();
            let (all, _) = through(pieces.clone(), room).await;
            assert!(all == pieces.concat(), "{room}: {} bytes", all.len());
        }
    }
}
