//! The program, as a function: its binary is no more than this, and `shop` has it as well.

use std::sync::Arc;

use anyhow::Context;
use flotilla_kit::{
    drain::{self, Announcement},
    health::Health,
    http::layer::{Limits, wrap},
    metrics::Metrics,
    serve::Service,
    telemetry,
};

use crate::{config::Config, http, journal::Journal, provider::Provider, webhook::Webhooks};

/// Serves until it is told to end.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let metrics = Arc::new(Metrics::new("paysim", env!("CARGO_PKG_VERSION")));
    let traces = telemetry::start(&config.telemetry, "paysim", env!("CARGO_PKG_VERSION"), &metrics)?;
    let (secret, webhooks) = (config.secret_key()?, Webhooks::new(config.endpoint()?));
    let provider = match &config.journal {
        None => Provider::new(secret, webhooks),
        Some(path) => {
            let (journal, ledger, keys) = Journal::open(path)?;
            Provider::with_journal(secret, webhooks, journal, ledger, keys)
        }
    };
    let announcement = Announcement::default();
    let service = Service {
        http: wrap(http::router(provider), Limits::default(), Arc::clone(&metrics)),
        grpc: None,
        health: Arc::new(Health::new(announcement.hear())),
        metrics,
        announcement,
        background: Vec::new(),
    };
    service.run(&config.listen, drain::stopped()).await.context("serving")?;
    if let Some(traces) = traces {
        traces.flush(std::time::Duration::from_secs(2)).await;
    }
    Ok(())
}
