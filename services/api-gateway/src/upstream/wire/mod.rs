//! HTTP/1.1 towards backends, without a task of its own for a connection: whoever has a request writes and reads it. That
//! saves half of what hyper's client costs, which hands each request, its answer and every piece of a body from one task to
//! another.
//!
//! `request` and `answer` are how heads are written and read, `chunks` what is between them; pure. `connection` has the
//! bytes, `sending` brings a request's body on its way, `body` takes in the answer's.

mod answer;
mod body;
mod chunks;
mod connection;
mod request;
mod sender;
mod sending;

pub(super) use self::body::Body;
pub use self::connection::Tunnel;
pub(super) use self::{
    connection::Io,
    sender::{Sender, Unanswered},
};

use std::{io, sync::Arc};

use crate::body as of_client;

/// Why a request has no answer, or its answer no end.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[source] Arc<io::Error>),
    /// The backend ended the connection before the end of its answer.
    #[error("the connection ended before the answer did")]
    Ended,
    /// What came is no answer.
    #[error("what came is no answer: {0}")]
    Unreadable(#[from] httparse::Error),
    /// What came can be read in two ways, or has no end.
    #[error("what came is no answer: {0}")]
    Malformed(&'static str),
    /// The client's body has no end.
    #[error(transparent)]
    Client(#[from] of_client::Error),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}
