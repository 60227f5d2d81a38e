//! A body of JSON together with its bytes, for requests with an Idempotency-Key.

use axum::{
    body::Body,
    extract::{FromRequest, Request},
};
use bytes::Bytes;
use flotilla_kit::http::{Json, Problem, RawBody};
use serde::de::DeserializeOwned;

/// What was sent.
#[derive(Debug)]
pub(super) struct Sent<T> {
    /// As it came.
    pub(super) bytes: Bytes,
    /// What it says.
    pub(super) value: T,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Sent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let whole = Request::from_parts(parts.clone(), body);
        let RawBody(bytes) = RawBody::from_request(whole, state).await?;
        let again = Request::from_parts(parts, Body::from(bytes.clone()));
        let Json(value) = Json::from_request(again, state).await?;
        Ok(Self { bytes, value })
    }
}
