//! Configuration: flags, each with an environment variable, read once at start.

use std::{path::PathBuf, time::Duration};

use axum::http::Uri;
use clap::{Args, Parser, Subcommand, value_parser};
use flotilla_kit::{
    Secret,
    config::{self, Error},
};
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
        types: Vec<String>,
    },
}

/// What it serves with.
#[derive(Args, Clone, Debug)]
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

    /// The key that cursors of pages are signed with, the same in all replicas
    #[arg(long, env = "SHOP_CURSOR_KEY", hide_env_values = true)]
    pub cursor_key: Option<Secret<String>>,

    /// The path of a file with it
    #[arg(long, env = "SHOP_CURSOR_KEY_FILE", value_name = "PATH")]
    pub cursor_key_file: Option<PathBuf>,

    /// Milliseconds between two looks for reservations that have expired
    #[arg(long, env = "SHOP_PRODUCT_SWEEP_MILLISECONDS", default_value_t = 1_000, value_parser = value_parser!(u32).range(10..=60_000))]
    pub sweep_milliseconds: u32,
}

impl Serve {
    /// The key of cursors, from wherever it is.
    pub fn cursor_key(&self) -> Result<Secret<String>, Error> {
        config::secret("SHOP_CURSOR_KEY", self.cursor_key.as_ref(), self.cursor_key_file.as_deref())
    }

    /// How often it is looked for reservations that have expired.
    pub fn sweep(&self) -> Duration {
        Duration::from_millis(self.sweep_milliseconds.into())
    }
}

/// Who people and services are to this service.
#[derive(Args, Clone, Debug)]
pub struct Identity {
    /// Where the keys are that tokens of people are signed with
    #[arg(
        long,
        env = "SHOP_JWKS_URL",
        default_value = "http://user-service:8080/.well-known/jwks.json",
        value_name = "URL"
    )]
    pub jwks_url: Uri,

    /// Who issues them
    #[arg(long, env = "SHOP_TOKEN_ISSUER", default_value = "https://shop.example")]
    pub issuer: String,

    /// Whom they are for
    #[arg(long, env = "SHOP_TOKEN_AUDIENCE", default_value = "shop")]
    pub audience: String,

    /// The public keys of the services that may ask this one, as a JSON Web Key Set
    #[arg(long, env = "SHOP_SERVICE_KEYS", default_value = r#"{"keys":[]}"#)]
    pub service_keys: String,
}
