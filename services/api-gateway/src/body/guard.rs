//! Holds a client to its word while it sends a body: not too much of it, and not too slowly.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};

/// Why the body of a request has no end.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// It is larger than allowed.
    #[error("the body is larger than {0} bytes")]
    TooLarge(u64),
    /// Nothing came for too long.
    #[error("nothing of the body came for {} s", .0.as_secs())]
    Slow(Duration),
    /// The client has gone, or sent what is no body.
    #[error("the client broke off: {0}")]
    Client(#[source] Arc<hyper::Error>),
}

/// The body of a client's request.
#[derive(Debug)]
pub struct Guard {
    body: Incoming,
    /// Bytes that may still come.
    left: u64,
    most: u64,
    patience: Option<Duration>,
    /// When something came last, and what wakes when nothing comes; made when there is something to wait for.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Guard {
    /// Takes at most `most` bytes, and waits at most `patience` for each piece; without one for ever.
    pub fn new(body: Incoming, most: u64, patience: Option<Duration>) -> Self {
        Self { body, left: most, most, patience, waiting: None }
    }
}

impl Body for Guard {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) else {
            let Some(patience) = this.patience else { return Poll::Pending };
            let (since, sleep) = this.waiting.get_or_insert_with(|| {
                let now = Instant::now();
                (now, Box::pin(sleep_until(now + patience)))
            });
            // The timer is set again only when it fires: most pieces come long before.
            while sleep.as_mut().poll(context).is_ready() {
                let end = *since + patience;
                if Instant::now() >= end {
                    return Poll::Ready(Some(Err(Error::Slow(patience))));
                }
                sleep.as_mut().reset(end);
            }
            return Poll::Pending;
        };
        if let Some((since, _)) = &mut this.waiting {
            *since = Instant::now();
        }
        let Some(frame) = frame else { return Poll::Ready(None) };
        let frame = frame.map_err(|error| Error::Client(Arc::new(error)))?;
        if let Some(data) = frame.data_ref() {
            let length = data.len() as u64;
            if length > this.left {
                return Poll::Ready(Some(Err(Error::TooLarge(this.most))));
            }
            this.left -= length;
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
