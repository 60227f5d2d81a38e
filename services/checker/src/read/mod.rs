//! Reads what is there at the end: from the databases as their superuser, from the payment provider, and from the mail that came.

mod databases;
mod outside;

use std::{collections::BTreeMap, path::PathBuf};

use flotilla_shop::walk::{Client, Failure};

use crate::history::{Found, History, Invariant};

/// Why it cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A database.
    #[error("a database cannot be read")]
    Database(#[from] sqlx::Error),
    /// The bus.
    #[error("the bus cannot be read")]
    Bus(#[from] flotilla_bus::Error),
    /// There is no such bus.
    #[error(transparent)]
    NoBus(#[from] flotilla_bus::NoBus),
    /// A consumer does not say what it wants.
    #[error("a consumer does not say what it wants")]
    Subscription(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The payment provider.
    #[error("the payment provider's ledger cannot be read")]
    Provider(#[source] Failure),
    /// The mail that came.
    #[error("the mail that came cannot be read")]
    Journal(#[source] std::io::Error),
    /// The same, where it was taken.
    #[error("the mail that came cannot be asked for")]
    Inbox(#[source] Failure),
    /// There is more than is shown.
    #[error("there is more mail than the {0} that are shown")]
    TooMuchMail(usize),
}

/// Where it is read.
#[derive(Clone, Debug)]
pub struct Places {
    /// The address of each database, as its superuser, by what is in it.
    pub databases: BTreeMap<&'static str, String>,
    /// The address of the bus.
    pub bus: String,
    /// Where all mail is that came.
    pub mails: Mails,
}

/// Where mail is.
#[derive(Clone, Debug)]
pub enum Mails {
    /// In a journal, which outlives what takes it.
    Journal(PathBuf),
    /// Where it was taken.
    Inbox(Box<Client>),
}

impl Places {
    fn database(&self, name: &str) -> &str {
        self.databases.get(name).map_or("", String::as_str)
    }

    /// Reads all of it, and what the payment provider knows.
    pub async fn read(&self, provider: &Client) -> Result<Found, Error> {
        let mut found = Found::default();
        databases::orders(&mut found, self.database("orders")).await?;
        databases::stock(&mut found, self.database("products")).await?;
        databases::deliveries(&mut found, self.database("notifications")).await?;
        self.messages(&mut found).await?;
        found.provider = outside::provider(provider).await.map_err(Error::Provider)?;
        found.mails = match &self.mails {
            Mails::Journal(path) => outside::journal(path).map_err(Error::Journal)?,
            Mails::Inbox(sink) => outside::inbox(sink).await?,
        };
        Ok(found)
    }

    /// Whether nothing is under way.
    pub async fn is_quiet(&self) -> Result<bool, Error> {
        for (database, sql) in databases::UNDER_WAY {
            if databases::count(self.database(database), sql).await? > 0 {
                return Ok(false);
            }
        }
        // A broker does not say what it has still: what was published and is not handled is under way.
        let mut found = Found::default();
        self.messages(&mut found).await?;
        Ok(History { found, ..History::default() }.check_one(Invariant::EventDelivery).is_empty())
    }

    async fn messages(&self, found: &mut Found) -> Result<(), Error> {
        for database in ["users", "products", "orders", "notifications"] {
            databases::messages(found, self.database(database)).await?;
        }
        outside::consumers(found, &self.bus).await
    }

    /// Has what waits for a later time be tried now: mail that was not taken, which else waits for minutes. What somebody is at
    /// is left to them, unless all who could be were killed.
    pub async fn hasten(&self, is_nobody_at_it: bool) -> Result<(), Error> {
        let sql = if is_nobody_at_it { databases::HASTEN_ALL } else { databases::HASTEN };
        Ok(databases::run(self.database("notifications"), sql).await?)
    }
}
