//! The program.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use clap::Parser;
use flotilla_kit::{drain, metrics::Metrics, telemetry};
use flotilla_order_service::{
    config::{Arguments, Command, Outbox, Serve},
    failpoint::Failpoints,
    run,
};

/// How long traces may take to be sent at the end.
const FLUSH: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let config = arguments.serve;
    let metrics = Arc::new(Metrics::new(run::NAME, env!("CARGO_PKG_VERSION")));
    let traces = telemetry::start(&config.telemetry, run::NAME, env!("CARGO_PKG_VERSION"), &metrics)?;
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => serve(&config, metrics).await?,
        Command::Migrate => run::migrate(&config).await?,
        Command::Outbox(Outbox::Replay { since, types }) => {
            let count = run::replay(&config, since, &types).await?;
            tracing::info!(count, "events are published again");
        }
    }
    if let Some(traces) = traces {
        traces.flush(FLUSH).await;
    }
    Ok(())
}

async fn serve(config: &Serve, metrics: Arc<Metrics>) -> anyhow::Result<()> {
    let failpoints = config.failpoint.clone().map(Failpoints::deadly).unwrap_or_default();
    let (service, _) = run::service(config, metrics, failpoints).await?;
    let stop = async {
        if let Err(error) = drain::stop().await {
            tracing::error!(%error, "signals cannot be heard");
        }
    };
    service.run(&config.listen, stop).await.context("serving")
}
