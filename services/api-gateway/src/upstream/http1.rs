//! Connections in HTTP/1.1: one request at a time, kept for the next.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    connect::Stream,
    limits::{self, Connections, Slot},
    wire::Io,
};

/// Connections that rest and are kept, for each endpoint and worker.
const MOST: usize = 1_024;

/// How long one is kept. Shorter than any common server waits (Node.js: 5 s), as a request that meets a server's end of a
/// connection fails, and not all may be sent again.
pub(super) const REST: Duration = Duration::from_secs(4);

pub(super) use super::wire::Sender;

/// A connection, and its place in the count when they are counted.
pub(super) type Open = (Sender, Option<Slot>);

/// Connections that rest.
#[derive(Default)]
pub(super) struct Resting(Vec<Rests>);

struct Rests {
    sender: Sender,
    slot: Option<limits::Resting>,
    since: Instant,
}

impl Resting {
    /// The one that was used last: it is the least likely to be at its end.
    pub(super) fn take(&mut self, now: Instant) -> Option<Open> {
        let ready = |rests: &Rests| rests.sender.is_ready() && now.duration_since(rests.since) < REST;
        let place = self.0.iter().rposition(ready)?;
        let Rests { sender, slot, .. } = self.0.remove(place);
        Some((sender, slot.map(limits::Resting::end)))
    }

    pub(super) fn put(&mut self, (sender, slot): Open, now: Instant) {
        if self.0.len() < MOST {
            self.0.push(Rests { sender, slot: slot.map(limits::Resting::new), since: now });
        }
    }

    /// Lets go of one that is counted there; returns whether there was one.
    pub(super) fn give_up(&mut self, connections: &Arc<Connections>) -> bool {
        let is_counted = |rests: &Rests| rests.slot.as_ref().is_some_and(|slot| slot.is_of(connections));
        let place = self.0.iter().position(is_counted);
        place.map(|place| self.0.remove(place)).is_some()
    }

    /// Lets go of what has rested too long; returns whether nothing is left.
    pub(super) fn sweep(&mut self, now: Instant) -> bool {
        self.0.retain(|rests| now.duration_since(rests.since) < REST && rests.sender.is_ready());
        self.0.is_empty()
    }
}

pub(super) fn open(stream: Stream) -> Sender {
    Sender::new(match stream {
        Stream::Plain(io) => Io::Plain(io.into_inner()),
        Stream::Tls(io) => Io::Boxed(io.into_inner()),
    })
}
