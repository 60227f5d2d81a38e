//! Configuration: flags, each with an environment variable, read once at start.

use std::time::Duration;

use clap::{Args, Parser, Subcommand, value_parser};
use flotilla_bus::Pattern;
use flotilla_kit::config;
use jiff::Timestamp;

/// What the shop sells: catalogue, prices, search and stock.
#[derive(Parser, Debug)]
#[command(version)]
pub struct Arguments {
    /// What to do
    #[command(subcommand)]
    pub command: Option<Command>,

    /// What it serves with
    #[command(flatten)]
    pub serve: Serve,
}

/// What this program does.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Serve (the default)
    Serve,
    /// Bring the database to where this version needs it
    Migrate,
    /// What waits for the bus, and what it had
    #[command(subcommand)]
    Outbox(Outbox),
}

/// What is done with the outbox.
#[derive(Subcommand, Debug)]
pub enum Outbox {
    /// Have events be published again, after a broker has lost what it had
    Replay {
        /// From when, such as 2026-01-31T12:00:00Z
        #[arg(long)]
        since: Timestamp,
        /// Which, such as shop.product.deleted.v1 or shop.stock.*. Left out: all
        #[arg(long = "type", default_value = "shop.*")]
        types: Vec<Pattern>,
    },
}

/// What it serves with.
#[derive(Args, Clone, Debug)]
#[command(
    mut_arg("cursor_key", |key| key.help("The key that cursors of pages are signed with, the same in all replicas"))
)]
pub struct Serve {
    /// Where it listens
    #[command(flatten)]
    pub listen: config::Listen,

    /// What it tells of itself
    #[command(flatten)]
    pub telemetry: config::Telemetry,

    /// Its database
    #[command(flatten)]
    pub database: config::Database,

    /// The bus
    #[command(flatten)]
    pub bus: config::Bus,

    /// Who people and services are to it
    #[command(flatten)]
    pub identity: Identity,

    /// What cursors are signed with
    #[command(flatten)]
    pub cursors: config::CursorKey,

    /// Milliseconds between two looks for reservations that have expired
    #[arg(long, env = "SHOP_PRODUCT_SWEEP_MILLISECONDS", default_value_t = 1_000, value_parser = value_parser!(u32).range(10..=60_000))]
    pub sweep_milliseconds: u32,
}

impl Serve {
    /// How often it is looked for reservations that have expired.
    pub fn sweep(&self) -> Duration {
        Duration::from_millis(self.sweep_milliseconds.into())
    }
}

/// Who people and services are to this service.
#[derive(Args, Clone, Debug)]
#[command(
    mut_arg("jwks_url", |url| url.help("Where the keys are that tokens of people are signed with")),
    mut_arg("issuer", |issuer| issuer.help("Who issues them")),
    mut_arg("audience", |audience| audience.help("Whom they are for"))
)]
pub struct Identity {
    /// Who may ask
    #[command(flatten)]
    pub askers: config::Askers,
}
