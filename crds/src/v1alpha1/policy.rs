//! What gateways ask of those who call routes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What gateways ask of callers of all routes. It is written in the form of the gateway that the class names; where there is none,
/// `PoliciesApplied` says so, and routes that need a sign-in are not made.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Policies {
    /// How often routes may be called. Each limit holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "atomic"))]
    pub rate_limit: Vec<RateLimit>,

    /// Who may call routes. Left out: everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<RouteAuth>,
}

/// How often routes may be called.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RateLimit {
    /// Requests in that time. What is above is answered with 429.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests: i32,

    /// The time.
    pub per: RateUnit,

    /// Who shares the limit. Left out: `ClientIP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<RateKey>,
}

/// The time of a limit.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum RateUnit {
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
}

/// Who shares a limit.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RateKey {
    /// Callers of one address.
    #[default]
    #[serde(rename = "ClientIP")]
    ClientIp,
    /// All callers.
    All,
}

/// Who may call routes.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RouteAuth {
    /// Whoever has a token of this issuer (RFC 7519). Others are answered with 401.
    pub jwt: Jwt,
}

/// Tokens that are good.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Jwt {
    /// Who issues them, as it is in their `iss`.
    #[schemars(length(min = 1, max = 253), regex(pattern = "^https?://"))]
    pub issuer: String,

    /// For whom they must be, as it is in their `aud`. Left out: for anybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 253)), extend("x-kubernetes-list-type" = "set"))]
    pub audiences: Vec<String>,

    /// Where the issuer's keys are (RFC 7517). Left out: the issuer and `/.well-known/jwks.json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = "^https?://"))]
    pub jwks_uri: Option<String>,
}

impl Jwt {
    /// Where the issuer's keys are.
    pub fn keys(&self) -> String {
        let usual = || format!("{}/.well-known/jwks.json", self.issuer.trim_end_matches('/'));
        self.jwks_uri.clone().unwrap_or_else(usual)
    }
}
