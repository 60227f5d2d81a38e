//! The program, as a function: its binary is no more than this, and `shop` has it as well.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use flotilla_bus::{outbox, prepare};
use flotilla_kit::{
    database,
    drain::{self, Announcement},
    metrics::Metrics,
    telemetry,
};

use crate::{
    NAME,
    config::{Arguments, Command, Outbox},
    service,
    store::all_migrations,
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
            database::migrate_configured(&config.database, all_migrations()).await?;
            // The bus of Postgres has tables as well.
            prepare(config.bus.url()?.expose()).await?;
        }
        Command::Outbox(Outbox::Replay { since, types }) => {
            let pool = database::pool(&config.database, NAME)?;
            outbox::replay(pool.sqlx(), since, &[types]).await?;
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
