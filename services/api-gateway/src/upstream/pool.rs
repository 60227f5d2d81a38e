//! The connections of one worker, and sending on them.

use std::{
    cell::RefCell,
    collections::VecDeque,
    future::poll_fn,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{Request, Response, StatusCode};
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    time::interval,
};

use super::{
    Answered, ConnectError, Endpoint, Head, Lease, Outbound, Overloaded, Upstream, WireError,
    connect::connect,
    http1::{self, Open, Resting},
    http2::{self, Connections},
    lease::Connection,
    limits::{self, Asks, Slot},
    wire::Unanswered,
};
use crate::{
    body::{self, RequestBody},
    map::Map,
};

/// How often connections that have rested too long are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// The connections of one worker.
pub struct Pools {
    http1: RefCell<Map<u64, Resting>>,
    http2: RefCell<Map<u64, Rc<Http2>>>,
    /// Who waits for a connection to an endpoint, as there may be no other.
    waiting: RefCell<Map<u64, VecDeque<oneshot::Sender<Open>>>>,
    /// Other workers ask for connections that rest here.
    asks: Asks,
    asked: RefCell<mpsc::UnboundedReceiver<Arc<limits::Connections>>>,
}

impl Default for Pools {
    fn default() -> Self {
        let (asks, asked) = mpsc::unbounded_channel();
        Self {
            http1: RefCell::default(),
            http2: RefCell::default(),
            waiting: RefCell::default(),
            asks,
            asked: RefCell::new(asked),
        }
    }
}

/// What a request gets that has waited for a connection.
enum Given {
    /// One that another request had.
    Used(Open),
    /// The place of a new one.
    Slot(Slot),
}

impl std::fmt::Debug for Pools {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Pools").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Http2 {
    connections: RefCell<Connections>,
    /// One opens, the others wait for what it brings.
    opening: Mutex<()>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection in HTTP/1.1 failed.
    #[error(transparent)]
    Http1(#[from] WireError),
    /// The connection in HTTP/2 failed.
    #[error(transparent)]
    Http2(#[from] hyper::Error),
    /// There may be no other connection, and as many requests wait as may.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
}

/// A request without an answer.
#[derive(Debug)]
pub struct SendError {
    /// Why.
    pub cause: Cause,
    /// The request, when not a byte of it has been sent.
    pub unsent: Option<Box<Outbound>>,
    /// Whether the request may have met the end of its connection, as it does when an endpoint goes: of one that had been
    /// used before, or of a new one that broke off before anything was answered.
    pub met_end: bool,
}

impl Cause {
    fn is_end(&self) -> bool {
        match self {
            Self::Http1(error) => matches!(error, WireError::Io(_) | WireError::Ended),
            Self::Http2(error) => {
                let source = std::error::Error::source(error);
                error.is_closed() || source.is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
            }
            Self::Connect(_) | Self::Overloaded(_) => false,
        }
    }
}

impl SendError {
    /// What is wrong with the body that the client sends, when it is that; otherwise the error itself.
    pub fn of_client(self) -> Result<body::Error, Self> {
        let error = match &self.cause {
            Cause::Http1(WireError::Client(error)) => return Ok(error.clone()),
            Cause::Http2(error) => error,
            _ => return Err(self),
        };
        let mut source = std::error::Error::source(error);
        while let Some(error) = source {
            if let Some(found) = error.downcast_ref::<body::Error>() {
                return Ok(found.clone());
            }
            source = error.source();
        }
        Err(self)
    }

    fn unsent(cause: impl Into<Cause>, request: Outbound) -> Self {
        Self { cause: cause.into(), unsent: Some(Box::new(request)), met_end: false }
    }
}

impl Pools {
    /// Sends a request to an endpoint of an upstream, on a connection that rests or a new one, and waits for the head of the
    /// answer.
    pub async fn send(
        self: &Rc<Self>,
        upstream: &Upstream,
        endpoint: &Arc<Endpoint>,
        request: Outbound,
    ) -> Result<(Response<Answered>, Lease), SendError> {
        let limit = upstream.limits.connections.as_ref();
        match request {
            Outbound::Http1(head, body) => self.send_http1(endpoint, limit, head, body).await,
            Outbound::Http2(request) => self.send_http2(endpoint, limit, request).await,
        }
    }

    async fn send_http1(
        self: &Rc<Self>,
        endpoint: &Arc<Endpoint>,
        limit: Option<&Arc<limits::Connections>>,
        head: Rc<Head>,
        mut body: RequestBody,
    ) -> Result<(Response<Answered>, Lease), SendError> {
        let in_flight = endpoint.begin();
        loop {
            let ((sender, slot), was_reused) = match self.http1(endpoint, limit).await {
                Ok(open) => open,
                Err(cause) => return Err(SendError::unsent(cause, Outbound::Http1(head, body))),
            };
            match sender.send(&head, body).await {
                Ok(response) => {
                    let response = response.map(Answered::Http1);
                    // After 101 the connection is no longer one of HTTP.
                    let connection = if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                        Connection::None
                    } else {
                        Connection::Http1 { pools: Rc::clone(self), endpoint: endpoint.id, sender }
                    };
                    return Ok((response, Lease::new(connection, slot, in_flight)));
                }
                Err(Unanswered { error, unsent }) => match (unsent, was_reused) {
                    // It had ended while it rested.
                    (Some(unsent), true) => body = unsent,
                    (unsent, was_reused) => {
                        let cause = Cause::Http1(error);
                        let unsent = unsent.map(|body| Box::new(Outbound::Http1(head, body)));
                        return Err(SendError { met_end: was_reused || cause.is_end(), cause, unsent });
                    }
                },
            }
        }
    }

    /// A connection that rests, or a new one, and whether it has been used before.
    async fn http1(
        &self,
        endpoint: &Endpoint,
        limit: Option<&Arc<limits::Connections>>,
    ) -> Result<(Open, bool), Cause> {
        if let Some(open) = self.take(endpoint.id) {
            return Ok((open, true));
        }
        let slot = match limit.map(|limit| (limit, limit.take())) {
            None => None,
            Some((limit, Some(slot))) => {
                limit.know(&self.asks);
                Some(slot)
            }
            Some((limit, None)) => match self.wait(endpoint.id, limit).await? {
                Given::Slot(slot) => Some(slot),
                Given::Used(open) => return Ok((open, true)),
            },
        };
        Ok(((open_http1(endpoint).await?, slot), false))
    }

    /// Waits for a connection to an endpoint, or until there may be another.
    async fn wait(&self, endpoint: u64, limit: &Arc<limits::Connections>) -> Result<Given, Overloaded> {
        let _waiting = limit.wait()?;
        // One that rests for another endpoint, or with another worker, makes room.
        if !self.give_up(limit) {
            limit.ask();
        }
        limit.know(&self.asks);
        let (sender, receiver) = oneshot::channel();
        self.waiting.borrow_mut().entry(endpoint).or_default().push_back(sender);
        tokio::select! {
            biased;
            Ok(open) = receiver => Ok(Given::Used(open)),
            slot = limit.next() => slot.map(Given::Slot),
        }
    }

    async fn send_http2(
        self: &Rc<Self>,
        endpoint: &Arc<Endpoint>,
        limit: Option<&Arc<limits::Connections>>,
        mut request: Box<Request<RequestBody>>,
    ) -> Result<(Response<Answered>, Lease), SendError> {
        let in_flight = endpoint.begin();
        let pool = Rc::clone(self.http2.borrow_mut().entry(endpoint.id).or_default());
        loop {
            let (mut shared, was_reused) = match pool.get(endpoint, limit).await {
                Ok(shared) => shared,
                Err(cause) => return Err(SendError::unsent(cause, Outbound::Http2(request))),
            };
            let counted = shared.begin();
            match shared.sender.try_send_request(*request).await {
                Ok(response) => {
                    let response = response.map(Answered::Http2);
                    return Ok((response, Lease::new(Connection::Http2(counted), None, in_flight)));
                }
                Err(mut error) => match (error.take_message(), was_reused) {
                    (Some(unsent), true) => {
                        pool.connections.borrow_mut().remove(&shared);
                        request = Box::new(unsent);
                    }
                    (unsent, was_reused) => {
                        let cause = Cause::Http2(error.into_error());
                        let unsent = unsent.map(|request| Box::new(Outbound::Http2(Box::new(request))));
                        return Err(SendError { met_end: was_reused || cause.is_end(), cause, unsent });
                    }
                },
            }
        }
    }

    fn take(&self, endpoint: u64) -> Option<Open> {
        self.http1.borrow_mut().get_mut(&endpoint)?.take(Instant::now())
    }

    /// Lets go of a connection that rests and is counted there; returns whether there was one.
    fn give_up(&self, connections: &Arc<limits::Connections>) -> bool {
        self.http1.borrow_mut().values_mut().any(|resting| resting.give_up(connections))
    }

    pub(super) fn rest(&self, endpoint: u64, sender: http1::Sender, slot: Option<Slot>, now: Instant) {
        // It has ended with the request.
        if !sender.is_ready() {
            return;
        }
        let mut open = (sender, slot);
        if let Some(waiting) = self.waiting.borrow_mut().get_mut(&endpoint) {
            while let Some(gives) = waiting.pop_front() {
                match gives.send(open) {
                    Ok(()) => return,
                    // Its request has been given up.
                    Err(back) => open = back,
                }
            }
        }
        // Those who wait elsewhere cannot use it, but need its place.
        if !open.1.as_ref().is_some_and(|slot| slot.of.is_awaited()) {
            self.http1.borrow_mut().entry(endpoint).or_default().put(open, now);
        }
    }

    /// Lets go of connections that have rested too long, for ever.
    pub async fn sweep(self: Rc<Self>) {
        let mut ticks = interval(SWEEP);
        loop {
            let asked = poll_fn(|context| self.asked.borrow_mut().poll_recv(context));
            let now = tokio::select! {
                now = ticks.tick() => now.into_std(),
                Some(connections) = asked => {
                    self.give_up(&connections);
                    continue;
                }
            };
            self.http1.borrow_mut().retain(|_, resting| !resting.sweep(now));
            self.waiting.borrow_mut().retain(|_, waiting| {
                waiting.retain(|gives| !gives.is_closed());
                !waiting.is_empty()
            });
            self.http2.borrow_mut().retain(|_, pool| {
                let is_empty = pool.connections.borrow_mut().sweep(now);
                // Somebody who opens one has it in hand.
                !is_empty || Rc::strong_count(pool) > 1
            });
        }
    }
}

impl Http2 {
    /// A connection with room, and whether it had been used before.
    async fn get(
        &self,
        endpoint: &Endpoint,
        limit: Option<&Arc<limits::Connections>>,
    ) -> Result<(http2::Shared, bool), Cause> {
        if let Some(shared) = self.connections.borrow_mut().take() {
            return Ok((shared, true));
        }
        let _opening = self.opening.lock().await;
        if let Some(shared) = self.connections.borrow_mut().take() {
            return Ok((shared, true));
        }
        let slot = limit.and_then(limits::Connections::take);
        if limit.is_some()
            && slot.is_none()
            && let Some(shared) = self.connections.borrow().take_any()
        {
            return Ok((shared, true));
        }
        let sender = http2::open(connect(endpoint).await?).await?;
        Ok((self.connections.borrow_mut().put(sender, slot), false))
    }
}

async fn open_http1(endpoint: &Endpoint) -> Result<http1::Sender, Cause> {
    Ok(http1::open(connect(endpoint).await?))
}
