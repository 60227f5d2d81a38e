//! Sends requests on a connection, one after the other.

use std::{
    cell::RefCell,
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll, ready},
};

use http::{Method, Response, StatusCode};

use super::{
    Error,
    answer::{self, Head},
    body::Body,
    connection::{Connection, Io},
    request,
    sending::Sending,
};
use crate::{body::RequestBody, upstream::Head as Outgoing};

/// Interim answers to a request: a backend has no use for more.
const INTERIM: u32 = 16;

/// A connection for requests.
pub(in crate::upstream) struct Sender(Rc<RefCell<Connection>>);

/// A request without an answer.
#[derive(Debug)]
pub(in crate::upstream) struct Unanswered {
    pub(in crate::upstream) error: Error,
    /// Its body, when nothing of it has been sent.
    pub(in crate::upstream) unsent: Option<RequestBody>,
}

impl Sender {
    /// For a connection that is new.
    pub(in crate::upstream) fn new(io: Io) -> Self {
        Self(Rc::new(RefCell::new(Connection::new(io))))
    }

    /// Whether the next request can use it.
    pub(in crate::upstream) fn is_ready(&self) -> bool {
        self.0.borrow_mut().is_ready()
    }

    /// Sends a request, and waits for the head of its answer.
    pub(in crate::upstream) async fn send(
        &self,
        head: &Outgoing,
        body: RequestBody,
    ) -> Result<Response<Body>, Unanswered> {
        if !self.is_ready() {
            return Err(Unanswered { error: Error::Ended, unsent: Some(body) });
        }
        let mut exchange = {
            let mut connection = self.0.borrow_mut();
            connection.begin();
            let framing = request::write(head, &body, &mut connection.output);
            Exchange {
                method: head.method.clone(),
                sending: Some(Sending::new(body, framing)),
                broken: None,
                looked: 0,
                interim: 0,
            }
        };
        let answer = poll_fn(|context| exchange.poll(&mut self.0.borrow_mut(), context)).await;
        let head = answer.map_err(|error| Unanswered { error, unsent: None })?;
        let body = Body::new(Rc::clone(&self.0), head.framing, head.keeps, exchange.sending);
        let mut response = Response::new(body);
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        Ok(response)
    }
}

/// A request until the head of its answer is there.
struct Exchange {
    method: Method,
    sending: Option<Sending>,
    /// Why the rest of it could not be written: the answer may say more.
    broken: Option<Error>,
    looked: usize,
    interim: u32,
}

impl Exchange {
    fn poll(&mut self, connection: &mut Connection, context: &mut Context<'_>) -> Poll<Result<Head, Error>> {
        self.send(connection, context)?;
        loop {
            if let Some(head) = answer::take(&mut connection.input, &mut self.looked, &self.method)? {
                if head.status.is_informational() && head.status != StatusCode::SWITCHING_PROTOCOLS {
                    self.interim += 1;
                    if self.interim > INTERIM {
                        return Poll::Ready(Err(Error::Malformed("interim answers do not end")));
                    }
                    continue;
                }
                if self.broken.is_some() {
                    return Poll::Ready(Ok(Head { keeps: false, ..head }));
                }
                return Poll::Ready(Ok(head));
            }
            match ready!(connection.poll_more(context, 0)) {
                Ok(0) => return Poll::Ready(Err(self.broken.take().unwrap_or(Error::Ended))),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(self.broken.take().unwrap_or(error))),
            }
        }
    }

    /// Writes what can be written.
    fn send(&mut self, connection: &mut Connection, context: &mut Context<'_>) -> Result<(), Error> {
        let Some(sending) = &mut self.sending else { return Ok(()) };
        match sending.poll(connection, context) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => self.sending = None,
            // The request has no end, or not that which its head tells of: there is no answer to it.
            Poll::Ready(Err(error @ (Error::Client(_) | Error::Malformed(_)))) => return Err(error),
            Poll::Ready(Err(error)) => {
                self.sending = None;
                self.broken = Some(error);
            }
        }
        Ok(())
    }
}
