//! Which pages of other origins may call: the CORS protocol of the Fetch standard, as the Gateway API has it (GEP-1767).

use flotilla_gateway_config::Cors;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, request::Parts};

/// Seconds for which an answer is remembered when nothing is said.
const MAX_AGE: u32 = 5;

/// Who may call.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    origins: Vec<Origin>,
    allow_credentials: bool,
    methods: Names,
    headers: Names,
    exposed: Names,
    max_age: HeaderValue,
}

/// Origins that may call.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    Any,
    Exact(String),
    /// What is before and after the star.
    Below(String, String),
}

/// Names that are allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Names {
    None,
    Any,
    These(HeaderValue),
}

impl Names {
    fn compile(names: &[String]) -> Self {
        if names.iter().any(|name| name == "*") {
            return Self::Any;
        }
        match HeaderValue::from_str(&names.join(", ")) {
            Ok(list) if !names.is_empty() => Self::These(list),
            _ => Self::None,
        }
    }

    /// What is answered. To a request with credentials a star means nothing, so it hears what it has asked for.
    fn answer(&self, asked: Option<&HeaderValue>, credentials: bool) -> Option<HeaderValue> {
        match self {
            Self::None => None,
            Self::These(list) => Some(list.clone()),
            Self::Any if credentials => asked.cloned(),
            Self::Any => Some(HeaderValue::from_static("*")),
        }
    }
}

/// Whether a page asks if it may call.
pub(super) fn is_preflight(parts: &Parts) -> bool {
    parts.method == Method::OPTIONS
        && parts.headers.contains_key(header::ORIGIN)
        && parts.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

impl Policy {
    pub(super) fn compile(written: &Cors) -> Self {
        let origin = |text: &String| match text.split_once('*') {
            Some(("", "")) => Origin::Any,
            Some((before, after)) => Origin::Below(before.to_owned(), after.to_owned()),
            None => Origin::Exact(text.clone()),
        };
        Self {
            origins: written.allow_origins.iter().map(origin).collect(),
            allow_credentials: written.allow_credentials,
            methods: Names::compile(&written.allow_methods),
            headers: Names::compile(&written.allow_headers),
            exposed: Names::compile(&written.expose_headers),
            max_age: written.max_age.unwrap_or(MAX_AGE).into(),
        }
    }

    /// The answer to a page that asks.
    pub(super) fn preflight(&self, parts: &Parts) -> Response<()> {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let asked = |name: HeaderName| parts.headers.get(name);
        let headers = response.headers_mut();
        if self.allow_origin(asked(header::ORIGIN), headers) {
            let credentials = self.allow_credentials;
            let method = asked(header::ACCESS_CONTROL_REQUEST_METHOD);
            if let Some(methods) = self.methods.answer(method, credentials) {
                headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
            }
            let wanted = asked(header::ACCESS_CONTROL_REQUEST_HEADERS);
            if let Some(names) = self.headers.answer(wanted, credentials) {
                headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
            }
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        }
        response
    }

    /// Says in an answer who may read it.
    pub(super) fn on_response(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        if self.allow_origin(origin, headers)
            && let Some(exposed) = self.exposed.answer(None, self.allow_credentials)
        {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
    }

    /// Whether the origin may call, which is then in the headers.
    fn allow_origin(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) -> bool {
        // What a backend has said of other origins is not ours.
        headers.remove(header::ACCESS_CONTROL_ALLOW_ORIGIN);
        headers.remove(header::ACCESS_CONTROL_ALLOW_CREDENTIALS);
        let for_all = self.origins.contains(&Origin::Any) && !self.allow_credentials;
        if !for_all {
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
        }
        let Some(origin) = origin.filter(|origin| self.allows(origin)) else {
            return false;
        };
        let allowed = if for_all { HeaderValue::from_static("*") } else { origin.clone() };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        if self.allow_credentials {
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        true
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        origin.to_str().is_ok_and(|origin| {
            self.origins.iter().any(|allowed| match allowed {
                Origin::Any => true,
                Origin::Exact(text) => text.eq_ignore_ascii_case(origin),
                Origin::Below(before, after) => {
                    // The star stands for labels of a host, never for another scheme or a path.
                    let star = origin
                        .strip_prefix(before.as_str())
                        .and_then(|rest| rest.strip_suffix(after.as_str()));
                    star.is_some_and(|star| {
                        !star.is_empty()
                            && star
                                .bytes()
                                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
                    })
                }
            })
        })
    }
}
