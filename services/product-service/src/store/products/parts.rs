//! What belongs to a product: categories, variants, prices, and the stock of variants that are new.

use flotilla_kit::database::Transaction;
use sqlx::types::Json;
use uuid::Uuid;

use crate::{
    domain::{Faults, Level, Product, VariantInput},
    events::{Happened, StockAdjusted},
    store::Error,
};

/// Writes categories, variants, prices and the stock of new variants. Tells what happened to stock.
pub(super) async fn write(
    transaction: &mut Transaction<'_>,
    id: Uuid,
    product: &Product,
    actor: &str,
) -> Result<Vec<Happened>, Error> {
    write_categories(transaction, id, &product.categories).await?;
    let variants = Json(&product.variants);
    let skus: Vec<_> = product.variants.iter().map(|variant| variant.sku.clone()).collect();
    let written = sqlx::query!(
        r#"insert into product.variants as known (sku, product_id, name, attributes, position, low_at)
           select v ->> 'sku', $1, v ->> 'name', v -> 'attributes', n, (v ->> 'low_at')::bigint
           from jsonb_array_elements($2::jsonb) with ordinality as sent (v, n)
           order by (v ->> 'sku') collate "C"
           on conflict (sku) do update
               set name = excluded.name, attributes = excluded.attributes, position = excluded.position,
                   low_at = excluded.low_at, deleted_at = null
               where known.product_id = excluded.product_id"#,
        id,
        variants as _,
    )
    .execute(&mut **transaction)
    .await?;
    if usize::try_from(written.rows_affected()).ok() != Some(skus.len()) {
        return Err(skus_taken(transaction, id, &skus).await?);
    }
    sqlx::query!(
        "update product.variants set deleted_at = now()
         where product_id = $1 and deleted_at is null and sku <> all ($2)",
        id,
        &skus,
    )
    .execute(&mut **transaction)
    .await?;
    sqlx::query!(
        "delete from product.prices where sku in (select sku from product.variants where product_id = $1)",
        id
    )
    .execute(&mut **transaction)
    .await?;
    sqlx::query!(
        "insert into product.prices (sku, currency, minor)
         select v ->> 'sku', p ->> 'currency', (p ->> 'minor')::bigint
         from jsonb_array_elements($1::jsonb) v, jsonb_array_elements(v -> 'prices') p",
        Json(&product.variants) as _,
    )
    .execute(&mut **transaction)
    .await?;
    write_stock(transaction, product, &skus, actor).await
}

/// Has somebody look at the levels of variants of which another number is low than before.
pub(super) async fn check_levels(
    transaction: &mut Transaction<'_>,
    before: &[VariantInput],
    after: &[VariantInput],
) -> Result<(), Error> {
    let low_at = |sku: &str| before.iter().find(|known| known.sku == sku).map(|known| known.low_at);
    let changed: Vec<_> = after
        .iter()
        .filter(|variant| low_at(&variant.sku) != Some(variant.low_at))
        .map(|variant| variant.sku.clone())
        .collect();
    if !changed.is_empty() {
        sqlx::query!("insert into product.stock_checks (sku) select unnest($1::text[])", &changed)
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
}

async fn write_categories(
    transaction: &mut Transaction<'_>,
    id: Uuid,
    categories: &[Uuid],
) -> Result<(), Error> {
    let known = sqlx::query_scalar!(
        "select id from product.categories where id = any ($1) order by id for key share",
        categories
    )
    .fetch_all(&mut **transaction)
    .await?;
    let mut faults = Faults::default();
    for (index, category) in categories.iter().enumerate() {
        if !known.contains(category) {
            faults.add(format!("/categories/{index}"), "there is no such category");
        }
    }
    faults.into_result().map_err(Error::Invalid)?;
    sqlx::query!("delete from product.product_categories where product_id = $1", id)
        .execute(&mut **transaction)
        .await?;
    sqlx::query!(
        "insert into product.product_categories (product_id, category_id) select $1, unnest($2::uuid[])",
        id,
        categories,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// The stock of variants that are new.
async fn write_stock(
    transaction: &mut Transaction<'_>,
    product: &Product,
    skus: &[String],
    actor: &str,
) -> Result<Vec<Happened>, Error> {
    let stock: Vec<_> = product.variants.iter().map(|variant| variant.stock.unwrap_or_default()).collect();
    let new = sqlx::query!(
        r#"insert into product.stock (sku, on_hand)
           select sku, on_hand from unnest($1::text[], $2::bigint[]) as new (sku, on_hand) order by sku collate "C"
           on conflict do nothing returning sku, on_hand"#,
        skus,
        &stock,
    )
    .fetch_all(&mut **transaction)
    .await?;
    let mut happened = Vec::new();
    for row in new {
        let low_at = product
            .variants
            .iter()
            .find(|variant| variant.sku == row.sku)
            .map_or(0, |variant| variant.low_at);
        sqlx::query!(
            "insert into product.stock_levels (sku, level) values ($1, $2)",
            row.sku,
            Level::of(row.on_hand, low_at).as_str(),
        )
        .execute(&mut **transaction)
        .await?;
        if row.on_hand > 0 {
            let reason = "first stock";
            sqlx::query!(
                "insert into product.stock_movements (sku, bucket, kind, on_hand_delta, reserved_delta, reason, actor)
                 values ($1, 0, 'adjusted', $2, 0, $3, $4)",
                row.sku,
                row.on_hand,
                reason,
                actor,
            )
            .execute(&mut **transaction)
            .await?;
            let (delta, on_hand) = (row.on_hand, row.on_hand);
            let adjusted = StockAdjusted { sku: row.sku, delta, on_hand, reason: reason.to_owned() };
            happened.push(Happened::StockAdjusted(adjusted));
        }
    }
    Ok(happened)
}

async fn skus_taken(transaction: &mut Transaction<'_>, id: Uuid, skus: &[String]) -> Result<Error, Error> {
    let taken = sqlx::query_scalar!(
        "select sku from product.variants where sku = any ($1) and product_id <> $2",
        skus,
        id
    )
    .fetch_all(&mut **transaction)
    .await?;
    let mut faults = Faults::default();
    for (index, sku) in skus.iter().enumerate() {
        if taken.contains(sku) {
            faults.add(format!("/variants/{index}/sku"), "another product has, or had, this SKU");
        }
    }
    Ok(Error::Conflict(faults))
}
