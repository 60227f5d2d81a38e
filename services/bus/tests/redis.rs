//! The adapter of Redis, held by the conformance suite.

#[macro_use]
mod conformance;

use std::sync::OnceLock;

use flotilla_testbed::Redis;

/// One for all tests; it goes with this process.
fn server() -> &'static Redis {
    static REDIS: OnceLock<Redis> = OnceLock::new();
    REDIS.get_or_init(|| Redis::start().unwrap())
}

async fn url() -> String {
    server().url()
}

suite!(url);
