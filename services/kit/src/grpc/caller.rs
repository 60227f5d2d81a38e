//! Who calls.

use ::http::HeaderMap;
use tonic::{Request, Status};

use crate::{
    auth::{HEADER, Identity, Refused, Trust},
    http::layer::only as one,
};

/// The service that calls, and for whom it does. [`router`](super::router) has checked it before any call comes to a handler.
pub fn caller<T>(request: &Request<T>) -> Result<Identity, Status> {
    request.extensions().get().cloned().ok_or_else(missing)
}

/// The same, of a call that is for one service alone.
pub fn only<T>(request: &Request<T>, service: &str) -> Result<Identity, Status> {
    let identity = caller(request)?;
    if identity.service == service {
        return Ok(identity);
    }
    Err(Status::permission_denied(format!("this is for {service}")))
}

/// What a call says of who makes it, if that is to be believed.
pub(super) fn identify(trust: &Trust, headers: &HeaderMap) -> Result<Identity, Status> {
    let token = one(headers, HEADER.as_str()).ok_or_else(missing)?;
    trust.verify(token).map_err(|refused| match refused {
        Refused::NoKeys(_) => Status::unavailable(refused.to_string()),
        other => Status::unauthenticated(other.to_string()),
    })
}

fn missing() -> Status {
    Status::unauthenticated(format!("say who you are, once, as {HEADER}"))
}
