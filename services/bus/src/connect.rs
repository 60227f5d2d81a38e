//! The bus that an address names.

use std::{str::FromStr, sync::Arc};

use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};

use crate::{Bus, Error, postgres};

/// Why an address names no bus.
#[derive(Debug, thiserror::Error)]
pub enum NoBus {
    /// Its scheme is none of a bus.
    #[error("an address of a bus begins with postgres://, and this one with {0:?}")]
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
}

impl FromStr for Kind {
    type Err = NoBus;

    fn from_str(url: &str) -> Result<Self, NoBus> {
        match url.split_once("://").map_or("", |(scheme, _)| scheme) {
            "postgres" | "postgresql" => PgConnectOptions::from_str(url)
                .map(Self::Postgres)
                .map_err(|error| NoBus::Address("postgres://USER:PASSWORD@HOST/DATABASE", error.into())),
            other => Err(NoBus::Scheme(other.to_owned())),
        }
    }
}

/// The bus at an address. Nothing is asked of it yet, so it need not be there.
pub fn connect(url: &str) -> Result<Arc<dyn Bus>, NoBus> {
    Ok(match url.parse()? {
        Kind::Postgres(options) => Arc::new(postgres::PostgresBus::new(options)),
    })
}

/// Makes what a bus at an address needs and may not have yet, such as tables. Safe to do again, and at once with others.
pub async fn prepare(url: &str) -> Result<(), NoBus> {
    match url.parse()? {
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
