//! The service as a whole: a real Postgres and bus, REST and gRPC over sockets, mail over SMTP, pushes and webhooks over HTTP,
//! and a user-service of gRPC that knows some people.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod api;
mod bad_input;
mod document;
mod failures;
mod graphql;
mod mail;
mod people;
mod push;
mod webhooks;
mod world;
