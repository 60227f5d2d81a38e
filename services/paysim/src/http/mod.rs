//! The interface: Stripe's for the merchant, and `/paysim` for whoever runs a test.

mod control;
mod form;
mod intents;
mod refunds;

use axum::{
    Router,
    body::Body,
    extract::FromRequestParts,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use futures::stream;

use crate::{
    error::Error,
    provider::{Answered, Provider},
};

/// The routes.
pub fn router(provider: Provider) -> Router {
    Router::new()
        .merge(intents::router())
        .merge(refunds::router())
        .merge(control::router())
        .with_state(provider)
}

/// The merchant, by its secret key.
struct Merchant {
    idempotency_key: Option<String>,
}

impl FromRequestParts<Provider> for Merchant {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, provider: &Provider) -> Result<Self, Error> {
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let sent = header(header::AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer "));
        if sent != Some(provider.secret.expose()) {
            return Err(Error::unauthorized());
        }
        let idempotency_key = header("idempotency-key").map(str::to_owned);
        match &idempotency_key {
            Some(key) if key.is_empty() || key.len() > 255 => Err(Error::parameter(
                "idempotency_key_invalid",
                "Idempotency-Key",
                "write from 1 to 255 bytes",
            )),
            _ => Ok(Self { idempotency_key }),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        (self.status, [(header::CONTENT_TYPE, "application/json")], self.body().to_string()).into_response()
    }
}

impl IntoResponse for Answered {
    fn into_response(self) -> Response {
        let (status, body) = self.answer;
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = if self.is_dropped {
            Body::from_stream(stream::once(async {
                Err::<bytes::Bytes, _>(std::io::Error::other("dropped"))
            }))
        } else {
            Body::from(body.to_string())
        };
        let mut response = (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
        if self.is_replay {
            response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
        }
        response
    }
}
