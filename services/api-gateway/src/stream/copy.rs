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
    state: State,
}

/// How far a direction is.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    /// Its side has said that it has no more.
    Ended,
    /// The other side has been told.
    Over,
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
    /// Whether the side that is written to has still something to say.
    is_awaited: bool,
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
        let mut moves = Moves { buffers, has_moved: false, is_awaited: true };
        moves.is_awaited = back.state == State::Open;
        let to_backend = there.poll(context, client, backend, &mut moves, |bytes| record.received(bytes));
        if let Poll::Ready(Err(broken)) = to_backend {
            return Poll::Ready(Err(match broken {
                Broken::Reading(error) => Failure::Client(error),
                Broken::Writing(error) => Failure::Backend(error),
            }));
        }
        moves.is_awaited = there.state == State::Open;
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
            if self.state == State::Over {
                return Poll::Ready(Ok(()));
            }
            if let Some(waiting) = self.waiting.take() {
                self.write(context, to, waiting, moves, &count)?;
                if self.waiting.is_some() {
                    return Poll::Pending;
                }
            }
            if self.state == State::Ended {
                let told = ready!(Pin::new(&mut *to).poll_shutdown(context));
                // Who has ended as well may be gone, and has all that there was.
                told.or_else(|error| if moves.is_awaited { Err(Broken::Writing(error)) } else { Ok(()) })?;
                (self.state, moves.has_moved) = (State::Over, true);
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
                        _ => self.state = State::Ended,
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

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, sync::Arc};

    use flotilla_gateway_config::{self as config, ListenerProtocol};
    use proptest::prelude::*;

    use super::*;
    use crate::{
        access_log::AccessLog,
        metrics::Metrics,
        stream::{Client, Stream},
    };

    /// A side that says some pieces and ends, takes as many bytes as it likes, and makes others wait now and then.
    #[derive(Default)]
    struct Side {
        says: VecDeque<Vec<u8>>,
        likes: VecDeque<usize>,
        heard: Vec<u8>,
        heard_end: bool,
        is_gone_at_end: bool,
    }

    impl Side {
        fn new(says: &[Vec<u8>], likes: &[usize]) -> Self {
            Self {
                says: says.iter().cloned().collect(),
                likes: likes.iter().copied().collect(),
                ..Self::default()
            }
        }
    }

    impl AsyncRead for Side {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            match self.says.pop_front() {
                Some(piece) if piece.is_empty() => {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(piece) => buffer.put_slice(&piece),
                None => {}
            }
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Side {
        fn poll_write(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            assert!(!self.heard_end, "nothing comes behind an end");
            match self.likes.pop_front() {
                Some(0) => {
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
                likes => {
                    let count = likes.unwrap_or(usize::MAX).min(bytes.len());
                    self.heard.extend(&bytes[..count]);
                    Poll::Ready(Ok(count))
                }
            }
        }

        fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.heard_end = true;
            let is_gone = self.is_gone_at_end;
            Poll::Ready(if is_gone { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) })
        }
    }

    fn record() -> Record {
        let metrics = Arc::new(Metrics::default());
        let written = config::Stream { name: "s".to_owned(), hostnames: Vec::new(), backends: Vec::new() };
        let stream = Stream::new(&written, metrics.stream("s"));
        let address = "127.0.0.1:1".parse().unwrap();
        let client = Client {
            protocol: ListenerProtocol::Tcp,
            port: 1,
            listener: "l".into(),
            peer: address,
            destination: address,
            server_name: None,
        };
        let record = Record::new(&stream, client, &Arc::new(AccessLog::start(0.0, metrics).unwrap()));
        record.ended(None);
        record
    }

    fn run(client: &mut Side, backend: &mut Side) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (buffers, record) = (Buffers::default(), record());
        let copied = copy(client, backend, &buffers, Duration::from_secs(60), &record);
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(10), copied).await.unwrap() })
    }

    fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..20)
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_everything_is_in_its_order(
            there in pieces(), back in pieces(),
            likes in prop::collection::vec(0usize..8, 0..60), also in prop::collection::vec(0usize..8, 0..60),
        ) {
            let (mut client, mut backend) = (Side::new(&there, &also), Side::new(&back, &likes));
            prop_assert!(run(&mut client, &mut backend).is_ok());
            prop_assert_eq!((backend.heard, backend.heard_end), (there.concat(), true));
            prop_assert_eq!((client.heard, client.heard_end), (back.concat(), true));
        }
    }

    #[test]
    fn a_side_that_has_ended_may_be_gone_and_another_may_not() {
        let one_byte = [vec![1]];
        let mut client = Side { is_gone_at_end: true, ..Side::new(&one_byte, &[]) };
        // It says something once more than the other, so that the other ends first.
        let waits = vec![Vec::new(); 3];
        assert!(run(&mut client, &mut Side::new(&waits, &[])).is_ok());
        let mut client = Side { is_gone_at_end: true, ..Side::new(&waits, &[]) };
        let failure = run(&mut client, &mut Side::new(&one_byte, &[])).unwrap_err();
        assert!(matches!(failure, Failure::Client(_)), "{failure}");
    }
}
