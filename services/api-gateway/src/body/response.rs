//! What is sent to a client.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;

use crate::{
    record::Record,
    upstream::{Answered, Broken, Lease},
};

/// The body of an answer. What is recorded of its request is recorded when it goes.
#[derive(Debug)]
pub struct ResponseBody {
    source: Source,
    record: Option<Box<Record>>,
}

#[derive(Debug)]
enum Source {
    /// Of the gateway itself.
    Own(Option<Bytes>),
    /// Of a backend.
    Upstream(Answered, Option<Lease>),
    /// None, as the connection becomes something else.
    Tunnel(Option<oneshot::Sender<Box<Record>>>),
}

impl ResponseBody {
    /// A text of the gateway itself; empty for none.
    pub fn own(text: impl Into<Bytes>) -> Self {
        let text = text.into();
        Self { source: Source::Own((!text.is_empty()).then_some(text)), record: None }
    }

    /// What a backend sends.
    pub fn upstream(body: Answered, lease: Lease) -> Self {
        Self { source: Source::Upstream(body, Some(lease)), record: None }
    }

    /// None, as the connection becomes a tunnel, which takes the record.
    pub fn tunnel(record: oneshot::Sender<Box<Record>>) -> Self {
        Self { source: Source::Tunnel(Some(record)), record: None }
    }

    /// Has a request recorded when this body goes, or its tunnel.
    pub fn record(&mut self, record: Record) {
        let record = Box::new(record);
        match &mut self.source {
            Source::Tunnel(tunnel) => {
                // A tunnel that has broken meanwhile gives it back, and it is recorded here.
                self.record = tunnel.take().and_then(|tunnel| tunnel.send(record).err());
            }
            _ => self.record = Some(record),
        }
    }
}

impl Source {
    fn give_back(&mut self, now: Instant) {
        if let Self::Upstream(_, lease) = self
            && let Some(lease) = lease.take()
        {
            lease.give_back(now);
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let frame = match &mut self.source {
            Source::Own(text) => text.take().map(|text| Ok(Frame::data(text))),
            Source::Upstream(body, _) => ready!(Pin::new(body).poll_frame(context)),
            Source::Tunnel(_) => None,
        };
        match &frame {
            None => self.source.give_back(Instant::now()),
            Some(Ok(frame)) => {
                if let (Some(data), Some(record)) = (frame.data_ref(), &mut self.record) {
                    record.sent(data.len());
                }
            }
            Some(Err(_)) => {
                if let Some(record) = &mut self.record {
                    record.broken();
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Own(text) => text.is_none(),
            Source::Upstream(body, _) => body.is_end_stream(),
            Source::Tunnel(_) => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Own(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Source::Upstream(body, _) => body.size_hint(),
            Source::Tunnel(_) => SizeHint::with_exact(0),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        let now = Instant::now();
        // hyper asks no further when it knows that the end is there.
        if self.is_end_stream() {
            self.source.give_back(now);
        }
        if let Some(record) = &mut self.record {
            record.ended(now);
        }
    }
}
