//! The control plane of the gateway: makes what the objects of the Gateway API say true, by `api-gateway`.
//!
//! `objects` is what watches have brought. `compile` decides, pure: who attaches to what, which of two wins, who may refer
//! to whom, and so what each gateway does and what each object's status says. `infrastructure`, pure as well, is the
//! `Microservice` that runs a gateway, and its rights. `controller` is the edge: it watches, has all that computed, and
//! writes what differs.

pub mod compile;
pub mod condition;
pub mod names;
pub mod objects;

/// The name by which classes choose us.
pub const CONTROLLER: &str = "flotilla.dev/gateway";

/// The API group of the Gateway API.
pub const GROUP: &str = "gateway.networking.k8s.io";
