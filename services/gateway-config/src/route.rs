//! Where requests go, and what happens on the way.

use serde::{Deserialize, Serialize};

use crate::{Filter, HostPattern, Match, Policy};

/// Rules for requests of some hosts.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Route {
    /// How it is called in metrics and logs, such as `shop/orders`; unique.
    pub name: String,

    /// The hosts of requests, as a listener writes them. Left out: those of the listener.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hostnames: Vec<HostPattern>,

    /// What is done with a request. The rule with the most specific match takes it, by the order of the Gateway API.
    pub rules: Vec<Rule>,
}

/// What is done with requests that fit.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// Its name, in logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,

    /// Requests that fit one of these. Left out: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<Match>,

    /// What happens to them, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Filter>,

    /// To whom they go. Without any, and without a redirect, the answer is 500, as the Gateway API has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backends: Vec<BackendRef>,

    /// How long they may take.
    #[serde(default, skip_serializing_if = "Timeouts::is_default")]
    pub timeouts: Timeouts,

    /// Whether they are tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,

    /// What they need before anything else happens, beside what the listener asks for.
    #[serde(default, skip_serializing_if = "Policy::is_empty")]
    pub policy: Policy,
}

/// A share of the requests.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackendRef {
    /// The name of the backend. Left out: there is none that may be used, and this share is answered with 500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,

    /// Its part of the sum of all weights. Left out: 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub weight: u32,

    /// What happens to requests to this one alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Filter>,
}

/// How long requests may take. Zero: as long as they like.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Timeouts {
    /// Milliseconds from the request's head to the end of the answer's head, with all attempts. Left out: 60,000, and for
    /// calls of gRPC as long as they like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_ms: Option<u64>,

    /// Milliseconds of one attempt. Left out: as long as it likes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend_request_ms: Option<u64>,
}

impl Timeouts {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// When and how often a request is tried again (GEP-1731). Only requests that may be repeated are: GET, HEAD, OPTIONS,
/// TRACE, PUT and DELETE without a body, and others when nothing of them has been sent.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retry {
    /// How many more attempts there are. Left out: 1.
    #[serde(default = "one")]
    pub attempts: u32,

    /// Statuses after which there is another. A connection that fails always counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<u16>,

    /// Milliseconds before the next attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff_ms: Option<u64>,
}

pub(crate) fn one() -> u32 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(crate) fn is_one(weight: &u32) -> bool {
    *weight == 1
}
