//! The service over real connections: with Postgres, with the product-service, and with a payment provider that fails when it is
//! told to.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod audit;
mod bad_input;
mod carts;
mod contract;
mod crashes;
mod graphql;
mod grpc;
mod guards;
mod identity;
mod paying;
mod person;
mod races;
mod refunds;
mod shop;
mod strays;
mod streams;
mod wrongs;
