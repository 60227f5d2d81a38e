//! The shop in one binary: see `shop --help`.

use std::{
    env,
    io::{self, Write},
};

use anyhow::Context;
use clap::Parser;
use flotilla_kit::correlation::CorrelationId;
use flotilla_shop::{
    config::{self, Arguments, Command, Filling, Output},
    dev::Shop,
    fill, service,
    walk::{Client, Told, Version, inbox::Inbox, walk},
};
use tokio::signal::unix::{Signal, SignalKind, signal};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Dev(config) => dev(&config).await,
        Command::Order(config) => order(&config).await,
        Command::Fill(config) => fill(&config).await,
        Command::Service(config) => service::run(config).await,
    }
}

async fn dev(config: &config::Dev) -> anyhow::Result<()> {
    let mut stop = Stop::new().context("signals cannot be heard")?;
    let program = env::current_exe().context("this program cannot be found")?;
    // Whoever has the source has this program by cargo.
    let command =
        if env::var_os("CARGO").is_some() { "cargo run --package flotilla-shop --" } else { "shop" };
    writeln!(
        io::stderr(),
        "Starting a Postgres, the services of the shop, and the gateway in front of them."
    )?;
    let mut running = tokio::select! {
        // First: what fails because of a signal is no news.
        biased;
        () = stop.wait() => return Ok(()),
        started = Shop::start(config, &program) => started?,
    };
    // At once: whoever reads it may be content with a part.
    io::stdout().write_all(running.summary(command).as_bytes())?;
    let broken = tokio::select! {
        biased;
        () = stop.wait() => None,
        error = running.broken() => Some(error),
    };
    tokio::select! {
        ended = running.end() => ended?,
        // Somebody is in a hurry.
        () = stop.wait() => {}
    }
    broken.map_or(Ok(()), |error| Err(error.into()))
}

async fn order(config: &config::Order) -> anyhow::Result<()> {
    let mut output = io::stdout();
    let mut failed = None;
    let walked = walk(&config.options(), |told| {
        if let Err(error) = tell(&mut output, told, config.output) {
            failed.get_or_insert(error);
        }
    })
    .await?;
    if config.output == Output::Json {
        writeln!(output, "{}", serde_json::to_string(&walked)?)?;
    }
    failed.map_or(Ok(()), |error| Err(error).context("steps cannot be told"))
}

async fn fill(config: &config::Fill) -> anyhow::Result<()> {
    let place = &config.place;
    let shop = Client::new(&place.url, place.version(), place.connect_to)?;
    let id = CorrelationId::new();
    match config.what {
        Filling::People => {
            let inbox = Inbox::new(Client::new(&place.inbox_url, Version::Http1, place.connect_to)?);
            fill::people(&shop, &inbox, &id, place.patience()).await?;
        }
        Filling::Catalogue => fill::catalogue(&shop, &id).await?,
    }
    Ok(())
}

fn tell(output: &mut impl Write, told: &Told, how: Output) -> io::Result<()> {
    match how {
        Output::Text => writeln!(output, "{told}"),
        Output::Json => writeln!(output, "{}", serde_json::to_string(told)?),
    }
}

/// What tells this program to end.
struct Stop([Signal; 3]);

impl Stop {
    fn new() -> io::Result<Self> {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [interrupt, terminate, hangup] = kinds.map(signal);
        Ok(Self([interrupt?, terminate?, hangup?]))
    }

    async fn wait(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
