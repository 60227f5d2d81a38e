//! Copies of a body for backends that only look on. They never slow the real one: a copy that does not keep up ends.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

use super::guard::{Error, Guard};

/// Pieces that a copy may be behind.
const BEHIND: usize = 64;

#[derive(Debug)]
enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
}

/// A body of which others get copies.
#[derive(Debug)]
pub struct Tee {
    body: Guard,
    copies: Vec<mpsc::Sender<Piece>>,
}

/// A copy of a body.
#[derive(Debug)]
pub struct Copied {
    pieces: mpsc::Receiver<Piece>,
    size: SizeHint,
    /// Bytes that the whole has, when that is known, less those that came.
    missing: Option<u64>,
}

/// Makes copies of a body.
pub fn tee(body: Guard, count: usize) -> (Tee, Vec<Copied>) {
    let size = body.size_hint();
    let (copies, theirs) = (0..count)
        .map(|_| {
            let (sender, pieces) = mpsc::channel(BEHIND);
            (sender, Copied { pieces, missing: size.exact(), size })
        })
        .unzip();
    (Tee { body, copies }, theirs)
}

impl Body for Tee {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.copies.retain(|copy| {
                let piece = match (frame.data_ref(), frame.trailers_ref()) {
                    (Some(data), _) => Piece::Data(data.clone()),
                    (None, Some(trailers)) => Piece::Trailers(trailers.clone()),
                    (None, None) => return true,
                };
                copy.try_send(piece).is_ok()
            });
        } else if polled.is_ready() {
            self.copies.clear();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Body for Copied {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let piece = std::task::ready!(self.pieces.poll_recv(context));
        Poll::Ready(piece.map(|piece| {
            Ok(match piece {
                Piece::Data(data) => {
                    let length = data.len() as u64;
                    self.missing = self.missing.map(|missing| missing.saturating_sub(length));
                    Frame::data(data)
                }
                Piece::Trailers(trailers) => Frame::trailers(trailers),
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.missing == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.size
    }
}
