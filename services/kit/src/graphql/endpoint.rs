//! An answer over HTTP (the specification "GraphQL over HTTP").

use async_graphql::{ObjectType, Request, Response as Answer, Schema, SubscriptionType, Value};
use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{failure, limits};
use crate::http::Json;

/// The media type of those who understand more than 200.
const MEDIA_TYPE: &str = "application/graphql-response+json";

/// Answers a request, unless it costs too much. Its data has what resolvers need, whoever asks among it. What goes wrong in a
/// query is in the answer; that nothing was done is its status, for whoever accepts `application/graphql-response+json`.
pub(super) async fn answer<Q, M, S>(
    schema: &Schema<Q, M, S>,
    headers: &HeaderMap,
    mut request: Request,
) -> Response
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    let mut answer = match limits::check(&mut request) {
        Ok(()) => schema.execute(request).await,
        Err(error) => Answer::from_errors(vec![error]),
    };
    let codes: Vec<_> = answer.errors.iter_mut().map(failure::code).collect();
    if !codes.is_empty() {
        // To HTTP it is an answer like others.
        tracing::info!(codes = codes.join(","), "a query has errors");
    }
    let was_refused = answer.data == Value::Null
        && !answer.errors.is_empty()
        && answer.errors.iter().all(|error| error.path.is_empty());
    let understands_more = headers
        .get_all(header::ACCEPT)
        .iter()
        .any(|accepted| accepted.to_str().is_ok_and(|accepted| accepted.contains(MEDIA_TYPE)));
    let mut response = Json(answer).into_response();
    if understands_more {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if was_refused {
            *response.status_mut() = StatusCode::BAD_REQUEST;
        }
    }
    // What it says is of whoever asked.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
