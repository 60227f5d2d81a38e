//! The gateway as a whole, with real sockets, clients and backends.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, missing_docs, reason = "tests")]

mod answers;
mod authority;
mod backend;
mod bodies;
mod checks;
mod client;
mod datagrams;
mod ending;
mod failures;
mod forwarding;
mod gateway;
mod issuer;
mod limits;
mod observing;
mod patient;
mod peer;
mod proxied;
mod rates;
mod reloading;
mod securely;
mod server_names;
mod sessions;
mod slow;
mod streams;
mod tokens;
mod tracing;
mod upgrades;
