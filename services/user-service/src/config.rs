//! Configuration: flags, each with an environment variable, read once at start.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use axum::http::Uri;
use clap::{Args, Parser, Subcommand, value_parser};
use flotilla_bus::Pattern;
use flotilla_kit::{
    Secret,
    config::{self, Error},
};
use jiff::{SignedDuration, Timestamp};

use crate::{
    crypto::Cost,
    domain::{keyring::Rotation, lockout::Lockout, role::Role},
    exporting::ORDERS,
};

/// Seconds of a day.
const DAY: u64 = 24 * 3_600;

/// Who people are: accounts, sessions, roles and addresses of the shop.
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
    /// Give somebody a role: the first admin has nobody else to ask
    Grant {
        /// The address of their account
        #[arg(long)]
        email: String,
        /// customer, support or admin
        #[arg(long, value_parser = Role::parse)]
        role: Role,
    },
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
        /// Which, such as shop.user.erased.v1 or shop.user.*
        #[arg(long, default_value = "shop.user.*", value_delimiter = ',')]
        types: Vec<Pattern>,
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

    /// What passwords cost
    #[command(flatten)]
    pub passwords: Passwords,

    /// How long things last
    #[command(flatten)]
    pub lifetimes: Lifetimes,
}

/// Who people and services are to this service, and it to them.
#[derive(Args, Clone, Debug)]
#[command(
    mut_arg("service_key", |key| {
        key.help(
            "The private key of this service (PKCS #8, PEM), with which it says to others who it is. Left out: it asks nobody, \
             and exports have what this service knows alone",
        )
    }),
    mut_arg("service_key_id", |id| id.help("The end of that key's id, which is user-service/KEY"))
)]
pub struct Identity {
    /// What its tokens name as their issuer
    #[arg(long, env = "SHOP_TOKEN_ISSUER", default_value = "https://shop.example")]
    pub issuer: String,

    /// Whom its tokens are for
    #[arg(long, env = "SHOP_TOKEN_AUDIENCE", default_value = "shop")]
    pub audience: String,

    /// The name of the shop, in apps with one-time passwords
    #[arg(long, env = "SHOP_NAME", default_value = "Flotilla Shop")]
    pub shop_name: String,

    /// The key that seals what is secret in the database: 32 random bytes in base64
    #[arg(long, env = "SHOP_USER_MASTER_KEY", hide_env_values = true)]
    pub master_key: Option<Secret<String>>,

    /// The path of a file with it
    #[arg(long, env = "SHOP_USER_MASTER_KEY_FILE", value_name = "PATH")]
    pub master_key_file: Option<PathBuf>,

    /// The public keys of the services that may ask this one, as a JSON Web Key Set
    #[arg(long, env = "SHOP_SERVICE_KEYS", default_value = r#"{"keys":[]}"#)]
    pub service_keys: String,

    /// With what it says who it is
    #[command(flatten)]
    pub key: config::ServiceKey,

    /// The gRPC address of order-service, for exports
    #[arg(long, env = "SHOP_ORDER_GRPC", value_name = "URL")]
    pub order_grpc: Option<Uri>,

    /// The gRPC address of notification-service, for exports
    #[arg(long, env = "SHOP_NOTIFICATION_GRPC", value_name = "URL")]
    pub notification_grpc: Option<Uri>,

    /// Whether somebody may log in before their address is known to be theirs
    #[arg(long, env = "SHOP_USER_UNVERIFIED_LOGIN", default_value_t = false, action = clap::ArgAction::Set)]
    pub unverified_login: bool,
}

impl Identity {
    /// The key that seals, from wherever it is.
    pub fn master_key(&self) -> Result<Secret<String>, Error> {
        config::secret("SHOP_USER_MASTER_KEY", self.master_key.as_ref(), self.master_key_file.as_deref())
    }

    /// Who knows something of people as well.
    pub fn others(&self) -> BTreeMap<&'static str, Uri> {
        let known = [(ORDERS, &self.order_grpc), ("notification-service", &self.notification_grpc)];
        known.into_iter().filter_map(|(name, uri)| Some((name, uri.clone()?))).collect()
    }
}

/// What passwords cost, and how often one may be wrong.
#[derive(Args, Clone, Debug)]
pub struct Passwords {
    /// Memory of a hash, in KiB
    #[arg(long, env = "SHOP_USER_ARGON2_KIB", default_value_t = 19_456, value_parser = value_parser!(u32).range(8..=1_048_576))]
    pub argon2_kib: u32,

    /// Passes over it
    #[arg(long, env = "SHOP_USER_ARGON2_PASSES", default_value_t = 2, value_parser = value_parser!(u32).range(1..=20))]
    pub argon2_passes: u32,

    /// Its lanes
    #[arg(long, env = "SHOP_USER_ARGON2_LANES", default_value_t = 1, value_parser = value_parser!(u32).range(1..=16))]
    pub argon2_lanes: u32,

    /// Hashes that are made at a time. Left out: one for each core
    #[arg(long, env = "SHOP_USER_HASHES", value_parser = value_parser!(u32).range(1..=256))]
    pub hashes: Option<u32>,

    /// Requests that wait for one at most. Others are told to come again
    #[arg(long, env = "SHOP_USER_HASH_QUEUE", default_value_t = 64, value_parser = value_parser!(u32).range(0..=10_000))]
    pub hash_queue: u32,

    /// Failed logins of an address after which none is tried for a while
    #[arg(long, env = "SHOP_USER_LOCKOUT_FAILURES", default_value_t = 5, value_parser = value_parser!(u32).range(1..))]
    pub lockout_failures: u32,

    /// Seconds of that while. Each further failure doubles them
    #[arg(long, env = "SHOP_USER_LOCKOUT_SECONDS", default_value_t = 30, value_parser = value_parser!(u32).range(1..))]
    pub lockout_seconds: u32,

    /// Seconds of it at most
    #[arg(long, env = "SHOP_USER_LOCKOUT_MAX_SECONDS", default_value_t = 900, value_parser = value_parser!(u32).range(1..))]
    pub lockout_max_seconds: u32,

    /// Mails that an address gets in an hour because somebody asked for them
    #[arg(long, env = "SHOP_USER_MAILS_PER_HOUR", default_value_t = 5, value_parser = value_parser!(u32).range(1..))]
    pub mails_per_hour: u32,
}

impl Passwords {
    /// What a hash costs.
    pub fn cost(&self) -> Cost {
        Cost { memory_kib: self.argon2_kib, passes: self.argon2_passes, lanes: self.argon2_lanes }
    }

    /// What failures lead to.
    pub fn lockout(&self) -> Lockout {
        Lockout {
            failures: self.lockout_failures,
            first: Duration::from_secs(self.lockout_seconds.into()),
            longest: Duration::from_secs(self.lockout_max_seconds.into()),
            memory: Duration::from_secs(DAY),
        }
    }
}

/// How long things last.
#[derive(Args, Clone, Debug)]
pub struct Lifetimes {
    /// Seconds of an access token
    #[arg(long, env = "SHOP_USER_ACCESS_SECONDS", default_value_t = 600, value_parser = value_parser!(u32).range(10..=3_600))]
    pub access_seconds: u32,

    /// Days after which a refresh token that nobody uses ends
    #[arg(long, env = "SHOP_USER_REFRESH_DAYS", default_value_t = 30, value_parser = value_parser!(u32).range(1..=365))]
    pub refresh_days: u32,

    /// Days after which a session ends, however it is used
    #[arg(long, env = "SHOP_USER_SESSION_DAYS", default_value_t = 90, value_parser = value_parser!(u32).range(1..=730))]
    pub session_days: u32,

    /// Seconds in which a refresh token may be used again, by whoever did not get the answer
    #[arg(long, env = "SHOP_USER_REFRESH_GRACE_SECONDS", default_value_t = 10, value_parser = value_parser!(u32).range(0..=60))]
    pub refresh_grace_seconds: u32,

    /// Days for which a key signs
    #[arg(long, env = "SHOP_USER_KEY_DAYS", default_value_t = 30, value_parser = value_parser!(u32).range(1..=365))]
    pub key_days: u32,
}

impl Lifetimes {
    /// Of a refresh token.
    pub fn refresh(&self) -> Duration {
        Duration::from_secs(u64::from(self.refresh_days) * DAY)
    }

    /// Of a session.
    pub fn session(&self) -> Duration {
        Duration::from_secs(u64::from(self.session_days) * DAY)
    }

    /// In which a lost answer is given again.
    pub fn grace(&self) -> SignedDuration {
        SignedDuration::from_secs(self.refresh_grace_seconds.into())
    }

    /// Of keys. Others keep keys for up to a day, when they can get no newer ones.
    pub fn rotation(&self) -> Rotation {
        Rotation {
            period: SignedDuration::from_hours(i64::from(self.key_days) * 24),
            lead: SignedDuration::from_hours(24)
                .min(SignedDuration::from_hours(i64::from(self.key_days) * 12)),
            tail: SignedDuration::from_secs(i64::from(self.access_seconds) + 300),
        }
    }
}
