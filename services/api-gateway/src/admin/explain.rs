//! What would be done with a request, without doing it.

use http::{Method, Request, Uri};
use serde::Serialize;

use crate::{
    edge::{self, Limits},
    route::Found,
    snapshot::Snapshot,
};

/// Why nothing can be explained.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("url: write one such as url=http://shop.example.com:8080/orders")]
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
    #[serde(skip_serializing_if = "Vec::is_empty")]
    backends: Vec<Backend>,
    /// What the gateway itself would say, when no backend is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Answer>,
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

#[derive(Serialize, Debug)]
struct Answer {
    status: u16,
    why: &'static str,
}

/// What would be done with the request that a query describes.
pub(super) fn explain(snapshot: &Snapshot, query: &str) -> Result<Explained, Error> {
    let (request, port, is_secure) = request(query)?;
    let listening = snapshot
        .ports
        .get(&port)
        .ok_or_else(|| Error::Port(port, snapshot.ports.keys().copied().collect()))?;
    let (parts, ()) = request.into_parts();
    let answer = |status, why| Some(Answer { status, why });
    let mut explained = Explained::default();
    if listening.tls.is_some() != is_secure {
        explained.answer = answer(400, "the port speaks TLS when the scheme is https, and only then");
        return Ok(explained);
    }
    let target = match edge::admit(&parts, Limits::default()) {
        Ok(target) => target,
        Err(refused) => {
            explained.answer = answer(refused.status.as_u16(), refused.reason);
            return Ok(explained);
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
            explained.backends = matched.rule.backends.all().map(|share| backend(snapshot, share)).collect();
        }
    }
    Ok(explained)
}

fn backend(snapshot: &Snapshot, share: &crate::route::Share) -> Backend {
    let upstream = share.backend.as_ref().and_then(|name| snapshot.upstreams.get(name));
    let now = std::time::Instant::now();
    let endpoint = |endpoint: &std::sync::Arc<crate::upstream::Endpoint>| Endpoint {
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

fn request(query: &str) -> Result<(Request<()>, u16, bool), Error> {
    let mut request = Request::new(());
    let mut place = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "url" => {
                let url: Uri = value.parse().map_err(|_| Error::Url)?;
                let is_secure = match url.scheme_str() {
                    Some("http") => false,
                    Some("https") => true,
                    _ => return Err(Error::Url),
                };
                place = Some((url.port_u16().unwrap_or(if is_secure { 443 } else { 80 }), is_secure));
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
    let (port, is_secure) = place.ok_or(Error::Url)?;
    Ok((request, port, is_secure))
}
