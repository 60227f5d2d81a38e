//! Errors, in the form in which Stripe has them: `{"error":{"type":…,"code":…,"message":…,"param":…}}`.

use axum::http::StatusCode;
use serde_json::{Value, json};

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// The status of the answer.
    pub status: StatusCode,
    /// The kind, such as `card_error`.
    pub kind: &'static str,
    /// What programs decide by.
    pub code: &'static str,
    /// What people read.
    pub message: String,
    /// The parameter that is wrong.
    pub parameter: Option<String>,
    /// What the payment intent is now, when a card was declined.
    pub intent: Option<Value>,
    /// Whether the request had begun, so that its answer belongs to its key from now on.
    pub has_begun: bool,
}

impl Error {
    fn new(status: StatusCode, kind: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        let (message, parameter, intent) = (message.into(), None, None);
        Self { status, kind, code, message, parameter, intent, has_begun: false }
    }

    /// A parameter cannot be taken.
    pub fn parameter(code: &'static str, name: &str, message: impl Into<String>) -> Self {
        let error = Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", code, message);
        Self { parameter: Some(name.to_owned()), ..error }
    }

    /// The request's secret key is none.
    pub fn unauthorized() -> Self {
        let message = "send the secret key as Authorization: Bearer";
        Self::new(StatusCode::UNAUTHORIZED, "invalid_request_error", "api_key_invalid", message)
    }

    /// There is no such object.
    pub fn missing(id: &str) -> Self {
        let message = format!("there is no {id:?}");
        let error = Self::new(StatusCode::NOT_FOUND, "invalid_request_error", "resource_missing", message);
        Self { parameter: Some("id".to_owned()), has_begun: true, ..error }
    }

    /// There is no such payment method.
    pub fn missing_method(name: &str) -> Self {
        let message = format!("there is no payment method {name:?}");
        Self { has_begun: true, ..Self::parameter("resource_missing", "payment_method", message) }
    }

    /// The object is in a state in which that cannot be done.
    pub fn state(code: &'static str, message: impl Into<String>) -> Self {
        let error = Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", code, message);
        Self { has_begun: true, ..error }
    }

    /// The bank said no.
    pub fn declined(intent: Value) -> Self {
        let message = "the card was declined";
        let error = Self::new(StatusCode::PAYMENT_REQUIRED, "card_error", "card_declined", message);
        Self { intent: Some(intent), has_begun: true, ..error }
    }

    /// The key was used with other parameters.
    pub fn key_reused() -> Self {
        let message = "this Idempotency-Key was used with other parameters; take a new one for a new request";
        Self::new(StatusCode::BAD_REQUEST, "idempotency_error", "idempotency_key_reused", message)
    }

    /// A request with the key is still at work.
    pub fn key_in_use() -> Self {
        let message = "a request with this Idempotency-Key is still at work; repeat it in a moment";
        Self::new(StatusCode::CONFLICT, "idempotency_error", "idempotency_key_in_use", message)
    }

    /// What somebody asked for by a fault.
    pub fn fault() -> Self {
        let message = "the provider failed, as it was told to";
        let error = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "api_error", "internal", message);
        Self { has_begun: true, ..error }
    }

    /// The body of the answer.
    pub fn body(&self) -> Value {
        let mut error = json!({ "type": self.kind, "code": self.code, "message": self.message });
        if let Some(parameter) = &self.parameter {
            error["param"] = json!(parameter);
        }
        if let Some(intent) = &self.intent {
            error["payment_intent"] = intent.clone();
        }
        json!({ "error": error })
    }
}
