//! What a gateway is told to do: listeners, routes, streams, backends and certificates, compiled from the objects of the
//! Gateway API, or written by hand.
//!
//! Everything that needs other objects (attachment, grants, which of two routes wins) is decided before it is written
//! here. What is left is what a data plane does with a request, so a gateway knows nothing of Kubernetes objects but
//! `EndpointSlices`.

mod affinity;
mod backend;
mod check;
mod filter;
mod health_check;
mod hosts;
mod jwt;
mod limits;
mod listener;
mod load;
mod matching;
pub mod package;
mod policy;
mod rate_limit;
mod route;
mod share;
mod stream;
mod text;

pub use affinity::{Affinity, CookieName, SessionCookie, SessionHeader};
pub use backend::{Backend, Endpoint, Protocol, ProxyVersion, ServiceRef, SubjectAltName, UpstreamTls};
pub use check::Dangling;
pub use filter::{
    Cors, Filter, Fraction, HeaderModifier, HeaderValue, Mirror, PathModifier, Redirect, Rewrite, Scheme,
};
pub use health_check::{GrpcProbe, HealthCheck, HttpProbe, Probe};
pub use hosts::{Disjoint, intersection};
pub use jwt::{
    Claim, ClaimHeader, Jwks, Jwt, JwtAlgorithm, JwtProvider, RemoteJwks, RequiredClaim, TokenHeader,
    TokenSource,
};
pub use limits::Limits;
pub use listener::{
    Certificate, ClientValidation, ClientValidationMode, Listener, ListenerProtocol, ListenerTls,
};
pub use load::{Error, Loader, load, load_json};
pub use matching::{HeaderMatch, Match, PathMatch, QueryMatch, ValueMatch};
pub use policy::Policy;
pub use rate_limit::{RateKey, RateLimit, RateUnit};
pub use route::{BackendRef, Retry, Route, Rule, Timeouts};
pub use share::share;
pub use stream::{Stream, StreamBackend};
pub use text::{
    BadText, HeaderName, HeaderText, HostPattern, Hostname, Method, Path, Pattern, RedirectStatus,
};

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

/// Everything that one gateway does. `R` is what its routes are read as.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GatewayConfig<R = Arc<Route>> {
    /// Where it listens.
    #[serde(default)]
    pub listeners: Vec<Listener>,

    /// Where HTTP requests go. Of two routes that match alike, the first wins.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<R>,

    /// Where connections and datagrams go that are not of HTTP. Of two streams that fit alike, the first wins; one with a
    /// more specific server name comes before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<Stream>,

    /// To whom requests and streams go, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub backends: BTreeMap<String, Backend>,

    /// Certificates with their keys, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub certificates: BTreeMap<String, Certificate>,

    /// Limits on requests, by name. The name is in metrics and in what clients are told.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rate_limits: BTreeMap<String, RateLimit>,

    /// Who signs tokens, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub jwt_providers: BTreeMap<String, JwtProvider>,
}

impl<R> Default for GatewayConfig<R> {
    fn default() -> Self {
        Self {
            listeners: Vec::new(),
            routes: Vec::new(),
            streams: Vec::new(),
            backends: BTreeMap::new(),
            certificates: BTreeMap::new(),
            rate_limits: BTreeMap::new(),
            jwt_providers: BTreeMap::new(),
        }
    }
}
