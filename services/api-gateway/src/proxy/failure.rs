//! Why the gateway answers itself, and what it says then.

use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::{
    body::{self, ResponseBody},
    edge::Refused,
    filter, policy,
    record::Record,
    upstream::{Cause, Overloaded},
};

/// Why there is no answer of a backend.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the request can be read in two ways, or is too large: {}", .0.reason)]
    Refused(#[from] Refused),
    #[error("no listener is for this host")]
    NoListener,
    #[error("no route takes this request")]
    NoRoute,
    #[error("this connection was made for another host (RFC 9110 section 15.5.20)")]
    Misdirected,
    #[error(transparent)]
    Policy(#[from] policy::Refusal),
    #[error("the route has no backend that may be used")]
    NoBackend,
    #[error("the backend has no endpoints")]
    NoEndpoint,
    #[error("no endpoint of the backend is well")]
    NoneWell,
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    #[error("the backend cannot be reached")]
    Unreachable(#[source] Box<Cause>),
    #[error("the backend gave no answer in time")]
    TimedOut,
    #[error("the backend gave an answer that is none")]
    BadAnswer,
    #[error("{0}")]
    Body(#[source] Box<body::Error>),
    #[error("the configuration makes a request that cannot be sent")]
    Filter(#[from] filter::Error),
    #[error("the configuration makes a request that cannot be sent")]
    Outgoing(#[from] http::Error),
}

/// Reasons after which nobody knows where the next request of a connection begins, or whose client means no good.
pub(super) fn ends_connection(reason: &str) -> bool {
    !matches!(
        reason,
        "no-listener"
            | "no-route"
            | "no-backend"
            | "no-endpoint"
            | "none-well"
            | "overloaded"
            | "unreachable"
            | "timeout"
            | "configuration"
            | "rate-limited"
    ) && !reason.starts_with("token-")
}

/// RFC 9457.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'a str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    correlation_id: &'a str,
}

impl Failure {
    /// A word for logs and metrics, from a fixed list.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Refused(refused) => refused.reason,
            Self::NoListener => "no-listener",
            Self::NoRoute => "no-route",
            Self::Misdirected => "misdirected",
            Self::Policy(refusal) => refusal.reason(),
            Self::NoBackend => "no-backend",
            Self::NoEndpoint => "no-endpoint",
            Self::NoneWell => "none-well",
            Self::Overloaded(_) => "overloaded",
            Self::Unreachable(_) => "unreachable",
            Self::TimedOut => "timeout",
            Self::BadAnswer => "bad-answer",
            Self::Body(error) => match **error {
                body::Error::TooLarge(_) => "body-too-large",
                body::Error::Slow(_) => "body-slow",
                body::Error::Client(_) => "body",
            },
            Self::Filter(_) | Self::Outgoing(_) => "configuration",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Refused(refused) => refused.status,
            Self::NoListener | Self::NoRoute => StatusCode::NOT_FOUND,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::Policy(refusal) => refusal.status(),
            Self::NoBackend | Self::Filter(_) | Self::Outgoing(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NoEndpoint | Self::NoneWell | Self::Overloaded(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unreachable(_) | Self::BadAnswer => StatusCode::BAD_GATEWAY,
            Self::TimedOut => StatusCode::GATEWAY_TIMEOUT,
            Self::Body(error) => match **error {
                body::Error::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
                body::Error::Slow(_) => StatusCode::REQUEST_TIMEOUT,
                body::Error::Client(_) => StatusCode::BAD_REQUEST,
            },
        }
    }

    /// The status of gRPC for one of HTTP, as its clients map them ("HTTP to gRPC Status Code Mapping").
    fn grpc_status(&self) -> &'static str {
        match self {
            Self::NoListener | Self::NoRoute | Self::Misdirected => "12",
            Self::Policy(refusal) => refusal.grpc_status(),
            Self::TimedOut => "4",
            Self::Body(_) | Self::Refused(_) => "13",
            _ => "14",
        }
    }

    /// The answer.
    pub(super) fn response(&self, is_grpc: bool, record: &Record) -> Response<ResponseBody> {
        let mut response = self.plain_response(is_grpc, record);
        if let Self::Policy(refusal) = self {
            refusal.tell(response.headers_mut());
        }
        response
    }

    fn plain_response(&self, is_grpc: bool, record: &Record) -> Response<ResponseBody> {
        let detail = self.to_string();
        if is_grpc {
            // A status of gRPC stands in the headers when there is no message (gRPC over HTTP/2, "Trailers-Only").
            let mut response = Response::new(ResponseBody::own(""));
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            headers.insert("grpc-status", HeaderValue::from_static(self.grpc_status()));
            if let Ok(message) = HeaderValue::from_str(&detail) {
                headers.insert("grpc-message", message);
            }
            return response;
        }
        let status = self.status();
        let problem = Problem {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail,
            correlation_id: record.correlation_id.to_str().unwrap_or_default(),
        };
        let text = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = Response::new(ResponseBody::own(text));
        *response.status_mut() = status;
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}
