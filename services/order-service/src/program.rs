//! The program, as a function: its binary is no more than this, and `shop` has it as well.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use flotilla_kit::{drain, metrics::Metrics, telemetry};

use crate::{
    config::{Arguments, Command, Outbox, Serve},
    run as parts,
    store::ledger::Difference,
};

/// How long traces may take to be sent at the end.
const FLUSH: Duration = Duration::from_secs(2);

/// Does what it is told on the command line.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let config = arguments.serve;
    let metrics = Arc::new(Metrics::new(parts::NAME, env!("CARGO_PKG_VERSION")));
    let traces = telemetry::start(&config.telemetry, parts::NAME, env!("CARGO_PKG_VERSION"), &metrics)?;
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => serve(&config, metrics).await?,
        Command::Migrate => parts::migrate(&config).await?,
        Command::Books => {
            let differences = parts::differences(&config).await?;
            for Difference { order, booked_minor, moved_minor } in &differences {
                tracing::error!(%order, booked_minor, moved_minor, "the books and the payments of an order differ");
            }
            ensure!(
                differences.is_empty(),
                "the books differ from the payments of {} orders",
                differences.len()
            );
            tracing::info!("the books are as the payments are");
        }
        Command::Outbox(Outbox::Replay { since, types }) => parts::replay(&config, since, types).await?,
    }
    if let Some(traces) = traces {
        traces.flush(FLUSH).await;
    }
    Ok(())
}

async fn serve(config: &Serve, metrics: Arc<Metrics>) -> anyhow::Result<()> {
    let (service, _) = parts::service(config, metrics).await?;
    service.run(&config.listen, drain::stopped()).await.context("serving")
}
