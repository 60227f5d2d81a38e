//! Bytes both ways until both sides have ended. A side that ends is told to the other, which may go on.

use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant as Deadline, sleep},
};

use super::{Buffers, Failure, Record};

/// One direction.
#[derive(Default)]
struct Way {
    waiting: Option<Waiting>,
    is_unflushed: bool,
    has_ended: bool,
    is_over: bool,
}

/// Bytes that the other side has not taken yet.
struct Waiting {
    buffer: Box<[u8]>,
    from: usize,
    to: usize,
}

/// The side at which something went wrong.
enum Broken {
    Reading(io::Error),
    Writing(io::Error),
}

/// What moves on a way.
struct Moves<'a> {
    buffers: &'a Buffers,
    /// Whether anything has moved.
    has_moved: bool,
}

/// Copies from a client to a backend and back. Without a byte for as long as `idle` it ends.
pub(super) async fn copy<C, B>(
    client: &mut C,
    backend: &mut B,
    buffers: &Buffers,
    idle: Duration,
    record: &Record,
) -> Result<(), Failure>
where
    C: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (mut there, mut back) = (Way::default(), Way::default());
    let mut last = Instant::now();
    let mut timer = pin!(sleep(idle));
    poll_fn(|context| {
        let mut moves = Moves { buffers, has_moved: false };
        let to_backend = there.poll(context, client, backend, &mut moves, |bytes| record.received(bytes));
        if let Poll::Ready(Err(broken)) = to_backend {
            return Poll::Ready(Err(match broken {
                Broken::Reading(error) => Failure::Client(error),
                Broken::Writing(error) => Failure::Backend(error),
            }));
        }
        let to_client = back.poll(context, backend, client, &mut moves, |bytes| record.sent(bytes));
        if let Poll::Ready(Err(broken)) = to_client {
            return Poll::Ready(Err(match broken {
                Broken::Reading(error) => Failure::Backend(error),
                Broken::Writing(error) => Failure::Client(error),
            }));
        }
        if to_backend.is_ready() && to_client.is_ready() {
            return Poll::Ready(Ok(()));
        }
        if moves.has_moved {
            last = Instant::now();
        }
        // The timer is moved when it fires, not for every byte.
        while timer.as_mut().poll(context).is_ready() {
            let end = last + idle;
            if end <= Instant::now() {
                return Poll::Ready(Err(Failure::Idle));
            }
            timer.as_mut().reset(Deadline::from_std(end));
        }
        Poll::Pending
    })
    .await
}

impl Way {
    /// Moves bytes until one side has to be waited for, or this way is over.
    fn poll<R, W>(
        &mut self,
        context: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        moves: &mut Moves<'_>,
        count: impl Fn(usize),
    ) -> Poll<Result<(), Broken>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            if self.is_over {
                return Poll::Ready(Ok(()));
            }
            if let Some(waiting) = self.waiting.take() {
                self.write(context, to, waiting, moves, &count)?;
                if self.waiting.is_some() {
                    return Poll::Pending;
                }
            }
            if self.has_ended {
                ready!(Pin::new(&mut *to).poll_shutdown(context)).map_err(Broken::Writing)?;
                (self.is_over, moves.has_moved) = (true, true);
                continue;
            }
            let mut buffer = moves.buffers.take();
            let mut read = ReadBuf::new(&mut buffer);
            let polled = Pin::new(&mut *from).poll_read(context, &mut read);
            let length = read.filled().len();
            match polled {
                Poll::Ready(Ok(())) if length > 0 => {
                    self.waiting = Some(Waiting { buffer, from: 0, to: length });
                }
                Poll::Ready(read) => {
                    moves.buffers.put(buffer);
                    // Many clients end TLS without saying so, and others take that for an end as well.
                    match read {
                        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
                            return Poll::Ready(Err(Broken::Reading(error)));
                        }
                        _ => self.has_ended = true,
                    }
                }
                Poll::Pending => {
                    moves.buffers.put(buffer);
                    if self.is_unflushed {
                        ready!(Pin::new(&mut *to).poll_flush(context)).map_err(Broken::Writing)?;
                        self.is_unflushed = false;
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    fn write<W: AsyncWrite + Unpin>(
        &mut self,
        context: &mut Context<'_>,
        to: &mut W,
        mut waiting: Waiting,
        moves: &mut Moves<'_>,
        count: &impl Fn(usize),
    ) -> Result<(), Broken> {
        while let Some(bytes) = waiting.buffer.get(waiting.from..waiting.to).filter(|left| !left.is_empty()) {
            match Pin::new(&mut *to).poll_write(context, bytes) {
                Poll::Ready(Ok(0)) => return Err(Broken::Writing(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => {
                    waiting.from += written;
                    (self.is_unflushed, moves.has_moved) = (true, true);
                    count(written);
                }
                Poll::Ready(Err(error)) => return Err(Broken::Writing(error)),
                Poll::Pending => {
                    self.waiting = Some(waiting);
                    return Ok(());
                }
            }
        }
        moves.buffers.put(waiting.buffer);
        Ok(())
    }
}
