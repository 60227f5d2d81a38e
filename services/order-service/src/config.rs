//! Configuration: flags, each with an environment variable, read once at start.

use std::{path::PathBuf, time::Duration};

use axum::http::Uri;
use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};
use flotilla_bus::Pattern;
use flotilla_kit::{
    Secret,
    config::{self, Error},
};
use jiff::Timestamp;

use crate::{failpoint::Failpoints, psp::stripe::Settings, saga::Times};

/// Carts, orders and payments of the shop.
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
    /// Hold the books against the payments, and fail where they differ
    Books,
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
        /// Which, such as shop.order.paid.v1 or shop.order.*
        #[arg(long, default_value = "shop.*")]
        types: Pattern,
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

    /// Who moves the money
    #[command(flatten)]
    pub payments: Payments,

    /// How long things take
    #[command(flatten)]
    pub times: Lifetimes,

    /// The gRPC address of product-service
    #[arg(
        long,
        env = "SHOP_PRODUCT_GRPC",
        value_name = "URL",
        default_value = "http://product-service:9000"
    )]
    pub product_grpc: Uri,

    /// What cursors are signed with
    #[command(flatten)]
    pub cursors: config::CursorKey,

    /// Where the process ends at once, such as capture.called, or capture.called:3 for the third time: for tests of what is left
    #[cfg(feature = "failpoints")]
    #[arg(long, env = "SHOP_ORDER_FAILPOINT", value_name = "POINT")]
    pub failpoint: Option<crate::failpoint::Trap>,
}

impl Serve {
    /// Where the process ends at once.
    #[cfg(feature = "failpoints")]
    pub fn failpoints(&self) -> Failpoints {
        self.failpoint.map(Failpoints::from).unwrap_or_default()
    }

    /// Nowhere: this program has no such points.
    #[cfg(not(feature = "failpoints"))]
    pub fn failpoints(&self) -> Failpoints {
        Failpoints
    }
}

/// Who people and services are to this service, and it to them.
#[derive(Args, Clone, Debug)]
#[command(mut_arg("service_key_id", |id| id.help("The end of that key's id, which is order-service/KEY")))]
pub struct Identity {
    /// Who may ask
    #[command(flatten)]
    pub askers: config::Askers,

    /// With what it says who it is
    #[command(flatten)]
    pub key: config::ServiceKey,
}

/// Providers of payments, by the name that the path of their webhooks has.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// The one of this shop, for tests.
    Paysim,
    /// Stripe.
    Stripe,
}

/// Who moves the money.
#[derive(Args, Clone, Debug)]
pub struct Payments {
    /// Who moves the money. Webhooks come to /v1/webhooks/psp/NAME
    #[arg(long, env = "SHOP_PSP", default_value = "paysim")]
    pub psp: Provider,

    /// Where the provider is. Left out: port 8080 of paysim, or Stripe itself
    #[arg(long, env = "SHOP_PSP_URL", value_name = "URL")]
    pub psp_url: Option<Uri>,

    /// The secret key for the provider
    #[arg(long, env = "SHOP_PSP_SECRET_KEY", hide_env_values = true)]
    pub psp_secret_key: Option<Secret<String>>,

    /// The path of a file with it
    #[arg(long, env = "SHOP_PSP_SECRET_KEY_FILE", value_name = "PATH")]
    pub psp_secret_key_file: Option<PathBuf>,

    /// What the provider signs its webhooks with; two with a comma between while one is changed for another
    #[arg(long, env = "SHOP_PSP_WEBHOOK_SECRET", hide_env_values = true)]
    pub psp_webhook_secret: Option<Secret<String>>,

    /// The path of a file with it
    #[arg(long, env = "SHOP_PSP_WEBHOOK_SECRET_FILE", value_name = "PATH")]
    pub psp_webhook_secret_file: Option<PathBuf>,

    /// Seconds that an answer of the provider may take
    #[arg(long, env = "SHOP_PSP_SECONDS", default_value_t = 20, value_parser = value_parser!(u32).range(1..=25))]
    pub psp_seconds: u32,
}

impl Payments {
    /// All of it.
    pub fn settings(&self) -> Result<Settings, Error> {
        let (name, address) = match self.psp {
            Provider::Paysim => ("paysim", Uri::from_static("http://paysim:8080")),
            Provider::Stripe => ("stripe", Uri::from_static("https://api.stripe.com")),
        };
        let (value, file) = (self.psp_secret_key.as_ref(), self.psp_secret_key_file.as_deref());
        let secret_key = config::secret("SHOP_PSP_SECRET_KEY", value, file)?;
        let (value, file) = (self.psp_webhook_secret.as_ref(), self.psp_webhook_secret_file.as_deref());
        let webhook_secrets = config::secret("SHOP_PSP_WEBHOOK_SECRET", value, file)?;
        let webhook_secrets =
            webhook_secrets.expose().split(',').map(str::trim).filter(|one| !one.is_empty());
        let webhook_secrets = webhook_secrets.map(|one| Secret::new(one.to_owned())).collect();
        let patience = Duration::from_secs(self.psp_seconds.into());
        let address = self.psp_url.clone().unwrap_or(address);
        Ok(Settings { name, address, secret_key, webhook_secrets, patience })
    }
}

/// How long things take.
#[derive(Args, Clone, Debug)]
pub struct Lifetimes {
    /// Seconds in which an order has to be paid
    #[arg(long, env = "SHOP_ORDER_DEADLINE_SECONDS", default_value_t = 900, value_parser = value_parser!(u32).range(1..=82_800))]
    pub deadline_seconds: u32,

    /// Seconds after which a saga of a process of which nothing is heard is somebody else's. Longer than an answer of the
    /// provider may take
    #[arg(long, env = "SHOP_ORDER_LEASE_SECONDS", default_value_t = 60, value_parser = value_parser!(u32).range(1..=600))]
    pub lease_seconds: u32,

    /// Seconds between looks at payments of which nothing is heard
    #[arg(long, env = "SHOP_ORDER_RECONCILE_SECONDS", default_value_t = 60, value_parser = value_parser!(u32).range(1..=3_600))]
    pub reconcile_seconds: u32,
}

impl Lifetimes {
    /// How long an order may stay unpaid.
    pub fn deadline(&self) -> Duration {
        Duration::from_secs(self.deadline_seconds.into())
    }

    /// What sagas go by. Stock is kept for a while longer than an order may stay unpaid.
    pub fn saga(&self) -> Times {
        Times {
            lease: Duration::from_secs(self.lease_seconds.into()),
            reservation: self.deadline() + Duration::from_secs(600),
            ..Times::default()
        }
    }
}
