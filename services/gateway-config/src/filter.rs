//! What happens to a request on its way: the filters of an `HTTPRoute`, with their names.

use serde::{Deserialize, Serialize};

use crate::{HeaderName, HeaderText, Hostname, Path, RedirectStatus};

/// One thing that happens to a request or its answer.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub enum Filter {
    /// Headers of the request change.
    RequestHeaderModifier(HeaderModifier),
    /// Headers of the answer change.
    ResponseHeaderModifier(HeaderModifier),
    /// The client is sent elsewhere.
    RequestRedirect(Redirect),
    /// Host or path of the request change.
    UrlRewrite(Rewrite),
    /// A copy goes to another backend, whose answer is thrown away.
    RequestMirror(Mirror),
    /// Pages of other origins may call (Fetch standard, CORS protocol).
    Cors(Cors),
}

/// Changes of headers: `remove`, then `set`, then `add`.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeaderModifier {
    /// Headers that have this value afterwards, and no other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<HeaderValue>,

    /// Values that come after those that are there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<HeaderValue>,

    /// Headers that are gone afterwards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<HeaderName>,
}

/// A header.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeaderValue {
    /// Its name.
    pub name: HeaderName,
    /// Its value.
    pub value: HeaderText,
}

/// Where the client is sent. What is left out stays as it was.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Redirect {
    /// The scheme.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Scheme>,

    /// The host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<Hostname>,

    /// The port. Left out: that of `scheme` when it is written, otherwise that of the listener.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,

    /// The path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathModifier>,

    /// The status of the answer. Left out: 302.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_code: Option<RedirectStatus>,
}

/// The scheme of an address.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Without TLS.
    Http,
    /// With TLS.
    Https,
}

/// What the backend is asked for. What is left out stays as it was.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rewrite {
    /// The host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<Hostname>,

    /// The path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathModifier>,
}

/// How a path changes.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum PathModifier {
    /// It is this one.
    ReplaceFullPath(Path),
    /// The prefix that the rule has matched is this one.
    ReplacePrefixMatch(Path),
}

/// Who gets a copy.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mirror {
    /// The name of the backend.
    pub backend: String,

    /// Of how many requests. Left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fraction: Option<Fraction>,
}

/// A part of a whole.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fraction {
    /// The part.
    pub numerator: u32,
    /// The whole.
    pub denominator: u32,
}

/// Which pages of other origins may call.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cors {
    /// Origins, such as `https://shop.example.com`, `https://*.example.com` or `*`.
    pub allow_origins: Vec<String>,

    /// Whether a page may send cookies.
    #[serde(default)]
    pub allow_credentials: bool,

    /// Methods, or `*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_methods: Vec<String>,

    /// Headers of requests, or `*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_headers: Vec<String>,

    /// Headers of answers that a page may read, or `*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expose_headers: Vec<String>,

    /// Seconds for which a browser remembers this. Left out: 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u32>,
}
