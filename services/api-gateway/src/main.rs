//! The gateway's program.

use anyhow::{Context, anyhow};
use clap::Parser;
use flotilla_api_gateway::{app, config::Config, source::file, telemetry};

// musl's own allocator has one lock for all threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

// Control has a runtime of its own, apart from the workers.
#[tokio::main(worker_threads = 1)]
async fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    telemetry::start(&config.log, config.log_format)?;
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow!("a TLS provider was installed twice"))?;
    if config.check {
        let read = file::read(&config.config)?;
        tracing::info!(listeners = read.listeners.len(), routes = read.routes.len(), "the file is good");
        return Ok(());
    }
    app::run(config).await.context("the gateway ended")
}
