//! A request as an endpoint gets it.

use std::rc::Rc;

use http::{HeaderMap, Method, Request, uri::PathAndQuery};

use crate::body::RequestBody;

/// The head of a request, with its host among the headers.
#[derive(Clone, Debug)]
pub struct Head {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub target: PathAndQuery,
    /// The headers.
    pub headers: HeaderMap,
}

/// A request for an endpoint, in the version that it speaks.
#[derive(Debug)]
pub enum Outbound {
    /// In HTTP/1.1. Sending does not use up the head, so that it can be sent again without a copy.
    Http1(Rc<Head>, RequestBody),
    /// In HTTP/2.
    Http2(Box<Request<RequestBody>>),
}
