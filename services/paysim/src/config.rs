//! Configuration.

use std::{path::PathBuf, time::Duration};

use clap::Parser;
use flotilla_kit::{Secret, config};

use crate::webhook::Endpoint;

/// A payment provider for tests, that fails on command
#[derive(Parser, Clone, Debug)]
#[command(version)]
pub struct Config {
    /// Where it listens.
    #[command(flatten)]
    pub listen: config::Listen,

    /// What it tells of itself.
    #[command(flatten)]
    pub telemetry: config::Telemetry,

    /// The secret key that the merchant sends
    #[arg(long, env = "PAYSIM_SECRET_KEY", hide_env_values = true)]
    pub secret_key: Option<Secret<String>>,

    /// The path of a file with it
    #[arg(long, env = "PAYSIM_SECRET_KEY_FILE", value_name = "PATH")]
    pub secret_key_file: Option<PathBuf>,

    /// The path of a file that keeps what it knows. Left out: it is gone at the end
    #[arg(long, env = "PAYSIM_JOURNAL", value_name = "PATH")]
    pub journal: Option<PathBuf>,

    /// Where webhooks go. Left out: nowhere
    #[arg(long, env = "PAYSIM_WEBHOOK_URL", value_name = "URL", requires = "webhook_secrets")]
    pub webhook_url: Option<http::Uri>,

    /// What webhooks are signed with
    #[arg(long, env = "PAYSIM_WEBHOOK_SECRET", hide_env_values = true, group = "webhook_secrets")]
    pub webhook_secret: Option<Secret<String>>,

    /// The path of a file with it
    #[arg(long, env = "PAYSIM_WEBHOOK_SECRET_FILE", value_name = "PATH", group = "webhook_secrets")]
    pub webhook_secret_file: Option<PathBuf>,

    /// Milliseconds before each next attempt to send a webhook
    #[arg(
        long,
        env = "PAYSIM_WEBHOOK_DELAYS",
        value_delimiter = ',',
        default_value = "200,1000,5000,15000,60000,300000,900000"
    )]
    pub webhook_delays: Vec<u64>,
}

impl Config {
    /// The merchant's key.
    pub fn secret_key(&self) -> Result<Secret<String>, config::Error> {
        config::secret("PAYSIM_SECRET_KEY", self.secret_key.as_ref(), self.secret_key_file.as_deref())
    }

    /// Where webhooks go.
    pub fn endpoint(&self) -> Result<Option<Endpoint>, config::Error> {
        let Some(url) = self.webhook_url.clone() else { return Ok(None) };
        let secret = config::secret(
            "PAYSIM_WEBHOOK_SECRET",
            self.webhook_secret.as_ref(),
            self.webhook_secret_file.as_deref(),
        )?;
        let delays = self.webhook_delays.iter().copied().map(Duration::from_millis).collect();
        Ok(Some(Endpoint { url, secret, delays }))
    }
}
