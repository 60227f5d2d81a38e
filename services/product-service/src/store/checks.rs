//! Tells of stock that has become low or empty. Not in the transactions that take it: each of them sees a part of what is
//! taken at once, and would hold up others by its event.

use std::str::FromStr;

use flotilla_kit::{correlation::CorrelationId, database::Pool};

use super::Error;
use crate::{
    domain::Level,
    events::{self, Happened, StockLevel},
};

/// Checks that are made at a time.
const BATCH: i64 = 200;

impl FromStr for Level {
    type Err = sqlx::Error;

    fn from_str(text: &str) -> Result<Self, sqlx::Error> {
        let known = [Self::Ok, Self::Low, Self::Depleted].into_iter().find(|level| level.as_str() == text);
        known.ok_or_else(|| sqlx::Error::Decode("a level that is none".into()))
    }
}

/// Makes checks that are due, some at a time, and says how many.
pub async fn make(pool: &Pool) -> Result<usize, Error> {
    let mut transaction = pool.begin().await?;
    let skus = sqlx::query_scalar!(
        "delete from product.stock_checks where id in (
             select id from product.stock_checks order by id limit $1 for update skip locked
         ) returning sku",
        BATCH,
    )
    .fetch_all(&mut *transaction)
    .await?;
    if skus.is_empty() {
        return Ok(0);
    }
    // Others may check the same SKUs: they wait, and then see what was told.
    let told = sqlx::query!(
        "select sku, level from product.stock_levels where sku = any ($1) order by sku for update",
        &skus
    )
    .fetch_all(&mut *transaction)
    .await?;
    let levels = sqlx::query!(
        r#"select stock.sku, sum(on_hand - reserved)::bigint as "available!", max(low_at) as "low_at!"
           from product.stock join product.variants on variants.sku = stock.sku
           where stock.sku = any ($1) group by stock.sku"#,
        &skus
    )
    .fetch_all(&mut *transaction)
    .await?;
    let mut happened = Vec::new();
    for row in levels {
        let Some(before) = told.iter().find(|told| told.sku == row.sku) else { continue };
        let (before, now) = (before.level.parse::<Level>()?, Level::of(row.available, row.low_at));
        if before == now {
            continue;
        }
        sqlx::query!("update product.stock_levels set level = $2 where sku = $1", row.sku, now.as_str())
            .execute(&mut *transaction)
            .await?;
        let level = StockLevel { sku: row.sku, available: row.available, low_at: row.low_at };
        match now {
            Level::Ok => {}
            Level::Low => happened.push(Happened::StockLow(level)),
            Level::Depleted => happened.push(Happened::StockDepleted(level)),
        }
    }
    CorrelationId::new().scope(events::write(&mut transaction, happened)).await?;
    transaction.commit().await?;
    Ok(skus.len())
}
