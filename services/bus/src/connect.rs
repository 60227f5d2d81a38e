//! The bus that an address names.

use std::{str::FromStr, sync::Arc};

use lapin::uri::AMQPUri;
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};

use crate::{
    Bus, Error,
    kafka::{self, KafkaBus},
    postgres::{self, PostgresBus},
    rabbitmq::RabbitMqBus,
    redis::RedisBus,
};

/// Why an address names no bus.
#[derive(Debug, thiserror::Error)]
pub enum NoBus {
    /// Its scheme is none of a bus.
    #[error(
        "an address of a bus begins with postgres://, amqp://, amqps://, redis://, rediss://, kafka:// or kafkas://, and this one with {0:?}"
    )]
    Scheme(String),
    /// It is no address of this kind. It may have a password, so it is not shown.
    #[error("the address of the bus is none: write {0}")]
    Address(&'static str, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// What the bus needs could not be made.
    #[error("the bus cannot be prepared")]
    Prepare(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The kinds that there are.
enum Kind {
    Postgres(PgConnectOptions),
    RabbitMq(Box<AMQPUri>),
    Redis(redis::Client),
    Kafka(kafka::Address),
}

impl FromStr for Kind {
    type Err = NoBus;

    fn from_str(url: &str) -> Result<Self, NoBus> {
        match url.split_once("://").map_or("", |(scheme, _)| scheme) {
            "postgres" | "postgresql" => PgConnectOptions::from_str(url)
                .map(Self::Postgres)
                .map_err(|error| NoBus::Address("postgres://USER:PASSWORD@HOST/DATABASE", error.into())),
            "amqp" | "amqps" => match AMQPUri::from_str(url) {
                Ok(address) => Ok(Self::RabbitMq(Box::new(address))),
                Err(error) => Err(NoBus::Address("amqp://USER:PASSWORD@HOST/VHOST", error.into())),
            },
            "redis" | "rediss" => redis::Client::open(url)
                .map(Self::Redis)
                .map_err(|error| NoBus::Address("redis://USER:PASSWORD@HOST/NUMBER", error.into())),
            "kafka" | "kafkas" => url.parse().map(Self::Kafka).map_err(|error| {
                NoBus::Address("kafka://USER:PASSWORD@HOST:PORT,HOST:PORT", Box::new(error))
            }),
            other => Err(NoBus::Scheme(other.to_owned())),
        }
    }
}

/// The bus at an address. Nothing is asked of it yet, so it need not be there.
pub fn connect(url: &str) -> Result<Arc<dyn Bus>, NoBus> {
    Ok(match url.parse()? {
        Kind::Postgres(options) => Arc::new(PostgresBus::new(options)),
        Kind::RabbitMq(address) => Arc::new(RabbitMqBus::new(*address)),
        Kind::Redis(client) => Arc::new(RedisBus::new(client)),
        Kind::Kafka(address) => Arc::new(KafkaBus::new(address)),
    })
}

/// Makes what a bus at an address needs and may not have yet, such as tables. Safe to do again, and at once with others.
pub async fn prepare(url: &str) -> Result<(), NoBus> {
    match url.parse()? {
        // Made by those who subscribe, or publish.
        Kind::RabbitMq(_) | Kind::Redis(_) | Kind::Kafka(_) => Ok(()),
        Kind::Postgres(options) => {
            let fail = |error: Box<dyn std::error::Error + Send + Sync>| NoBus::Prepare(error);
            let mut connection =
                PgConnection::connect_with(&options).await.map_err(|error| fail(error.into()))?;
            // The migrator takes a lock for the time.
            postgres::migrations().run(&mut connection).await.map_err(|error| fail(error.into()))?;
            connection.close().await.map_err(|error| fail(Error::from(error).into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_names_a_bus_or_says_what_is_wrong_without_its_password() {
        for good in [
            "postgres://a:s3cret@host/bus",
            "amqp://a:s3cret@host/%2f",
            "amqps://a:s3cret@host/%2f",
            "redis://a:s3cret@host/0",
            "kafkas://a:s3cret@host:9093,other?mechanism=PLAIN",
        ] {
            let shown = format!("{:?}", connect(good).unwrap());
            assert!(!shown.contains("s3cret"), "{shown}");
        }
        for (bad, message) in [
            ("http://a:s3cret@host/", "begins with postgres://"),
            ("kafka://a:s3cret@host:port", "write kafka://"),
            ("postgres://a:s3cret@host:port/bus", "write postgres://"),
            ("amqps://a:s3cret@host:port/", "write amqp://"),
            ("redis://a:s3cret@host:port", "write redis://"),
            ("", "begins with postgres://"),
        ] {
            let error = connect(bad).unwrap_err().to_string();
            assert!(error.contains(message) && !error.contains("s3cret"), "{error}");
        }
    }
}
