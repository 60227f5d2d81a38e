//! Reads what is there at the end: from the databases as their superuser, from the payment provider, and from the mail that came.

mod databases;
mod outside;

use flotilla_shop::walk::Failure;

use crate::{
    drive::Crowd,
    history::{Found, History, Invariant},
    shop::Shop,
};

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
    Mail(#[source] std::io::Error),
}

/// Reads all of it.
pub async fn read(shop: &Shop, crowd: &Crowd) -> Result<Found, Error> {
    let mut found = Found::default();
    databases::orders(&mut found, &shop.database("orders")).await?;
    databases::stock(&mut found, &shop.database("products")).await?;
    databases::deliveries(&mut found, &shop.database("notifications")).await?;
    messages(&mut found, shop).await?;
    found.provider = outside::provider(&crowd.provider).await.map_err(Error::Provider)?;
    found.mails = outside::mails(&shop.mails()).map_err(Error::Mail)?;
    Ok(found)
}

/// Whether nothing is under way.
pub async fn is_quiet(shop: &Shop) -> Result<bool, Error> {
    for (database, sql) in databases::UNDER_WAY {
        if databases::count(&shop.database(database), sql).await? > 0 {
            return Ok(false);
        }
    }
    // A broker does not say what it has still: what was published and is not handled is under way.
    let mut found = Found::default();
    messages(&mut found, shop).await?;
    Ok(History { found, ..History::default() }.check_one(Invariant::EventDelivery).is_empty())
}

async fn messages(found: &mut Found, shop: &Shop) -> Result<(), Error> {
    for database in ["users", "products", "orders", "notifications"] {
        databases::messages(found, &shop.database(database)).await?;
    }
    outside::consumers(found, &shop.bus()).await
}

/// Has what waits for a later time be tried now: mail that was not taken, which else waits for minutes. What somebody is at is
/// left to them, unless all who could be were killed.
pub async fn hasten(shop: &Shop, is_nobody_at_it: bool) -> Result<(), Error> {
    let sql = if is_nobody_at_it { databases::HASTEN_ALL } else { databases::HASTEN };
    Ok(databases::run(&shop.database("notifications"), sql).await?)
}
