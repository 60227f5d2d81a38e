//! What happens to a request and its answer on the way, compiled once. Pure.

mod cors;
mod headers;
mod location;

use std::sync::Arc;

use flotilla_gateway_config::{self as config, Fraction, PathModifier, Rewrite};
use http::{HeaderMap, HeaderValue, Response, request::Parts, uri::PathAndQuery};

use self::{cors::Policy, headers::Changes, location::Redirect};

/// The filters of a rule or a backend, in their order.
#[derive(Clone, Debug, Default)]
pub struct Filters(Arc<[Filter]>);

#[derive(Clone, Debug)]
enum Filter {
    Request(Changes),
    Response(Changes),
    Redirect(Redirect),
    Rewrite(Rewrite),
    Mirror { backend: Arc<str>, fraction: Option<Fraction> },
    Cors(Policy),
}

/// Where a request came in, and what for.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// Whether it came in TLS.
    pub is_secure: bool,
    /// The port of the listener.
    pub port: u16,
    /// The host that was asked for.
    pub host: &'a str,
    /// How many bytes of the path the rule's prefix has matched.
    pub prefix: usize,
}

/// What a request asks of its backend after all filters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The host, when it is another one.
    pub host: Option<HeaderValue>,
    /// Path and query.
    pub path_and_query: PathAndQuery,
}

/// A filter's text cannot be sent, as the configuration has not been checked.
#[derive(Debug, thiserror::Error)]
#[error("a path or an address that a filter has made cannot be sent")]
pub struct Error(#[from] http::Error);

impl Filters {
    /// From a checked configuration.
    pub fn compile(written: &[config::Filter]) -> Self {
        let compiled = written.iter().map(|filter| match filter {
            config::Filter::RequestHeaderModifier(changes) => Filter::Request(Changes::compile(changes)),
            config::Filter::ResponseHeaderModifier(changes) => Filter::Response(Changes::compile(changes)),
            config::Filter::RequestRedirect(redirect) => Filter::Redirect(Redirect::compile(redirect)),
            config::Filter::UrlRewrite(rewrite) => Filter::Rewrite(rewrite.clone()),
            config::Filter::RequestMirror(mirror) => {
                Filter::Mirror { backend: mirror.backend.as_str().into(), fraction: mirror.fraction }
            }
            config::Filter::Cors(policy) => Filter::Cors(Policy::compile(policy)),
        });
        Self(compiled.collect())
    }

    /// Whether the gateway itself answers a page that asks whether it may call. Such a request never has a token (Fetch
    /// standard, CORS-preflight fetch).
    pub fn answers_preflight(&self, parts: &Parts) -> bool {
        let first = self.0.iter().find(|filter| matches!(filter, Filter::Redirect(_) | Filter::Cors(_)));
        matches!(first, Some(Filter::Cors(_))) && cors::is_preflight(parts)
    }

    /// The answer of the gateway itself, when there is one: a redirect, or one to a page that asks whether it may call.
    ///
    /// # Errors
    /// When the address of a redirect cannot be sent.
    pub fn answer(
        &self,
        parts: &Parts,
        incoming: Incoming<'_>,
        target: &PathAndQuery,
    ) -> Result<Option<Response<()>>, Error> {
        for filter in self.0.iter() {
            match filter {
                Filter::Redirect(redirect) => return Ok(Some(redirect.answer(incoming, target)?)),
                Filter::Cors(policy) if cors::is_preflight(parts) => {
                    return Ok(Some(policy.preflight(parts)));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// Changes what is sent to the backend.
    ///
    /// # Errors
    /// When a path cannot be sent.
    pub fn on_request(
        &self,
        headers: &mut HeaderMap,
        prefix: usize,
        outgoing: &mut Outgoing,
    ) -> Result<(), Error> {
        for filter in self.0.iter() {
            match filter {
                Filter::Request(changes) => changes.apply(headers),
                Filter::Rewrite(rewrite) => {
                    if let Some(host) = &rewrite.hostname {
                        outgoing.host =
                            Some(HeaderValue::from_str(host.as_str()).map_err(http::Error::from)?);
                    }
                    if let Some(path) = &rewrite.path {
                        outgoing.path_and_query = replaced(path, prefix, &outgoing.path_and_query)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Changes what is sent to the client. `origin` is the header of its request.
    pub fn on_response(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        for filter in self.0.iter() {
            match filter {
                Filter::Response(changes) => changes.apply(headers),
                Filter::Cors(policy) => policy.on_response(origin, headers),
                _ => {}
            }
        }
    }

    /// The backends that get a copy, when `random` has chosen this request.
    pub fn mirrors(&self, random: u32) -> impl Iterator<Item = &Arc<str>> {
        self.0.iter().filter_map(move |filter| match filter {
            Filter::Mirror { backend, fraction } => is_chosen(*fraction, random).then_some(backend),
            _ => None,
        })
    }
}

fn is_chosen(fraction: Option<Fraction>, random: u32) -> bool {
    fraction.is_none_or(|Fraction { numerator, denominator }| {
        u64::from(random) * u64::from(denominator) < u64::from(numerator) << 32
    })
}

/// A path and query with another path. The query stays.
fn replaced(path: &PathModifier, prefix: usize, target: &PathAndQuery) -> Result<PathAndQuery, Error> {
    let path = match path {
        PathModifier::ReplaceFullPath(path) => path.as_str().to_owned(),
        PathModifier::ReplacePrefixMatch(replacement) => {
            let rest = target.path().get(prefix..).unwrap_or_default();
            let replacement = replacement.as_str().trim_end_matches('/');
            let slash = if replacement.is_empty() && !rest.starts_with('/') { "/" } else { "" };
            format!("{replacement}{slash}{rest}")
        }
    };
    let query = target.query().map(|query| format!("?{query}")).unwrap_or_default();
    Ok(PathAndQuery::try_from(format!("{path}{query}")).map_err(http::Error::from)?)
}

#[cfg(test)]
mod tests;
