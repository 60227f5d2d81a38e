//! The operator's program.

use anyhow::{Context, anyhow};
use clap::Parser;
use flotilla_operator::{app, config::Config, telemetry};

// musl's own allocator has one lock for all threads and gives little back. Huge pages (feature no_thp) would be given
// back only as a whole, and little objects that stay keep them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    telemetry::start(&config.log, config.log_format)?;
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow!("a TLS provider was installed twice"))?;
    app::run(config).await.context("the operator ended")
}
