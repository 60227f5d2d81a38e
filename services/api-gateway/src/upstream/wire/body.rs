//! The body of an answer, read as it is asked for. At its end the connection is there for the next request.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::{
    Error,
    answer::Framing,
    chunks::{Chunks, Piece},
    connection::{Connection, Tunnel},
    sending::Sending,
};

/// The body of an answer.
pub struct Body {
    connection: Rc<RefCell<Connection>>,
    framing: Framing,
    /// Whether the connection can be used again.
    keeps: bool,
    /// What is still to be sent of the request, beside it.
    sending: Option<Box<Sending>>,
    is_at_end: bool,
    /// Why there is no more, once it has been found out.
    broken: Option<Error>,
}

impl std::fmt::Debug for Body {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Body").field("framing", &self.framing).finish_non_exhaustive()
    }
}

impl Body {
    pub(super) fn new(
        connection: Rc<RefCell<Connection>>,
        framing: Framing,
        keeps: bool,
        sending: Option<Sending>,
    ) -> Self {
        let sending = sending.map(Box::new);
        let mut body = Self { connection, framing, keeps, sending, is_at_end: false, broken: None };
        if matches!(body.framing, Framing::Length(0)) {
            body.end();
        }
        body
    }

    /// The connection behind an answer that changes its protocol. `None` when somebody else has it.
    pub fn tunnel(self) -> Option<Tunnel> {
        let connection = Rc::try_unwrap(self.connection).ok()?;
        Some(connection.into_inner().into())
    }

    /// The answer is there. What has come behind it, or is still to be sent before it, spoils the connection.
    fn end(&mut self) {
        self.is_at_end = true;
        if self.keeps && self.sending.is_none() {
            self.connection.borrow_mut().end();
        }
    }

    /// Goes on with the request.
    fn send(&mut self, context: &mut Context<'_>) {
        let Some(sending) = &mut self.sending else { return };
        match sending.poll(&mut self.connection.borrow_mut(), context) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => self.sending = None,
            // What it is answered with may still be worth something.
            Poll::Ready(Err(_)) => {
                self.sending = None;
                self.keeps = false;
            }
        }
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Result<Piece, Error>> {
        let mut connection = self.connection.borrow_mut();
        loop {
            match &mut self.framing {
                Framing::Length(0) => return Poll::Ready(Ok(Piece::End)),
                Framing::Length(left) if !connection.input.is_empty() => {
                    let length = connection.input.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= length as u64;
                    return Poll::Ready(Ok(Piece::Data(connection.input.split_to(length).freeze())));
                }
                Framing::Chunked(chunks) => {
                    if let Some(piece) = chunks.next(&mut connection.input)? {
                        return Poll::Ready(Ok(piece));
                    }
                }
                Framing::Close if !connection.input.is_empty() => {
                    return Poll::Ready(Ok(Piece::Data(connection.input.split().freeze())));
                }
                Framing::Length(_) | Framing::Close => {}
            }
            let left = match self.framing {
                Framing::Length(left) | Framing::Chunked(Chunks::Data(left)) => left,
                Framing::Chunked(_) => 0,
                Framing::Close => u64::MAX,
            };
            let come = ready!(connection.poll_more(context, left))?;
            if come == 0 {
                let is_end = matches!(self.framing, Framing::Close);
                return Poll::Ready(if is_end { Ok(Piece::End) } else { Err(Error::Ended) });
            }
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        if this.is_at_end {
            return Poll::Ready(None);
        }
        if let Some(error) = this.broken.take() {
            // The connection stays busy, and goes.
            this.is_at_end = true;
            return Poll::Ready(Some(Err(error)));
        }
        this.send(context);
        let piece = ready!(this.poll_piece(context));
        let frame = match piece {
            Ok(Piece::Data(data)) => Some(Ok(Frame::data(data))),
            Ok(Piece::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Ok(Piece::End) => None,
            Err(error) => {
                // Whoever passes this body on writes what it has when it has to wait, and nothing when it is told of an error.
                this.broken = Some(error);
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
        };
        let is_last = match &this.framing {
            Framing::Length(left) => *left == 0,
            Framing::Chunked(chunks) => *chunks == Chunks::Done,
            Framing::Close => frame.is_none(),
        };
        if is_last {
            this.end();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.is_at_end
    }

    fn size_hint(&self) -> SizeHint {
        match self.framing {
            Framing::Length(left) => SizeHint::with_exact(left),
            _ => SizeHint::default(),
        }
    }
}
