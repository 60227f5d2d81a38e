//! What is around calls by gRPC, over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod calls;
mod everybody;
mod server;
mod service;
