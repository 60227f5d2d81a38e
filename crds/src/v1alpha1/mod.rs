//! Version `v1alpha1` of the API: one file a block of `Microservice`.

#![allow(
    unreachable_pub,
    reason = "KubeSchema derives a private twin of each type that is as public as the type"
)]

mod env;
mod lifecycle;
mod microservice;
mod port;
mod probe;
mod resources;
mod schema;
mod security;
mod service_account;
mod status;

pub use env::{
    EnvFromSource, EnvVar, EnvVarSource, KeySelector, LocalObjectReference, ObjectFieldSelector,
    ResourceFieldSelector, SourceReference,
};
pub use lifecycle::Lifecycle;
pub use microservice::{ImagePullPolicy, Microservice, MicroserviceSpec, NAME_MAX_LENGTH};
pub use port::{Port, Protocol};
pub use probe::{ExecProbe, GrpcProbe, HttpHeader, HttpProbe, Probe, Probes, Scheme, StartupProbe, TcpProbe};
pub use resources::{Quantity, Resources};
pub use security::{Security, SecurityProfile};
pub use service_account::ServiceAccount;
pub use status::{Endpoint, InventoryEntry, MicroserviceStatus, Visibility, condition};
