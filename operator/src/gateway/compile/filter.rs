//! What happens to a request on its way: filters of routes as those of the configuration.

use flotilla_crds::gateway_api as api;
use flotilla_gateway_config::{
    BadText, Cors, Filter, Fraction, HeaderModifier, HeaderName, HeaderText, HeaderValue, Hostname, Mirror,
    Path, PathModifier, Redirect, RedirectStatus, Rewrite, Scheme,
};

use super::backend::Backends;

/// Why a rule cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// A value is none of ours.
    Value(String),
    /// Two filters do not go together.
    Filters(String),
    /// A filter refers to something that is not there, so that requests are answered with 500.
    Reference(String),
}

impl Unfit {
    pub(super) fn value(field: &str, error: impl std::fmt::Display) -> Self {
        Self::Value(format!("{field}: {error}"))
    }
}

/// The filters of a rule, or of one of its backends, in their order.
pub fn http(filters: &[api::HttpRouteFilter], backends: &mut Backends<'_>) -> Result<Vec<Filter>, Unfit> {
    let has = |wanted| filters.iter().any(|filter| filter.r#type == wanted);
    if has(api::HttpRouteFilterType::RequestRedirect) && has(api::HttpRouteFilterType::UrlRewrite) {
        let why = "filters: RequestRedirect and URLRewrite exclude each other: remove one of them";
        return Err(Unfit::Filters(why.to_owned()));
    }
    let mut compiled = Vec::new();
    for filter in filters {
        let missing = |field: &str| Unfit::Value(format!("filters: write {field}"));
        match filter.r#type {
            api::HttpRouteFilterType::RequestHeaderModifier => {
                let written = filter.request_header_modifier.as_ref();
                let written = written.ok_or_else(|| missing("requestHeaderModifier"))?;
                compiled.push(Filter::RequestHeaderModifier(headers(written)?));
            }
            api::HttpRouteFilterType::ResponseHeaderModifier => {
                let written = filter.response_header_modifier.as_ref();
                let written = written.ok_or_else(|| missing("responseHeaderModifier"))?;
                compiled.push(Filter::ResponseHeaderModifier(headers(written)?));
            }
            api::HttpRouteFilterType::RequestMirror => {
                let written = filter.request_mirror.as_ref().ok_or_else(|| missing("requestMirror"))?;
                compiled.extend(mirror(written, backends)?);
            }
            api::HttpRouteFilterType::RequestRedirect => {
                let written = filter.request_redirect.as_ref().ok_or_else(|| missing("requestRedirect"))?;
                compiled.push(Filter::RequestRedirect(redirect(written)?));
            }
            api::HttpRouteFilterType::UrlRewrite => {
                let written = filter.url_rewrite.as_ref().ok_or_else(|| missing("urlRewrite"))?;
                compiled.push(Filter::UrlRewrite(rewrite(written)?));
            }
            api::HttpRouteFilterType::Cors => {
                let written = filter.cors.as_ref().ok_or_else(|| missing("cors"))?;
                compiled.push(Filter::Cors(cors(written)?));
            }
            api::HttpRouteFilterType::ExternalAuth => {
                return Err(Unfit::Reference("filters: ExternalAuth is not supported".to_owned()));
            }
            api::HttpRouteFilterType::ExtensionRef => {
                let reference = filter.extension_ref.as_ref().ok_or_else(|| missing("extensionRef"))?;
                extension(reference, backends)?;
            }
        }
    }
    Ok(compiled)
}

/// The same of a `GRPCRoute`, which has some of them.
pub fn grpc(filters: &[api::GrpcRouteFilter], backends: &mut Backends<'_>) -> Result<Vec<Filter>, Unfit> {
    let same = |filter: &api::GrpcRouteFilter| {
        let api::GrpcRouteFilter {
            extension_ref,
            request_header_modifier,
            request_mirror,
            response_header_modifier,
            r#type,
        } = filter.clone();
        api::HttpRouteFilter {
            extension_ref,
            request_header_modifier,
            request_mirror,
            response_header_modifier,
            r#type: match r#type {
                api::GrpcRouteRulesFiltersType::ResponseHeaderModifier => {
                    api::HttpRouteFilterType::ResponseHeaderModifier
                }
                api::GrpcRouteRulesFiltersType::RequestHeaderModifier => {
                    api::HttpRouteFilterType::RequestHeaderModifier
                }
                api::GrpcRouteRulesFiltersType::RequestMirror => api::HttpRouteFilterType::RequestMirror,
                api::GrpcRouteRulesFiltersType::ExtensionRef => api::HttpRouteFilterType::ExtensionRef,
            },
            cors: None,
            external_auth: None,
            request_redirect: None,
            url_rewrite: None,
        }
    };
    http(&filters.iter().map(same).collect::<Vec<_>>(), backends)
}

/// A reference to a `TrafficPolicy` says that nobody may come through without it; what it asks for is put on the rule elsewhere.
fn extension(reference: &api::LocalObjectReference, backends: &mut Backends<'_>) -> Result<(), Unfit> {
    let api::LocalObjectReference { group, kind, name } = reference;
    if (group.as_str(), kind.as_str()) != (flotilla_crds::GROUP, "TrafficPolicy") {
        let why = format!("filters: extensionRef {kind} {name:?} is no filter that is known here");
        return Err(Unfit::Reference(why));
    }
    if backends.needs(name) {
        return Ok(());
    }
    let why = format!("filters: extensionRef: there is no TrafficPolicy {name:?} that is for this route");
    Err(Unfit::Reference(why))
}

fn headers(written: &api::HttpHeaderFilter) -> Result<HeaderModifier, Unfit> {
    let name = |name: &String| -> Result<HeaderName, Unfit> {
        let name = HeaderName::try_from(name.clone()).map_err(|error| Unfit::value("filters", error))?;
        if name.frames_messages() {
            let why = format!(
                "filters: header {:?} frames messages and is the gateway's own: leave it out",
                name.0
            );
            return Err(Unfit::Value(why));
        }
        Ok(name)
    };
    let value = |header: &api::HttpHeader| {
        let text =
            HeaderText::try_from(header.value.clone()).map_err(|error| Unfit::value("filters", error))?;
        Ok(HeaderValue { name: name(&header.name)?, value: text })
    };
    Ok(HeaderModifier {
        set: written.set.iter().flatten().map(value).collect::<Result<_, _>>()?,
        add: written.add.iter().flatten().map(value).collect::<Result<_, _>>()?,
        remove: written.remove.iter().flatten().map(name).collect::<Result<_, _>>()?,
    })
}

/// `None` when there is nobody who could get a copy, which is among the faults of the route.
fn mirror(
    written: &api::HttpRequestMirrorFilter,
    backends: &mut Backends<'_>,
) -> Result<Option<Filter>, Unfit> {
    let positive = |number: i32| {
        u32::try_from(number).map_err(|_| Unfit::Value("filters: a share is not below 0".to_owned()))
    };
    let fraction = match (&written.fraction, written.percent) {
        (Some(fraction), _) => {
            let denominator = positive(fraction.denominator.unwrap_or(100))?.max(1);
            Some(Fraction { numerator: positive(fraction.numerator)?, denominator })
        }
        (None, Some(percent)) => Some(Fraction { numerator: positive(percent)?, denominator: 100 }),
        (None, None) => None,
    };
    let backend = backends.name((&written.backend_ref).into());
    Ok(backend.map(|backend| Filter::RequestMirror(Mirror { backend, fraction })))
}

fn redirect(written: &api::HttpRequestRedirectFilter) -> Result<Redirect, Unfit> {
    use api::HttpRouteRulesFiltersRequestRedirectScheme as Written;
    let port = |port: i32| u16::try_from(port).map_err(|error| Unfit::value("requestRedirect.port", error));
    let status = |code: i64| -> Result<RedirectStatus, Unfit> {
        let code = u16::try_from(code).map_err(|error| Unfit::value("requestRedirect.statusCode", error))?;
        RedirectStatus::try_from(code).map_err(|error| Unfit::value("requestRedirect.statusCode", error))
    };
    Ok(Redirect {
        scheme: written.scheme.as_ref().map(|scheme| match scheme {
            Written::Http => Scheme::Http,
            Written::Https => Scheme::Https,
        }),
        hostname: written.hostname.as_deref().map(hostname).transpose()?,
        port: written.port.map(port).transpose()?,
        path: written.path.as_ref().map(path).transpose()?,
        status_code: written.status_code.map(status).transpose()?,
    })
}

fn rewrite(written: &api::HttpUrlRewriteFilter) -> Result<Rewrite, Unfit> {
    Ok(Rewrite {
        hostname: written.hostname.as_deref().map(hostname).transpose()?,
        path: written.path.as_ref().map(path).transpose()?,
    })
}

fn hostname(text: &str) -> Result<Hostname, Unfit> {
    Hostname::try_from(text.to_owned()).map_err(|error| Unfit::value("filters", error))
}

fn path(written: &api::HttpPathModifier) -> Result<PathModifier, Unfit> {
    let path = |text: &Option<String>| {
        // No path at all is the root.
        let text = text.clone().filter(|text| !text.is_empty()).unwrap_or_else(|| "/".to_owned());
        Path::try_from(text).map_err(|error: BadText| Unfit::value("filters", error))
    };
    Ok(match written.r#type {
        api::HttpPathModifierType::ReplaceFullPath => {
            PathModifier::ReplaceFullPath(path(&written.replace_full_path)?)
        }
        api::HttpPathModifierType::ReplacePrefixMatch => {
            PathModifier::ReplacePrefixMatch(path(&written.replace_prefix_match)?)
        }
    })
}

fn cors(written: &api::HttpCorsFilter) -> Result<Cors, Unfit> {
    let list = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    let seconds = |seconds: i32| u32::try_from(seconds).map_err(|error| Unfit::value("cors.maxAge", error));
    Ok(Cors {
        allow_origins: list(&written.allow_origins),
        allow_credentials: written.allow_credentials.unwrap_or(false),
        allow_methods: list(&written.allow_methods),
        allow_headers: list(&written.allow_headers),
        expose_headers: list(&written.expose_headers),
        max_age: written.max_age.map(seconds).transpose()?,
    })
}
