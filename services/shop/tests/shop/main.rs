//! `shop dev` and `shop order` as programs, with a real Postgres and everything else that they start.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "tests"
)]

mod document;
mod lifetime;
mod ordering;
mod running;
