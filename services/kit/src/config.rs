//! Configuration: flags, each with an environment variable, read once at start. Services flatten these into their own.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};

use crate::{
    Secret,
    auth::{Jwks, NoIdentity, NoKeys, Trust, Verifier},
};

/// Bytes that the file of a secret may have.
const MAX_SECRET: u64 = 64 * 1024;

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither a value nor a file was given.
    #[error("{0} is needed: set it, or {0}_FILE to the path of a file that has it")]
    Missing(&'static str),
    /// Both were.
    #[error("{0} and {0}_FILE are both set: leave one of them out")]
    Both(&'static str),
    /// The file cannot be read.
    #[error("{name}_FILE: cannot read {path}")]
    Read {
        /// The variable.
        name: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file has nothing in it, or too much.
    #[error("{name}_FILE: {path} has {bytes} bytes: write from 1 to {MAX_SECRET}")]
    Size {
        /// The variable.
        name: &'static str,
        /// The file.
        path: PathBuf,
        /// How many.
        bytes: u64,
    },
}

/// A secret that was given as a value or as the path of a file, and is named after its variable.
pub fn secret(
    name: &'static str,
    value: Option<&Secret<String>>,
    file: Option<&Path>,
) -> Result<Secret<String>, Error> {
    optional_secret(name, value, file)?.ok_or(Error::Missing(name))
}

/// The same, of one that may be left out.
pub fn optional_secret(
    name: &'static str,
    value: Option<&Secret<String>>,
    file: Option<&Path>,
) -> Result<Option<Secret<String>>, Error> {
    match (value, file) {
        (Some(_), Some(_)) => Err(Error::Both(name)),
        (Some(value), None) => Ok(Some(value.clone())),
        (None, Some(path)) => read(name, path).map(Some),
        (None, None) => Ok(None),
    }
}

fn read(name: &'static str, path: &Path) -> Result<Secret<String>, Error> {
    let fail = |source| Error::Read { name, path: path.to_owned(), source };
    let bytes = fs::metadata(path).map_err(fail)?.len();
    let text = if bytes > MAX_SECRET { String::new() } else { fs::read_to_string(path).map_err(fail)? };
    // Editors end files with a line feed.
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(Error::Size { name, path: path.to_owned(), bytes });
    }
    Ok(Secret::new(text.to_owned()))
}

/// Where a service listens.
#[derive(Args, Clone, Debug)]
pub struct Listen {
    /// Address of the REST API
    #[arg(long, env = "SHOP_HTTP", default_value = "0.0.0.0:8080")]
    pub http: SocketAddr,

    /// Address of the gRPC API
    #[arg(long, env = "SHOP_GRPC", default_value = "0.0.0.0:9000")]
    pub grpc: SocketAddr,

    /// Address of /livez, /readyz, /startupz, /status and /metrics
    #[arg(long, env = "SHOP_ADMIN", default_value = "0.0.0.0:9090")]
    pub admin: SocketAddr,

    /// Seconds after SIGTERM in which requests are still taken, while others learn that this service leaves
    #[arg(long, env = "SHOP_LEAVING_SECONDS", default_value_t = 5)]
    pub leaving_seconds: u32,

    /// Seconds after that in which requests and events that run may end
    #[arg(long, env = "SHOP_ENDING_SECONDS", default_value_t = 20)]
    pub ending_seconds: u32,
}

/// What a service tells of itself.
#[derive(Args, Clone, Debug)]
pub struct Telemetry {
    /// What is logged: a level, or a filter such as info,sqlx=debug
    #[arg(long, env = "SHOP_LOG", default_value = "info")]
    pub log: String,

    /// How it is logged
    #[arg(long, env = "SHOP_LOG_FORMAT", default_value = "json")]
    pub log_format: LogFormat,

    /// Where traces are sent, by OTLP in HTTP with protobuf: the URL of a collector, with its path, which mostly is
    /// /v1/traces. Left out: nowhere
    #[arg(long, env = "SHOP_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<::http::Uri>,

    /// The share of requests that begin a trace, from 0 to 1. Those in a trace that others record are all recorded
    #[arg(long, env = "SHOP_TRACES", default_value_t = 0.01)]
    pub traces: f64,
}

/// How the log is written.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// A JSON object a line.
    Json,
    /// For people.
    Text,
}

/// The database of a service.
#[derive(Args, Clone, Debug)]
pub struct Database {
    /// The database, as `postgres://USER:PASSWORD@HOST/DATABASE`
    #[arg(long, env = "SHOP_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Option<Secret<String>>,

    /// The path of a file with it
    #[arg(long, env = "SHOP_DATABASE_URL_FILE", value_name = "PATH")]
    pub database_url_file: Option<PathBuf>,

    /// Connections to the database at most
    #[arg(long, env = "SHOP_DATABASE_CONNECTIONS", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    pub database_connections: u32,

    /// Seconds that a statement may take
    #[arg(long, env = "SHOP_STATEMENT_SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub statement_seconds: u32,

    /// Seconds that a statement may wait for a lock
    #[arg(long, env = "SHOP_LOCK_SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub lock_seconds: u32,
}

impl Database {
    /// The address, from wherever it is.
    pub fn url(&self) -> Result<Secret<String>, Error> {
        secret("SHOP_DATABASE_URL", self.database_url.as_ref(), self.database_url_file.as_deref())
    }
}

/// The bus that carries events between services.
#[derive(Args, Clone, Debug)]
pub struct Bus {
    /// The bus, as `postgres://USER:PASSWORD@HOST/DATABASE`, `amqp://USER:PASSWORD@HOST/VHOST` (`amqps` with TLS), `redis://HOST`
    /// (`rediss` with TLS) or `kafka://USER:PASSWORD@HOST:PORT,HOST:PORT` (`kafkas` with TLS)
    #[arg(long, env = "SHOP_BUS_URL", hide_env_values = true, value_name = "URL")]
    pub bus_url: Option<Secret<String>>,

    /// The path of a file with it
    #[arg(long, env = "SHOP_BUS_URL_FILE", value_name = "PATH")]
    pub bus_url_file: Option<PathBuf>,
}

impl Bus {
    /// The address, from wherever it is.
    pub fn url(&self) -> Result<Secret<String>, Error> {
        secret("SHOP_BUS_URL", self.bus_url.as_ref(), self.bus_url_file.as_deref())
    }
}

/// Who may ask: people with tokens of the user-service, and other services. Its help says what is so of all; what is of one
/// service, that says with `mut_arg`.
#[derive(Args, Clone, Debug)]
pub struct Askers {
    /// Where the user-service publishes its keys
    #[arg(
        long,
        env = "SHOP_JWKS_URL",
        value_name = "URL",
        default_value = "http://user-service:8080/.well-known/jwks.json"
    )]
    pub jwks_url: ::http::Uri,

    /// What tokens name as their issuer
    #[arg(long, env = "SHOP_TOKEN_ISSUER", default_value = "https://shop.example")]
    pub issuer: String,

    /// Whom tokens are for
    #[arg(long, env = "SHOP_TOKEN_AUDIENCE", default_value = "shop")]
    pub audience: String,

    /// The public keys of the services that may ask this one, as a JSON Web Key Set
    #[arg(long, env = "SHOP_SERVICE_KEYS", default_value = r#"{"keys":[]}"#)]
    pub service_keys: String,
}

impl Askers {
    /// What checks the tokens of people.
    pub fn verifier(&self) -> Result<Verifier, NoKeys> {
        Ok(Verifier::new(Jwks::new(self.jwks_url.clone())?, &self.issuer, &self.audience))
    }

    /// The services that may ask the one of this name.
    pub fn trust(&self, name: &str) -> Result<Trust, NoIdentity> {
        Trust::new(name, &self.service_keys)
    }
}

/// With what a service says to others who it is. Its help is as that of [`Askers`].
#[derive(Args, Clone, Debug)]
pub struct ServiceKey {
    /// The private key of this service (PKCS #8, PEM), with which it says to others who it is
    #[arg(long, env = "SHOP_SERVICE_KEY", hide_env_values = true)]
    pub service_key: Option<Secret<String>>,

    /// The path of a file with it
    #[arg(long, env = "SHOP_SERVICE_KEY_FILE", value_name = "PATH")]
    pub service_key_file: Option<PathBuf>,

    /// The end of that key's id, which is SERVICE/KEY
    #[arg(long, env = "SHOP_SERVICE_KEY_ID", default_value = "1")]
    pub service_key_id: String,
}

impl ServiceKey {
    /// The key, from wherever it is.
    pub fn required(&self) -> Result<Secret<String>, Error> {
        secret("SHOP_SERVICE_KEY", self.service_key.as_ref(), self.service_key_file.as_deref())
    }

    /// The same, for a service that can do without.
    pub fn optional(&self) -> Result<Option<Secret<String>>, Error> {
        optional_secret("SHOP_SERVICE_KEY", self.service_key.as_ref(), self.service_key_file.as_deref())
    }
}

/// What cursors are signed with.
#[derive(Args, Clone, Debug)]
pub struct CursorKey {
    /// The key that cursors are signed with, the same for all replicas
    #[arg(long, env = "SHOP_CURSOR_KEY", hide_env_values = true)]
    pub cursor_key: Option<Secret<String>>,

    /// The path of a file with it
    #[arg(long, env = "SHOP_CURSOR_KEY_FILE", value_name = "PATH")]
    pub cursor_key_file: Option<PathBuf>,
}

impl CursorKey {
    /// The key, from wherever it is.
    pub fn key(&self) -> Result<Secret<Vec<u8>>, Error> {
        let key = secret("SHOP_CURSOR_KEY", self.cursor_key.as_ref(), self.cursor_key_file.as_deref())?;
        Ok(Secret::new(key.into_exposed().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser, Debug)]
    struct Service {
        #[command(flatten)]
        listen: Listen,
        #[command(flatten)]
        telemetry: Telemetry,
        #[command(flatten)]
        database: Database,
        #[command(flatten)]
        bus: Bus,
        #[command(flatten)]
        askers: Askers,
        #[command(flatten)]
        key: ServiceKey,
        #[command(flatten)]
        cursors: CursorKey,
    }

    #[test]
    fn a_secret_is_a_value_or_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("url");
        fs::write(&path, "postgres://shop:s3cret@db/orders\n").unwrap();
        let read = secret("SHOP_DATABASE_URL", None, Some(&path)).unwrap();
        assert_eq!(read.expose(), "postgres://shop:s3cret@db/orders");
        let value = Secret::new("value".to_owned());
        assert_eq!(secret("X", Some(&value), None).unwrap(), value);
        assert_eq!(optional_secret("X", None, None).unwrap(), None);

        fs::write(&path, "\n").unwrap();
        for (value, file, message) in [
            (None, None, "X is needed: set it, or X_FILE"),
            (Some(&value), Some(path.as_path()), "X and X_FILE are both set"),
            (None, Some(path.as_path()), "has 1 bytes"),
            (None, Some(Path::new("/no/such/file")), "X_FILE: cannot read /no/such/file"),
        ] {
            let error = secret("X", value, file).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn a_configuration_does_not_show_its_secrets() {
        let service = Service::try_parse_from([
            "service",
            "--database-url",
            "postgres://shop:s3cret@db/orders",
            "--bus-url",
            "amqp://shop:s3cret@mq/%2f",
            "--service-key",
            "a s3cret key",
            "--cursor-key",
            "s3cret",
        ])
        .unwrap();
        let shown = format!("{service:?}");
        assert!(!shown.contains("s3cret") && shown.contains("0.0.0.0:8080"), "{shown}");
        assert_eq!(service.bus.url().unwrap().expose(), "amqp://shop:s3cret@mq/%2f");
        assert_eq!(service.key.required().unwrap().expose(), "a s3cret key");
        assert_eq!(service.cursors.key().unwrap().expose(), b"s3cret");
    }

    #[test]
    fn a_key_that_a_service_cannot_do_without_is_asked_for() {
        let service = Service::try_parse_from(["service"]).unwrap();
        assert_eq!(service.key.optional().unwrap(), None);
        for (error, name) in [
            (service.key.required().unwrap_err(), "SHOP_SERVICE_KEY"),
            (service.cursors.key().unwrap_err(), "SHOP_CURSOR_KEY"),
        ] {
            assert!(error.to_string().starts_with(&format!("{name} is needed")), "{error}");
        }
    }
}
