//! Headers that frame a message or speak of one connection.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header, request::Parts};

use super::{Limits, Refused};

/// Headers that speak of one connection (RFC 9110 section 7.6.1), and some that never were standard.
const HOP_BY_HOP: [&str; 7] =
    ["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

/// Headers that a client may not have removed by naming them in `Connection`: what is behind the gateway relies on them.
const NOT_NOMINATED: [HeaderName; 10] = [
    header::HOST,
    header::AUTHORIZATION,
    header::COOKIE,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::ORIGIN,
    header::FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-host"),
];

/// Headers whose names with `_` for `-` many servers take for the real ones.
const TRUSTED: [&str; 7] = [
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-real-ip",
    "x-correlation-id",
    "content-length",
    "transfer-encoding",
];

/// What a client may change its connection to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// RFC 6455.
    WebSocket,
}

impl Upgrade {
    /// As it is written in the header.
    pub const fn token(self) -> HeaderValue {
        match self {
            Self::WebSocket => HeaderValue::from_static("websocket"),
        }
    }
}

/// Checks everything in the headers that frames the message.
///
/// # Errors
/// When they can be read in two ways, or are too large.
pub fn check_headers(parts: &Parts, limits: Limits) -> Result<(), Refused> {
    let headers = &parts.headers;
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
    if headers.len() > limits.headers || bytes > limits.header_bytes {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(Refused { status, reason: "headers-too-large" });
    }
    // One look at the few names that are there costs less than to look for each that mostly is not.
    let (mut has_framing, mut has_connection, mut has_upgrade) = (false, false, false);
    for name in headers.keys() {
        match name.as_str() {
            "content-length" | "transfer-encoding" => has_framing = true,
            "connection" => has_connection = true,
            "upgrade" => has_upgrade = true,
            other if is_look_alike(other) => return Err(Refused::bad("header-look-alike")),
            _ => {}
        }
    }
    if has_framing {
        check_framing(parts)?;
    }
    if has_connection && connection_tokens(headers).any(|token| is_nominated(token, headers)) {
        return Err(Refused::bad("connection-nominates"));
    }
    if has_upgrade && parts.version < Version::HTTP_2 {
        upgrade(parts)?;
    }
    Ok(())
}

/// RFC 9112 sections 6.1 to 6.3, without the leniency that they allow.
fn check_framing(parts: &Parts) -> Result<(), Refused> {
    let mut lengths = parts.headers.get_all(header::CONTENT_LENGTH).iter();
    let length = lengths.next();
    // hyper folds equal ones into one; a list in one line is digits no more.
    if lengths.next().is_some() || length.is_some_and(|length| !is_number(length)) {
        return Err(Refused::bad("content-length"));
    }
    let mut encodings = parts.headers.get_all(header::TRANSFER_ENCODING).iter();
    let Some(encoding) = encodings.next() else {
        return Ok(());
    };
    if length.is_some() {
        return Err(Refused::bad("content-length-and-transfer-encoding"));
    }
    if parts.version != Version::HTTP_11 {
        return Err(Refused::bad("transfer-encoding-version"));
    }
    if encodings.next().is_some() || !encoding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return Err(Refused { status: StatusCode::NOT_IMPLEMENTED, reason: "transfer-encoding" });
    }
    Ok(())
}

fn is_number(value: &HeaderValue) -> bool {
    !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_digit)
}

fn is_look_alike(name: &str) -> bool {
    name.as_bytes().contains(&b'_')
        && TRUSTED.iter().any(|trusted| {
            let same = |(a, b): (u8, u8)| a == b || (a == b'_' && b == b'-');
            trusted.len() == name.len() && name.bytes().zip(trusted.bytes()).all(same)
        })
}

/// The words of all `Connection` headers.
fn connection_tokens(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|token| !token.is_empty())
}

fn is_nominated(token: &str, headers: &HeaderMap) -> bool {
    NOT_NOMINATED
        .into_iter()
        .filter(|name| headers.contains_key(name))
        .any(|name| name.as_str().eq_ignore_ascii_case(token))
}

/// What a request wants to change its connection to; `None` when nothing.
///
/// # Errors
/// When it is something else than what is allowed, or is not asked for as RFC 9110 section 7.8 has it.
pub fn upgrade(parts: &Parts) -> Result<Option<Upgrade>, Refused> {
    let mut wanted = parts.headers.get_all(header::UPGRADE).iter();
    let Some(first) = wanted.next() else {
        return Ok(None);
    };
    let asks = connection_tokens(&parts.headers).any(|token| token.eq_ignore_ascii_case("upgrade"));
    let is_websocket = wanted.next().is_none() && first.as_bytes().eq_ignore_ascii_case(b"websocket");
    let has_body = parts.headers.contains_key(header::TRANSFER_ENCODING)
        || parts.headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
    let is_good =
        asks && is_websocket && !has_body && parts.method == Method::GET && parts.version == Version::HTTP_11;
    if is_good { Ok(Some(Upgrade::WebSocket)) } else { Err(Refused::bad("upgrade")) }
}

/// What a CONNECT of HTTP/2 with `:protocol` wants to change its stream to (RFC 8441 section 4), which becomes the GET that
/// says the same in HTTP/1.1; `None` when it is something else.
///
/// # Errors
/// When it is no WebSocket, or has no scheme or path.
pub fn extended_connect(parts: &mut Parts) -> Result<Option<Upgrade>, Refused> {
    if parts.method != Method::CONNECT {
        return Ok(None);
    }
    let Some(protocol) = parts.extensions.get::<hyper::ext::Protocol>() else { return Ok(None) };
    if !protocol.as_ref().eq_ignore_ascii_case(b"websocket") {
        return Err(Refused { status: StatusCode::NOT_IMPLEMENTED, reason: "connect-protocol" });
    }
    let has_all = parts.uri.scheme().is_some() && parts.uri.path_and_query().is_some();
    if !has_all || parts.headers.contains_key(header::CONTENT_LENGTH) {
        return Err(Refused::bad("upgrade"));
    }
    parts.method = Method::GET;
    Ok(Some(Upgrade::WebSocket))
}

/// Takes out what speaks of one connection, and what `Connection` names. `TE: trailers` stays, which gRPC needs.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if !headers.keys().any(|name| HOP_BY_HOP.contains(&name.as_str())) {
        return;
    }
    if headers.contains_key(header::CONNECTION) {
        let named: Vec<HeaderName> =
            connection_tokens(headers).filter_map(|token| token.parse().ok()).collect();
        for name in named {
            headers.remove(name);
        }
    }
    let trailers = headers.get(header::TE).is_some_and(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers"));
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
}
