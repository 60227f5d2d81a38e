//! The program, as a function: its binary is no more than this, and `shop` has it as well.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use flotilla_bus::{Pattern, outbox, prepare};
use flotilla_kit::{
    database,
    drain::{self, Announcement},
    metrics::Metrics,
    telemetry,
};

use crate::{
    NAME,
    config::{Arguments, Command, Outbox},
    migrate, service,
};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Does what it is told on the command line.
pub async fn run(arguments: Arguments) -> Result<()> {
    let config = arguments.serve;
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default().is_ok();
    let metrics = Arc::new(Metrics::new(NAME, VERSION));
    let traces = telemetry::start(&config.telemetry, NAME, VERSION, &metrics)?;
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Migrate => {
            migrate(&config.database).await?;
            // The bus of Postgres has tables as well.
            prepare(config.bus.url()?.expose()).await?;
        }
        Command::Outbox(Outbox::Replay { since, types }) => {
            let types = Pattern::try_from(types.as_str()).context("--types")?;
            let pool = database::pool(&config.database, NAME)?;
            let replayed = outbox::replay(&pool, since, &[types]).await?;
            tracing::info!(replayed, "events are published again");
        }
        Command::Serve => {
            service(&config, metrics, Announcement::default())?.run(&config.listen, drain::stopped()).await?;
        }
    }
    if let Some(traces) = traces {
        traces.flush(Duration::from_secs(2)).await;
    }
    Ok(())
}
