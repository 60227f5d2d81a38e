//! Connections in HTTP/1.1: one request at a time, kept for the next.

use std::time::{Duration, Instant};

use super::{connect::Stream, wire::Io};

/// Connections that rest and are kept, for each endpoint and worker.
const MOST: usize = 1_024;

/// How long one is kept. Shorter than any common server waits (Node.js: 5 s), as a request that meets a server's end of a
/// connection fails, and not all may be sent again.
pub(super) const REST: Duration = Duration::from_secs(4);

pub(super) use super::wire::Sender;

/// Connections that rest.
#[derive(Default)]
pub(super) struct Resting(Vec<(Sender, Instant)>);

impl Resting {
    /// The one that was used last: it is the least likely to be at its end.
    pub(super) fn take(&mut self, now: Instant) -> Option<Sender> {
        let ready =
            |(sender, since): &(Sender, Instant)| sender.is_ready() && now.duration_since(*since) < REST;
        let place = self.0.iter().rposition(ready)?;
        Some(self.0.remove(place).0)
    }

    pub(super) fn put(&mut self, sender: Sender, now: Instant) {
        if self.0.len() < MOST && sender.is_ready() {
            self.0.push((sender, now));
        }
    }

    /// Lets go of what has rested too long; returns whether nothing is left.
    pub(super) fn sweep(&mut self, now: Instant) -> bool {
        self.0.retain(|(sender, since)| now.duration_since(*since) < REST && sender.is_ready());
        self.0.is_empty()
    }
}

pub(super) fn open(stream: Stream) -> Sender {
    Sender::new(match stream {
        Stream::Plain(io) => Io::Plain(io.into_inner()),
        Stream::Tls(io) => Io::Boxed(io.into_inner()),
    })
}
