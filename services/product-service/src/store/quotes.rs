//! What others ask about variants before they sell them.

use flotilla_kit::database::{Pool, of_ten};
use sqlx::types::Json;

use crate::domain::{Price, Sold};

/// A variant that is sold, and how much of it can be had.
#[derive(Clone, Debug)]
pub struct Variant {
    /// What is sold.
    pub sold: Sold,
    /// How much can be had.
    pub available: i64,
}

/// Variants that are sold, by their SKUs. Others are left out.
pub async fn variants(pool: &Pool, skus: &[String]) -> Result<Vec<Variant>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select variants.sku, product_id, products.name || ', ' || variants.name as "name!",
               (select coalesce(jsonb_agg(jsonb_build_object('currency', currency, 'minor', minor) order by currency), '[]')
                from product.prices where prices.sku = variants.sku) as "prices!: Json<Vec<Price>>",
               (select coalesce(sum(on_hand - reserved), 0)::bigint from product.stock where stock.sku = variants.sku)
                   as "available!"
           from product.variants join product.products on products.id = product_id
           where variants.sku = any ($1) and variants.deleted_at is null
               and products.deleted_at is null and products.status = 'active'
           order by variants.sku"#,
        &of_ten(skus)
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Variant {
            sold: Sold { sku: row.sku, product_id: row.product_id, name: row.name, prices: row.prices.0 },
            available: row.available,
        })
        .collect())
}
