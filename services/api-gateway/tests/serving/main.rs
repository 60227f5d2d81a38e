//! The gateway as a whole, with real sockets, clients and backends.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, missing_docs, reason = "tests")]

mod backend;
mod bodies;
mod checks;
mod client;
mod ending;
mod failures;
mod forwarding;
mod gateway;
mod limits;
mod observing;
mod patient;
mod reloading;
mod securely;
mod sessions;
mod slow;
mod tracing;
mod upgrades;
