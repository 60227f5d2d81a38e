//! Configuration: flags, each with an environment variable, read once at start.

use std::path::PathBuf;

use axum::http::Uri;
use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};
use flotilla_bus::Pattern;
use flotilla_kit::{
    Secret,
    config::{self, Error},
};
use ipnet::IpNet;
use jiff::Timestamp;

/// Tells people what has happened in the shop.
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
        /// Which, such as shop.notification.bounced.v1 or shop.notification.*
        #[arg(long, default_value = "shop.notification.*")]
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

    /// How mail is sent
    #[command(flatten)]
    pub mail: Mail,

    /// How pushes and webhooks are sent
    #[command(flatten)]
    pub outbound: Outbound,

    /// Days that notifications and the log of their deliveries are kept. What may still come twice is known for a month
    #[arg(long, env = "SHOP_NOTIFICATION_DAYS", default_value_t = 90, value_parser = value_parser!(u32).range(31..=3_650))]
    pub notification_days: u32,
}

/// Who people and services are to this service, and it to them.
#[derive(Args, Clone, Debug)]
#[command(
    mut_arg("jwks_url", |url| url.help("Where the keys of tokens are")),
    mut_arg("issuer", |issuer| issuer.help("Who issues tokens")),
    mut_arg("service_key", |key| {
        key.help("The private key of this service (PKCS #8, PEM), with which it says to user-service who it is")
    }),
    mut_arg("service_key_id", |id| id.help("The end of that key's id, which is notification-service/KEY"))
)]
pub struct Identity {
    /// Who may ask
    #[command(flatten)]
    pub askers: config::Askers,

    /// With what it says who it is
    #[command(flatten)]
    pub key: config::ServiceKey,

    /// The gRPC address of user-service
    #[arg(long, env = "SHOP_USER_GRPC", default_value = "http://user-service:9000", value_name = "URL")]
    pub user_grpc: Uri,

    /// The secret of this service: at least 32 random bytes. Links in mails and secrets of webhooks are of no use with another
    #[arg(long, env = "SHOP_NOTIFICATION_SECRET", hide_env_values = true)]
    pub secret: Option<Secret<String>>,

    /// The path of a file with it
    #[arg(long, env = "SHOP_NOTIFICATION_SECRET_FILE", value_name = "PATH")]
    pub secret_file: Option<PathBuf>,
}

impl Identity {
    /// The secret of this service, from wherever it is.
    pub fn secret(&self) -> Result<Secret<String>, Error> {
        config::secret("SHOP_NOTIFICATION_SECRET", self.secret.as_ref(), self.secret_file.as_deref())
    }
}

/// Whether a server of mail is spoken to in secret.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Never: for a server on this machine, or in a mesh.
    Off,
    /// By STARTTLS, or not at all.
    Starttls,
    /// From the start.
    Implicit,
}

/// How mail is sent.
#[derive(Args, Clone, Debug)]
pub struct Mail {
    /// The SMTP server, as HOST:PORT
    #[arg(long, env = "SHOP_SMTP", default_value = "localhost:2525", value_name = "HOST:PORT")]
    pub smtp: String,

    /// Whether it is spoken to in secret
    #[arg(long, env = "SHOP_SMTP_TLS", default_value = "starttls")]
    pub smtp_tls: Tls,

    /// A file with the certificates in PEM that it may be signed by, beside those of this machine
    #[arg(long, env = "SHOP_SMTP_CA", value_name = "PATH")]
    pub smtp_ca: Option<PathBuf>,

    /// As which user; left out: as none
    #[arg(long, env = "SHOP_SMTP_USER")]
    pub smtp_user: Option<String>,

    /// The user's password
    #[arg(long, env = "SHOP_SMTP_PASSWORD", hide_env_values = true)]
    pub smtp_password: Option<Secret<String>>,

    /// The path of a file with it
    #[arg(long, env = "SHOP_SMTP_PASSWORD_FILE", value_name = "PATH")]
    pub smtp_password_file: Option<PathBuf>,

    /// Seconds that sending a mail may take
    #[arg(long, env = "SHOP_SMTP_SECONDS", default_value_t = 30, value_parser = value_parser!(u32).range(1..=50))]
    pub smtp_seconds: u32,

    /// Mails a second that each replica sends at most, as many servers of mail want it; 0: as many as there are
    #[arg(long, env = "SHOP_MAILS_PER_SECOND", default_value_t = 0, value_parser = value_parser!(u32).range(0..=10_000))]
    pub mails_per_second: u32,

    /// Who sends mail, as NAME <ADDRESS>
    #[arg(long, env = "SHOP_MAIL_FROM", default_value = "Flotilla Shop <shop@shop.example>")]
    pub from: String,

    /// What links to the pages of the shop begin with
    #[arg(long, env = "SHOP_PUBLIC_URL", default_value = "http://localhost:8080", value_name = "URL")]
    pub public_url: Uri,

    /// The name of the shop in texts
    #[arg(long, env = "SHOP_NAME", default_value = "Flotilla Shop")]
    pub shop_name: String,
}

/// How pushes and webhooks are sent.
#[derive(Args, Clone, Debug)]
pub struct Outbound {
    /// The key that pushes are signed with (P-256; PKCS #8, PEM). Left out: nothing is pushed
    #[arg(long, env = "SHOP_VAPID_KEY", hide_env_values = true)]
    pub vapid_key: Option<Secret<String>>,

    /// The path of a file with it
    #[arg(long, env = "SHOP_VAPID_KEY_FILE", value_name = "PATH")]
    pub vapid_key_file: Option<PathBuf>,

    /// Whom push services may ask about this shop: a mailto: or https: URL
    #[arg(long, env = "SHOP_VAPID_CONTACT", default_value = "mailto:shop@shop.example")]
    pub vapid_contact: String,

    /// Networks that may be sent to although they are not public, such as 10.1.2.0/24
    #[arg(long, env = "SHOP_OUTBOUND_NETWORKS", value_delimiter = ',', value_name = "NETWORKS")]
    pub networks: Vec<IpNet>,

    /// Whether what is sent may go over plain HTTP
    #[arg(long, env = "SHOP_OUTBOUND_HTTP", default_value_t = false, action = clap::ArgAction::Set)]
    pub plain_http: bool,

    /// Seconds that sending something may take
    #[arg(long, env = "SHOP_OUTBOUND_SECONDS", default_value_t = 10, value_parser = value_parser!(u32).range(1..=50))]
    pub outbound_seconds: u32,

    /// Deliveries that are under way at a time: so many mails, so many pushes and so many webhooks
    #[arg(long, env = "SHOP_DELIVERIES", default_value_t = 16, value_parser = value_parser!(u32).range(1..=1_000))]
    pub deliveries: u32,
}

impl Outbound {
    /// The key that pushes are signed with, from wherever it is.
    pub fn vapid_key(&self) -> Result<Option<Secret<String>>, Error> {
        config::optional_secret("SHOP_VAPID_KEY", self.vapid_key.as_ref(), self.vapid_key_file.as_deref())
    }
}

impl Mail {
    /// The password, from wherever it is.
    pub fn password(&self) -> Result<Option<Secret<String>>, Error> {
        let file = self.smtp_password_file.as_deref();
        config::optional_secret("SHOP_SMTP_PASSWORD", self.smtp_password.as_ref(), file)
    }
}
