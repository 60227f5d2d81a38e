//! The adapter of RabbitMQ, held by the conformance suite.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

#[macro_use]
mod conformance;

use flotilla_testbed::RabbitMq;

suite_on!(RabbitMq);
secured!(RabbitMq);
