//! The service on a real Postgres, over real HTTP and gRPC connections.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::too_many_lines,
    missing_docs,
    reason = "tests"
)]

mod accounts;
mod admin;
mod bad_input;
mod document;
mod events;
mod exporting;
mod graphql;
mod harness;
mod login;
mod program;
mod refreshing;
mod registering;
mod second_factor;
mod sweeping;
