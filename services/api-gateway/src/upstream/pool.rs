//! The connections of one worker, and sending on them.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{Request, Response, StatusCode};
use tokio::{sync::Mutex, time::interval};

use super::{
    Answered, ConnectError, Endpoint, Head, Lease, Outbound, WireError,
    connect::connect,
    http1::{self, Resting},
    http2::{self, Connections},
    lease::Connection,
    wire::Unanswered,
};
use crate::{
    body::{self, RequestBody},
    map::Map,
};

/// How often connections that have rested too long are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// The connections of one worker.
#[derive(Default)]
pub struct Pools {
    http1: RefCell<Map<u64, Resting>>,
    http2: RefCell<Map<u64, Rc<Http2>>>,
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
}

/// A request without an answer.
#[derive(Debug)]
pub struct SendError {
    /// Why.
    pub cause: Cause,
    /// The request, when not a byte of it has been sent.
    pub unsent: Option<Box<Outbound>>,
    /// Whether the connection had been used before: its end may have met the request.
    pub was_reused: bool,
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
        Self { cause: cause.into(), unsent: Some(Box::new(request)), was_reused: false }
    }
}

impl Pools {
    /// Sends a request to an endpoint, on a connection that rests or a new one, and waits for the head of the answer.
    pub async fn send(
        self: &Rc<Self>,
        endpoint: &Arc<Endpoint>,
        request: Outbound,
    ) -> Result<(Response<Answered>, Lease), SendError> {
        match request {
            Outbound::Http1(head, body) => self.send_http1(endpoint, head, body).await,
            Outbound::Http2(request) => self.send_http2(endpoint, request).await,
        }
    }

    async fn send_http1(
        self: &Rc<Self>,
        endpoint: &Arc<Endpoint>,
        head: Rc<Head>,
        mut body: RequestBody,
    ) -> Result<(Response<Answered>, Lease), SendError> {
        let in_flight = endpoint.begin();
        loop {
            let resting = self.take(endpoint.id);
            let was_reused = resting.is_some();
            let sender = match resting {
                Some(sender) => sender,
                None => match open_http1(endpoint).await {
                    Ok(sender) => sender,
                    Err(cause) => return Err(SendError::unsent(cause, Outbound::Http1(head, body))),
                },
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
                    return Ok((response, Lease::new(connection, in_flight)));
                }
                Err(Unanswered { error, unsent }) => match (unsent, was_reused) {
                    // It had ended while it rested.
                    (Some(unsent), true) => body = unsent,
                    (unsent, was_reused) => {
                        let cause = Cause::Http1(error);
                        let unsent = unsent.map(|body| Box::new(Outbound::Http1(head, body)));
                        return Err(SendError { cause, unsent, was_reused });
                    }
                },
            }
        }
    }

    async fn send_http2(
        self: &Rc<Self>,
        endpoint: &Arc<Endpoint>,
        mut request: Box<Request<RequestBody>>,
    ) -> Result<(Response<Answered>, Lease), SendError> {
        let in_flight = endpoint.begin();
        let pool = Rc::clone(self.http2.borrow_mut().entry(endpoint.id).or_default());
        loop {
            let (mut shared, was_reused) = match pool.get(endpoint).await {
                Ok(shared) => shared,
                Err(cause) => return Err(SendError::unsent(cause, Outbound::Http2(request))),
            };
            let counted = shared.begin();
            match shared.sender.try_send_request(*request).await {
                Ok(response) => {
                    let response = response.map(Answered::Http2);
                    return Ok((response, Lease::new(Connection::Http2(counted), in_flight)));
                }
                Err(mut error) => match (error.take_message(), was_reused) {
                    (Some(unsent), true) => {
                        pool.connections.borrow_mut().remove(&shared);
                        request = Box::new(unsent);
                    }
                    (unsent, was_reused) => {
                        let cause = Cause::Http2(error.into_error());
                        let unsent = unsent.map(|request| Box::new(Outbound::Http2(Box::new(request))));
                        return Err(SendError { cause, unsent, was_reused });
                    }
                },
            }
        }
    }

    fn take(&self, endpoint: u64) -> Option<http1::Sender> {
        self.http1.borrow_mut().get_mut(&endpoint)?.take(Instant::now())
    }

    pub(super) fn rest(&self, endpoint: u64, sender: http1::Sender, now: Instant) {
        self.http1.borrow_mut().entry(endpoint).or_default().put(sender, now);
    }

    /// Lets go of connections that have rested too long, for ever.
    pub async fn sweep(self: Rc<Self>) {
        let mut ticks = interval(SWEEP);
        loop {
            let now = ticks.tick().await.into_std();
            self.http1.borrow_mut().retain(|_, resting| !resting.sweep(now));
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
    async fn get(&self, endpoint: &Endpoint) -> Result<(http2::Shared, bool), Cause> {
        if let Some(shared) = self.connections.borrow_mut().take() {
            return Ok((shared, true));
        }
        let _opening = self.opening.lock().await;
        if let Some(shared) = self.connections.borrow_mut().take() {
            return Ok((shared, true));
        }
        let sender = http2::open(connect(endpoint).await?).await?;
        Ok((self.connections.borrow_mut().put(sender), false))
    }
}

async fn open_http1(endpoint: &Endpoint) -> Result<http1::Sender, Cause> {
    Ok(http1::open(connect(endpoint).await?))
}
