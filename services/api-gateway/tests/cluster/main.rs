//! The gateway's program in a cluster: its configuration in Secrets, its endpoints in `EndpointSlices`, and the rights that
//! it needs for both. Needs the cluster that `KUBECONFIG` names: `cargo test --test cluster -- --ignored`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, missing_docs, reason = "tests")]

mod backend;
mod client;
mod configuration;
mod endpoints;
mod gateway;
mod namespace;
mod outage;
mod prober;
mod propagation;
mod rights;
