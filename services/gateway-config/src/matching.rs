//! Which requests a rule is for: the matches of an `HTTPRoute`, of which those of a `GRPCRoute` are a part.

use serde::{Deserialize, Serialize};

use crate::{HeaderName, Method, Path, Pattern};

/// What a request must be. All parts must fit.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Match {
    /// Its path. Left out: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathMatch>,

    /// Its method, such as GET. Left out: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,

    /// Its headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HeaderMatch>,

    /// Parameters of its query. Of a parameter that is there twice, the first counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<QueryMatch>,
}

/// What a path must be.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum PathMatch {
    /// The same, byte for byte.
    Exact(Path),
    /// The same as far as it goes, by whole segments: `/a` fits `/a` and `/a/b`, never `/ab`.
    PathPrefix(Path),
    /// The whole of it fits this regular expression.
    RegularExpression(Pattern),
}

/// What a header must be.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct HeaderMatch {
    /// Its name, in any case.
    pub name: HeaderName,

    /// Its value.
    pub value: ValueMatch,
}

/// What a parameter of the query must be.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct QueryMatch {
    /// Its name.
    pub name: String,

    /// Its value, decoded.
    pub value: ValueMatch,
}

/// What a value must be.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum ValueMatch {
    /// The same.
    Exact(String),
    /// The whole of it fits this regular expression.
    RegularExpression(Pattern),
}
