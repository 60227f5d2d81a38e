//! Brings a request on its way: its head, and its body as it comes.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{BufMut as _, Bytes};
use http_body::Body as _;

use super::{Error, connection::Connection, request::Framing};
use crate::body::RequestBody;

/// Pieces that are larger are written from where they are.
const COPIED: usize = 16 * 1024;

/// A request that is not all written yet.
pub(super) struct Sending {
    body: RequestBody,
    framing: Framing,
    is_all: bool,
}

impl Sending {
    /// Of a request whose head waits to be written.
    pub(super) fn new(body: RequestBody, framing: Framing) -> Self {
        Self { is_all: framing == Framing::Length(0) && body.is_end_stream(), body, framing }
    }

    /// Goes on until everything is written.
    pub(super) fn poll(
        &mut self,
        connection: &mut Connection,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        loop {
            // What is there already goes with the head.
            let is_waiting = self.poll_take(connection, context)?.is_pending();
            let has_written = ready!(connection.poll_written(context))?;
            if self.is_all && connection.output.is_empty() {
                return Poll::Ready(Ok(()));
            }
            if is_waiting && !has_written {
                return Poll::Pending;
            }
        }
    }

    /// Takes of the body what is there; not ready when it has to be waited for.
    fn poll_take(
        &mut self,
        connection: &mut Connection,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        while !self.is_all && connection.output.len() < COPIED && connection.large.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)).transpose()? {
                None => self.end(connection)?,
                // Trailers are left out: a backend has to have said that it takes them (RFC 9110 section 6.5.1).
                Some(frame) => {
                    if let Ok(data) = frame.into_data() {
                        self.put(data, connection)?;
                    }
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn put(&mut self, data: Bytes, connection: &mut Connection) -> Result<(), Error> {
        if data.is_empty() {
            return Ok(());
        }
        if let Framing::Length(left) = &mut self.framing {
            let length = data.len() as u64;
            *left = left.checked_sub(length).ok_or(Error::Malformed("the body is longer than was said"))?;
            if data.len() > COPIED {
                connection.large = data;
            } else {
                connection.output.put_slice(&data);
            }
            return Ok(());
        }
        // An empty chunk would be the last.
        connection.output.put_slice(format!("{:x}\r\n", data.len()).as_bytes());
        connection.output.put_slice(&data);
        connection.output.put_slice(b"\r\n");
        Ok(())
    }

    fn end(&mut self, connection: &mut Connection) -> Result<(), Error> {
        self.is_all = true;
        match self.framing {
            Framing::Chunked => connection.output.put_slice(b"0\r\n\r\n"),
            Framing::Length(0) => {}
            Framing::Length(_) => return Err(Error::Malformed("the body is shorter than was said")),
        }
        Ok(())
    }
}
