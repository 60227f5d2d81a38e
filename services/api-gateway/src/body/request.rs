//! What is sent to a backend.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{
    copy::{Copied, Tee},
    guard::{Error, Guard},
};

/// The body of a request to a backend.
#[derive(Debug)]
pub enum RequestBody {
    /// None.
    Empty,
    /// What the client sends.
    Client(Guard),
    /// What the client sends, of which others get a copy.
    Copied(Tee),
    /// A copy.
    Copy(Copied),
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Client(body) => Pin::new(body).poll_frame(context),
            Self::Copied(body) => Pin::new(body).poll_frame(context),
            Self::Copy(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Client(body) => body.is_end_stream(),
            Self::Copied(body) => body.is_end_stream(),
            Self::Copy(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Client(body) => body.size_hint(),
            Self::Copied(body) => body.size_hint(),
            Self::Copy(body) => body.size_hint(),
        }
    }
}
