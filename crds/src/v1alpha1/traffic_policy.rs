//! The `TrafficPolicy` kind: what requests need before a gateway passes them on (GEP-713, GEP-2648).

#![allow(clippy::duplicated_attributes, reason = "several columns are strings")]
#![allow(clippy::struct_field_names, reason = "without \"max\" they would say what is there")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Cors, RateUnit};

/// What requests need before a gateway passes them on.
///
/// It is attached to gateways, listeners, routes or rules by `targetRefs`. Of each field the most specific policy counts: that of a
/// rule before that of its route, of the listener, and of the gateway.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "flotilla.dev",
    version = "v1alpha1",
    kind = "TrafficPolicy",
    namespaced,
    status = "TrafficPolicyStatus",
    derive = "PartialEq",
    shortname = "tpol",
    doc = "Rate limits, sign-in by JWT, CORS, circuit breaking and sizes of bodies for gateways and routes. Docs: docs/gateway-api.md",
    printcolumn(name = "Kind", type_ = "string", json_path = ".spec.targetRefs[0].kind"),
    printcolumn(name = "Target", type_ = "string", json_path = ".spec.targetRefs[0].name"),
    printcolumn(
        name = "Accepted",
        type_ = "string",
        json_path = ".status.ancestors[0].conditions[?(@.type==\"Accepted\")].status"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.rateLimits) || has(self.jwt) || has(self.cors) || has(self.circuitBreaker) || has(self.maxBodyBytes)").message("write at least one of rateLimits, jwt, cors, circuitBreaker and maxBodyBytes"),
    validation = Rule::new("!has(self.rateLimits) || (has(self.jwt) && has(self.jwt.providers) && self.jwt.providers.size() > 0) || self.rateLimits.all(limit, !has(limit.key) || limit.key.type != 'Claim')").message("a limit with a key of type Claim needs jwt.providers, as there is no token otherwise").field_path(".rateLimits")
)]
pub struct TrafficPolicySpec {
    /// What it is attached to, in its own namespace.
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub target_refs: Vec<PolicyTarget>,

    /// How many requests there may be. Each limit holds; more is answered with 429. What a target takes together shares its limits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 8), extend("x-kubernetes-list-type" = "atomic"))]
    pub rate_limits: Vec<TrafficLimit>,

    /// Who may send requests: those with a token of a provider (RFC 7519). Others are answered with 401.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<TokenPolicy>,

    /// Pages of other origins that may call (GEP-1767). A rule with a CORS filter of its own keeps that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,

    /// How much each backend may have at a time from one gateway. What comes on top is answered with 503 at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circuit_breaker: Option<CircuitBreaker>,

    /// The most bytes of a request's body, at most what the gateway takes of any. More is answered with 413.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_099_511_627_776_i64))]
    pub max_body_bytes: Option<i64>,
}

/// Something that a policy is attached to.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct PolicyTarget {
    /// Its API group.
    pub group: PolicyTargetGroup,

    /// Its kind.
    pub kind: PolicyTargetKind,

    /// Its name, in the namespace of the policy.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// Of a Gateway the name of a listener, of a route the name of a rule. Left out: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub section_name: Option<String>,
}

/// A group of targets.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum PolicyTargetGroup {
    /// The Gateway API.
    #[default]
    #[serde(rename = "gateway.networking.k8s.io")]
    GatewayApi,
}

/// A kind of target.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PolicyTargetKind {
    /// Everything that a gateway takes, or one of its listeners.
    Gateway,
    /// Requests of a route, or of one of its rules.
    #[serde(rename = "HTTPRoute")]
    HttpRoute,
    /// Calls of a route, or of one of its rules.
    #[serde(rename = "GRPCRoute")]
    GrpcRoute,
}

impl PolicyTargetKind {
    /// The name of the kind.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "Gateway",
            Self::HttpRoute => "HTTPRoute",
            Self::GrpcRoute => "GRPCRoute",
        }
    }
}

/// How many requests there may be in a time, each gateway pod by its own count.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TrafficLimit {
    /// Requests in that time.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests: i32,

    /// The time.
    pub per: RateUnit,

    /// How many may come at once when there were none before. Left out: `requests`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub burst: Option<i32>,

    /// Who is counted apart from others. Left out: nobody, all requests together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<LimitKey>,
}

/// What requests have in common that are counted together. Those that have none of it are counted together too.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.name) == (self.type in ['Header', 'Claim'])").message("name is that of a header or claim: write it with type Header or Claim, and only there"))]
pub struct LimitKey {
    /// What it is.
    #[serde(rename = "type")]
    pub type_: LimitKeyType,

    /// The name of the header, or of the claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub name: Option<String>,
}

/// What requests are counted by.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitKeyType {
    /// The address of the client; of IPv6 its first 64 bits.
    #[serde(rename = "ClientIP")]
    ClientIp,
    /// The value of a header, which clients can choose unless a proxy in front sets it.
    Header,
    /// A claim of the token that `jwt` has found good, such as `sub`.
    Claim,
}

/// Whose tokens are good, and what they have to say.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.providers) && self.providers.size() > 0) || (has(self.required) && !self.required)").message("without a provider no token is good: name one, or write required: false to ask for nothing").field_path(".providers"),
    validation = Rule::new("!has(self.providers) || self.providers.all(one, self.providers.exists_one(other, other.issuer == one.issuer))").message("each provider needs another issuer").field_path(".providers")
)]
pub struct TokenPolicy {
    /// Who signs tokens. A token is held against the one that its issuer names. An empty list, with `required: false`, asks for
    /// nothing, whatever a less specific policy asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub providers: Vec<TokenProvider>,

    /// Whether there has to be a token. Left out: true. With false a request without one goes on, and one with a bad token does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,

    /// What a good token has to say, all of it. Otherwise the answer is 403.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub claims: Vec<RequiredClaim>,
}

/// Who signs tokens, and how they are taken.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TokenProvider {
    /// Its name, in metrics and logs.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,

    /// What tokens have in `iss`, byte for byte.
    #[schemars(length(min = 1, max = 253))]
    pub issuer: String,

    /// Of `aud` one has to be one of these. Left out: any, which is safe only where the issuer serves nobody else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 253)), extend("x-kubernetes-list-type" = "set"))]
    pub audiences: Vec<String>,

    /// Its public keys.
    pub jwks: KeySet,

    /// Where tokens are looked for; the first place that has one counts. Left out: `Authorization: Bearer`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4), extend("x-kubernetes-list-type" = "atomic"))]
    pub from: Vec<TokenSource>,

    /// Headers that tell backends what the token says. What clients send by these names is thrown away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub claims_to_headers: Vec<ClaimHeader>,

    /// Whether the token is taken out of the request before it goes on. Left out: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remove_token: Option<bool>,
}

/// A JSON Web Key Set (RFC 7517): one of the fields.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.uri), has(self.configMapRef), has(self.inline)].filter(x, x).size() == 1").message("write exactly one of uri, configMapRef and inline"))]
pub struct KeySet {
    /// Where gateways fetch it, again and again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = "^https?://"))]
    pub uri: Option<String>,

    /// A ConfigMap of the namespace that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<KeySetReference>,

    /// The set itself, with public keys alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32768))]
    pub inline: Option<String>,
}

/// A key of a ConfigMap.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySetReference {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// The key. Left out: `jwks.json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub key: Option<String>,
}

/// A place of a request that may have a token: one of the fields.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[x_kube(validation = Rule::new("has(self.header) != has(self.cookie)").message("write exactly one of header and cookie"))]
pub struct TokenSource {
    /// A header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<TokenHeader>,

    /// The name of a cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub cookie: Option<String>,
}

/// A header with a token.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenHeader {
    /// Its name.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,

    /// What stands before the token and a space, such as `Bearer`. Left out: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub prefix: Option<String>,
}

/// A header that has a claim.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimHeader {
    /// The claim, or a pointer into one that holds others, such as `/realm_access/roles` (RFC 6901).
    #[schemars(length(min = 1, max = 253))]
    pub claim: String,

    /// The name of the header.
    #[schemars(length(min = 1, max = 256))]
    pub header: String,
}

/// A claim that has one of some values.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
pub struct RequiredClaim {
    /// The claim, or a pointer into one. Of a list one item is enough, and of `scope` one word.
    #[schemars(length(min = 1, max = 253))]
    pub claim: String,

    /// The values of which it has one.
    #[schemars(length(min = 1, max = 32), inner(length(min = 1, max = 253)), extend("x-kubernetes-list-type" = "set"))]
    pub values: Vec<String>,
}

/// How much a backend may have at a time from one gateway pod.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.maxRequests) || has(self.maxConnections)").message("write maxRequests, maxConnections or both"),
    validation = Rule::new("!has(self.maxPending) || has(self.maxConnections)").message("requests wait only for connections: write maxConnections too").field_path(".maxPending")
)]
pub struct CircuitBreaker {
    /// Requests, from their heads to the ends of their answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000_000))]
    pub max_requests: Option<i32>,

    /// Connections, to all pods together. When all are in use, requests wait for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000_000))]
    pub max_connections: Option<i32>,

    /// Requests that may wait for a connection. Left out: 1,024.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000_000))]
    pub max_pending: Option<i32>,
}

/// What became of a policy.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
pub struct TrafficPolicyStatus {
    /// What became of it at each gateway, and at targets that are not there.
    #[serde(default)]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub ancestors: Vec<PolicyAncestor>,
}

/// What became of a policy at a gateway, or at a target that is not there.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PolicyAncestor {
    /// The gateway, or the target.
    pub ancestor_ref: AncestorReference,

    /// Who says it.
    #[schemars(length(min = 1, max = 253))]
    pub controller_name: String,

    /// `Accepted`, otherwise `Conflicted`, `Invalid` or `TargetNotFound`.
    #[serde(default)]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// An object of the Gateway API.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AncestorReference {
    /// Its API group.
    #[schemars(length(max = 253))]
    pub group: String,

    /// Its kind.
    #[schemars(length(max = 63))]
    pub kind: String,

    /// Its namespace.
    #[schemars(length(max = 63))]
    pub namespace: String,

    /// Its name.
    #[schemars(length(max = 253))]
    pub name: String,

    /// A part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub section_name: Option<String>,
}
