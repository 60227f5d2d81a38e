//! The operator, in this process, against a real API server. No pod needs to run.
//!
//! Each test has a namespace and an operator of its own, which watches that namespace alone, so that they run
//! side by side.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod convergence;
mod definition;
mod differential;
mod faults;
mod foreign;
mod leadership;
mod metrics;
mod problems;
mod scaling;
mod support;
mod writer;
