//! The head of a request as a backend gets it.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderValue, Method, Request, Uri, Version, header,
    request::Parts,
    uri::{Authority, PathAndQuery, Scheme},
};

use super::failure::Failure;
use crate::{
    body::RequestBody,
    edge::{Target, Upgrade},
    filter::Outgoing,
    upstream::Endpoint,
};
use flotilla_gateway_config::Protocol;

/// Makes headers of one version fit for the other.
pub(super) fn tidy(headers: &mut HeaderMap, version: Version) {
    // The gateway has said 100 itself, or will.
    headers.remove(header::EXPECT);
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
pub(super) struct Head {
    pub(super) method: Method,
    headers: HeaderMap,
    path_and_query: PathAndQuery,
    host: HeaderValue,
}

impl Head {
    /// Takes the headers, and leaves none.
    pub(super) fn new(
        parts: &mut Parts,
        target: &Target,
        towards: Outgoing,
        upgrade: Option<Upgrade>,
    ) -> Result<Self, Failure> {
        let mut headers = std::mem::take(&mut parts.headers);
        let host = match (towards.host, headers.remove(header::HOST)) {
            (Some(host), _) | (None, Some(host)) => host,
            (None, None) => match (&parts.uri.authority(), target.port) {
                (Some(authority), _) => HeaderValue::from_str(authority.as_str()),
                (None, Some(port)) => HeaderValue::from_str(&format!("{}:{port}", target.host)),
                (None, None) => HeaderValue::from_str(&target.host),
            }
            .map_err(http::Error::from)?,
        };
        if let Some(upgrade) = upgrade {
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, upgrade.token());
        }
        Ok(Self { method: parts.method.clone(), headers, path_and_query: towards.path_and_query, host })
    }

    /// Whether doing it twice is like doing it once (RFC 9110 section 9.2.2).
    pub(super) fn is_idempotent(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE)
    }

    /// As an endpoint gets it.
    pub(super) fn request(
        mut self,
        endpoint: &Endpoint,
        body: RequestBody,
    ) -> Result<Request<RequestBody>, http::Error> {
        let mut request = Request::new(body);
        match endpoint.protocol {
            Protocol::Http1 => {
                self.headers.insert(header::HOST, self.host);
                *request.uri_mut() = Uri::from(self.path_and_query);
                *request.version_mut() = Version::HTTP_11;
            }
            Protocol::Http2 => {
                let mut parts = http::uri::Parts::default();
                let scheme = if endpoint.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
                parts.scheme = Some(scheme);
                parts.authority = Some(Authority::try_from(self.host.as_bytes())?);
                parts.path_and_query = Some(self.path_and_query);
                *request.uri_mut() = Uri::from_parts(parts)?;
                *request.version_mut() = Version::HTTP_2;
            }
        }
        *request.method_mut() = self.method;
        *request.headers_mut() = self.headers;
        Ok(request)
    }
}
