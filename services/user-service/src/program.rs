//! The program, as a function: its binary is no more than this, and `shop` has it as well.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use flotilla_bus::{connect, outbox, prepare};
use flotilla_kit::{database, drain, metrics::Metrics, telemetry};

use crate::{
    app::NAME,
    config::{Arguments, Command, Outbox, Serve},
    grant::grant,
    service, store,
};

/// How long the last traces may take.
const FLUSH: Duration = Duration::from_secs(3);

/// Does what it is told on the command line.
pub async fn run(arguments: Arguments) -> Result<()> {
    let Arguments { command, serve } = arguments;
    let metrics = Arc::new(Metrics::new(NAME, env!("CARGO_PKG_VERSION")));
    let traces = telemetry::start(&serve.telemetry, NAME, env!("CARGO_PKG_VERSION"), &metrics)?;
    let result = match command.unwrap_or(Command::Serve) {
        Command::Serve => serving(serve, metrics).await,
        Command::Migrate => migrate(&serve).await,
        Command::Grant { email, role } => {
            let pool = database::pool(&serve.database, NAME)?;
            grant(&pool, &email, role).await.map_err(Into::into)
        }
        Command::Outbox(Outbox::Replay { since, types }) => {
            let pool = database::pool(&serve.database, NAME)?;
            outbox::replay(pool.sqlx(), since, &types).await.map(drop).context("events cannot be replayed")
        }
    };
    if let Some(traces) = traces {
        traces.flush(FLUSH).await;
    }
    result
}

async fn serving(config: Serve, metrics: Arc<Metrics>) -> Result<()> {
    let pool = database::pool(&config.database, NAME)?;
    let bus = connect(config.bus.url()?.expose())?;
    let listen = config.listen.clone();
    let service = service::assemble(config, pool, bus, metrics)?;
    service.run(&listen, drain::stopped()).await?;
    Ok(())
}

async fn migrate(config: &Serve) -> Result<()> {
    database::migrate_configured(&config.database, store::all_migrations()).await?;
    if let Ok(bus) = config.bus.url() {
        prepare(bus.expose()).await?;
    }
    Ok(())
}
