//! The control plane of the gateway: makes what the objects of the Gateway API say true, by `api-gateway`.
//!
//! One loop (`controller`): `watch` brings changes into `objects`; `compile` says what each gateway does, who attaches to
//! what, which of two wins and who may refer to whom; `decide` compares what follows with what is there, by
//! `infrastructure` (what runs a gateway) and `status`; `publish` writes what differs. All but `watch`, `controller` and
//! `publish` is pure.

pub mod compile;
pub mod condition;
pub mod controller;
pub mod decide;
pub mod events;
pub mod features;
pub mod infrastructure;
pub mod kind;
pub mod names;
pub mod objects;
pub mod publish;
pub mod settings;
pub mod status;
pub mod watch;

/// The name by which classes choose us.
pub const CONTROLLER: &str = "flotilla.dev/gateway";

/// The API group of the Gateway API.
pub const GROUP: &str = "gateway.networking.k8s.io";
