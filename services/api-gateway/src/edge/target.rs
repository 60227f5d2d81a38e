//! What a request asks for: one host and one path.

use std::borrow::Cow;

use http::{Version, header, request::Parts, uri::PathAndQuery};

use super::{Refused, path::normalise};

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The host in lower case, without a port.
    pub host: String,
    /// The port that the client has written.
    pub port: Option<u16>,
    /// The normalised path, and the query as it was.
    pub path_and_query: PathAndQuery,
}

impl Target {
    /// The path alone.
    pub fn path(&self) -> &str {
        self.path_and_query.path()
    }
}

/// Reads host and path of a request (RFC 9112 section 3.2, RFC 9113 section 8.3.1).
///
/// # Errors
/// Without exactly one host, with two that differ, or with one that is no host.
pub fn target(parts: &Parts) -> Result<Target, Refused> {
    // The scheme says nothing of how the request came: something in front may have ended TLS.
    if parts.uri.scheme_str().is_some_and(|scheme| !matches!(scheme, "http" | "https")) {
        return Err(Refused::bad("scheme"));
    }
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let header = hosts.next();
    if hosts.next().is_some() {
        return Err(Refused::bad("host-twice"));
    }
    let header = header.map(|host| host.to_str().map_err(|_| Refused::bad("host"))).transpose()?;
    let written = match (parts.uri.authority(), header) {
        (Some(authority), Some(header)) if !authority.as_str().eq_ignore_ascii_case(header) => {
            return Err(Refused::bad("host-differs"));
        }
        (Some(authority), _) => authority.as_str(),
        (None, Some(header)) if parts.version < Version::HTTP_2 => header,
        _ => return Err(Refused::bad("host-missing")),
    };
    let (host, port) = split(written).ok_or(Refused::bad("host"))?;
    let path = normalise(parts.uri.path())?;
    let path_and_query = match (parts.uri.path_and_query(), &path, parts.uri.query()) {
        // Of an absolute target without a path the whole is empty, or the query alone, and would be sent so.
        (_, Cow::Borrowed("/"), None) => PathAndQuery::from_static("/"),
        (Some(same), Cow::Borrowed(_), _) if same.as_str().starts_with('/') => same.clone(),
        (_, path, query) => {
            let query = query.map(|query| format!("?{query}")).unwrap_or_default();
            format!("{path}{query}").try_into().map_err(|_| Refused::bad("path-character"))?
        }
    };
    Ok(Target { host, port, path_and_query })
}

/// Host and port of an authority; `None` when it has something else in it, or characters that no host has.
fn split(authority: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match authority.rsplit_once(':') {
        // The colons of an address of IPv6 stand in brackets.
        Some((host, port)) if !port.ends_with(']') => {
            // What parses numbers takes a sign too.
            let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
            (host, Some(port.parse().ok().filter(|port| is_number && *port > 0)?))
        }
        _ => (authority, None),
    };
    let is_address = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
    let is_short = host.len() <= 253;
    let host = host.strip_suffix('.').unwrap_or(host);
    // RFC 1034 section 3.1: only the root has no letters, which one dot at the end stands for.
    let is_name = is_short && host.split('.').all(is_label);
    (is_address || is_name).then(|| (host.to_ascii_lowercase(), port))
}

fn is_label(label: &str) -> bool {
    !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}
