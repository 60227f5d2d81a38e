//! The adapter of RabbitMQ, held by the conformance suite.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

#[macro_use]
mod conformance;

use std::sync::OnceLock;

use flotilla_testbed::RabbitMq;

/// One for all tests; it goes with this process.
fn rabbitmq() -> &'static RabbitMq {
    static RABBITMQ: OnceLock<RabbitMq> = OnceLock::new();
    RABBITMQ.get_or_init(|| RabbitMq::start().unwrap())
}

async fn url() -> String {
    rabbitmq().url()
}

suite!(url);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_killed_and_comes_back_has_lost_nothing() {
    let mut server = RabbitMq::start().unwrap();
    let case = conformance::Case::new(server.url(), "restart").await;
    conformance::a_broker_that_is_killed_and_comes_back_has_lost_nothing(&case, |is_up| {
        if is_up { server.start_again().unwrap() } else { server.kill().unwrap() }
    })
    .await;
}
