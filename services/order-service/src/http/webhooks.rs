//! Webhooks of payment providers. The signature is checked over the bytes of the body before anything of it is read.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
};
use flotilla_kit::http::{Path, Problem, RawBody};
use jiff::Timestamp;

use super::Answer;
use crate::{app::App, settle};

/// Takes a webhook. What it is about is looked at with the provider: what it says is not believed.
#[utoipa::path(post, path = "/v1/webhooks/psp/{provider}", tag = "webhooks", request_body(content = Object, description = "What the provider has signed"), params(
    ("provider" = String, Path, description = "Who sends it"),
    ("Stripe-Signature" = String, Header, description = "t=SECONDS,v1=HEX"),
), responses(
    (status = 204, description = "It has its effect, now or before"),
))]
pub(super) async fn take(
    State(app): State<App>,
    Path(provider): Path<String>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Answer {
    let provider = app
        .providers
        .get(provider.as_str())
        .ok_or_else(|| Problem::not_found("there is no such payment provider"))?;
    let heard = provider.hear(&headers, &body, Timestamp::now()).map_err(|error| {
        tracing::warn!(%error, provider = provider.name(), "a webhook is refused");
        let problem = Problem::new(StatusCode::BAD_REQUEST, "webhook_signature", error.to_string());
        problem.of_header("Stripe-Signature", error.to_string())
    })?;
    settle::hear(&app.runner, &**provider, &heard).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
