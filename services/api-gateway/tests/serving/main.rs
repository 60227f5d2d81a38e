//! The gateway as a whole, with real sockets, clients and backends.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, missing_docs, reason = "tests")]

mod answers;
mod backend;
mod bodies;
mod client;
mod ending;
mod failures;
mod forwarding;
mod gateway;
mod observing;
mod reloading;
mod securely;
mod slow;
mod upgrades;
