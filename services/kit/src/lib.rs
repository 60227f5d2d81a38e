//! What every service of the shop is made of, so that all of them behave alike:
//!
//! - `config`: flags with environment variables, and secrets from files; [`Secret`] never shows itself
//! - `telemetry`, `trace`, `metrics`, `correlation`: JSON logs, OTLP, Prometheus, and what ties them together
//! - `admin`, `health`, `drain`, `serve`: the servers of a service, from start to a quiet end
//! - `grpc`: what is around each call, who makes it, health and reflection; calls to other services
//! - `http`: problem+json, extractors, cursors, ETags, idempotency, deprecation
//! - `graphql`: limits, errors and the identity of whoever asks, for a subgraph
//! - `auth`: who asks, from outside (JWT) and from other services (internal identity)
//! - `database`: the pool, and migrations under a lock

pub mod admin;
pub mod auth;
pub mod config;
pub mod correlation;
pub mod database;
pub mod drain;
pub mod graphql;
pub mod grpc;
pub mod health;
pub mod http;
pub mod metrics;
mod secret;
pub mod serve;
pub mod telemetry;
mod to_the_end;
pub mod trace;

pub use secret::Secret;
