//! The end of a connection whose client still sends a body that nobody wants. Closed at once it would be reset, and the reset
//! may take the answer with it (RFC 9112, section 9.6): what comes is read and thrown away for a while.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

/// How long nothing may come.
const QUIET: Duration = Duration::from_millis(500);

/// How long something may.
const WHOLE: Duration = Duration::from_secs(5);

/// Bytes that are thrown away at most; who sends more may miss the answer.
const BYTES: usize = 16 * 1024 * 1024;

/// What still comes.
#[derive(Debug)]
pub(super) struct Linger {
    end: Instant,
    quiet: Pin<Box<Sleep>>,
    left: usize,
}

impl Linger {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { end: now + WHOLE, quiet: Box::pin(sleep_until(now + QUIET)), left: BYTES }
    }

    /// Until the client has heard that this is the end, or does not want to.
    pub(super) fn poll<T: AsyncRead + Unpin>(
        &mut self,
        stream: &mut T,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let mut thrown_away = [0; 8 * 1024];
        loop {
            let mut buffer = ReadBuf::new(&mut thrown_away);
            if Pin::new(&mut *stream).poll_read(context, &mut buffer).map(Result::ok).is_pending() {
                return self.quiet.as_mut().poll(context);
            }
            let bytes = buffer.filled().len();
            let now = Instant::now();
            match self.left.checked_sub(bytes) {
                Some(left) if bytes > 0 && now < self.end => self.left = left,
                _ => return Poll::Ready(()),
            }
            self.quiet.as_mut().reset(self.end.min(now + QUIET));
        }
    }
}
