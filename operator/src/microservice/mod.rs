//! The `Microservice` reconciler: five steps, one module each.

pub mod apply;
pub mod controller;
pub mod dereference;
mod events;
pub mod plan;
pub mod reconcile;
pub mod render;
pub mod status;
pub mod validate;
