//! The `Microservice` reconciler: five steps, one module each.

pub mod apply;
pub mod claims;
pub mod controller;
pub mod dereference;
mod digest;
pub mod edges;
mod events;
mod kept;
pub mod peers;
pub mod plan;
pub mod provisioned;
pub mod reconcile;
pub mod referrers;
pub mod render;
pub mod revision;
pub mod scale;
pub mod status;
pub mod validate;
pub mod warnings;
