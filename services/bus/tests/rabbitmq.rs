//! The adapter of RabbitMQ, held by the conformance suite.

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
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default().is_ok();
    rabbitmq().url()
}

suite!(url);
