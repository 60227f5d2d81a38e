//! How the service is reached from outside, in the form of the Gateway API, v1.
//!
//! Rules have the shape that they have in an `HTTPRoute` or `GRPCRoute`, without `backendRefs`: those are always the
//! service. They are copied as they are.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::port_reference;

/// A way in from outside: an `HTTPRoute` or a `GRPCRoute`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!(has(self.rules) && has(self.grpcRules))").message("write rules for an HTTPRoute or grpcRules for a GRPCRoute, not both"),
    validation = Rule::new("!has(self.grpcRules) || self.?kind.orValue('GRPC') == 'GRPC'").message("grpcRules belong to kind GRPC: write rules, or remove kind").field_path(".grpcRules"),
    validation = Rule::new("!has(self.rules) || self.?kind.orValue('HTTP') == 'HTTP'").message("rules belong to kind HTTP: write grpcRules, or remove kind").field_path(".rules"),
    validation = Rule::new("!has(self.tls) || (has(self.tls.secretName) == (self.tls.mode == 'Secret'))").message("tls.secretName belongs to tls.mode Secret").field_path(".tls")
)]
pub struct Route {
    /// Name of the route; the object is named `<service>-<name>`.
    #[schemars(length(min = 1, max = 52), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,

    /// Left out: `GRPC` with `grpcRules` or for a port of protocol GRPC, otherwise `HTTP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<RouteKind>,

    /// Name or number of the port that it leads to. Left out: the first port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "port_reference")]
    pub port: Option<IntOrString>,

    /// Hosts that it is for. Left out: that of the class, or every host of the gateway.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 253), regex(pattern = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")), extend("x-kubernetes-list-type" = "set"))]
    pub hostnames: Vec<String>,

    /// Gateways that it is attached to. Left out: those of the class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "atomic"))]
    pub parent_refs: Vec<ParentReference>,

    /// Where its certificate comes from. Left out: as the class says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<RouteTls>,

    /// Rules of an `HTTPRoute`. Left out: every request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub rules: Vec<HttpRouteRule>,

    /// Rules of a `GRPCRoute`. Left out: every call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub grpc_rules: Vec<GrpcRouteRule>,
}

/// Where the certificate of a route comes from.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RouteTls {
    /// Where from.
    pub mode: TlsMode,

    /// The Secret of type `kubernetes.io/tls` that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: Option<String>,
}

/// Where a certificate comes from.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsMode {
    /// From where the class says.
    #[default]
    Class,
    /// From the issuer of the class: a Certificate of cert-manager, and a ListenerSet that serves it.
    Certificate,
    /// From a Secret: a ListenerSet serves it.
    Secret,
    /// From the listeners of the gateway, or from nowhere.
    None,
}

/// What a route carries.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteKind {
    /// An `HTTPRoute`.
    #[serde(rename = "HTTP")]
    Http,
    /// A `GRPCRoute`.
    #[serde(rename = "GRPC")]
    Grpc,
}

/// A gateway, or a listener of one.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct ParentReference {
    /// API group. Left out: `gateway.networking.k8s.io`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub group: Option<String>,

    /// Left out: `Gateway`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub kind: Option<String>,

    /// Its namespace. Left out: that of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,

    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// The listener. Left out: all that fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub section_name: Option<String>,

    /// The port of the listener. Left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
}

/// A rule of an `HTTPRoute`, without `backendRefs`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteRule {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub name: Option<String>,

    /// Requests that it is for: one match is enough. Left out: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub matches: Vec<HttpRouteMatch>,

    /// What is done with a request and its answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub filters: Vec<RouteFilter>,

    /// How long things may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<RouteTimeouts>,

    /// When a request is sent again (GEP-1731, experimental in the Gateway API).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RouteRetry>,
}

/// Requests that a rule is for: all of it must fit.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteMatch {
    /// The path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathMatch>,

    /// Headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub headers: Vec<ValueMatch>,

    /// Parameters of the query.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub query_params: Vec<ValueMatch>,

    /// The method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), regex(pattern = "^[A-Z]+$"))]
    pub method: Option<String>,
}

/// A path.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
pub struct PathMatch {
    /// Left out: `PathPrefix`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<PathMatchType>,

    /// Left out: `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub value: Option<String>,
}

/// How a path is compared.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathMatchType {
    /// The whole path.
    Exact,
    /// Its first segments.
    PathPrefix,
    /// By a regular expression; which syntax is up to the gateway.
    RegularExpression,
}

/// A header or a parameter.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
pub struct ValueMatch {
    /// Left out: `Exact`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<ValueMatchType>,

    /// Its name.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,

    /// Its value.
    #[schemars(length(min = 1, max = 4096))]
    pub value: String,
}

/// How a value is compared.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueMatchType {
    /// It is the same.
    Exact,
    /// By a regular expression.
    RegularExpression,
}

/// A rule of a `GRPCRoute`, without `backendRefs`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
pub struct GrpcRouteRule {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub name: Option<String>,

    /// Calls that it is for: one match is enough. Left out: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub matches: Vec<GrpcRouteMatch>,

    /// What is done with a call and its answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub filters: Vec<RouteFilter>,
}

/// Calls that a rule is for: all of it must fit.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
pub struct GrpcRouteMatch {
    /// The service and method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<GrpcMethodMatch>,

    /// Headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub headers: Vec<ValueMatch>,
}

/// A gRPC service and method.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[x_kube(validation = Rule::new("has(self.service) || has(self.method)").message("write service, method or both"))]
pub struct GrpcMethodMatch {
    /// Left out: `Exact`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<ValueMatchType>,

    /// Full name of the service, such as `shop.orders.v1.Orders`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub service: Option<String>,

    /// Name of the method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub method: Option<String>,
}

/// What is done with a request or its answer: `type` and the field of that name.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.requestHeaderModifier), has(self.responseHeaderModifier), has(self.requestMirror), has(self.requestRedirect), has(self.urlRewrite), has(self.cors), has(self.extensionRef)].filter(x, x).size() == 1").message("a filter has its type and exactly the field of that type"),
    validation = Rule::new("(self.type == 'RequestHeaderModifier') == has(self.requestHeaderModifier) && (self.type == 'ResponseHeaderModifier') == has(self.responseHeaderModifier) && (self.type == 'RequestMirror') == has(self.requestMirror) && (self.type == 'RequestRedirect') == has(self.requestRedirect) && (self.type == 'URLRewrite') == has(self.urlRewrite) && (self.type == 'CORS') == has(self.cors) && (self.type == 'ExtensionRef') == has(self.extensionRef)").message("a filter has its type and exactly the field of that type")
)]
pub struct RouteFilter {
    /// What it does.
    #[serde(rename = "type")]
    pub type_: RouteFilterType,

    /// Changes headers of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_header_modifier: Option<HeaderModifier>,

    /// Changes headers of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_header_modifier: Option<HeaderModifier>,

    /// Sends a copy of the request elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_mirror: Option<RequestMirror>,

    /// Answers with a redirect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_redirect: Option<RequestRedirect>,

    /// Changes host or path of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_rewrite: Option<UrlRewrite>,

    /// Lets pages of other origins call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,

    /// A filter of the gateway's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension_ref: Option<ExtensionReference>,
}

/// What a filter does.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteFilterType {
    /// Changes headers of the request.
    RequestHeaderModifier,
    /// Changes headers of the answer.
    ResponseHeaderModifier,
    /// Sends a copy of the request elsewhere.
    RequestMirror,
    /// Answers with a redirect.
    RequestRedirect,
    /// Changes host or path of the request.
    #[serde(rename = "URLRewrite")]
    UrlRewrite,
    /// Lets pages of other origins call.
    #[serde(rename = "CORS")]
    Cors,
    /// A filter of the gateway's own.
    ExtensionRef,
}

/// Changes of headers.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderModifier {
    /// Headers that get this value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub set: Vec<HeaderValue>,

    /// Headers that get this value beside those they have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub add: Vec<HeaderValue>,

    /// Headers that are removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 256)), extend("x-kubernetes-list-type" = "set"))]
    pub remove: Vec<String>,
}

/// A header.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderValue {
    /// Its name.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,

    /// Its value.
    #[schemars(length(min = 1, max = 4096))]
    pub value: String,
}

/// Where a copy of the request goes.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RequestMirror {
    /// The Service.
    pub backend_ref: MirrorBackend,

    /// How many of a hundred requests. Left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub percent: Option<i32>,
}

/// A Service of the namespace.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
pub struct MirrorBackend {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// Its port.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
}

/// A redirect. What is left out stays as it is.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RequestRedirect {
    /// `http` or `https`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8), regex(pattern = "^https?$"))]
    pub scheme: Option<String>,

    /// The host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub hostname: Option<String>,

    /// The path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathModifier>,

    /// The port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,

    /// Left out: 302.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 301, max = 308))]
    pub status_code: Option<i32>,
}

/// A change of host or path.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
pub struct UrlRewrite {
    /// The host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub hostname: Option<String>,

    /// The path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathModifier>,
}

/// A change of a path: `type` and the field of that name.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(self.type == 'ReplaceFullPath') == has(self.replaceFullPath) && (self.type == 'ReplacePrefixMatch') == has(self.replacePrefixMatch)").message("a path has its type and exactly the field of that type"))]
pub struct PathModifier {
    /// What is replaced.
    #[serde(rename = "type")]
    pub type_: PathModifierType,

    /// The new path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub replace_full_path: Option<String>,

    /// What stands for the prefix that has matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub replace_prefix_match: Option<String>,
}

/// What is replaced of a path.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathModifierType {
    /// All of it.
    ReplaceFullPath,
    /// The prefix that has matched.
    ReplacePrefixMatch,
}

/// Pages of other origins that may call (GEP-1767).
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Cors {
    /// Origins, such as `https://shop.example.com`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 253)), extend("x-kubernetes-list-type" = "set"))]
    pub allow_origins: Vec<String>,

    /// Whether cookies and credentials are sent along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_credentials: Option<bool>,

    /// Methods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 9), inner(length(min = 1, max = 16)), extend("x-kubernetes-list-type" = "set"))]
    pub allow_methods: Vec<String>,

    /// Headers of a request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)), extend("x-kubernetes-list-type" = "set"))]
    pub allow_headers: Vec<String>,

    /// Headers of an answer that the page may read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)), extend("x-kubernetes-list-type" = "set"))]
    pub expose_headers: Vec<String>,

    /// Seconds for which the answer to a preflight is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86400))]
    pub max_age: Option<i32>,
}

/// An object that configures a filter of the gateway's own.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtensionReference {
    /// Its API group.
    #[schemars(length(max = 253))]
    pub group: String,

    /// Its kind.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,

    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// How long things may take, as durations of GEP-2257 such as `10s` or `1m30s`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RouteTimeouts {
    /// The whole request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 32), regex(pattern = "^([0-9]{1,5}(h|m|s|ms)){1,4}$"))]
    pub request: Option<String>,

    /// One try of the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 32), regex(pattern = "^([0-9]{1,5}(h|m|s|ms)){1,4}$"))]
    pub backend_request: Option<String>,
}

/// When a request is sent again.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteRetry {
    /// Status codes after which it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(range(min = 400, max = 599)), extend("x-kubernetes-list-type" = "atomic"))]
    pub codes: Vec<i32>,

    /// How often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 16))]
    pub attempts: Option<i32>,

    /// How long it waits before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 32), regex(pattern = "^([0-9]{1,5}(h|m|s|ms)){1,4}$"))]
    pub backoff: Option<String>,
}
