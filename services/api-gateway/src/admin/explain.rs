//! What would be done with a request, a connection or a datagram, without doing it.

use std::sync::Arc;

use http::{Method, Request, Uri};
use serde::Serialize;

use crate::{
    edge::{self, Limits},
    route::Found,
    snapshot::{Snapshot, Takes, TakesSecure},
    stream::Stream,
};

/// Why nothing can be explained.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(
        "url: write one such as url=http://shop.example.com:8080/orders, or tls://, tcp:// and udp:// with a port"
    )]
    Url,
    #[error("url: no listener has port {0}; there are {1:?}")]
    Port(u16, Vec<u16>),
    #[error("method: {0:?} is none")]
    Method(String),
    #[error("header: {0:?} is none; write header=name:value")]
    Header(String),
    #[error("{0:?} is no parameter: write url, method or header")]
    Parameter(String),
}

/// What would be done.
#[derive(Serialize, Debug, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Explained {
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    listener: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<Policy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    backends: Vec<Backend>,
    /// What the gateway itself would say, when no backend is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Answer>,
    /// Why a connection would be closed, or a datagram lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    closed: Option<&'static str>,
}

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
    Tls,
    Tcp,
    Udp,
}

#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
struct Backend {
    name: Option<String>,
    endpoints: Vec<Endpoint>,
}

#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
struct Endpoint {
    address: String,
    requests: u32,
    is_good: bool,
}

/// What the request needs, with that of the listener.
#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
struct Policy {
    /// In the order in which they are asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rate_limits: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwt: Option<Jwt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_body_bytes: Option<u64>,
}

#[derive(Serialize, Debug)]
struct Jwt {
    required: bool,
    providers: Vec<Provider>,
}

#[derive(Serialize, Debug)]
struct Provider {
    name: String,
    /// How many keys it has; none while they are not known.
    keys: Option<usize>,
}

#[derive(Serialize, Debug)]
struct Answer {
    status: u16,
    why: &'static str,
}

/// What would be done with the request that a query describes, or with the connection.
pub(super) fn explain(snapshot: &Snapshot, query: &str) -> Result<Explained, Error> {
    let (request, port, scheme) = request(query)?;
    if scheme == Scheme::Udp {
        let found = snapshot.datagrams.get(&port);
        let found = found.ok_or_else(|| Error::Port(port, snapshot.datagrams.keys().copied().collect()))?;
        return Ok(stream(snapshot, &found.bare.listener, found.bare.streams.find(None)));
    }
    let listening = snapshot
        .ports
        .get(&port)
        .ok_or_else(|| Error::Port(port, snapshot.ports.keys().copied().collect()))?;
    let answer = |status, why| Some(Answer { status, why });
    let closed = |why| Ok(Explained { closed: Some(why), ..Explained::default() });
    match (&listening.takes, scheme) {
        (Takes::Streams(bare), _) => {
            return Ok(stream(snapshot, &bare.listener, bare.streams.find(None)));
        }
        (Takes::Secure(secure), Scheme::Https | Scheme::Tls) => {
            let name = request.uri().host().map(str::to_ascii_lowercase);
            match secure.find(name.as_deref()).map(|secure| (&secure.listener, &secure.takes)) {
                Some((listener, TakesSecure::Streams { streams, .. })) => {
                    return Ok(stream(snapshot, listener, streams.find(name.as_deref())));
                }
                _ if scheme == Scheme::Tls => {
                    return closed("no TLS listener of the port is for this name: ask with https");
                }
                _ => {}
            }
        }
        (Takes::Requests, Scheme::Http) => {}
        (_, Scheme::Http | Scheme::Https) => {
            let why = "the port speaks TLS when the scheme is https, and only then";
            return Ok(Explained { answer: answer(400, why), ..Explained::default() });
        }
        _ => return closed("the port takes requests: ask with http or https"),
    }
    Ok(requested(snapshot, port, request))
}

fn stream(snapshot: &Snapshot, listener: &Arc<str>, found: Option<&Arc<Stream>>) -> Explained {
    let closed = match found {
        None => Some("no stream of the listener is for it"),
        Some(stream) if stream.backends.all().next().is_none() => Some("the stream has no backend"),
        Some(_) => None,
    };
    let shares = found.into_iter().flat_map(|stream| stream.backends.all());
    Explained {
        listener: Some(listener.to_string()),
        stream: found.map(|stream| stream.name.to_string()),
        backends: shares.map(|share| backend(snapshot, share)).collect(),
        closed,
        ..Explained::default()
    }
}

fn requested(snapshot: &Snapshot, port: u16, request: Request<()>) -> Explained {
    let (parts, ()) = request.into_parts();
    let answer = |status, why| Some(Answer { status, why });
    let mut explained = Explained::default();
    let target = match edge::admit(&parts, Limits::default()) {
        Ok(target) => target,
        Err(refused) => {
            explained.answer = answer(refused.status.as_u16(), refused.reason);
            return explained;
        }
    };
    explained.host = Some(target.host.clone());
    explained.path = Some(target.path().to_owned());
    match snapshot.table.find(port, &target.host, target.path(), &parts) {
        Found::NoListener => explained.answer = answer(404, "no listener is for this host"),
        Found::NoRoute { listener } => {
            explained.listener = Some(listener.to_string());
            explained.answer = answer(404, "no route takes this request");
        }
        Found::Rule { listener, matched } => {
            explained.listener = Some(listener.to_string());
            explained.route = Some(matched.rule.route.to_string());
            explained.rule = matched.rule.name.as_deref().map(str::to_owned);
            explained.policy = matched.rule.policy.as_deref().map(policy);
            explained.backends = matched.rule.backends.all().map(|share| backend(snapshot, share)).collect();
        }
    }
    explained
}

fn policy(policy: &crate::policy::Policy) -> Policy {
    let provider = |provider: &Arc<crate::policy::Provider>| Provider {
        name: provider.name.to_string(),
        keys: provider.keys.now().map(|keys| keys.count()),
    };
    let providers: Vec<Provider> = policy.providers().map(provider).collect();
    Policy {
        rate_limits: policy.limits().map(|limit| limit.name.to_string()).collect(),
        jwt: (!providers.is_empty()).then(|| Jwt { required: policy.needs_token(), providers }),
        max_body_bytes: policy.body_bytes,
    }
}

fn backend(snapshot: &Snapshot, share: &crate::route::Share) -> Backend {
    let upstream = share.backend.as_ref().and_then(|name| snapshot.upstreams.get(name));
    let now = std::time::Instant::now();
    let endpoint = |endpoint: &Arc<crate::upstream::Endpoint>| Endpoint {
        address: endpoint.to_string(),
        requests: endpoint.load(),
        is_good: endpoint.health.is_good(now),
    };
    Backend {
        name: share.backend.as_deref().map(str::to_owned),
        endpoints: upstream
            .map(|upstream| upstream.endpoints().iter().map(endpoint).collect())
            .unwrap_or_default(),
    }
}

fn request(query: &str) -> Result<(Request<()>, u16, Scheme), Error> {
    let mut request = Request::new(());
    let mut place = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "url" => {
                let url: Uri = value.parse().map_err(|_| Error::Url)?;
                let (scheme, port) = match url.scheme_str() {
                    Some("http") => (Scheme::Http, Some(80)),
                    Some("https") => (Scheme::Https, Some(443)),
                    Some("tls") => (Scheme::Tls, Some(443)),
                    Some("tcp") => (Scheme::Tcp, None),
                    Some("udp") => (Scheme::Udp, None),
                    _ => return Err(Error::Url),
                };
                place = Some((url.port_u16().or(port).ok_or(Error::Url)?, scheme));
                *request.uri_mut() = url;
            }
            "method" => {
                *request.method_mut() =
                    Method::from_bytes(value.as_bytes()).map_err(|_| Error::Method(value.to_string()))?;
            }
            "header" => {
                let bad = || Error::Header(value.to_string());
                let (name, value) = value.split_once(':').ok_or_else(bad)?;
                let name = http::HeaderName::try_from(name.trim()).map_err(|_| bad())?;
                let value = http::HeaderValue::try_from(value.trim()).map_err(|_| bad())?;
                request.headers_mut().append(name, value);
            }
            other => return Err(Error::Parameter(other.to_owned())),
        }
    }
    let (port, scheme) = place.ok_or(Error::Url)?;
    Ok((request, port, scheme))
}
