//! A body of JSON together with its bytes, by which a repeated request is known.

use axum::{
    body::Body,
    extract::{FromRequest, Request},
};
use bytes::Bytes;
use flotilla_kit::http::{Json, Problem, RawBody};
use serde::de::DeserializeOwned;

/// A body of JSON, and its bytes.
#[derive(Clone, Debug)]
pub(super) struct Repeatable<T> {
    /// What it says.
    pub value: T,
    /// As it came.
    pub bytes: Bytes,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Repeatable<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let again = Request::from_parts(parts.clone(), body);
        let RawBody(bytes) = RawBody::from_request(again, state).await?;
        let whole = Request::from_parts(parts, Body::from(bytes.clone()));
        let Json(value) = Json::from_request(whole, state).await?;
        Ok(Self { value, bytes })
    }
}
