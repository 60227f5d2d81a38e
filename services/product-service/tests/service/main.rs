//! The service as a whole, with a real Postgres, over real connections.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod bad_input;
mod catalogue;
mod concurrency;
mod events;
mod graphql;
mod identity;
mod imports;
mod listing;
mod operations;
mod reservations;
mod shop;
mod stock;
