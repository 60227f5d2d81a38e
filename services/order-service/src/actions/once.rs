//! Requests that have one effect, however often they are made: what begins and what ends each of them.

use axum::{
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use flotilla_kit::{
    database::Transaction,
    http::{
        Problem,
        idempotency::{self, Begun, IdempotencyKey, Pending, Request},
    },
};
use serde::Serialize;

use super::Principal;
use crate::{
    app::App,
    failpoint::{Moment, Stage},
};

/// A request that has one effect, however often it is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Once<'a> {
    /// Its key.
    pub key: &'a IdempotencyKey,
    /// What it is made to.
    pub path: &'a str,
    /// What it says.
    pub body: &'a [u8],
}

impl Once<'_> {
    /// Begins it, in the transaction of its effect.
    pub(crate) async fn begin(
        &self,
        transaction: &mut Transaction<'_>,
        principal: &Principal,
    ) -> Result<Begun, Problem> {
        let user = principal.user.to_string();
        let Self { key, path, body } = *self;
        let request = Request { principal: &user, key, method: &Method::POST, path, body };
        idempotency::begin(transaction, &request).await
    }
}

/// Ends one that had its effect just now: stores its answer, which is 202 with what the effect is so far, and commits both. The
/// sagas look at once.
pub(crate) async fn accept(
    app: &App,
    mut transaction: Transaction<'_>,
    (pending, stage): (Pending, Stage),
    body: &impl Serialize,
    headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
) -> Result<Response, Problem> {
    let text = Bytes::from(serde_json::to_vec(body).map_err(|error| Problem::internal(&error))?);
    let json = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let headers: Vec<_> = std::iter::once(json).chain(headers).collect();
    let response = pending.store(&mut transaction, StatusCode::ACCEPTED, &headers, &text).await?;
    app.runner.failpoints.reach(stage, Moment::Committing);
    transaction.commit().await?;
    app.runner.failpoints.reach(stage, Moment::Committed);
    app.runner.wake();
    Ok(response)
}
