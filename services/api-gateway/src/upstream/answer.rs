//! The body of an answer, in either version.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::wire;

/// What a backend sends.
#[derive(Debug)]
pub enum Answered {
    /// In HTTP/1.1.
    Http1(wire::Body),
    /// In HTTP/2.
    Http2(Incoming),
}

/// Why an answer has no end.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum Broken {
    /// In HTTP/1.1.
    Http1(#[from] wire::Error),
    /// In HTTP/2.
    Http2(#[from] hyper::Error),
}

impl Body for Answered {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match &mut *self {
            Self::Http1(body) => Pin::new(body).poll_frame(context).map_err(Broken::from),
            Self::Http2(body) => Pin::new(body).poll_frame(context).map_err(Broken::from),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(body) => body.is_end_stream(),
            Self::Http2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(body) => body.size_hint(),
            Self::Http2(body) => body.size_hint(),
        }
    }
}
