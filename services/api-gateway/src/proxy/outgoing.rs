//! The head of a request as a backend gets it.

use std::rc::Rc;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderValue, Method, Request, Uri, Version, header,
    request::Parts,
    uri::{Authority, Scheme},
};

use super::failure::Failure;
use crate::{
    body::RequestBody,
    edge::{Target, Upgrade},
    filter::Outgoing,
    upstream::{self, Endpoint, Outbound},
};
use flotilla_gateway_config::Protocol;

/// Makes headers of one version fit for the other.
pub(super) fn tidy(headers: &mut HeaderMap, version: Version) {
    // The gateway has said 100 itself, or will.
    if headers.keys().any(|name| *name == header::EXPECT) {
        headers.remove(header::EXPECT);
    }
    // RFC 9113 section 8.2.3: HTTP/2 may cut cookies into pieces, HTTP/1.1 has one line.
    if version == Version::HTTP_2 && headers.get_all(header::COOKIE).iter().nth(1).is_some() {
        let pieces: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
        if let Ok(whole) = HeaderValue::from_bytes(&pieces.join(&b"; "[..])) {
            headers.insert(header::COOKIE, whole);
        }
    }
}

/// Adds the key that a WebSocket of HTTP/1.1 has, and one of HTTP/2 has not (RFC 6455 section 4.1): 16 bytes that nobody
/// guesses, so that no cache has the answer.
pub(super) fn add_key(headers: &mut HeaderMap) -> Result<(), http::Error> {
    let key = STANDARD.encode(fastrand::u128(..).to_ne_bytes());
    headers.insert(header::SEC_WEBSOCKET_KEY, HeaderValue::from_str(&key)?);
    Ok(())
}

/// Everything of a request but its body, which may be sent more than once.
#[derive(Clone, Debug)]
pub(super) struct Head(Rc<upstream::Head>);

impl Head {
    /// Takes the headers, and leaves none.
    pub(super) fn new(
        parts: &mut Parts,
        target: &Target,
        towards: Outgoing,
        upgrade: Option<Upgrade>,
    ) -> Result<Self, Failure> {
        let mut headers = std::mem::take(&mut parts.headers);
        let host = match towards.host {
            None if headers.contains_key(header::HOST) => None,
            None => Some(host_of(parts, target)?),
            other => other,
        };
        if let Some(host) = host {
            headers.insert(header::HOST, host);
        }
        if let Some(upgrade) = upgrade {
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, upgrade.token());
        }
        let head = upstream::Head { method: parts.method.clone(), target: towards.path_and_query, headers };
        Ok(Self(Rc::new(head)))
    }

    /// Whether doing it twice is like doing it once (RFC 9110 section 9.2.2).
    pub(super) fn is_idempotent(&self) -> bool {
        matches!(self.0.method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE)
    }

    /// As an endpoint gets it.
    pub(super) fn request(self, endpoint: &Endpoint, body: RequestBody) -> Result<Outbound, http::Error> {
        match endpoint.protocol {
            Protocol::Http1 => Ok(Outbound::Http1(self.0, body)),
            Protocol::Http2 => {
                let mut head = Rc::unwrap_or_clone(self.0);
                let mut parts = http::uri::Parts::default();
                let scheme = if endpoint.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
                parts.scheme = Some(scheme);
                let host = head.headers.remove(header::HOST);
                parts.authority = host.map(|host| Authority::try_from(host.as_bytes())).transpose()?;
                parts.path_and_query = Some(head.target);
                let mut request = Request::new(body);
                *request.uri_mut() = Uri::from_parts(parts)?;
                *request.version_mut() = Version::HTTP_2;
                *request.method_mut() = head.method;
                *request.headers_mut() = head.headers;
                Ok(Outbound::Http2(Box::new(request)))
            }
        }
    }
}

/// The host of a request of HTTP/2, which has no header for it (RFC 9113 section 8.3.1).
fn host_of(parts: &Parts, target: &Target) -> Result<HeaderValue, http::Error> {
    let written = match (parts.uri.authority(), target.port) {
        (Some(authority), _) => HeaderValue::from_str(authority.as_str()),
        (None, Some(port)) => HeaderValue::from_str(&format!("{}:{port}", target.host)),
        (None, None) => HeaderValue::from_str(&target.host),
    };
    Ok(written?)
}
