//! How every service speaks HTTP: errors are problem+json, and so is whatever a request may have wrong with it.

pub mod actions;
pub mod conditional;
pub mod cursor;
pub mod deprecation;
mod extract;
pub mod idempotency;
pub mod layer;
pub mod openapi;
pub mod page;
mod problem;
mod unread;
mod violations;

pub use self::{
    extract::{Json, Path, Query, RawBody},
    problem::Problem,
    violations::Violations,
};
