//! What an answer holds while it is read: its connection, and its places in the counts.

use std::{rc::Rc, time::Instant};

use super::{InFlight, Pools, http1, http2, limits};

/// Held by the body of an answer.
#[derive(Debug)]
pub struct Lease {
    connection: Connection,
    slot: Option<limits::Slot>,
    _in_flight: InFlight,
    admitted: Option<limits::Counted>,
}

pub(super) enum Connection {
    /// Nothing that could be used again.
    None,
    Http1 {
        pools: Rc<Pools>,
        endpoint: u64,
        sender: http1::Sender,
    },
    Http2(#[expect(dead_code, reason = "it is counted until it goes")] http2::Counted),
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::None => "None",
            Self::Http1 { .. } => "Http1",
            Self::Http2(_) => "Http2",
        })
    }
}

impl Lease {
    pub(super) fn new(connection: Connection, slot: Option<limits::Slot>, in_flight: InFlight) -> Self {
        Self { connection, slot, _in_flight: in_flight, admitted: None }
    }

    /// Holds the place of its request too.
    pub fn hold(&mut self, admitted: Option<limits::Counted>) {
        self.admitted = admitted;
    }

    /// The answer has been read to its end: the connection is there for the next request.
    pub fn give_back(self, now: Instant) {
        if let Connection::Http1 { pools, endpoint, sender } = self.connection {
            pools.rest(endpoint, sender, self.slot, now);
        }
    }
}
