//! The Flotilla operator.
//!
//! `microservice` holds the reconciler, whose `validate` and `render` are pure and are what the command
//! line calls too; `cluster` is the only part that speaks to the API server.

pub mod admin;
pub mod app;
pub mod cluster;
pub mod config;
pub mod gateway;
pub mod leader;
pub mod metrics;
pub mod microservice;
pub mod telemetry;
