//! `HTTPRoute` and `GRPCRoute` as routes of the configuration.

use flotilla_crds::gateway_api as api;
use flotilla_gateway_config::{
    BackendRef, Filter, HeaderMatch, HeaderName, HostPattern, Match, Method, Path, PathMatch, Pattern,
    QueryMatch, Retry, Route, Rule, Timeouts, ValueMatch,
};

use super::{
    backend::{Backends, Reference},
    duration::milliseconds,
    filter::{self, Unfit},
    session::{Origin, Session, session},
};

/// The rules of a route: those that can be had, and why others cannot.
#[derive(Debug, Default)]
pub struct Rules {
    /// Those that can be had.
    pub rules: Vec<Rule>,
    /// Why others cannot.
    pub unfit: Vec<Unfit>,
}

impl Rules {
    fn take(&mut self, matches: Vec<Match>, rule: Result<Rule, Unfit>) {
        match rule {
            Ok(rule) => self.rules.push(rule),
            Err(unfit) => {
                // A filter that is not there must not be passed by: what would have gone through it is refused.
                if matches!(unfit, Unfit::Reference(_)) {
                    self.rules.push(Rule { matches, ..Rule::default() });
                }
                self.unfit.push(unfit);
            }
        }
    }

    /// As a route of this name and these hosts; `None` without a rule.
    pub fn route(&self, name: String, hostnames: &[HostPattern]) -> Option<Route> {
        let rules = self.rules.clone();
        (!rules.is_empty()).then(|| Route { name, hostnames: hostnames.to_vec(), rules })
    }
}

/// The rules of an `HTTPRoute`.
pub fn http(spec: &api::HttpRouteSpec, origin: Origin<'_>, backends: &mut Backends<'_>) -> Rules {
    let mut rules = Rules::default();
    // Left out is one that takes every request, and leads nowhere.
    let default = [api::HttpRouteRules::default()];
    for (place, written) in spec.rules.as_deref().unwrap_or(&default).iter().enumerate() {
        let matches: Result<Vec<_>, _> = written.matches.iter().flatten().map(http_match).collect();
        match matches {
            Ok(matches) => {
                let rule = http_rule(written, (origin, place), matches.clone(), backends);
                rules.take(matches, rule);
            }
            Err(unfit) => rules.unfit.push(unfit),
        }
    }
    rules
}

fn http_rule(
    written: &api::HttpRouteRules,
    place: (Origin<'_>, usize),
    matches: Vec<Match>,
    backends: &mut Backends<'_>,
) -> Result<Rule, Unfit> {
    let weights = written.backend_refs.iter().flatten().map(|reference| reference.weight);
    let session = sessions(written.session_persistence.as_ref(), place, &matches, weights)?;
    let filters = filter::http(written.filters.as_deref().unwrap_or_default(), backends)?;
    let mut shares = Vec::new();
    for reference in written.backend_refs.iter().flatten() {
        let filters = filter::http(reference.filters.as_deref().unwrap_or_default(), backends)?;
        shares.push(share(reference.into(), reference.weight, filters, session.as_ref(), backends)?);
    }
    Ok(Rule {
        name: written.name.clone(),
        matches,
        filters,
        backends: shares,
        timeouts: written.timeouts.as_ref().map(timeouts).transpose()?.unwrap_or_default(),
        retry: written.retry.as_ref().map(retry).transpose()?,
        ..Rule::default()
    })
}

fn share(
    reference: Reference<'_>,
    weight: Option<i32>,
    filters: Vec<Filter>,
    session: Option<&Session>,
    backends: &mut Backends<'_>,
) -> Result<BackendRef, Unfit> {
    let weight =
        u32::try_from(weight.unwrap_or(1)).map_err(|error| Unfit::value("backendRefs.weight", error))?;
    Ok(BackendRef { backend: backends.name_in(reference, session), weight, filters })
}

/// The sessions of a rule. Requests are shared out before their sessions are looked at, so there is one to share among.
fn sessions(
    written: Option<&api::SessionPersistence>,
    (origin, place): (Origin<'_>, usize),
    matches: &[Match],
    weights: impl Iterator<Item = Option<i32>>,
) -> Result<Option<Session>, Unfit> {
    let Some(written) = written else { return Ok(None) };
    if weights.filter(|weight| *weight != Some(0)).count() > 1 {
        let why = "sessionPersistence: sessions cannot be kept among several backendRefs: leave one, or write weight 0";
        return Err(Unfit::Value(why.to_owned()));
    }
    session(written, origin, place, matches).map(Some)
}

fn timeouts(written: &api::HttpRouteRulesTimeouts) -> Result<Timeouts, Unfit> {
    let duration = |text: &String| {
        milliseconds(text)
            .ok_or_else(|| Unfit::Value(format!("timeouts: {text:?} is no duration such as 10s")))
    };
    Ok(Timeouts {
        request_ms: written.request.as_ref().map(duration).transpose()?,
        backend_request_ms: written.backend_request.as_ref().map(duration).transpose()?,
    })
}

fn retry(written: &api::HttpRouteRulesRetry) -> Result<Retry, Unfit> {
    let backoff = |text: &String| {
        milliseconds(text)
            .ok_or_else(|| Unfit::Value(format!("retry.backoff: {text:?} is no duration such as 10s")))
    };
    let code = |code: &i64| u16::try_from(*code).map_err(|error| Unfit::value("retry.codes", error));
    let attempts = u32::try_from(written.attempts.unwrap_or(1));
    Ok(Retry {
        attempts: attempts.map_err(|error| Unfit::value("retry.attempts", error))?,
        codes: written.codes.iter().flatten().map(code).collect::<Result<_, _>>()?,
        backoff_ms: written.backoff.as_ref().map(backoff).transpose()?,
    })
}

fn http_match(written: &api::HttpRouteRulesMatches) -> Result<Match, Unfit> {
    let query = |written: &api::HttpHeaderMatch| {
        Ok(QueryMatch { name: written.name.clone(), value: value(written)? })
    };
    Ok(Match {
        path: written.path.as_ref().map(path).transpose()?.flatten(),
        method: written.method.as_ref().map(method).transpose()?,
        headers: first_of_each(written.headers.as_ref()).map(header).collect::<Result<_, _>>()?,
        query: written.query_params.iter().flatten().map(query).collect::<Result<_, Unfit>>()?,
    })
}

/// Of several conditions on one header the first counts.
fn first_of_each(headers: Option<&Vec<api::HttpHeaderMatch>>) -> impl Iterator<Item = &api::HttpHeaderMatch> {
    let all = headers.map(Vec::as_slice).unwrap_or_default();
    all.iter().enumerate().filter_map(|(at, header)| {
        let is_known = |before: &api::HttpHeaderMatch| before.name.eq_ignore_ascii_case(&header.name);
        (!all.iter().take(at).any(is_known)).then_some(header)
    })
}

/// `None` for any path.
fn path(written: &api::HttpRouteRulesMatchesPath) -> Result<Option<PathMatch>, Unfit> {
    let text = written.value.clone().unwrap_or_else(|| "/".to_owned());
    let bad = |error| Unfit::value("matches.path", error);
    Ok(match written.r#type {
        Some(api::HttpRouteRulesMatchesPathType::Exact) => {
            Some(PathMatch::Exact(Path::try_from(text).map_err(bad)?))
        }
        None | Some(api::HttpRouteRulesMatchesPathType::PathPrefix) => {
            (text != "/").then(|| Path::try_from(text).map(PathMatch::PathPrefix).map_err(bad)).transpose()?
        }
        Some(api::HttpRouteRulesMatchesPathType::RegularExpression) => {
            Some(PathMatch::RegularExpression(Pattern::try_from(text).map_err(bad)?))
        }
    })
}

fn method(written: &api::HttpRouteRulesMatchesMethod) -> Result<Method, Unfit> {
    // Its name in JSON is that of the method.
    let name = serde_json::to_value(written).ok().and_then(|name| name.as_str().map(str::to_owned));
    Method::try_from(name.unwrap_or_default()).map_err(|error| Unfit::value("matches.method", error))
}

fn header(written: &api::HttpHeaderMatch) -> Result<HeaderMatch, Unfit> {
    let name =
        HeaderName::try_from(written.name.clone()).map_err(|error| Unfit::value("matches.headers", error))?;
    Ok(HeaderMatch { name, value: value(written)? })
}

fn value(written: &api::HttpHeaderMatch) -> Result<ValueMatch, Unfit> {
    let text = written.value.clone();
    Ok(match written.r#type {
        None | Some(api::MatchType::Exact) => ValueMatch::Exact(text),
        Some(api::MatchType::RegularExpression) => ValueMatch::RegularExpression(
            Pattern::try_from(text).map_err(|error| Unfit::value("matches", error))?,
        ),
    })
}

/// The rules of a `GRPCRoute`: its methods are paths of HTTP/2 (gRPC over HTTP/2, "Request-Headers").
pub fn grpc(spec: &api::GrpcRouteSpec, origin: Origin<'_>, backends: &mut Backends<'_>) -> Rules {
    let mut rules = Rules::default();
    let default = [api::GrpcRouteRules::default()];
    for (place, written) in spec.rules.as_deref().unwrap_or(&default).iter().enumerate() {
        let matches: Result<Vec<_>, _> = written.matches.iter().flatten().map(grpc_match).collect();
        match matches {
            Ok(matches) => {
                let rule = grpc_rule(written, (origin, place), matches.clone(), backends);
                rules.take(matches, rule);
            }
            Err(unfit) => rules.unfit.push(unfit),
        }
    }
    rules
}

fn grpc_rule(
    written: &api::GrpcRouteRules,
    place: (Origin<'_>, usize),
    matches: Vec<Match>,
    backends: &mut Backends<'_>,
) -> Result<Rule, Unfit> {
    let weights = written.backend_refs.iter().flatten().map(|reference| reference.weight);
    let session = sessions(written.session_persistence.as_ref(), place, &matches, weights)?;
    let filters = filter::grpc(written.filters.as_deref().unwrap_or_default(), backends)?;
    let mut shares = Vec::new();
    for reference in written.backend_refs.iter().flatten() {
        let filters = filter::grpc(reference.filters.as_deref().unwrap_or_default(), backends)?;
        shares.push(share(reference.into(), reference.weight, filters, session.as_ref(), backends)?);
    }
    Ok(Rule { name: written.name.clone(), matches, filters, backends: shares, ..Rule::default() })
}

fn grpc_match(written: &api::GrpcRouteRulesMatches) -> Result<Match, Unfit> {
    Ok(Match {
        path: written.method.as_ref().map(grpc_method).transpose()?.flatten(),
        headers: first_of_each(written.headers.as_ref()).map(header).collect::<Result<_, _>>()?,
        ..Match::default()
    })
}

/// `None` for any method of any service.
fn grpc_method(written: &api::GrpcRouteRulesMatchesMethod) -> Result<Option<PathMatch>, Unfit> {
    let bad = |error| Unfit::value("matches.method", error);
    let part = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let (service, method) = (part(&written.service), part(&written.method));
    let is_exact = written.r#type != Some(api::MatchType::RegularExpression);
    let pattern =
        |text: String| Pattern::try_from(text).map(PathMatch::RegularExpression).map_err(bad).map(Some);
    match (service, method) {
        (None, None) => Ok(None),
        (Some(service), Some(method)) if is_exact => {
            Path::try_from(format!("/{service}/{method}")).map(PathMatch::Exact).map_err(bad).map(Some)
        }
        (Some(service), None) if is_exact => {
            Path::try_from(format!("/{service}")).map(PathMatch::PathPrefix).map_err(bad).map(Some)
        }
        (None, Some(method)) if is_exact => pattern(format!("/[^/]+/{}", regex_literal(&method))),
        (service, method) => {
            let any = || "[^/]+".to_owned();
            pattern(format!("/(?:{})/(?:{})", service.unwrap_or_else(any), method.unwrap_or_else(any)))
        }
    }
}

/// Text as a regular expression that it alone fits. Names of methods are letters, digits and few signs.
fn regex_literal(text: &str) -> String {
    text.chars()
        .flat_map(|character| {
            (!character.is_alphanumeric() && character != '_').then_some('\\').into_iter().chain([character])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_of_grpc_are_paths() {
        let method = |service: Option<&str>, method: Option<&str>, is_exact| {
            let written = api::GrpcRouteRulesMatchesMethod {
                service: service.map(str::to_owned),
                method: method.map(str::to_owned),
                r#type: Some(if is_exact {
                    api::MatchType::Exact
                } else {
                    api::MatchType::RegularExpression
                }),
            };
            serde_json::to_string(&grpc_method(&written).unwrap()).unwrap()
        };
        assert_eq!(method(None, None, true), "null");
        assert_eq!(method(Some("a.B"), Some("C"), true), r#"{"exact":"/a.B/C"}"#);
        assert_eq!(method(Some("a.B"), None, true), r#"{"pathPrefix":"/a.B"}"#);
        assert_eq!(method(None, Some("C"), true), r#"{"regularExpression":"/[^/]+/C"}"#);
        assert_eq!(method(Some("a.*"), None, false), r#"{"regularExpression":"/(?:a.*)/(?:[^/]+)"}"#);
    }

    #[test]
    fn of_two_conditions_on_one_header_the_first_counts() {
        let header = |name: &str, value: &str| api::HttpHeaderMatch {
            name: name.to_owned(),
            value: value.to_owned(),
            r#type: None,
        };
        let all = Some(vec![header("a", "1"), header("A", "2"), header("b", "3")]);
        let kept: Vec<_> = first_of_each(all.as_ref()).map(|header| header.value.as_str()).collect();
        assert_eq!(kept, ["1", "3"]);
    }
}
