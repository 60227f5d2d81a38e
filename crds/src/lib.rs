//! The custom resources of Flotilla as Rust types, with no I/O.
//!
//! The types are the source of the `CustomResourceDefinition` YAML in `crds/generated` (written by
//! `cargo xtask gen`) and are what the operator, the command line and the tests all share.

pub mod definition;
pub mod gateway_api;
pub mod v1alpha1;

/// The API group of every Flotilla kind.
pub const GROUP: &str = "flotilla.dev";
