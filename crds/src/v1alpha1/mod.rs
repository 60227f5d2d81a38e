//! Version `v1alpha1` of the API: one file a block of `Microservice`.

#![allow(
    unreachable_pub,
    reason = "KubeSchema derives a private twin of each type that is as public as the type"
)]

mod autoscaling;
mod binding;
mod class;
mod config;
mod container;
mod dependency;
mod disruption;
mod env;
mod file;
mod job;
mod lifecycle;
mod microservice;
mod network;
mod observability;
mod overlay;
mod placement;
mod policy;
mod port;
mod probe;
mod problem;
mod resources;
mod revision;
mod rollout;
mod route;
mod schema;
mod security;
mod service_account;
mod status;
mod traffic_policy;
mod uses;
mod volume;
mod workload;

pub use autoscaling::{
    Autoscaling, DescribedObject, ExternalMetric, ObjectMetric, PodsMetric, ScalingBehavior, ScalingMetric,
    ScalingPolicy, ScalingPolicyType, ScalingRules, SelectPolicy, Trigger,
};
pub use binding::{Binding, BindingForm, ServiceReference};
pub use class::{
    Capability, ClassAutoscaling, ClassGateway, ClassObservability, ClassRollout, ClassSecurity, ClassTls,
    DEFAULT_CLASS_ANNOTATION, GatewayPolicies, IssuerReference, MicroserviceClass, MicroserviceClassSpec,
    MonitorKind, UrlScheme,
};
pub use config::{Config, Reload};
pub use container::{InitContainer, Sidecar, SidecarPort};
pub use dependency::{
    Dependency, DependencyEnv, DependencyState, DependencyStatus, Dependent, ExternalDependency, Gate,
    MicroserviceDependency,
};
pub use disruption::Disruption;
pub use env::{
    EnvFromSource, EnvVar, EnvVarSource, KeySelector, LocalObjectReference, ObjectFieldSelector,
    ResourceFieldSelector, SourceReference,
};
pub use file::FileSource;
pub use job::{ConcurrencyPolicy, Migration, Schedule};
pub use lifecycle::Lifecycle;
pub use microservice::{ImagePullPolicy, Microservice, MicroserviceSpec, NAME_MAX_LENGTH};
pub use network::{AllowedPeer, Egress, MutualTls, Network, NetworkPolicyMode};
pub use observability::{AlertPreset, Alerts, MetricsEndpoint, Observability, Tracing};
pub use overlay::{Overlay, OverlayKind, OverlayTarget};
pub use placement::{Placement, TaintEffect, Toleration, TolerationOperator, TopologySpread};
pub use policy::{Jwt, Policies, RateKey, RateLimit, RateUnit, RouteAuth};
pub use port::{Port, Protocol};
pub use probe::{ExecProbe, GrpcProbe, HttpHeader, HttpProbe, Probe, Probes, Scheme, StartupProbe, TcpProbe};
pub use problem::{Problem, ProblemObject, Severity};
pub use resources::{Quantity, Resources};
pub use revision::{FailedRevision, MicroserviceRevision, MicroserviceRevisionSpec, Revisions};
pub use rollout::{OnFailure, Rollout, RolloutStrategy};
pub use route::{
    Cors, ExtensionReference, GrpcMethodMatch, GrpcRouteMatch, GrpcRouteRule, HeaderModifier, HeaderValue,
    HttpRouteMatch, HttpRouteRule, MirrorBackend, ParentReference, PathMatch, PathMatchType, PathModifier,
    PathModifierType, RequestMirror, RequestRedirect, Route, RouteFilter, RouteFilterType, RouteKind,
    RouteRetry, RouteTimeouts, RouteTls, TlsMode, UrlRewrite, ValueMatch, ValueMatchType,
};
pub use security::{Security, SecurityProfile};
pub use service_account::ServiceAccount;
pub use status::{Endpoint, InventoryEntry, InventoryState, MicroserviceStatus, Visibility, condition};
pub use traffic_policy::{
    AncestorReference, CircuitBreaker, ClaimHeader, KeySet, KeySetReference, LimitKey, LimitKeyType,
    PolicyAncestor, PolicyTarget, PolicyTargetGroup, PolicyTargetKind, RequiredClaim, TokenHeader,
    TokenPolicy, TokenProvider, TokenSource, TrafficLimit, TrafficPolicy, TrafficPolicySpec,
    TrafficPolicyStatus,
};
pub use uses::{Use, UseState};
pub use volume::{
    ClaimVolume, ConfigMapVolume, CsiVolume, DownwardFile, DownwardVolume, EmptyDirVolume, KeyToPath, Medium,
    ObjectProjection, ProjectedVolume, Projection, SecretVolume, TokenProjection, Volume, VolumeMount,
};
pub use workload::{AccessMode, DataPolicy, DeletionPolicy, VolumeClaimTemplate, Workload, WorkloadKind};
